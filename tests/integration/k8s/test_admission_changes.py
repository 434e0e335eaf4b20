"""The admission policies on a real API server: what changes during an upgrade, and what must not change of a pod's label."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.admission_rules import (
    FILES,
    LABEL,
    SETTINGS,
    TOKENS,
    injected,
    named,
    patch,
    policies,
    refused,
    rules,
)
from tests.support.injecting import pod, settings
from tests.support.injector_process import apply
from tests.support.kube_server import Kubectl
from tests.support.waiting import eventually_blocking

NEWER = "registry.example.org/newer:1"
FORMER = {
    "keys": (
        {"volumes": [{"name": "k", "secret": {"secretName": "former-keys"}}]},
        "holds the zone's keys or other secrets",
    ),
    "token": (
        {
            "volumes": [
                {
                    "name": "k",
                    "projected": {
                        "sources": [{"serviceAccountToken": {"path": "t", "audience": "former-audience"}}]
                    },
                }
            ]
        },
        "a token with the sidecar's audience",
    ),
}


@pytest.mark.parametrize("case", FORMER)
def test_what_pods_from_before_have_stays_theirs(kubectl: Kubectl, case: str):
    """A Secret or an audience that has got another name is protected as long as it is listed."""
    spec, reason = FORMER[case]
    document = named(pod(**spec))
    assert refused(kubectl, document, "plain") == ""
    listed = (
        *("--set", 'sidecar.former_secrets=["former-keys"]'),
        *("--set", 'cluster.former_audiences=["former-audience"]'),
    )
    apply(kubectl, policies(*listed))
    try:
        eventually_blocking(lambda: reason in refused(kubectl, document, "plain"))
        if case == "token":
            asked = ("create", "token", "default", "--namespace", "plain", "--audience", "former-audience")
            # The API server follows each policy in its own time.
            eventually_blocking(lambda: "only a kubelet may ask for it" in kubectl(*asked, check=False))
    finally:
        apply(kubectl, policies())
        eventually_blocking(lambda: refused(kubectl, document, "plain") == "")


STATUS = ("--subresource", "status")


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    with rules() as found:
        yield found


@pytest.fixture(scope="module")
def running(kubectl: Kubectl) -> str:
    """Name of an injected pod that exists."""
    apply(kubectl, injected(named(pod(), "running")), "--namespace", "support")
    return "running"


def upgraded(kubectl: Kubectl, seconds: float) -> datetime:
    """Apply the rules of an upgrade to a newer image, after which the former one is accepted for so long; return until when."""
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
    former = json.dumps({SETTINGS.sidecar.image: f"{until:%Y-%m-%dT%H:%M:%SZ}"})
    apply(kubectl, policies("--set", f"sidecar.image={NEWER}", "--set", f"sidecar.former_images={former}"))
    eventually_blocking(lambda: refused(kubectl, with_image(NEWER), "support") == "")
    return until


def with_image(image: str) -> dict[str, Any]:
    return injected(chosen=settings(cluster={"tokens": TOKENS}, files_secret=FILES, image=image))


def test_during_an_upgrade_the_former_image_is_accepted_and_no_other(kubectl: Kubectl):
    """An update can't bring it into a pod that has the newer one."""
    upgraded(kubectl, 600)
    try:
        assert refused(kubectl, with_image(SETTINGS.sidecar.image), "support") == ""
        assert "image is that" in refused(kubectl, with_image("x"), "support")
        document = with_image(NEWER)
        document["metadata"]["name"] = "newer"
        apply(kubectl, document, "--namespace", "support")
        change = {"spec": {"initContainers": [{"name": "tabard", "image": SETTINGS.sidecar.image}]}}
        assert "can't be changed" in patch(kubectl, "newer", change)
    finally:
        apply(kubectl, policies())
        eventually_blocking(lambda: "image is that" in refused(kubectl, with_image(NEWER), "support"))


def test_after_an_upgrade_the_former_image_is_refused_whatever_time_a_pod_claims(kubectl: Kubectl):
    """The API server's own clock counts. What was created in time can still be changed."""
    until = upgraded(kubectl, 25)
    try:
        early = with_image(SETTINGS.sidecar.image)
        early["metadata"]["name"] = "early"
        apply(kubectl, early, "--namespace", "support")
        eventually_blocking(
            lambda: "image is that" in refused(kubectl, with_image(SETTINGS.sidecar.image), "support"), 60
        )
        assert datetime.now(UTC) >= until
        claiming = with_image(SETTINGS.sidecar.image)
        claiming["metadata"] |= {"creationTimestamp": "2020-01-01T00:00:00Z"}
        said = kubectl(
            *("create", "--namespace", "support", "--filename", "-"), given=json.dumps(claiming), check=False
        )
        assert "image is that" in said
        assert "patched" in patch(kubectl, "early", {"metadata": {"labels": {"app": "x"}}})
    finally:
        apply(kubectl, policies())
        eventually_blocking(lambda: "image is that" in refused(kubectl, with_image(NEWER), "support"))


@pytest.mark.parametrize("value", ["disabled", "enabled"])
def test_a_status_can_not_change_the_label(kubectl: Kubectl, running: str, value: str):
    """Who may write ``pods/status`` changes labels, too, as far as Kubernetes is concerned."""
    change = {"metadata": {"labels": {LABEL: value, "app": "x"}}}
    assert f"the label {LABEL} of a pod can't be changed" in patch(kubectl, running, change, *STATUS)
    usual = {"status": {"phase": "Running", "message": value}}
    assert "patched" in patch(kubectl, running, usual, *STATUS)
    assert LABEL not in kubectl("get", "pod", running, "--namespace", "support", "--output", "json")


def test_a_status_can_not_take_the_label_away(kubectl: Kubectl):
    opted_in = injected(named(pod(), "opted-in", **{LABEL: "enabled"}))
    apply(kubectl, opted_in, "--namespace", "plain")
    change = json.dumps({"metadata": {"labels": {LABEL: None}}})
    where = ("patch", "pod", "opted-in", "--namespace", "plain", "--type", "merge", "--patch", change)
    assert f"the label {LABEL} of a pod can't be changed" in kubectl(*where, *STATUS, check=False)
    # Of a pod without a sidecar the label may be taken; no one counts on it.
    apply(kubectl, named(pod(), "none", **{LABEL: "disabled"}), "--namespace", "support")
    where = ("patch", "pod", "none", "--namespace", "support", "--type", "merge", "--patch", change)
    assert "patched" in kubectl(*where, *STATUS)


@pytest.mark.parametrize("resource", ["pods/bound/binding", "bindings"])
def test_a_binding_can_not_bring_the_label(kubectl: Kubectl, resource: str):
    """The API server copies the labels of a Binding to the pod, over those that it has."""
    apply(kubectl, injected(named(pod(), "bound")), "--namespace", "support")
    path = f"/api/v1/namespaces/support/{resource}"
    try:
        for labels, reason in (({LABEL: "disabled"}, "not when it is bound to a node"), ({"app": "x"}, "")):
            document = {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": "bound", "namespace": "support", "labels": labels},
                "target": {"kind": "Node", "name": "n"},
            }
            said = kubectl(
                *("create", "--raw", path, "--filename", "-"), given=json.dumps(document), check=False
            )
            assert reason in said
            found = json.loads(kubectl("get", "pod", "bound", "--namespace", "support", "--output", "json"))
            assert LABEL not in found["metadata"].get("labels", {})
            assert bool(found["spec"].get("nodeName")) == (not reason)
    finally:
        kubectl("delete", "pod", "bound", "--namespace", "support", "--grace-period=0", "--force")
