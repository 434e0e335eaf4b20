"""The doctor compares NetworkPolicies with what the injector writes. The real ones are in tests/integration/k8s."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from tabard_sidecar.cluster.model import Release, Space
from tabard_sidecar.cluster.network import check_network
from tabard_sidecar.injector.conf import NetworkConfig
from tabard_sidecar.injector.network import policy_spec
from tabard_sidecar.util.findings import Finding, Severity

from tests.support.injecting import settings

EGRESS = ({"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 8080}]},)
SPACES = (Space("support", "enabled"), Space("billing", "disabled"))
OTHERS = {"metadata": {"name": "limits"}, "spec": {"podSelector": {}, "policyTypes": ["Egress"]}}


def kept(label: str) -> dict[str, Any]:
    """The policy of a namespace as the API server stores it."""
    spec = copy.deepcopy(policy_spec(label, EGRESS))
    spec["egress"][0]["ports"][0]["protocol"] = "TCP"
    return {"metadata": {"name": "tabard-injected"}, "spec": spec}


class Policies:
    """A fake of the API server that only has NetworkPolicies, by their namespaces."""

    def __init__(self, **spaces: list[dict[str, Any]]) -> None:
        self._spaces = spaces

    async def get(self, path: str) -> Mapping[str, Any]:
        return {"items": self._spaces.get(path.split("/")[5], []), "metadata": {}}


async def examined(*, keeps: bool = True, **spaces: list[dict[str, Any]]) -> list[Finding]:
    network = NetworkConfig(egress=EGRESS, owner="tabard-injector-network") if keeps else None
    release = Release("tabard-system", settings().model_copy(update={"network": network}), SPACES)
    api: Any = Policies(**spaces)
    return await check_network(api, release)


async def told(*, keeps: bool = True, **spaces: list[dict[str, Any]]) -> list[str]:
    found = await examined(keeps=keeps, **spaces)
    assert all(one.next_step for one in found if one.severity is not Severity.OK)
    return [one.message for one in found if one.severity is not Severity.OK]


GOOD = {"support": [kept("enabled")], "billing": [kept("disabled")]}


async def test_what_the_injector_writes_is_as_it_should_be():
    assert await told(**GOOD) == []
    assert await told(support=[OTHERS, kept("enabled")], billing=GOOD["billing"]) == []


async def test_a_policy_that_could_not_be_written_is_missing():
    """Also where another one limits pods, and where only some pods have a sidecar."""
    missing = "the injector hasn't written the NetworkPolicy tabard-injected in {}"
    assert await told(support=[OTHERS], billing=GOOD["billing"]) == [missing.format("support")]
    assert await told(support=GOOD["support"], billing=[OTHERS]) == [missing.format("billing")]
    (free, said) = await told()
    assert free.startswith("pods of support reach every address")
    assert said == missing.format("billing")


@pytest.mark.parametrize(
    "spoilt", [{"egress": [{}]}, {"podSelector": {}}, {"policyTypes": ["Ingress", "Egress"]}]
)
async def test_one_that_could_not_be_written_again_is_told(spoilt: dict[str, Any]):
    other = kept("enabled")
    other["spec"] |= spoilt
    said = "the NetworkPolicy tabard-injected of support isn't as the injector writes it"
    assert await told(support=[other], billing=GOOD["billing"]) == [said]
    former = await told(support=[kept("disabled")], billing=GOOD["billing"])
    assert former == [said], "the label was changed since"


async def test_without_the_injectors_policy_any_other_is_enough():
    assert await told(keeps=False, support=[OTHERS]) == []
    (said,) = await examined(keeps=False)
    assert "networkPolicy.labelledNamespaces" in said.next_step
