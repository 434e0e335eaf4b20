"""The chart's ServiceAccount for ``tabard doctor --kubernetes``: it finds what an administrator finds, and can do nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tabard_sidecar.cluster.api import InPod
from tabard_sidecar.cluster.examining import examine_cluster
from tabard_sidecar.cluster.own_rules import NO_OBJECT
from tabard_sidecar.kubernetes.api import ApiServer
from tabard_sidecar.kubernetes.conf import ApiServerConfig
from tabard_sidecar.util.findings import Finding, Severity

from tests.support.chart_cluster import ChartCluster, chart_cluster
from tests.support.helm import NAMESPACE
from tests.support.injecting import pod
from tests.support.injector_process import apply
from tests.support.waiting import eventually_blocking

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:tabard-doctor"
AS = ("--as", ACCOUNT, "--as-group", "system:serviceaccounts", "--as-group", "system:authenticated")
LIMITS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "limits"},
    "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
}
Rights = set[tuple[str, str, str, str]]
"""Verb, API group, resource, and name if the role limits it."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChartCluster]:
    """A cluster as it should be, with passwords for sidecars in the Secret ``passwords``."""
    values = {
        "control": {"enabled": True},
        "doctor": {"enabled": True},
        "injector": {"config": {"sidecar": {"files_secret": "passwords"}}},
    }
    with chart_cluster(tmp_path_factory.mktemp("account"), **values) as running:
        running.namespace("support")
        for name, content in (
            ("tabard-config", "tabard.yaml=zone: support"),
            ("tabard-policy", "a.rego=package policy.a"),
            ("tabard-control-ca", "ca.crt=x"),
        ):
            running.kubectl("create", "configmap", name, "-n", "support", f"--from-literal={content}")
        running.kubectl("create", "secret", "generic", "passwords", "-n", "support", "--from-literal=a=b")
        apply(running.kubectl, LIMITS, "--namespace", "support")
        document = pod()
        document["metadata"] = {"name": "agent"}
        apply(running.kubectl, document, "--namespace", "support")
        for name in ("tabard-control", "tabard-injector"):
            running.kubectl("rollout", "status", "deployment", name, "--namespace", NAMESPACE)
        kept = ("get", "networkpolicy", "tabard-injected", "--namespace", "support", "--output", "name")
        eventually_blocking(lambda: "/tabard-injected" in running.kubectl(*kept, check=False))
        yield running


def examined(cluster: ChartCluster, folder: Path) -> list[Finding]:
    """Examine the cluster as a pod does that has the ServiceAccount."""
    token = folder / "token"
    created = cluster.kubectl("create", "token", "tabard-doctor", "--namespace", NAMESPACE)
    token.write_text(created.strip())
    server = cluster.kubectl("config", "view", "--output", "jsonpath={.clusters[0].cluster.server}")
    config = ApiServerConfig(
        timeout_seconds=20, url=server, token_file=token, ca_file=cluster.folder / "apiserver.crt"
    )

    async def run() -> list[Finding]:
        return [one async for one in examine_cluster(InPod(ApiServer(config)), NAMESPACE)]

    return asyncio.run(run())


def wrong(found: list[Finding]) -> list[str]:
    return [f"{one.what}: {one.message}" for one in found if one.severity is not Severity.OK]


def given(cluster: ChartCluster) -> Rights:
    """Return what the roles give, one by one."""
    found: Rights = set()
    for kind, where in (("clusterrole", ()), ("role", ("--namespace", NAMESPACE))):
        role = json.loads(cluster.kubectl("get", kind, "tabard-doctor", *where, "--output", "json"))
        for rule in role["rules"]:
            for verb in rule["verbs"]:
                for resource in rule["resources"]:
                    for name in rule.get("resourceNames", [""]):
                        found.add((verb, rule["apiGroups"][0], resource, name))
    return found


def used(cluster: ChartCluster) -> Rights:
    """Return what the API server allowed the ServiceAccount by those roles, as its audit log says."""
    limited = {(verb, group, resource) for verb, group, resource, name in given(cluster) if name}
    found: Rights = set()
    for line in (cluster.folder / "audit.log").read_text().splitlines():
        one = json.loads(line)
        reason = one.get("annotations", {}).get("authorization.k8s.io/reason", "")
        if one["user"]["username"] != ACCOUNT or "tabard-doctor" not in reason.partition(" of ")[2]:
            continue
        what = one["objectRef"]
        resource = what["resource"] + (f"/{what['subresource']}" if "subresource" in what else "")
        key = (one["verb"], what.get("apiGroup", ""), resource)
        found.add((*key, what["name"] if key in limited else ""))
    return found


def test_it_finds_what_an_administrator_finds_and_uses_every_right(cluster: ChartCluster, tmp_path: Path):
    assert wrong(examined(cluster, tmp_path)) == []
    assert used(cluster) == given(cluster)


def test_it_misses_a_secret_that_it_may_not_read(cluster: ChartCluster, tmp_path: Path):
    cluster.kubectl("delete", "secret", "passwords", "--namespace", "support")
    try:
        assert wrong(examined(cluster, tmp_path)) == ["namespaces: support lacks the Secret passwords"]
    finally:
        cluster.kubectl("create", "secret", "generic", "passwords", "-n", "support", "--from-literal=a=b")


def test_it_learns_of_no_secret_that_it_does_not_examine(cluster: ChartCluster):
    """A try of another name is answered in the same way, whether or not a Secret has it."""
    cluster.kubectl("create", "secret", "generic", "others", "-n", "support", "--from-literal=a=b")
    for name in ("others", "none-has-it"):
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
        said = cluster.kubectl(
            *("create", "--namespace", "support", "--dry-run=server", "--filename", "-", *AS),
            given=json.dumps(secret),
            check=False,
        )
        assert "of the sidecars' names only" in said
        assert "AlreadyExists" not in said


def request(**more: Any) -> str:
    spec = {"audiences": ["vault"], "expirationSeconds": 600, **more}
    return json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec})


def bound(uid: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "name": "passwords", "uid": uid}


def test_it_gets_no_token_of_anyone(cluster: ChartCluster):
    """Not even by a dry run, for which Kubernetes gives out one."""
    path = "/api/v1/namespaces/support/serviceaccounts/default/token?dryRun=All"
    ask = ("create", "--raw", path, "--filename", "-", *AS)
    assert "tabard doctor gets no token" in cluster.kubectl(*ask, given=request(), check=False)
    secret = json.loads(cluster.get("secret", "passwords", "support"))["metadata"]["uid"]
    mine = request(boundObjectRef=bound(secret))
    assert "tabard doctor gets no token" in cluster.kubectl(*ask, given=mine, check=False)
    none = request(boundObjectRef=bound(NO_OBJECT))
    assert "does not match" in cluster.kubectl(*ask, given=none, check=False)
    # So it is for an administrator, which shows that the dry run isn't what keeps it.
    assert '"token"' in cluster.kubectl(*ask[: -len(AS)], given=request())
    other = path.replace("/default/", "/other/")
    assert "orbidden" in cluster.kubectl(
        "create", "--raw", other, "-f", "-", *AS, given=request(), check=False
    )


@pytest.mark.parametrize("namespace", ["support", "kube-system", NAMESPACE])
def test_it_creates_nothing(cluster: ChartCluster, namespace: str):
    # No controller makes it here.
    cluster.kubectl("create", "serviceaccount", "default", "--namespace", namespace, check=False)
    document = pod()
    document["metadata"] = {"name": "mine", "labels": {"tabard.dev/inject": "disabled"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mine"}}
    for one in (document, secret):
        said = cluster.kubectl(
            *("create", "--namespace", namespace, "--filename", "-", *AS), given=json.dumps(one), check=False
        )
        assert "tabard doctor tries objects and stores none" in said


@pytest.mark.parametrize(
    "attempt",
    [
        ("get", "secret", "passwords", "--namespace", "support"),
        ("get", "secrets", "--all-namespaces"),
        ("get", "configmaps", "--namespace", "support"),
        ("get", "configmap", "tabard-control", "--namespace", NAMESPACE),
        ("delete", "pod", "agent", "--namespace", "support"),
        ("label", "pod", "agent", "a=b", "--namespace", "support"),
        ("delete", "validatingadmissionpolicybinding", "tabard-doctor-tries"),
        ("annotate", "mutatingwebhookconfiguration", "tabard-injector", "a=b"),
    ],
    ids=lambda one: " ".join(one[:3]),
)
def test_its_rights_are_good_for_nothing_else(cluster: ChartCluster, attempt: tuple[str, ...]):
    assert "orbidden" in cluster.kubectl(*attempt, *AS, check=False)


def test_without_its_rules_it_is_told_as_one_who_may_too_much(cluster: ChartCluster, tmp_path: Path):
    where = ("validatingadmissionpolicybinding", "tabard-doctor-tokens")
    before = json.loads(cluster.get(*where))
    cluster.kubectl("delete", *where)
    try:
        who = f"rights: ServiceAccount {NAMESPACE}/tabard-doctor may"
        assert set(wrong(examined(cluster, tmp_path))) == {
            f"{who} start pods in {NAMESPACE}",
            f"{who} have tokens of {NAMESPACE}'s ServiceAccounts",
        }
    finally:
        before["metadata"].pop("resourceVersion")
        cluster.kubectl("create", "--filename", "-", given=json.dumps(before))


def test_the_sidecars_token_is_missed_without_the_rule_and_not_given_out(
    cluster: ChartCluster, tmp_path: Path
):
    where = ("validatingadmissionpolicybinding", "tabard-tokens")
    before = json.loads(cluster.get(*where))
    cluster.kubectl("delete", *where)
    try:
        told = "refusals: a token of support with the sidecar's audience isn't refused"
        eventually_blocking(lambda: told in wrong(examined(cluster, tmp_path)))
    finally:
        before["metadata"].pop("resourceVersion")
        cluster.kubectl("create", "--filename", "-", given=json.dumps(before))
