"""The connections that the chart's NetworkPolicies let through, where a network plugin enforces them.

Helm renders them, the API server checks them, and :mod:`tests.support.network_rules` evaluates them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tabard_sidecar.injector.names import NETWORK_POLICY
from tabard_sidecar.injector.network import policy_spec

from tests.support.helm import NAMESPACE, Helm
from tests.support.kube_server import Kubectl, kube_server, kubectl_of
from tests.support.markdown import ROOT
from tests.support.network_rules import End, passes

API, BACKEND, REDIS = "10.0.0.1", "10.1.2.3", "10.2.0.5"
METADATA = ("169.254.169.254", "169.254.170.2", "100.100.100.200", "fd00:ec2::254")
ELSEWHERE = ("192.0.2.1", "8.8.8.8", "10.3.0.1", "2001:db8::1", "127.0.0.1")
RULES = {
    "agentNamespaces": ["support"],
    "apiServer": {"cidrs": [f"{API}/32"]},
    "backends": [{"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 8080}]}],
}
CONTROL = {
    "enabled": True,
    "config": {"operators": {"issuers": [{"issuer": "https://login.example.org/", "audiences": ["people"]}]}},
    "operatorsFrom": [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "operators"}}},
    ],
    "reaches": [{"to": [{"ipBlock": {"cidr": f"{REDIS}/32"}}], "ports": [{"port": 6379}]}],
}

AGENT = End.pod("10.9.0.1", "support", app="agent")
ITSELF_LABELLED = End.pod("10.9.0.2", "support", **{"tabard.dev/inject": "enabled"})
WITHOUT = End.pod("10.9.0.3", "support", **{"tabard.dev/inject": "disabled"})
NEIGHBOUR = End.pod("10.9.1.1", "billing", app="agent")
OPERATOR = End.pod("10.9.2.1", "operators")
DNS = End.pod("10.9.3.1", "kube-system", **{"k8s-app": "kube-dns"})
INJECTOR_POD = End.pod("10.9.4.1", NAMESPACE, **{"app.kubernetes.io/name": "tabard-injector"})
CONTROL_POD = End.pod("10.9.4.2", NAMESPACE, **{"app.kubernetes.io/name": "tabard-control"})
OTHER_POD = End.pod("10.9.4.3", NAMESPACE, app="other")


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    with kube_server() as cluster:
        found = kubectl_of(cluster)
        for name in (NAMESPACE, "support"):
            found("create", "namespace", name)
        yield found


@pytest.fixture
def policies(kubectl: Kubectl, tmp_path: Path) -> list[dict[str, Any]]:
    """What the chart makes, as the API server stores it."""
    return stored(kubectl, tmp_path, {"networkPolicy": RULES, "control": CONTROL})


def stored(kubectl: Kubectl, folder: Path, values: dict[str, Any]) -> list[dict[str, Any]]:
    made = [one for one in Helm(folder).template(values) if one["kind"] == "NetworkPolicy"]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": made})
    said = json.loads(kubectl("apply", "--dry-run=server", "--output", "json", "--filename", "-", given=text))
    found: list[dict[str, Any]] = said["items"] if said["kind"] == "List" else [said]
    assert len(found) == len(made)
    return found


def kept(
    kubectl: Kubectl, folder: Path, values: dict[str, Any], label: str = "enabled"
) -> list[dict[str, Any]]:
    """What the injector of a release with these values writes into a namespace with a label, as the API server stores it."""
    made = Helm(folder).template(values)
    (file,) = (
        one["data"]["injector.yaml"]
        for one in made
        if (one["kind"], one["metadata"]["name"]) == ("ConfigMap", "tabard-injector")
    )
    network = yaml.safe_load(file).get("network")
    if network is None:
        return []
    document = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": NETWORK_POLICY, "namespace": "support"},
        "spec": policy_spec(label, network["egress"]),
    }
    given = json.dumps(document)
    return [json.loads(kubectl("apply", "--dry-run=server", "-o", "json", "--filename", "-", given=given))]


def reach(address: str) -> End:
    return End(address)


@pytest.mark.parametrize("agent", [AGENT, ITSELF_LABELLED], ids=["namespace's", "its own label"])
def test_an_agent_reaches_what_is_named_and_nothing_else(policies: list[dict[str, Any]], agent: End):
    assert passes(policies, agent, DNS, 53, "UDP")
    assert passes(policies, agent, DNS, 53)
    assert passes(policies, agent, reach(API), 443)
    assert passes(policies, agent, reach(BACKEND), 8080)
    assert passes(policies, agent, CONTROL_POD, 8444)
    assert not passes(policies, agent, reach(BACKEND), 8081)
    assert not passes(policies, agent, reach(BACKEND), 8080, "UDP")
    assert not passes(policies, agent, DNS, 443)
    for address in (*METADATA, *ELSEWHERE):
        for port in (53, 80, 443, 6443, 8080):
            assert not passes(policies, agent, reach(address), port), (address, port)


def test_an_agent_reaches_nothing_of_tabards_but_the_port_for_keys(policies: list[dict[str, Any]]):
    """Neither operators' port, nor metrics, nor the injector, nor what else is in that namespace."""
    for target, ports in (
        (CONTROL_POD, (443, 8445, 9181, 22)),
        (INJECTOR_POD, (443, 8443, 9181)),
        (OTHER_POD, (443, 8444)),
    ):
        for port in ports:
            assert not passes(policies, AGENT, target, port), (target, port)
    for other in (NEIGHBOUR, ITSELF_LABELLED, WITHOUT):
        assert not passes(policies, AGENT, other, 9181)


def test_what_has_no_sidecar_or_is_elsewhere_is_not_limited_by_it(policies: list[dict[str, Any]]):
    for source in (WITHOUT, NEIGHBOUR):
        assert passes(policies, source, reach(ELSEWHERE[0]), 443)


def test_the_port_for_operators_is_theirs(policies: list[dict[str, Any]]):
    assert passes(policies, OPERATOR, CONTROL_POD, 8445)
    for source in (AGENT, WITHOUT, NEIGHBOUR, End("192.0.2.9")):
        assert not passes(policies, source, CONTROL_POD, 8445)


def test_the_injector_and_the_control_service_are_asked_at_their_ports_only(policies: list[dict[str, Any]]):
    """The API server is outside of the cluster's pods; monitoring reads metrics."""
    for target, port in ((INJECTOR_POD, 8443), (CONTROL_POD, 8444)):
        assert passes(policies, End(API), target, port)
        assert passes(policies, NEIGHBOUR, target, 9181)
        for other in (22, 443, 8080, 10250):
            assert not passes(policies, End(API), target, other)


@pytest.mark.parametrize("listed", [True, False], ids=["addresses are known", "default"])
def test_neither_reaches_the_clouds_metadata(kubectl: Kubectl, tmp_path: Path, *, listed: bool):
    """Also where the API server's addresses aren't listed, so that they may be anywhere."""
    network = RULES if listed else {}
    found = stored(kubectl, tmp_path, {"networkPolicy": network, "control": CONTROL})
    for source in (INJECTOR_POD, CONTROL_POD):
        assert passes(found, source, reach(API), 443)
        assert passes(found, source, DNS, 53, "UDP")
        assert passes(found, source, reach(ELSEWHERE[0]), 443) != listed
        for address in METADATA:
            for port in (80, 443, 6443):
                assert not passes(found, source, reach(address), port), (source.labels, address)
    assert passes(found, CONTROL_POD, reach(REDIS), 6379)
    assert not passes(found, INJECTOR_POD, reach(REDIS), 6379)


def test_by_default_agents_of_labelled_namespaces_reach_no_metadata(kubectl: Kubectl, tmp_path: Path):
    """The API server's addresses aren't known by default; so every other address is reached at its ports."""
    by_default = kept(kubectl, tmp_path, {})
    for agent in (AGENT, ITSELF_LABELLED):
        for address in METADATA:
            for port in (53, 80, 443, 6443, 8080):
                assert not passes(by_default, agent, reach(address), port), (address, port)
        assert passes(by_default, agent, DNS, 53, "UDP")
        assert passes(by_default, agent, reach(API), 443)
        for address in ELSEWHERE:
            assert passes(by_default, agent, reach(address), 6443)
            for port in (22, 53, 80, 8080, 6379):
                assert not passes(by_default, agent, reach(address), port), (address, port)
    assert passes(by_default, WITHOUT, reach(METADATA[0]), 80)


@pytest.mark.parametrize("listed", [True, False], ids=["listed as well", "labelled only"])
def test_agents_of_labelled_namespaces_reach_what_is_named_and_nothing_else(
    kubectl: Kubectl, tmp_path: Path, *, listed: bool
):
    """Also where the chart's own policy selects the same pods: rules add up, and they are the same."""
    values = {"networkPolicy": RULES | {"agentNamespaces": ["support"] if listed else []}, "control": CONTROL}
    found = [*stored(kubectl, tmp_path, values), *kept(kubectl, tmp_path, values)]
    assert len([one for one in found if one["metadata"]["namespace"] == "support"]) == 1 + listed
    for target, port in ((reach(API), 443), (reach(BACKEND), 8080), (CONTROL_POD, 8444), (DNS, 53)):
        assert passes(found, AGENT, target, port), target
    for target in (CONTROL_POD, INJECTOR_POD, *map(reach, (*METADATA, *ELSEWHERE))):
        for port in (80, 443, 6443, 8080, 8445, 9181):
            assert not passes(found, AGENT, target, port), (target, port)


def test_where_pods_are_labelled_themselves_no_other_pod_is_limited(kubectl: Kubectl, tmp_path: Path):
    found = kept(kubectl, tmp_path, {}, "disabled")
    assert not passes(found, ITSELF_LABELLED, reach(METADATA[0]), 80)
    for other in (AGENT, WITHOUT):
        assert passes(found, other, reach(METADATA[0]), 80)


def test_each_switch_ends_what_it_says(kubectl: Kubectl, tmp_path: Path):
    for switch in ("enabled", "labelledNamespaces"):
        values = {"networkPolicy": {switch: False}}
        assert kept(kubectl, tmp_path, values) == []
        made = Helm(tmp_path).template(values)
        names = {one["metadata"]["name"] for one in made if one["kind"] == "NetworkPolicy"}
        assert names == ({"tabard-injector"} if switch == "labelledNamespaces" else set())
        assert "tabard-injector-network" not in {one["metadata"]["name"] for one in made}
    by_default = stored(kubectl, tmp_path, {})
    assert {one["metadata"]["name"] for one in by_default} == {"tabard-injector"}


def test_who_may_write_network_policies_can_add_to_what_is_allowed(policies: list[dict[str, Any]]):
    """As Kubernetes has it: rules add up. So the right belongs to operators."""
    everything = {
        "metadata": {"namespace": "support"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]},
    }
    assert passes([*policies, everything], AGENT, reach(METADATA[0]), 80)


def test_the_values_of_the_page_limit_agents_to_what_they_name(kubectl: Kubectl, tmp_path: Path):
    page = (ROOT / "k8s" / "README.md").read_text(encoding="utf-8").partition("### What agents reach")[2]
    values = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    found = kept(kubectl, tmp_path, values)
    own = End.pod("10.9.0.9", "support", app="redis")
    for target, port in ((reach(API), 443), (reach(BACKEND), 8080), (own, 6379)):
        assert passes(found, AGENT, target, port), target
    for target in (own, End.pod("10.9.1.9", "billing", app="redis"), *map(reach, (*METADATA, *ELSEWHERE))):
        for port in (80, 443, 8080):
            assert not passes(found, AGENT, target, port), (target, port)
