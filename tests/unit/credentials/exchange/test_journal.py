"""Tokens are noted, sealed, before their answers leave, so that another sidecar can revoke them after a crash."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tabard_sidecar.credentials.exchange import ExchangeEnding
from tabard_sidecar.credentials.exchange.ending import NotRevokedError
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.interfaces import Withdrawal
from tabard_sidecar.state import RevocationKind

from tests.support.fake_idp import REVOKE, TOKEN, Answer, fake_idp
from tests.unit.credentials.exchange.test_ending import ended, revocation, target_of


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Others don't wait for the sidecar that was killed."""
    monkeypatch.setattr("tabard_sidecar.credentials.noted.OWNER_SECONDS", 0.0)


@pytest.fixture
def heir(make_world):
    """Another sidecar of the zone: the same store and keys, and no memory of what was given."""
    return make_world()


async def noted(world):
    """Return what the journal has."""
    return (await world.store.leases(now=world.clock())).leases


async def test_a_token_is_noted_sealed_before_its_answer_leaves(world):
    request = await world.request()
    issued = await world.issuer.issue(request)
    [lease] = await noted(world)
    assert (lease.lease_id, lease.source, lease.role) == (request.credential_id, "exchange/main", "orders")
    assert issued.value not in repr(lease)
    assert issued.value.split(".")[2] not in lease.accessor
    assert world.issuer.journal.open(lease) == issued.value


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("kind", list(RevocationKind))
async def test_another_sidecar_revokes_what_a_killed_one_obtained(world, heir, kind, committed):
    request = await world.request()
    issued = await world.issuer.issue(request)
    if committed:
        world.issuer.commit(request)
    found = revocation(heir, kind, target_of(kind, request))
    await world.store.revoke(found)
    await ended(heir, found)
    assert world.idp.revoked == [issued.value]
    assert await noted(world) == ()


async def test_the_sweep_revokes_what_was_noted_just_after_the_revocation(world, heir):
    request = await world.request()
    issued = await world.given(request)
    await world.store.revoke(revocation(world, RevocationKind.LINK, request.grant.root_id))
    sweeper = ExchangeEnding(heir.issuer, clock=lambda: world.clock() + 10)
    await sweeper.sweep()
    assert world.idp.revoked == [issued.value]
    assert await noted(world) == ()


async def test_its_own_sidecar_revokes_once_and_forgets(world):
    request, other = await world.request(), await world.request()
    await world.given(request)
    await world.given(other)
    await ended(world, revocation(world, RevocationKind.LINK, request.grant.root_id))
    assert len(world.idp.revoked) == 1
    assert [lease.lease_id for lease in await noted(world)] == [other.credential_id]


async def test_what_is_withdrawn_is_noted_no_longer(world):
    request = await world.request()
    await world.issuer.issue(request)
    assert await world.issuer.withdraw(request) is Withdrawal.ENDED
    assert await noted(world) == ()


async def test_what_cannot_be_revoked_stays_noted_and_is_tried_again(world, heir):
    request = await world.request()
    await world.given(request)
    world.idp.answers[REVOKE] = Answer(503)
    found = revocation(heir, RevocationKind.LINK, request.grant.root_id)
    with pytest.raises(NotRevokedError, match="1 credential"):
        await ended(heir, found)
    assert len(await noted(world)) == 1
    world.idp.answers[REVOKE] = Answer()
    await ended(heir, found)
    assert await noted(world) == ()


async def test_no_token_is_given_that_cannot_be_noted(world, monkeypatch):
    async def fail(_lease):
        raise NoDecision("UNAVAILABLE", "state_unavailable", "x")

    request = await world.request()
    monkeypatch.setattr(world.store, "add_lease", fail)
    with pytest.raises(NoDecision):
        await world.issuer.issue(request)
    assert await world.issuer.withdraw(request) is Withdrawal.ENDED
    assert (len(world.idp.revoked), len(world.issuer.live)) == (1, 0)


async def test_without_an_endpoint_nothing_is_noted(make_world):
    """Nothing could be done with it."""
    world = make_world(revocation_endpoint=None)
    await world.given(await world.request())
    assert await noted(world) == ()


@pytest.mark.parametrize("accessor", ["", "x", "\x00", "~" * 50_000, "é"])
async def test_what_was_changed_in_the_store_is_told_and_not_sent(world, heir, accessor):
    """One who writes to the store could otherwise have a token of another use sent somewhere."""
    request = await world.request()
    await world.given(request)
    [lease] = await noted(world)
    await world.store.add_lease(replace(lease, accessor=accessor))
    with pytest.raises(NotRevokedError):
        await ended(heir, revocation(heir, RevocationKind.LINK, request.grant.root_id))
    assert world.idp.revoked == []


async def test_a_sealed_token_opens_for_its_own_credential_only(world, heir):
    first, second = await world.request(), await world.request()
    await world.given(first)
    await world.given(second)
    found = {lease.lease_id: lease for lease in await noted(world)}
    swapped = replace(found[first.credential_id], accessor=found[second.credential_id].accessor)
    assert heir.issuer.journal.open(swapped) is None


async def test_a_hundred_tokens_of_a_killed_sidecar_end_through_few_connections(world, heir):
    grant = await world.grant()
    requests = [await world.request("once", ("once",), grant=grant) for _ in range(100)]
    given = await asyncio.gather(*map(world.given, requests))
    await ended(heir, revocation(heir, RevocationKind.LINK, grant.root_id))
    assert set(world.idp.revoked) == {one.value for one in given}
    assert await noted(world) == ()
    assert world.idp.most <= 2 * world.config.max_connections


OTHER = {"endpoint": "revocation_endpoint", "client": "client_id", "path": "revocation_endpoint"}


@pytest.mark.parametrize("what", OTHER)
async def test_a_token_goes_to_no_other_server_whose_section_has_the_same_name(world, make_world, what):
    """It could use the token, and says of a token that it doesn't know that it has ended (RFC 7009, section 2.2)."""
    with fake_idp() as foreign:
        changed = {
            "endpoint": foreign.address + REVOKE,
            "path": world.idp.address + "/other",
            "client": "another",
        }[what]
        world.idp.answers["/other"] = Answer()
        heir = make_world(**{OTHER[what]: changed})
        request = await world.request()
        issued = await world.given(request)
        found = revocation(heir, RevocationKind.LINK, request.grant.root_id)
        await world.store.revoke(found)
        with pytest.raises(NotRevokedError, match=r"exchange\.main: another server issued the token"):
            await ended(heir, found)
        with pytest.raises(NotRevokedError, match="another server"):
            await ExchangeEnding(heir.issuer, clock=lambda: world.clock() + 10).sweep()
        assert foreign.asked == []
        assert [asked.path for asked in world.idp.asked] == [TOKEN]
        assert len(await noted(world)) == 1
        await ended(make_world(), found)
        assert world.idp.revoked == [issued.value]
        assert await noted(world) == ()


async def test_the_server_of_a_sealed_token_cannot_be_changed_in_the_store(world, make_world):
    with fake_idp() as foreign:
        heir = make_world(revocation_endpoint=foreign.address + REVOKE)
        request = await world.request()
        await world.given(request)
        [lease] = await noted(world)
        await world.store.add_lease(replace(lease, source_id=heir.issuer.servers["main"].source_id))
        with pytest.raises(NotRevokedError, match="can't be opened"):
            await ended(heir, revocation(heir, RevocationKind.LINK, request.grant.root_id))
        assert foreign.asked == []


async def test_a_section_that_cannot_revoke_says_so(world, make_world):
    heir = make_world(revocation_endpoint=None)
    await world.given(await world.request())
    [lease] = await noted(world)

    def obstacle(one, lease):
        return ExchangeEnding(one.issuer, clock=world.clock).obstacle(lease)

    assert obstacle(world, lease) == ""
    assert obstacle(heir, lease) == "this one has no exchange.main.revocation_endpoint"
    assert obstacle(heir, replace(lease, source="main")) is None
    assert obstacle(heir, replace(lease, source="exchange/other")) is None
