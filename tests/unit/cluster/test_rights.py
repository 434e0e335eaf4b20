"""The doctor tells who has more rights than needed. A real API server's roles are in tests/integration/k8s/test_doctor.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tabard_sidecar.cluster.model import Release, Space
from tabard_sidecar.cluster.rights import check_rights
from tabard_sidecar.util.findings import Severity

from tests.support.injecting import settings

RBAC = "/apis/rbac.authorization.k8s.io/v1"
RELEASE = Release("tabard-system", settings(), (Space("support", "enabled"),))
MALLORY = {"kind": "User", "name": "mallory"}


class Roles:
    """A fake of the API server that only has roles."""

    def __init__(self, **collections: list[dict[str, Any]]) -> None:
        self._collections = collections

    async def get(self, path: str) -> Mapping[str, Any]:
        place, _, _ = path.partition("?")
        name = place.removeprefix(RBAC).strip("/").replace("/", "_").replace("-", "_")
        return {"items": self._collections.get(name, []), "metadata": {}}


def role(rules: list[dict[str, Any]], name: str = "wide") -> dict[str, Any]:
    return {"metadata": {"name": name}, "rules": rules}


def binding(*subjects: dict[str, Any], kind: str = "ClusterRole", name: str = "wide") -> dict[str, Any]:
    return {"metadata": {"name": "b"}, "roleRef": {"kind": kind, "name": name}, "subjects": [*subjects]}


def rule(*resources: str, verbs: tuple[str, ...] = ("get",), group: str = "", **more: Any) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": [*resources], "verbs": [*verbs], **more}


async def told(rules: list[dict[str, Any]], *subjects: dict[str, Any]) -> list[str]:
    api: Any = Roles(clusterroles=[role(rules)], clusterrolebindings=[binding(*subjects)])
    found = await check_rights(api, RELEASE)
    return [one.message for one in found if one.severity is Severity.WARNING]


@pytest.mark.parametrize(
    "given",
    [
        rule("secrets"),
        rule("*"),
        rule("secrets", verbs=("*",)),
        rule("secrets", verbs=("list",)),
        rule("secrets", verbs=("watch",)),
        rule("secrets", group="*"),
        rule("secrets", resourceNames=["tabard-keys"]),
    ],
    ids=str,
)
async def test_ways_to_read_the_keys(given: dict[str, Any]):
    assert "User mallory may read the zone's keys (Secret support/tabard-keys)" in await told(
        [given], MALLORY
    )


@pytest.mark.parametrize(
    "given",
    [
        rule("secrets", verbs=("create",)),
        rule("secrets", group="apps"),
        rule("secrets", resourceNames=["others"]),
        rule("configmaps"),
        rule("pods"),
        rule("nodes", verbs=("get",)),
        rule("namespaces", verbs=("get", "create")),
    ],
    ids=str,
)
async def test_rights_that_reach_nothing_of_ours(given: dict[str, Any]):
    assert await told([given], MALLORY) == []


REACHES = {
    "act as others": rule("serviceaccounts", verbs=("impersonate",)),
    "give themselves any right": rule("clusterroles", verbs=("bind",), group="rbac.authorization.k8s.io"),
    "enter every container by its node": rule("nodes/proxy"),
    "take the label from a namespace": rule("namespaces", verbs=("patch",)),
    "add webhooks that change pods and Secrets": rule(
        "mutatingwebhookconfigurations", verbs=("create",), group="admissionregistration.k8s.io"
    ),
    "start pods in tabard-system": rule("pods", verbs=("create",)),
    "start workloads in tabard-system": rule("deployments", verbs=("patch",), group="apps"),
    "start jobs in tabard-system": rule("cronjobs", verbs=("create",), group="batch"),
    "have tokens of tabard-system's ServiceAccounts": rule("serviceaccounts/token", verbs=("create",)),
    "change the Secrets of tabard-system": rule("secrets", verbs=("update",)),
    "change the configuration of tabard-system": rule("configmaps", verbs=("patch",)),
}


@pytest.mark.parametrize("text", REACHES)
async def test_ways_around_the_release(text: str):
    assert await told([REACHES[text]], MALLORY) == [f"User mallory may {text}"]


async def test_who_may_do_everything_is_told_once():
    """An administrator's many rights are one line."""
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    (text,) = await told([everything], MALLORY)
    assert text.startswith("User mallory may ")
    assert all(one in text for one in REACHES)


@pytest.mark.parametrize("resource", ["pods/exec", "pods/attach", "pods/ephemeralcontainers", "*/exec", "*"])
async def test_ways_into_a_container_of_ours(resource: str):
    texts = await told([rule(resource, verbs=("create",))], MALLORY)
    assert "User mallory may run commands in containers of tabard-system" in texts


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ({"kind": "Group", "name": "system:masters"}, ""),
        ({"kind": "Group", "name": "system:nodes"}, ""),
        ({"kind": "User", "name": "system:kube-controller-manager"}, ""),
        ({"kind": "ServiceAccount", "name": "job-controller", "namespace": "kube-system"}, ""),
        ({"kind": "Group", "name": "system:authenticated"}, "Group system:authenticated"),
        ({"kind": "Group", "name": "system:unauthenticated"}, "Group system:unauthenticated"),
        ({"kind": "User", "name": "system:anonymous"}, "User system:anonymous"),
        ({"kind": "Group", "name": "system:serviceaccounts"}, "Group system:serviceaccounts"),
        (
            {"kind": "User", "name": "system:serviceaccount:a:b"},
            "User system:serviceaccount:a:b",
        ),
        ({"kind": "ServiceAccount", "name": "b", "namespace": "a"}, "ServiceAccount a/b"),
    ],
)
async def test_who_is_told_and_who_is_not(subject: dict[str, Any], name: str):
    texts = await told([rule("secrets")], subject)
    assert all(text.startswith(f"{name} may ") for text in texts)
    assert bool(texts) == bool(name)


async def test_a_role_of_a_namespace_reaches_no_other():
    own = {
        "namespaces_support_roles": [role([rule("secrets", "pods/exec", verbs=("*",))])],
        "namespaces_support_rolebindings": [binding(MALLORY, kind="Role")],
    }
    api: Any = Roles(**own)
    (found,) = await check_rights(api, RELEASE)
    assert found.message == "User mallory may read the zone's keys (Secret support/tabard-keys)"
