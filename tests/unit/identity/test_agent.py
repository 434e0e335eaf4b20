"""Workload identity of the sidecar: projected service-account tokens and static ids."""

import json

import pytest
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.identity.agent import KubernetesAgent, NoAgent, ServiceAccountTerms, StaticAgent
from tabard_sidecar.identity.keyset import parse
from tabard_sidecar.identity.sources import FileKeys, StaticKeys

from tests.support.tokens import NOW, FakeClock, SigningKey, raw_token
from tests.support.waiting import eventually

CLUSTER = SigningKey.make("cluster-1", "RS256")
ISSUER = "https://kubernetes.default.svc.cluster.local"


def token_of(key=CLUSTER, header=None, **changes):
    claims = {
        "iss": ISSUER,
        "aud": ["tabard"],
        "sub": "system:serviceaccount:shop:orders",
        "iat": int(NOW),
        "nbf": int(NOW),
        "exp": int(NOW) + 3600,
        "kubernetes.io": {
            "namespace": "shop",
            "serviceaccount": {"name": "orders", "uid": "1"},
            "pod": {"name": "orders-5d9c-x", "uid": "2"},
        },
    } | changes
    return key.sign(claims, **({"typ": None} | (header or {})))


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "token"


def terms_of(file, **changes):
    return ServiceAccountTerms(**({
        "token_file": file,
        "issuer": ISSUER,
        "audience": "tabard",
        "trust_domain": "example.org",
        "algorithms": frozenset({"RS256"}),
        "skew_seconds": 30,
        "poll_seconds": 0.02,
    } | changes))  # fmt: skip


def agent_of(file, clock, *, keys=None, **changes):
    keys = keys or StaticKeys(parse(json.dumps({"keys": [CLUSTER.jwk()]}).encode()))
    return KubernetesAgent(terms_of(file, **changes), keys, clock=clock)


async def test_a_projected_token_names_the_workload(file, clock):
    file.write_text(token_of() + "\n")
    agent = agent_of(file, clock)
    await agent.refresh()

    found = agent.current()

    assert (found.id, found.issuer) == ("spiffe://example.org/ns/shop/sa/orders", ISSUER)
    assert found.attributes == {"namespace": "shop", "service_account": "orders", "pod": "orders-5d9c-x"}


async def test_a_token_without_a_pod_names_the_workload_too(file, clock):
    file.write_text(
        token_of(**{"kubernetes.io": {"namespace": "shop", "serviceaccount": {"name": "orders"}}})
    )
    agent = agent_of(file, clock)
    await agent.refresh()

    assert "pod" not in agent.current().attributes


@pytest.mark.parametrize(
    ("token", "match"),
    [
        (token_of(iss="https://other"), "issuer"),
        (token_of(aud=["other"]), "audience"),
        (token_of(aud=["tabard", "other"]), "audience"),
        (token_of(exp=int(NOW) - 30), "expired"),
        (token_of(nbf=int(NOW) + 31), "future"),
        (token_of(exp=None), "exp"),
        (token_of(sub="system:serviceaccount:shop:admin"), "different accounts"),
        (token_of(sub=None), "different accounts"),
        (token_of(**{"kubernetes.io": None}), "kubernetes.io"),
        (token_of(**{"kubernetes.io": {"namespace": "shop"}}), "serviceaccount"),
        (token_of(**{"kubernetes.io": {"namespace": "shop", "serviceaccount": "orders"}}), "serviceaccount"),
        (token_of(**{"kubernetes.io": {"namespace": "a/b", "serviceaccount": {"name": "orders"}}}), "namespace"),
        (token_of(**{"kubernetes.io": {"namespace": "..", "serviceaccount": {"name": "orders"}}}), "namespace"),
        (token_of(**{"kubernetes.io": {"namespace": "shop\n", "serviceaccount": {"name": "orders"}}}), "namespace"),
        (token_of(**{"kubernetes.io": {"namespace": "shop", "serviceaccount": {"name": "orders"}, "pod": 1}}), "pod"),
        (token_of(header={"typ": "at+jwt"}), "typ"),
        (token_of(SigningKey.make("cluster-1", "RS256")), "signature"),
        (token_of(SigningKey.make("cluster-2", "RS256")), "no key"),
        (token_of(SigningKey.make("cluster-1", "ES256")), "alg"),
        ("", "three segments"),
        ("x" * 20000, "larger"),
        ("é", "text"),
        (raw_token(SigningKey.make("cluster-1"), {"alg": "none"}, {}), "none"),
    ],
    ids=range(23),
)  # fmt: skip
async def test_tokens_that_prove_no_workload_are_refused(file, clock, token, match):
    file.write_text(token)
    agent = agent_of(file, clock)
    await agent.refresh()

    with pytest.raises(NoDecision, match=match) as caught:
        agent.current()

    assert caught.value.code == "agent_identity_unavailable"
    assert str(file) in caught.value.message
    assert not [part for part in token.split(".") if len(part) > 16 and part in str(caught.value)]


async def test_an_absent_token_is_told_and_may_still_come(file, clock):
    agent = agent_of(file, clock)
    await agent.start()
    with pytest.raises(NoDecision, match="No such file"):
        agent.current()

    file.write_text(token_of())
    await eventually(lambda: agent.problem == "")

    assert agent.current()
    await agent.close()


async def test_a_renewed_token_is_read_without_a_restart(file, clock):
    file.write_text(token_of())
    agent = agent_of(file, clock)
    await agent.start()
    clock.advance(3000)
    replacement = file.with_name("new")
    replacement.write_text(token_of(iat=int(clock.now), nbf=int(clock.now), exp=int(clock.now) + 3600))
    replacement.rename(file)
    clock.advance(1000)  # the old one has expired

    def current():
        try:
            return agent.current()
        except NoDecision:
            return None

    assert (await eventually(current)).attributes["namespace"] == "shop"
    await agent.close()


async def test_an_expired_token_counts_no_longer_than_it_says(file, clock):
    file.write_text(token_of())
    agent = agent_of(file, clock)
    await agent.refresh()
    clock.advance(3599.9)
    assert agent.current()

    clock.advance(0.1)

    with pytest.raises(NoDecision, match="expired"):
        agent.current()


async def test_a_bad_renewal_leaves_the_token_before_until_it_expires(file, clock):
    file.write_text(token_of())
    agent = agent_of(file, clock)
    await agent.refresh()
    file.write_text("broken")
    await agent.refresh()

    assert agent.problem
    assert agent.current()
    clock.advance(3600)
    with pytest.raises(NoDecision):
        agent.current()


async def test_keys_that_come_later_are_waited_for(file, clock, tmp_path):
    keys = FileKeys(tmp_path / "keys.json", monotonic=clock)
    agent = agent_of(file, clock, keys=keys)
    file.write_text(token_of())
    await agent.refresh()
    with pytest.raises(NoDecision, match=r"keys\.json"):
        agent.current()

    (tmp_path / "keys.json").write_text(json.dumps({"keys": [CLUSTER.jwk()]}))
    clock.advance(1)
    await agent.refresh()

    assert agent.current()


def test_a_static_id_must_be_a_spiffe_id():
    agent = StaticAgent("spiffe://example.org/ns/shop/sa/orders")

    assert (agent.current().id, agent.current().issuer) == (
        "spiffe://example.org/ns/shop/sa/orders",
        "urn:tabard:insecure",
    )


@pytest.mark.parametrize(
    "agent_id",
    ["", "orders", "spiffe://", "spiffe://example.org", "spiffe://example.org/", "spiffe://Example.org/a", "spiffe://e/a//b",
     "spiffe://e/a/..", "spiffe://e/a?b", "spiffe://e/a#b", "spiffe://u@e/a", "spiffe://e/" + "a" * 3000, "SPIFFE://e/a"],
)  # fmt: skip
def test_what_is_no_spiffe_id(agent_id):
    with pytest.raises(ValueError, match="SPIFFE"):
        StaticAgent(agent_id)


def test_no_identity_answers_nothing():
    with pytest.raises(NoDecision, match=r"insecure\.agent_id"):
        NoAgent().current()
