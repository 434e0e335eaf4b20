"""Evaluates NetworkPolicies as Kubernetes defines them: the connections that a network plugin would let through.

Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/ and the API reference of
``NetworkPolicy`` (networking.k8s.io/v1). A pod that no policy selects for a direction isn't limited in it; the rules of all
that select it add up. Both ends decide: a connection needs its source's egress and its target's ingress.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Policy = Mapping[str, Any]


@dataclass(frozen=True)
class End:
    """One end of a connection: a pod, or an address outside of the cluster.

    Attributes:
        address: its IP address.
        namespace: name of its namespace; empty for an address outside.
        labels: the pod's labels.
        spaces: labels of its namespace.
        ports: numbers of the ports that its containers name.
    """

    address: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    spaces: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def pod(cls, address: str, namespace: str, **labels: str) -> End:
        """Return a pod of a namespace that has the label which the API server gives to each."""
        return cls(address, namespace, labels, {"kubernetes.io/metadata.name": namespace})


def passes(policies: Iterable[Policy], source: End, target: End, port: int, protocol: str = "TCP") -> bool:
    """Tell whether a connection is let through."""
    found = list(policies)
    return _allows(found, "Egress", source, target, (target, port, protocol)) and _allows(
        found, "Ingress", target, source, (target, port, protocol)
    )


def _allows(
    policies: Sequence[Policy], direction: str, own: End, peer: End, wanted: tuple[End, int, str]
) -> bool:
    selecting = [one for one in policies if own.namespace and _selects(one, own, direction)]
    if not selecting:
        return True
    rules, peers = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    return any(
        _is_peer(one, rule.get(peers), peer) and _is_port(rule.get("ports"), *wanted)
        for one in selecting
        for rule in one["spec"].get(rules) or ()
    )


def _selects(policy: Policy, pod: End, direction: str) -> bool:
    spec = policy["spec"]
    # Without policyTypes a policy is of ingress, and of egress if it has such rules.
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    here = policy["metadata"].get("namespace", "default") == pod.namespace
    return here and direction in types and matches(spec.get("podSelector") or {}, pod.labels)


def _is_peer(policy: Policy, peers: Sequence[Mapping[str, Any]] | None, other: End) -> bool:
    if not peers:
        return True
    return any(_is_one(policy, peer, other) for peer in peers)


def _is_one(policy: Policy, peer: Mapping[str, Any], other: End) -> bool:
    if "ipBlock" in peer:
        assert peer.keys() == {"ipBlock"}, "ipBlock stands alone"
        return _is_in_block(peer["ipBlock"], other.address)
    if not other.namespace:
        return False
    if "namespaceSelector" in peer:
        space = matches(peer["namespaceSelector"] or {}, other.spaces)
    else:
        space = policy["metadata"].get("namespace", "default") == other.namespace
    return space and matches(peer.get("podSelector") or {}, other.labels)


def _is_in_block(block: Mapping[str, Any], text: str) -> bool:
    address = ipaddress.ip_address(text)
    network = ipaddress.ip_network(block["cidr"])
    left_out = [ipaddress.ip_network(one) for one in block.get("except") or ()]
    # The API server refuses an exception that isn't within the block.
    assert all(one.version == network.version and one.subnet_of(network) for one in left_out)  # type: ignore[arg-type]
    return address in network and not any(address in one for one in left_out)


def _is_port(ports: Sequence[Mapping[str, Any]] | None, target: End, number: int, protocol: str) -> bool:
    if not ports:
        return True
    return any(_is_one_port(one, target, number, protocol) for one in ports)


def _is_one_port(one: Mapping[str, Any], target: End, number: int, protocol: str) -> bool:
    if one.get("protocol", "TCP") != protocol:
        return False
    port = one.get("port")
    if port is None:
        return True
    if isinstance(port, str):
        return target.ports.get(port) == number
    return port <= number <= one.get("endPort", port)


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Tell whether a label selector selects these labels; an empty one selects everything."""
    given = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in given.items()):
        return False
    return all(_expression(one, labels) for one in selector.get("matchExpressions") or ())


def _expression(one: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = one["key"], one.get("values") or ()
    return {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[one["operator"]]
