"""The NetworkPolicy of labelled namespaces: whom it selects, and that it is kept whatever others do."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard_sidecar.health import Health, State
from tabard_sidecar.injector.conf import InjectorSettings, NetworkConfig
from tabard_sidecar.injector.names import NAMESPACE_NAME
from tabard_sidecar.injector.network import InjectedNetwork, policy_spec
from tabard_sidecar.injector.registration import webhook_configuration
from tabard_sidecar.kubernetes.api import ApiError

from tests.support.kube_objects import FakeObjects
from tests.support.network_rules import matches
from tests.support.waiting import eventually

LABEL, NAME = "tabard.dev/inject", "tabard-injected"
EGRESS = ({"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 8080}]},)
ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/tabard-injector-network"


class Objects(FakeObjects):
    """Counts what is written, and adds defaults as the API server does."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.refused: set[str] = set()

    async def create(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        self.writes += 1
        if path.split("/")[5] in self.refused:
            raise ApiError("a policy of the cluster refuses it", 403)
        return await super().create(path, _with_defaults(document))

    async def replace(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        self.writes += 1
        return await super().replace(path, _with_defaults(document))


def _with_defaults(document: dict[str, Any]) -> dict[str, Any]:
    stored = copy.deepcopy(document)
    for rule in stored["spec"]["egress"]:
        for port in rule["ports"]:
            port.setdefault("protocol", "TCP")
    return stored


def path(namespace: str) -> str:
    return f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies/{NAME}"


def label(api: FakeObjects, namespace: str, value: str | None, **metadata: str) -> None:
    labels = {} if value is None else {LABEL: value}
    api.put(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": labels, **metadata}})


@pytest.fixture
def api() -> Objects:
    api = Objects()
    for name in ("one", "two"):
        label(api, name, "enabled")
    label(api, "unlabelled", None)
    api.put(ROLE, {"metadata": {"uid": "u-1"}})
    return api


@pytest.fixture
def health() -> Health:
    return Health(required=())


def network(api: FakeObjects, health: Health, egress=EGRESS) -> InjectedNetwork:
    config = NetworkConfig(egress=egress, owner="tabard-injector-network", interval_seconds=600)
    return InjectedNetwork(api, config, ("kube-system",), health.component("network"))  # type: ignore[arg-type]


def spec(api: FakeObjects, namespace: str) -> dict[str, Any]:
    return api.objects[path(namespace)]["spec"]


def test_each_labelled_namespace_has_it_and_then_nothing_is_written(api: Objects, health: Health):
    kept = network(api, health)
    asyncio.run(kept.look())
    assert {where for where in api.objects if NAME in where} == {path("one"), path("two")}
    stored = api.objects[path("one")]
    (owner,) = stored["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("ClusterRole", "tabard-injector-network", "u-1")
    assert stored["spec"]["egress"][0]["ports"] == [{"port": 8080, "protocol": "TCP"}]
    written = api.writes
    for _ in range(3):
        asyncio.run(kept.look())
    assert api.writes == written == 2
    assert health.snapshot().components["network"].state is State.OK


def test_another_replica_with_the_same_rules_changes_nothing(api: Objects, health: Health):
    asyncio.run(network(api, health).look())
    before = spec(api, "one")
    other = network(api, health)
    asyncio.run(other.look())
    assert spec(api, "one") == before
    written = api.writes
    asyncio.run(other.look())
    assert api.writes == written


@pytest.mark.parametrize(
    "spoilt",
    [
        {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]},
        {"podSelector": {"matchLabels": {"app": "none"}}, "policyTypes": ["Egress"]},
        {"podSelector": {}, "policyTypes": ["Ingress"]},
        {},
    ],
)
def test_what_someone_changed_or_deleted_is_written_again(api: Objects, health: Health, spoilt):
    kept = network(api, health)
    asyncio.run(kept.look())
    before = spec(api, "one")
    api.put(path("one"), {"metadata": {"name": NAME, "namespace": "one"}, "spec": spoilt})
    del api.objects[path("two")]
    asyncio.run(kept.look())
    assert spec(api, "one") == spec(api, "two") == before
    assert api.objects[path("one")]["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "tabard"}


def test_other_rules_replace_the_former(api: Objects, health: Health):
    asyncio.run(network(api, health).look())
    asyncio.run(network(api, health, ()).look())
    assert spec(api, "one")["egress"] == []


def test_exempt_namespaces_and_those_that_are_being_deleted_have_none(api: Objects, health: Health):
    """A label on kube-system cuts no part of Kubernetes off, nor does a policy of that name that is there."""
    label(api, "kube-system", "enabled")
    label(api, "two", "enabled", deletionTimestamp="2026-01-01T00:00:00Z")
    asyncio.run(network(api, health).look())
    assert {where for where in api.objects if NAME in where} == {path("one")}


@pytest.mark.parametrize("value", ["enabled", "disabled"])
def test_a_namespace_that_loses_its_label_keeps_its_policy_while_it_exists(
    api: Objects, health: Health, value
):
    """Also for a replica that has never seen the label; and it isn't made again."""
    label(api, "one", value)
    asyncio.run(network(api, health).look())
    before = spec(api, "one")
    label(api, "one", None)
    asyncio.run(network(api, health).look())
    assert spec(api, "one") == before
    anew = network(api, health)
    del api.objects[path("one")]
    asyncio.run(anew.look())
    assert path("one") not in api.objects
    assert path("two") in api.objects


def test_a_policy_of_that_name_elsewhere_is_its_owners(api: Objects, health: Health):
    theirs = {"podSelector": {}, "policyTypes": ["Ingress"]}
    api.put(path("unlabelled"), {"metadata": {"name": NAME, "namespace": "unlabelled"}, "spec": theirs})
    asyncio.run(network(api, health).look())
    assert spec(api, "unlabelled") == theirs


def test_one_that_cannot_be_written_is_told_and_hinders_no_other(api: Objects, health: Health, monkeypatch):
    create = api.create

    async def refusing(where, document):
        if "/one/" in where:
            raise ApiError("the quota is used up", 403)
        return await create(where, document)

    monkeypatch.setattr(api, "create", refusing)
    kept = network(api, health)
    asyncio.run(kept.look())
    report = health.snapshot().components["network"]
    assert report.state is State.DEGRADED
    assert report.reason == f"NetworkPolicy {NAME} can't be written in one: the quota is used up"
    assert path("two") in api.objects
    monkeypatch.setattr(api, "create", create)
    asyncio.run(kept.look())
    assert health.snapshot().components["network"].state is State.OK
    assert path("one") in api.objects


def test_an_api_server_that_is_lost_is_told_and_ends_nothing(api: Objects, health: Health):
    kept, api.lost = network(api, health), True

    async def followed() -> None:
        told = asyncio.Event()
        health.subscribe(
            lambda snapshot: told.set() if snapshot.reasons == ["network: can't be reached"] else None
        )
        task = asyncio.create_task(kept.follow())
        await asyncio.wait_for(told.wait(), 30)
        assert not task.done()
        task.cancel()

    asyncio.run(followed())
    assert health.snapshot().components["network"].reason == "can't be reached"


_VALUES = st.sampled_from([None, "enabled", "disabled", "other", ""])


@given(namespace=_VALUES.filter(lambda value: value is not None), pod=_VALUES)
def test_it_selects_the_pods_that_the_injector_is_asked_about(namespace, pod):
    """The law: what a webhook's selectors choose in a labelled namespace, and no other pod."""
    settings = InjectorSettings.model_validate(
        {"webhook": {"tls_certificate_file": "a", "tls_key_file": "b"}, "sidecar": {"image": "i"}}
    )
    spaces = {LABEL: namespace, NAMESPACE_NAME: "support"}
    labels = {} if pod is None else {LABEL: pod}
    asked = any(
        matches(hook["namespaceSelector"], spaces) and matches(hook["objectSelector"], labels)
        for hook in webhook_configuration(settings, {})["webhooks"]
        if "matchConditions" not in hook
    )
    assert matches(policy_spec(namespace, EGRESS)["podSelector"], labels) == asked


def test_it_tells_since_when_policies_cannot_be_kept(api: Objects, health: Health):
    """From the first failure to the next look at which all is well, whatever the problem is meanwhile."""
    config = NetworkConfig(egress=EGRESS, owner="tabard-injector-network", interval_seconds=1)
    component = health.component("network")
    kept = InjectedNetwork(api, config, (), component, clock=lambda: api.clock)  # type: ignore[arg-type]

    async def watched() -> None:
        follows = asyncio.create_task(kept.follow())
        await eventually(lambda: path("two") in api.objects)
        assert kept.failing_since == 0
        api.lost, began = True, api.clock
        await eventually(lambda: kept.failing_since)
        api.clock += 100
        refused = health.snapshot().components["network"].reason
        api.lost = False
        api.refused.add("two")
        del api.objects[path("two")]
        await eventually(lambda: health.snapshot().components["network"].reason not in {"", refused})
        assert kept.failing_since == began
        api.refused.clear()
        await eventually(lambda: not kept.failing_since)
        follows.cancel()

    asyncio.run(watched())
