"""A real API server with the injector's admission policies and without an injector, and pods for it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from tabard_sidecar.injector.conf import InjectorSettings
from tabard_sidecar.injector.patching import inject

from tests.support.injecting import CONTROL, SPIFFE, patched, pod, settings
from tests.support.injector_process import apply
from tests.support.kube_server import Kubectl, kube_server, kubectl_of
from tests.support.waiting import eventually_blocking

LABEL = "tabard.dev/inject"
TOKENS = {"vault-token": "tabard-vault"}
FILES = "passwords"
SETTINGS = settings(cluster={"tokens": TOKENS}, files_secret=FILES)
IDENTIFIED = settings(spiffe=SPIFFE, identities=["spiffe"], cluster={"tokens": TOKENS}, files_secret=FILES)
CONTROLLED = settings(control=CONTROL, cluster={"tokens": TOKENS}, files_secret=FILES)
SET = (
    *("--set", f"cluster.tokens={json.dumps(TOKENS)}", "--set", f"sidecar.files_secret={FILES}"),
    *("--set", f"sidecar.image={SETTINGS.sidecar.image}"),
    *("--set", "webhook.tls_certificate_file=x", "--set", "webhook.tls_key_file=x"),
)


@contextlib.contextmanager
def rules() -> Iterator[Kubectl]:
    """Give what runs kubectl on a server with the policies and a labelled and a plain namespace."""
    with kube_server() as folder:
        kubectl = kubectl_of(folder)
        for name in ("support", "plain"):
            kubectl("create", "namespace", name)
            kubectl("create", "serviceaccount", "default", "--namespace", name)
        kubectl("create", "serviceaccount", "default", "--namespace", "kube-system")
        kubectl("label", "namespace", "support", f"{LABEL}=enabled")
        apply(kubectl, policies())
        eventually_blocking(lambda: refused(kubectl, named(pod()), "support"))
        yield kubectl


def policies(*more: str) -> dict[str, Any]:
    """Return what ``tabard injector policy`` prints with further settings."""
    command = [sys.executable, "-m", "tabard_sidecar.cli", "injector", "policy", *SET, *more]
    document: dict[str, Any] = json.loads(
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
    )
    return document


def named(document: dict[str, Any], name: str = "agent", **labels: str) -> dict[str, Any]:
    """Give a pod a name and labels; return it."""
    document["metadata"] |= {"name": name, "labels": labels}
    return document


def injected(document: dict[str, Any] | None = None, chosen: InjectorSettings = SETTINGS) -> dict[str, Any]:
    """Return a pod as the injector makes it."""
    document = document or named(pod())
    return patched(document, inject(document, chosen))


def sidecar(document: dict[str, Any]) -> dict[str, Any]:
    return next(one for one in document["spec"]["initContainers"] if one["name"] == "tabard")


def refused(kubectl: Kubectl, document: dict[str, Any], namespace: str) -> str:
    """Try to create a pod; return the reason of the refusal, empty if it would be created."""
    said = apply(kubectl, document, "--namespace", namespace, "--dry-run=server", check=False)
    if "created (server dry run)" in said or "configured (server dry run)" in said:
        return ""
    assert "ValidatingAdmissionPolicy" in said
    return said


def patch(kubectl: Kubectl, name: str, change: dict[str, Any], *arguments: str) -> str:
    """Patch a pod of the labelled namespace; return what is said."""
    return kubectl(
        *(
            "patch",
            "pod",
            name,
            "--namespace",
            "support",
            "--type",
            "strategic",
            "--patch",
            json.dumps(change),
        ),
        *arguments,
        check=False,
    )
