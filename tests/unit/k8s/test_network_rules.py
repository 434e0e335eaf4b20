"""The evaluation of NetworkPolicies that tests of the chart rest on, by the examples of Kubernetes' own documentation."""

import pytest

from tests.support.network_rules import End, matches, passes

CLIENT = End.pod("10.0.0.1", "default", role="frontend")
DB = End("10.0.0.2", "default", {"role": "db"}, {"kubernetes.io/metadata.name": "default"}, {"db": 6379})
PROJECT = End("10.0.1.1", "x", {"role": "other"}, {"project": "myproject"})
EXAMPLE = {
    "metadata": {"namespace": "default"},
    "spec": {
        "podSelector": {"matchLabels": {"role": "db"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {
                "from": [
                    {"ipBlock": {"cidr": "172.17.0.0/16", "except": ["172.17.1.0/24"]}},
                    {"namespaceSelector": {"matchLabels": {"project": "myproject"}}},
                    {"podSelector": {"matchLabels": {"role": "frontend"}}},
                ],
                "ports": [{"protocol": "TCP", "port": 6379}],
            }
        ],
        "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/24"}}], "ports": [{"port": 5978}]}],
    },
}


@pytest.mark.parametrize(
    ("source", "port", "answer"),
    [
        (CLIENT, 6379, True),
        (CLIENT, 6380, False),
        (PROJECT, 6379, True),
        (End.pod("10.0.2.1", "y", role="frontend"), 6379, False),
        (End("172.17.2.1"), 6379, True),
        (End("172.17.1.1"), 6379, False),
        (End("8.8.8.8"), 6379, False),
    ],
)
def test_the_example_of_kubernetes_documentation(source, port, answer):
    assert passes([EXAMPLE], source, DB, port) is answer


def test_egress_is_decided_alone():
    assert passes([EXAMPLE], DB, End("10.0.0.9"), 5978)
    assert not passes([EXAMPLE], DB, End("10.0.0.9"), 5979)
    assert not passes([EXAMPLE], DB, End("10.0.9.9"), 5978)


def policy(**spec):
    return {"metadata": {"namespace": "default"}, "spec": {"podSelector": {}, **spec}}


def test_a_policy_without_rules_lets_nothing_through_and_an_empty_rule_everything():
    assert not passes([policy(policyTypes=["Egress"])], CLIENT, End("8.8.8.8"), 1)
    assert passes([policy(policyTypes=["Egress"], egress=[{}])], CLIENT, End("8.8.8.8"), 1, "UDP")
    # Ingress is meant if nothing is said.
    assert not passes([policy()], End("8.8.8.8"), CLIENT, 1)
    assert passes([policy()], CLIENT, End("8.8.8.8"), 1)
    assert not passes([policy(egress=[])], CLIENT, End("8.8.8.8"), 1)
    assert passes([policy(policyTypes=["Egress"])], PROJECT, End("8.8.8.8"), 1)


def test_selectors_in_one_peer_both_count_and_without_one_of_namespaces_its_own_does():
    both = [
        {
            "namespaceSelector": {"matchLabels": {"project": "myproject"}},
            "podSelector": {"matchLabels": {"a": "b"}},
        }
    ]
    assert not passes([policy(ingress=[{"from": both}])], PROJECT, CLIENT, 1)
    every = [{"namespaceSelector": {}}]
    assert passes([policy(ingress=[{"from": every}])], PROJECT, CLIENT, 1)
    assert not passes([policy(ingress=[{"from": every}])], End("8.8.8.8"), CLIENT, 1)
    own = [{"podSelector": {}}]
    assert not passes([policy(ingress=[{"from": own}])], PROJECT, CLIENT, 1)
    assert passes([policy(ingress=[{"from": own}])], DB, CLIENT, 1)


def test_ports_by_name_range_and_protocol():
    rule = [{"ports": [{"port": "db"}, {"port": 8000, "endPort": 8010}, {"protocol": "UDP"}]}]
    found = [policy(ingress=rule)]
    assert passes(found, CLIENT, DB, 6379)
    assert not passes(found, DB, CLIENT, 6379)
    assert passes(found, CLIENT, DB, 8010)
    assert not passes(found, CLIENT, DB, 8011)
    assert passes(found, CLIENT, DB, 9, "UDP")


def test_label_selectors():
    assert matches({}, {})
    assert matches({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}, {})
    assert not matches({"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}, {})
    assert matches({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""})
    assert not matches({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": ""})
