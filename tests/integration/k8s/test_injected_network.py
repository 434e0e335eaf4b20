"""The NetworkPolicy that injectors keep in labelled namespaces, with the rights of k8s/install.yaml; Kubernetes' own garbage
collector runs here."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tabard_sidecar.cluster.installed import read_settings, read_spaces
from tabard_sidecar.cluster.kubectl import through_kubectl
from tabard_sidecar.cluster.model import Release
from tabard_sidecar.cluster.network import check_network
from tabard_sidecar.util.findings import Finding, Severity

from tests.support.components import component
from tests.support.injector_process import InjectorProcess, apply
from tests.support.kube_server import Kubectl, controllers, kube_server, kubectl_of
from tests.support.markdown import ROOT
from tests.support.waiting import eventually_blocking

NAMESPACE, ACCOUNT, ROLE = "tabard-system", "tabard-injector", "tabard-injector-network"
NAME, LABEL = "tabard-injected", "tabard.dev/inject"
AS = ("--as", f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}")
MANIFEST = ROOT / "k8s" / "install.yaml"
SECONDS = 20
"""How long a look may take on a busy machine; it is due every second."""


class World:
    """A cluster with two injectors that look every second."""

    def __init__(self, cluster: Path, folder: Path) -> None:
        self.kubectl: Kubectl = kubectl_of(cluster)
        self.kubeconfig = cluster / "kubeconfig"
        self.kubectl("apply", "--filename", str(MANIFEST))
        (folder / "token").write_text(
            self.kubectl("create", "token", ACCOUNT, "--namespace", NAMESPACE).strip()
        )
        found = self.kubectl(
            *("get", "configmap", ACCOUNT, "--namespace", NAMESPACE),
            *("--output", "jsonpath={.data.injector\\.yaml}"),
        )
        server = self.kubectl("config", "view", "--output", "jsonpath={.clusters[0].cluster.server}")
        api = {
            "url": server,
            "token_file": str(folder / "token"),
            "ca_file": str(cluster / "apiserver.crt"),
        }
        network = yaml.safe_load(found)["network"] | {"interval_seconds": 1, "api": api}
        self.injectors = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            self.injectors.append(InjectorProcess(folder / name, network=network))

    def space(self, name: str, label: str | None = "enabled") -> None:
        """Create a namespace with a label."""
        self.kubectl("create", "namespace", name)
        if label is not None:
            self.kubectl("label", "namespace", name, f"{LABEL}={label}")

    def policy(self, namespace: str) -> dict[str, Any]:
        """Return the policy of a namespace; empty if it has none."""
        where = ("networkpolicy", NAME, "--namespace", namespace, "--ignore-not-found")
        found: dict[str, Any] = json.loads(self.kubectl("get", *where, "--output", "json") or "{}")
        return found

    def spec(self, namespace: str) -> Any:
        """Return what the policy of a namespace says."""
        return self.policy(namespace).get("spec")

    def failing_since(self) -> float:
        """Return what the first injector's metric says."""
        name = "tabard_injector_network_failing_since_timestamp_seconds "
        (line,) = [one for one in self.injectors[0].get("/metrics").splitlines() if one.startswith(name)]
        return float(line.removeprefix(name))

    def examined(self) -> list[Finding]:
        """Return what the doctor finds about networks."""

        async def run() -> list[Finding]:
            async with through_kubectl(self.kubeconfig, "") as api:
                settings = await read_settings(api, NAMESPACE)
                spaces, _ = await read_spaces(api, settings)
                return await check_network(api, Release(NAMESPACE, settings, spaces))

        return asyncio.run(run())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("PATH", f"{component('kube-install.sh')}:{os.environ['PATH']}")
    with kube_server() as cluster:
        world = World(cluster, tmp_path)
        world.space("support")
        try:
            with controllers(cluster, "collector"):
                for one in world.injectors:
                    one.start()
                eventually_blocking(lambda: world.policy("support"))
                yield world
        finally:
            for one in world.injectors:
                one.kill()


def test_it_is_kept_whatever_is_done_in_the_namespace(world: World):
    """Two replicas agree and then write nothing; what is changed or deleted is there again within seconds."""
    before = world.spec("support")
    excepted = json.dumps(before["egress"])
    assert "169.254.169.254/32" in excepted
    assert "fd00:ec2::254/128" in excepted
    version = world.policy("support")["metadata"]["resourceVersion"]
    time.sleep(5)
    assert world.policy("support")["metadata"]["resourceVersion"] == version
    everything = [{"op": "replace", "path": "/spec/egress", "value": [{}]}]
    where = ("networkpolicy", NAME, "--namespace", "support")
    world.kubectl("patch", *where, "--type=json", "--patch", json.dumps(everything))
    eventually_blocking(lambda: world.spec("support") == before, SECONDS)
    world.kubectl("delete", *where)
    eventually_blocking(lambda: world.spec("support") == before, SECONDS)
    # Namespaces that come later, and none that is exempt or has no label.
    world.space("billing", "disabled")
    world.space("other", None)
    world.kubectl("label", "namespace", "kube-system", f"{LABEL}=enabled")
    eventually_blocking(lambda: world.policy("billing"), SECONDS)
    exists = {"key": LABEL, "operator": "Exists"}
    assert exists in world.spec("billing")["podSelector"]["matchExpressions"]
    world.injectors[0].kill()
    world.kubectl("label", "namespace", "support", f"{LABEL}-")
    world.kubectl("delete", "networkpolicy", NAME, "--namespace", "billing")
    eventually_blocking(lambda: world.policy("billing"), SECONDS)
    assert world.spec("support") == before, "pods that run keep their sidecars"
    assert not world.policy("other")
    assert not world.policy("kube-system")


def test_all_of_them_go_with_the_release_or_the_switch(world: World):
    """They belong to the role; the rights go with it, so an injector that still runs brings none back, and says so."""
    world.kubectl("delete", "clusterrole,clusterrolebinding", ROLE)
    eventually_blocking(lambda: not world.policy("support"), 120)
    eventually_blocking(lambda: "orbidden" in world.injectors[0].log())
    assert world.injectors[0].ready(), "pods get their sidecars all the same"
    assert not world.policy("support")


def test_one_that_cannot_be_written_is_told_by_metric_health_and_doctor(world: World):
    """Another admission policy of the cluster refuses it in one namespace; the others keep theirs."""
    for document in _REFUSING:
        apply(world.kubectl, document)
    write = ("create", "--namespace", "refused", "--dry-run=server", "--filename", "-", *AS)
    world.kubectl("create", "namespace", "refused")
    document = {**_POLICY, "metadata": {"name": NAME}}
    eventually_blocking(
        lambda: "not here" in world.kubectl(*write, check=False, given=json.dumps(document)), 60
    )
    assert world.failing_since() == 0
    world.kubectl("label", "namespace", "refused", f"{LABEL}=enabled")
    began = eventually_blocking(world.failing_since, SECONDS)
    assert abs(began - time.time()) < 60
    assert "NetworkPolicy tabard-injected can't be written in refused" in world.injectors[0].log()
    assert world.injectors[0].ready(), "pods get their sidecars all the same"
    (said,) = world.examined()
    assert said.severity is Severity.WARNING
    assert said.message.startswith("pods of refused reach every address")
    apply(world.kubectl, {**_POLICY, "metadata": {"name": "limits"}}, "--namespace", "refused")
    (said,) = world.examined()
    assert said.message == "the injector hasn't written the NetworkPolicy tabard-injected in refused"
    assert world.failing_since() == began
    world.kubectl("delete", "validatingadmissionpolicybinding", "not-here")
    eventually_blocking(lambda: world.policy("refused"))
    eventually_blocking(lambda: world.failing_since() == 0, SECONDS)
    (said,) = world.examined()
    assert said.severity is Severity.OK, said


_POLICY: dict[str, Any] = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
}
_ADMISSION = "admissionregistration.k8s.io/v1"
_REFUSING = (
    {
        "apiVersion": _ADMISSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "not-here"},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["networking.k8s.io"],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["networkpolicies"],
                    }
                ]
            },
            "validations": [
                {
                    "expression": f'object.metadata.namespace != "refused" || object.metadata.name != "{NAME}"',
                    "message": "not here",
                }
            ],
        },
    },
    {
        "apiVersion": _ADMISSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "not-here"},
        "spec": {"policyName": "not-here", "validationActions": ["Deny"]},
    },
)


def test_its_rights_are_good_for_nothing_else(world: World):
    allowed = {
        ("list", "namespaces"),
        ("create", "networkpolicies.networking.k8s.io"),
        ("list", f"networkpolicies.networking.k8s.io/{NAME}"),
        ("update", f"networkpolicies.networking.k8s.io/{NAME}"),
        # Who may create any may create this one.
        ("create", f"networkpolicies.networking.k8s.io/{NAME}"),
        ("create", "networkpolicies.networking.k8s.io/other"),
        ("get", f"clusterroles.rbac.authorization.k8s.io/{ROLE}"),
    }
    for what in (
        "namespaces",
        "networkpolicies.networking.k8s.io",
        f"networkpolicies.networking.k8s.io/{NAME}",
        "networkpolicies.networking.k8s.io/other",
        f"clusterroles.rbac.authorization.k8s.io/{ROLE}",
    ):
        for verb in ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"):
            said = world.kubectl("auth", "can-i", verb, what, *AS, "--namespace", "support", check=False)
            assert ("yes" in said.splitlines()) == ((verb, what) in allowed), (verb, what, said)
    theirs = {**_POLICY, "metadata": {"name": "other"}}
    create = ("create", "--filename", "-", "--namespace", "support")
    refused = world.kubectl(*create, *AS, check=False, given=json.dumps(theirs))
    assert "the injector creates no other NetworkPolicy" in refused
    world.kubectl(*create, given=json.dumps(theirs))
