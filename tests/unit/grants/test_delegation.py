"""Narrowing and branching offline, and describing without verifying."""

import time

import pytest
from tabard import delegation, macaroon
from tabard.caveats import Branch, CaveatError, Expiry, Hop, Limits, MaxDepth, ThirdParty, Tools
from tabard.delegation import branch, describe_unverified, narrow
from tabard.macaroon import MacaroonError

from tests.support.grants import ALICE, BOB, NOW

KEY = bytes(32)


def test_narrowing_appends_what_the_limits_say(kit):
    text = kit.mint()
    narrowed = kit.verify(narrow(text, Limits(tools=("a*",), max_depth=1, ttl_seconds=60), now=NOW))

    assert narrowed.caveats == (*kit.verify(text).caveats, Expiry(NOW + 60), Tools(("a*",)), MaxDepth(1))
    assert narrowed.holder_id == kit.verify(text).holder_id


def test_ttl_counts_from_now():
    before = time.time()
    found = describe_unverified(narrow(macaroon.mint(KEY, b"{}"), Limits(ttl_seconds=60)))

    assert before + 59 < found.expires_at <= time.time() + 60


def test_nothing_to_narrow(kit):
    text = kit.mint()

    assert narrow(text, Limits()) == text


def test_branch_comes_before_what_narrows(kit):
    grant = kit.verify(branch(kit.mint(), "researcher", Limits(tools=())))

    assert isinstance(grant.caveats[-2], Branch)
    assert grant.links[0].caveats == (Tools(()),)
    assert grant.sub_agent == "researcher"


@pytest.mark.parametrize("name", ["", "a\nb", "a" * 129, None])
def test_malformed_name(kit, name):
    with pytest.raises(CaveatError):
        branch(kit.mint(), name)


def test_budgets_can_be_narrowed_offline(kit):
    limits = Limits(budgets={"usd": 5})
    for made in (narrow(kit.mint(), limits), branch(kit.mint(), "a", limits)):
        assert [(budget.name, budget.limit) for budget in kit.verify(made).budgets] == [("usd", 5)]


@pytest.mark.parametrize("text", ["", "nonsense", "é", "A" * 100_000])
def test_malformed_grant(text):
    for function in (
        lambda: narrow(text, Limits()),
        lambda: branch(text, "a"),
        lambda: describe_unverified(text),
    ):
        with pytest.raises(MacaroonError):
            function()


def test_no_hop_offline():
    """A thief would append one to himself."""
    assert not [name for name in vars(delegation) if "hop" in name.lower() and name != "Hop"]
    assert not hasattr(delegation, "delegate")


def test_description(kit):
    text = branch(kit.delegate(kit.mint(), BOB, Limits(ttl_seconds=60)), "researcher")
    text = macaroon.append(text, [b'{"type":"novelty"}'])
    text = macaroon.append_third_party(text, "approvals", KEY, b"ask")
    found = describe_unverified(text)

    assert (found.holder, found.sub_agent, found.depth) == (BOB, "researcher", 2)
    assert found.expires_at == NOW + 60
    assert found.identifier["purpose"] == "refunds"
    assert found.unknown == 1
    assert isinstance(found.caveats[-1], ThirdParty)
    assert any(isinstance(caveat, Hop) for caveat in found.caveats)


def test_description_of_a_root(kit):
    found = describe_unverified(kit.mint())

    assert (found.holder, found.sub_agent, found.depth, found.expires_at) == (ALICE, "", 0, NOW + 3600)


@pytest.mark.parametrize(
    "identifier",
    [
        b"",
        b"\xff",
        b"[]",
        b"1",
        b"[" * 20_000,
        b'{"expires_at":"x","holder":5}',
        b'{"expires_at":' + b"9" * 500 + b"}",
    ],
)
def test_description_of_anything(identifier):
    found = describe_unverified(macaroon.mint(KEY, identifier))

    assert found.depth == 0
    assert found.expires_at is None
