"""``tabard doctor --kubernetes`` on a real API server with the chart: each check is shown to fail, and changes nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tabard_sidecar.cluster.api import Api, InPod
from tabard_sidecar.cluster.examining import examine_cluster
from tabard_sidecar.cluster.kubectl import through_kubectl
from tabard_sidecar.kubernetes.api import ApiServer
from tabard_sidecar.kubernetes.conf import ApiServerConfig
from tabard_sidecar.util.findings import Finding, Severity

from tests.support.chart_cluster import ChartCluster, chart_cluster
from tests.support.helm import CHART, NAMESPACE
from tests.support.injecting import container, pod
from tests.support.injector_process import apply
from tests.support.tls import Authority
from tests.support.waiting import eventually_blocking

Doctor = Callable[[], dict[str, list[Finding]]]
_HOOK = ("mutatingwebhookconfiguration", "tabard-injector")
NETWORK = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "limits"},
    "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChartCluster]:
    values = {"control": {"enabled": True}, "networkPolicy": {"labelledNamespaces": False}}
    with chart_cluster(tmp_path_factory.mktemp("doctor"), **values) as running:
        running.namespace("support")
        for name, content in (
            ("tabard-config", "tabard.yaml=zone: support"),
            ("tabard-policy", "a.rego=package policy.a"),
            ("tabard-control-ca", "ca.crt=x"),
        ):
            running.kubectl("create", "configmap", name, "-n", "support", f"--from-literal={content}")
        apply(running.kubectl, NETWORK, "--namespace", "support")
        running.kubectl(
            *("rollout", "status", "deployment", "tabard-control", "--namespace", NAMESPACE),
        )
        yield running


@pytest.fixture
def doctor(cluster: ChartCluster, monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """Examine the cluster through kubectl; the findings by what was examined."""
    monkeypatch.setenv("PATH", f"{cluster.programs}:{os.environ['PATH']}")
    return lambda: examined(cluster, cluster.folder / "kubeconfig")


def examined(cluster: ChartCluster, kubeconfig: Path, namespace: str = NAMESPACE) -> dict[str, list[Finding]]:
    async def run() -> dict[str, list[Finding]]:
        async with through_kubectl(kubeconfig, "") as api:
            return await collected(api, namespace)

    return asyncio.run(run())


async def collected(api: Api, namespace: str = NAMESPACE) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    async for one in examine_cluster(api, namespace):
        found.setdefault(one.what, []).append(one)
    return found


def wrong(found: dict[str, list[Finding]]) -> dict[str, list[str]]:
    """Return the messages of what isn't good."""
    return {
        what: [one.message for one in several if one.severity is not Severity.OK]
        for what, several in found.items()
        if any(one.severity is not Severity.OK for one in several)
    }


def only(found: dict[str, list[Finding]], what: str) -> str:
    """Return what is wrong, which has to be this and nothing else; every finding says what to do."""
    assert wrong(found).keys() == {what}, wrong(found)
    assert all(one.next_step for one in found[what] if one.severity is not Severity.OK)
    return "\n".join(wrong(found)[what])


def stored(cluster: ChartCluster, *where: str) -> dict[str, Any]:
    """Return an object that can be applied again."""
    found = json.loads(cluster.kubectl("get", *where, "--output", "json"))
    for name in ("resourceVersion", "uid", "creationTimestamp", "managedFields", "generation"):
        found["metadata"].pop(name, None)
    return found


@contextmanager
def changed(cluster: ChartCluster, where: tuple[str, ...], *operations: dict[str, Any]) -> Iterator[None]:
    """Change an object for the length of a block."""
    before = stored(cluster, *where)
    cluster.kubectl("patch", *where, "--type=json", "--patch", json.dumps(operations))
    try:
        yield
    finally:
        cluster.kubectl("replace", "--force", "--filename", "-", given=json.dumps(before))


@contextmanager
def without(cluster: ChartCluster, *where: str) -> Iterator[None]:
    """Delete an object for the length of a block."""
    before = stored(cluster, *where)
    cluster.kubectl("delete", *where)
    try:
        yield
    finally:
        cluster.kubectl("create", "--filename", "-", given=json.dumps(before))


def replaced(path: str, value: object) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


def versions(cluster: ChartCluster) -> set[str]:
    """Return every object with its version, but for what the API server renews by itself."""
    kinds = cluster.kubectl("api-resources", "--verbs=list", "--output=name").split()
    kept = ",".join(one for one in kinds if not one.startswith(("events", "leases", "componentstatuses")))
    columns = "custom-columns=K:.kind,S:.metadata.namespace,N:.metadata.name,V:.metadata.resourceVersion"
    return set(cluster.kubectl("get", kept, "--all-namespaces", "--output", columns).splitlines())


def test_a_cluster_as_it_should_be_and_nothing_is_changed(cluster: ChartCluster, doctor: Doctor):
    before = versions(cluster)
    found = doctor()
    assert wrong(found) == {}
    assert [*found] == [
        *("api server", "injector", "control service", "webhook", "authority", "injection", "rules"),
        *("refusals", "namespaces", "pods", "rights", "network"),
    ]
    assert versions(cluster) == before


def run(cluster: ChartCluster, *options: str, path: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tabard_sidecar.cli", "doctor", "--kubernetes", *options],
        env=os.environ | {"PATH": path or f"{cluster.programs}:{os.environ['PATH']}", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_its_json_and_its_exit_codes(cluster: ChartCluster, tmp_path: Path):
    config = cluster.folder / "kubeconfig"
    good = run(cluster, "--kubeconfig", str(config))
    assert good.returncode == 0, good.stdout + good.stderr
    assert "0 wrong, 0 doubtful" in good.stdout
    assert len(good.stdout.splitlines()) < 24
    bad = run(cluster, "--kubeconfig", str(config), "--namespace", "elsewhere", "--json")
    document = json.loads(bad.stdout)
    assert (bad.returncode, document["ok"]) == (1, False)
    assert "namespace elsewhere has no ConfigMap tabard-injector" in document["findings"][-1]["message"]
    gone = tmp_path / "config"
    gone.write_text(config.read_text().replace("127.0.0.1:", "127.0.0.1:1"))
    for options, path in (
        (("--kubeconfig", str(gone)), ""),
        (("--kubeconfig", str(config), "--context", "nowhere"), ""),
        (("--kubeconfig", str(config)), "/nonexistent"),
    ):
        lost = run(cluster, *options, path=path)
        assert lost.returncode == 6, lost.stdout + lost.stderr
        assert "kubectl" in lost.stderr
    assert run(cluster, "--set", "a=b").returncode == 2


def test_from_a_pod_with_its_own_account(cluster: ChartCluster, tmp_path: Path):
    """What it may not read is told; with the rights it finds the same as an operator."""
    cluster.kubectl("create", "serviceaccount", "looking", "--namespace", NAMESPACE)
    (tmp_path / "token").write_text(
        cluster.kubectl("create", "token", "looking", "--namespace", NAMESPACE).strip()
    )
    server = cluster.kubectl("config", "view", "--output", "jsonpath={.clusters[0].cluster.server}")
    config = ApiServerConfig(
        timeout_seconds=20,
        url=server,
        token_file=tmp_path / "token",
        ca_file=cluster.folder / "apiserver.crt",
    )
    found = asyncio.run(collected(InPod(ApiServer(config))))
    assert "can't be examined" in only(found, "injector")
    assert found["injector"][0].severity is Severity.PROBLEM
    binding = ("create", "clusterrolebinding", "looking", "--clusterrole=cluster-admin")
    cluster.kubectl(*binding, f"--serviceaccount={NAMESPACE}:looking")
    try:
        # Rights are followed within a second.
        eventually_blocking(
            lambda: "injector" not in wrong(asyncio.run(collected(InPod(ApiServer(config))))), 20
        )
        found = asyncio.run(collected(InPod(ApiServer(config))))
        assert f"ServiceAccount {NAMESPACE}/looking may" in only(found, "rights")
    finally:
        cluster.kubectl("delete", "clusterrolebinding", "looking")


def test_an_injector_that_does_not_run_or_is_misconfigured(cluster: ChartCluster, doctor: Doctor):
    where = ("configmap", "tabard-injector", "--namespace", NAMESPACE)
    with changed(cluster, where, replaced("/data/injector.yaml", "sidecar: {imgae: x}")):
        assert "imgae" in only(doctor(), "injector")
    status = ("patch", "deployment", "tabard-injector", "--namespace", NAMESPACE, "--subresource=status")
    for counts, reason in (
        ({"availableReplicas": 0}, "no replica of tabard-system/tabard-injector is available"),
        ({"availableReplicas": 1}, "1 of 2 replicas are available"),
        ({"updatedReplicas": 1}, "1 of 2 replicas have its newest form"),
    ):
        both = {"availableReplicas": 2, "updatedReplicas": 2} | counts
        cluster.kubectl(*status, "--type=merge", "--patch", json.dumps({"status": both}))
        assert reason in only(doctor(), "injector")
    good = {"availableReplicas": 2, "updatedReplicas": 2}
    cluster.kubectl(*status, "--type=merge", "--patch", json.dumps({"status": good}))
    assert wrong(doctor()) == {}


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (
            replaced("/webhooks/1/failurePolicy", "Ignore"),
            '[namespace.inject.tabard.dev].failurePolicy is "Ignore"',
        ),
        (replaced("/webhooks/2/objectSelector", {}), "[pod.inject.tabard.dev].objectSelector"),
        ({"op": "remove", "path": "/webhooks/2"}, "webhooks[pod.inject.tabard.dev] is missing"),
        (
            {
                "op": "add",
                "path": "/webhooks/1/matchConditions",
                "value": [{"name": "few", "expression": "request.userInfo.username != 'mallory'"}],
            },
            "matchConditions is set",
        ),
        (replaced("/webhooks/0/rules/0/operations", ["UPDATE"]), "operations"),
        (
            replaced("/webhooks/0/matchConditions/0/expression", "false"),
            '[names.inject.tabard.dev].matchConditions[has-our-names].expression is "false"',
        ),
    ],
    ids=["ignored", "selector", "removed", "condition", "operations", "names"],
)
def test_a_webhook_that_was_changed(
    cluster: ChartCluster, doctor: Doctor, operation: dict[str, Any], reason: str
):
    with changed(cluster, _HOOK, operation):
        assert any(reason in text for text in wrong(doctor())["webhook"])
    # The injector has it again, with its authority.
    eventually_blocking(lambda: wrong(doctor()) == {})


def test_an_injector_that_is_not_trusted_or_not_reached(
    cluster: ChartCluster, doctor: Doctor, tmp_path: Path
):
    stranger = base64.b64encode(Authority(tmp_path, "stranger").certificate.read_bytes()).decode()
    with without(cluster, "clusterrolebinding", "tabard-injector"):
        time.sleep(2)
        places = [replaced(f"/webhooks/{number}/clientConfig/caBundle", stranger) for number in (0, 1, 2)]
        with changed(cluster, _HOOK, *places):
            found = doctor()
            assert all("x509" in text for text in wrong(found)["injection"])
            assert "isn't of the webhook's authority" in found["injection"][0].next_step
        with changed(cluster, _HOOK, places[0]):
            assert "the webhooks have different authorities" in wrong(doctor())["authority"]
        empty = [{"op": "remove", "path": place["path"]} for place in places]
        with changed(cluster, _HOOK, *empty):
            assert "the webhook has no authority" in wrong(doctor())["authority"][0]
    cluster.stop()
    found = doctor()
    assert all("failed calling webhook" in text for text in wrong(found)["injection"])
    assert "isn't reached" in found["injection"][0].next_step
    cluster.start()
    eventually_blocking(lambda: wrong(doctor()) == {})


def test_rules_that_are_not_in_force(cluster: ChartCluster, doctor: Doctor):
    binding = ("validatingadmissionpolicybinding", "tabard-pods")
    with changed(cluster, binding, replaced("/spec/validationActions", ["Audit"])):
        eventually_blocking(lambda: "refusals" in wrong(doctor()))
        found = wrong(doctor())
        assert 'validationActions[0] is "Audit", shipped is "Deny"' in found["rules"][0]
        assert found["refusals"] == ["a pod of support that mounts the zone's keys isn't refused"]
    eventually_blocking(lambda: wrong(doctor()) == {})
    with without(cluster, "validatingadmissionpolicybinding", "tabard-tokens"):
        eventually_blocking(lambda: "refusals" in wrong(doctor()))
        found = wrong(doctor())
        assert "ValidatingAdmissionPolicyBinding tabard-tokens doesn't exist" in found["rules"][0]
        assert found["refusals"] == ["a token of support with the sidecar's audience isn't refused"]
    narrowed = {
        "op": "add",
        "path": "/spec/matchResources",
        "value": {"namespaceSelector": {"matchLabels": {"a": "b"}}},
    }
    with changed(cluster, binding, narrowed):
        assert "matchResources is set" in wrong(doctor())["rules"][0]
    eventually_blocking(lambda: wrong(doctor()) == {})


def test_a_control_service_without_its_right(cluster: ChartCluster, doctor: Doctor):
    with without(cluster, "clusterrolebinding", "tabard-control"):
        eventually_blocking(lambda: "control service" in wrong(doctor()))
        assert "may not create TokenReviews" in only(doctor(), "control service")
    cluster.deployments = False
    try:
        with without(cluster, "deployment", "tabard-control", "--namespace", NAMESPACE):
            assert "Deployment tabard-system/tabard-control doesn't exist" in only(
                doctor(), "control service"
            )
    finally:
        cluster.deployments = True
    eventually_blocking(lambda: wrong(doctor()) == {})


def test_namespaces_that_lack_something(cluster: ChartCluster, doctor: Doctor):
    for name, key in (("tabard-config", "tabard.yaml"), ("tabard-control-ca", "ca.crt")):
        where = ("configmap", name, "--namespace", "support")
        with without(cluster, *where):
            assert only(doctor(), "namespaces") == f"support lacks the ConfigMap {name}"
        with changed(cluster, where, {"op": "move", "from": f"/data/{key}", "path": "/data/other"}):
            assert only(doctor(), "namespaces") == f"support lacks the key {key} in the ConfigMap {name}"
    with without(cluster, "configmap", "tabard-policy", "--namespace", "support"):
        assert only(doctor(), "namespaces") == "support lacks the ConfigMap tabard-policy"
    cluster.kubectl("label", "namespace", "kube-public", "tabard.dev/inject=enabled")
    cluster.kubectl("label", "namespace", "support", "tabard.dev/inject=yes", "--overwrite")
    found = only(doctor(), "namespaces")
    assert "kube-public has the label tabard.dev/inject and is exempt" in found
    assert "support: the label tabard.dev/inject is 'yes'" in found
    cluster.kubectl("label", "namespace", "kube-public", "tabard.dev/inject-")
    cluster.kubectl("label", "namespace", "support", "tabard.dev/inject=enabled", "--overwrite")


def test_pods_without_a_sidecar_with_another_image_and_ill_ones(cluster: ChartCluster, doctor: Doctor):
    cluster.kubectl("label", "namespace", "support", "tabard.dev/inject-")
    time.sleep(2)
    for name in ("early", "ended"):
        document = pod(container())
        document["metadata"] = {"name": name}
        apply(cluster.kubectl, document, "--namespace", "support")
    cluster.kubectl("label", "namespace", "support", "tabard.dev/inject=enabled")
    status = ("patch", "pod", "--namespace", "support", "--subresource=status", "--type=merge", "--patch")
    cluster.kubectl(*status, json.dumps({"status": {"phase": "Succeeded"}}), "ended")
    assert only(doctor(), "pods") == "1 have no sidecar: support/early"
    cluster.kubectl("delete", "pod", "early", "ended", "-n", "support", "--grace-period=0", "--force")
    time.sleep(2)
    document = pod(container())
    document["metadata"] = {"name": "late"}
    apply(cluster.kubectl, document, "--namespace", "support")
    assert wrong(doctor()) == {}
    one = {"name": "tabard", "ready": False, "restartCount": 1, "image": "x", "imageID": "x"}
    ill = {"status": {"phase": "Running", "initContainerStatuses": [one]}}
    cluster.kubectl(*status, json.dumps(ill), "late")
    assert only(doctor(), "pods") == "the sidecar of support/late isn't ready or starts anew"
    one["ready"] = True
    cluster.kubectl(*status, json.dumps(ill), "late")
    where = ("configmap", "tabard-injector", "--namespace", NAMESPACE)
    text = stored(cluster, *where)["data"]["injector.yaml"].replace(
        "tabard-sidecar:0.1.0", "tabard-sidecar:0.2.0"
    )
    with changed(cluster, where, replaced("/data/injector.yaml", text)):
        found = wrong(doctor())
        assert found["pods"] == [
            "1 have another image than registry.example.org/tabard-sidecar:0.2.0: support/late"
        ]
        assert "would get registry.example.org/tabard-sidecar:0.1.0" in found["injection"][0]
    cluster.kubectl("delete", "pod", "late", "-n", "support", "--grace-period=0", "--force")


RIGHTS = {
    "masters": (
        ("role", "--verb=get", "--resource=secrets", f"--namespace={NAMESPACE}"),
        "read the Secrets of tabard-system, among them all zones' keys and the authorities",
    ),
    "authority": (
        (
            *("role", "--verb=get", "--resource=secrets", f"--namespace={NAMESPACE}"),
            "--resource-name=tabard-injector-certificates",
        ),
        "read the Secrets of tabard-system, among them all zones' keys and the authorities",
    ),
    "rules": (
        (
            "clusterrole",
            "--verb=delete",
            "--resource=validatingadmissionpolicybindings.admissionregistration.k8s.io",
        ),
        "change the webhook or the API server's rules",
    ),
    "entering": (
        ("role", "--verb=create", "--resource=pods/exec", f"--namespace={NAMESPACE}"),
        "run commands in containers of tabard-system",
    ),
}


@pytest.mark.parametrize("case", RIGHTS)
def test_who_has_more_rights_than_needed(cluster: ChartCluster, doctor: Doctor, case: str):
    (kind, *options), text = RIGHTS[case]
    where = [one for one in options if one.startswith("--namespace")]
    cluster.kubectl("create", kind, "wide", *options)
    cluster.kubectl("create", f"{kind}binding", "wide", f"--{kind}=wide", "--user=mallory", *where)
    try:
        assert f"User mallory may {text}" in only(doctor(), "rights")
    finally:
        cluster.kubectl("delete", kind, "wide", *where)
        cluster.kubectl("delete", f"{kind}binding", "wide", *where)


def test_rights_that_everyone_with_a_login_has(cluster: ChartCluster, doctor: Doctor):
    """A group of Kubernetes' own that holds everyone isn't one of its parts."""
    cluster.kubectl(
        *("create", "clusterrolebinding", "all", "--clusterrole=cluster-admin"),
        "--group=system:authenticated",
    )
    try:
        assert "read the Secrets of tabard-system" in only(doctor(), "rights")
    finally:
        cluster.kubectl("delete", "clusterrolebinding", "all")


def test_pods_that_reach_everything(cluster: ChartCluster, doctor: Doctor):
    with without(cluster, "networkpolicy", "limits", "--namespace", "support"):
        assert "pods of support reach every address" in only(doctor(), "network")


def test_keys_in_the_namespace(cluster: ChartCluster, doctor: Doctor):
    """Without the control service: the Secret is missed, and who reads it is told. Its content isn't asked for."""
    where = ("tabard", str(CHART), "--namespace", NAMESPACE, "--wait=false", "--reuse-values")
    cluster.helm.run("upgrade", *where, "--force-conflicts", "--set", "control.enabled=false")
    rollout = ("rollout", "status", "deployment", "tabard-injector", "--namespace", NAMESPACE)
    cluster.kubectl(*rollout)
    assert only(doctor(), "namespaces") == "support lacks the Secret tabard-keys"
    cluster.kubectl("create", "secret", "generic", "tabard-keys", "-n", "support", "--from-literal=a=b")
    role = ("create", "role", "wide", "--verb=get", "--resource=secrets", "--namespace=support")
    cluster.kubectl(*role)
    binding = ("create", "rolebinding", "wide", "--role=wide", "--serviceaccount=support:default")
    cluster.kubectl(*binding, "--namespace=support")
    text = "ServiceAccount support/default may read the zone's keys (Secret support/tabard-keys)"
    assert only(doctor(), "rights") == text
    log = (cluster.folder / "audit.log").read_text()
    lines = [json.loads(line) for line in log.splitlines() if "aiohttp" in line]
    asked = [one for one in lines if one.get("objectRef", {}).get("resource") == "secrets"]
    assert asked
    assert all(one["verb"] == "get" and one["objectRef"]["name"] == "tabard-keys" for one in asked)
