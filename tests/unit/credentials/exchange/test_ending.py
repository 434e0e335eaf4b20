"""Revocations end what was given, keep back what is being obtained, and leave the rest alone."""

import asyncio

import pytest
from tabard_sidecar.credentials.exchange import ExchangeEnding, build_exchanges, live
from tabard_sidecar.credentials.exchange.ending import NotRevokedError
from tabard_sidecar.credentials.revoked import REVOKED_CODES
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.interfaces import Withdrawal
from tabard_sidecar.revocation import lease_targets, subject_target
from tabard_sidecar.state import Revocation, RevocationKind

from tests.support.fake_idp import REVOKE, TOKEN, Answer, fake_idp
from tests.support.tokens import ISSUER
from tests.support.waiting import eventually


def revocation(world, kind, target, *, at=0.0):
    """A revocation that holds now."""
    return Revocation(kind, target, world.clock() + at, world.clock() + 600)


def target_of(kind, request):
    """What is revoked to end the credential of a request."""
    grant = request.grant
    return {
        RevocationKind.LINK: grant.root_id,
        RevocationKind.AGENT: grant.root_holder,
        RevocationKind.SUBJECT: subject_target(ISSUER, grant.subject.id),
        RevocationKind.CREDENTIAL: request.credential_id,
        RevocationKind.STATE: "state",
    }[kind]


async def ended(world, found):
    """Do what the sidecar does with a revocation."""
    ending = ExchangeEnding(world.issuer, clock=world.clock)
    ending.take(found)
    await ending.revoked(found)


@pytest.mark.parametrize("kind", list(RevocationKind))
async def test_a_revocation_revokes_the_tokens_that_depend_on_it(world, kind):
    request, other = await world.request(), await world.request(grant=await world.grant("bob"))
    issued, stays = await world.given(request), await world.given(other)
    await ended(world, revocation(world, kind, target_of(kind, request)))
    everybody = kind in {RevocationKind.STATE, RevocationKind.AGENT}
    assert set(world.idp.revoked) == ({issued.value, stays.value} if everybody else {issued.value})
    again = await world.request(grant=request.grant)
    assert world.issuer.compute(again) is None
    assert (world.issuer.compute(await world.request(grant=other.grant)) is None) is everybody
    before = len(world.idp.revoked)
    await ended(world, revocation(world, kind, target_of(kind, request)))
    assert len(world.idp.revoked) == before


@pytest.mark.parametrize("kind", [RevocationKind.SUBJECT, RevocationKind.STATE])
async def test_what_started_after_a_revocation_stays(world, kind):
    request = await world.request()
    await world.given(request)
    await ended(world, revocation(world, kind, target_of(kind, request), at=-60))
    assert world.idp.revoked == []
    assert world.issuer.compute(await world.request(grant=request.grant)) is not None


async def test_what_is_being_obtained_meanwhile_is_not_given(world):
    request = await world.request()
    answer = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slowly(asked):
        asyncio.run_coroutine_threadsafe(answer.wait(), loop).result(3)
        return world.idp.exchange(asked)

    world.idp.answers[TOKEN] = slowly
    running = asyncio.create_task(world.issuer.issue(request))
    await eventually(lambda: world.idp.exchanges)
    await ended(world, revocation(world, RevocationKind.LINK, request.grant.root_id))
    answer.set()
    with pytest.raises(Refused) as caught:
        await running
    assert caught.value.code == "task_ended"
    assert await world.issuer.withdraw(request) is Withdrawal.ENDED
    assert len(world.idp.revoked) == 1


async def test_what_cannot_be_revoked_is_tried_again_until_it_ends_by_itself(world):
    request = await world.request()
    issued = await world.given(request)
    world.idp.answers[REVOKE] = Answer(503)
    found = revocation(world, RevocationKind.LINK, request.grant.root_id)
    with pytest.raises(NotRevokedError, match="1 credential"):
        await ended(world, found)
    world.idp.answers[REVOKE] = Answer()
    await ended(world, found)
    assert world.idp.revoked == [issued.value] * 2
    world.idp.answers[REVOKE] = Answer(503)
    request = await world.request()
    await world.given(request)
    world.offset = 301
    await ended(world, revocation(world, RevocationKind.LINK, request.grant.root_id))
    assert len(world.idp.revoked) == 2


async def test_without_an_endpoint_held_tokens_are_given_up_all_the_same(make_world):
    world = make_world(revocation_endpoint=None)
    request = await world.request()
    await world.given(request)
    await ended(world, revocation(world, RevocationKind.LINK, request.grant.root_id))
    assert world.issuer.compute(await world.request(grant=request.grant)) is None
    assert world.idp.revoked == []


async def test_many_tokens_end_through_few_connections(world):
    grants = [await world.grant() for _ in range(100)]
    await asyncio.gather(*[world.given(await world.request(grant=grant)) for grant in grants])
    await ended(world, revocation(world, RevocationKind.SUBJECT, subject_target(ISSUER, "alice")))
    assert len(set(world.idp.revoked)) == 100
    assert world.idp.most <= world.config.max_connections


async def test_a_token_is_revoked_that_is_revoked_before_its_answer_leaves(world):
    request, other = await world.request(), await world.request()
    issued = await world.issuer.issue(request)
    await world.issuer.issue(other)
    await ended(world, revocation(world, RevocationKind.LINK, request.grant.root_id))
    assert world.idp.revoked == [issued.value]
    world.issuer.commit(request)
    assert len(world.issuer.live) == 1
    assert world.issuer.compute(await world.request(grant=request.grant)) is None
    await ended(world, revocation(world, RevocationKind.LINK, other.grant.root_id))
    assert await world.issuer.withdraw(other) is Withdrawal.ENDED
    assert (len(set(world.idp.revoked)), len(world.idp.revoked), len(world.issuer.live)) == (2, 2, 0)


async def test_what_cannot_be_revoked_before_its_answer_leaves_is_revoked_after(world):
    request = await world.request()
    issued = await world.issuer.issue(request)
    world.idp.answers[REVOKE] = Answer(503)
    found = revocation(world, RevocationKind.LINK, request.grant.root_id)
    with pytest.raises(NotRevokedError, match="1 credential"):
        await ended(world, found)
    world.issuer.commit(request)
    world.idp.answers[REVOKE] = Answer()
    await ended(world, found)
    assert world.idp.revoked == [issued.value] * 2
    assert len(world.issuer.live) == 0


@pytest.mark.parametrize("kind", list(RevocationKind))
async def test_a_revocation_between_the_checks_and_the_exchange_holds(world, kind):
    request = await world.request()
    await ended(world, revocation(world, kind, target_of(kind, request)))
    with pytest.raises(Refused) as caught:
        await world.issuer.issue(request)
    assert caught.value.code == REVOKED_CODES[kind]
    assert world.idp.exchanges == []
    assert await world.issuer.withdraw(request) is Withdrawal.NOTHING_ISSUED
    lifted = Revocation(kind, target_of(kind, request), world.clock(), 0.0)
    ExchangeEnding(world.issuer, clock=world.clock).take(lifted)
    await world.given(request)


async def test_nobodys_tokens_make_room_for_another_persons(world, monkeypatch):
    monkeypatch.setattr(live, "MOST_OF_PERSON", 3)
    first = await world.request(grant=await world.grant("alice"))
    stays = await world.given(first)
    mallory = [await world.request("once", ("once",), grant=await world.grant("mallory")) for _ in range(4)]
    for request in mallory[:3]:
        await world.given(request)
    asked = len(world.idp.exchanges)
    fault = await world.fault(mallory[3])
    assert (fault.status, fault.code) == ("RESOURCE_EXHAUSTED", "overloaded")
    assert "3 tokens of this person" in fault.message
    assert await world.issuer.withdraw(mallory[3]) is Withdrawal.NOTHING_ISSUED
    assert len(world.idp.exchanges) == asked
    await ended(world, revocation(world, RevocationKind.LINK, first.grant.root_id))
    assert world.idp.revoked == [stays.value]
    await ended(world, revocation(world, RevocationKind.LINK, mallory[0].grant.root_id))
    await world.given(mallory[3])


async def test_all_people_together_have_a_bound_and_what_ended_makes_room(world, monkeypatch):
    monkeypatch.setattr(live, "MOST", 2)
    for person in ("alice", "bob"):
        await world.given(await world.request(grant=await world.grant(person)))
    assert "2 tokens haven't ended" in (await world.fault()).message
    world.offset = 301
    # The fake's clock stays behind, so its token has expired.
    assert (await world.fault(await world.request())).code == "exchange_reply_invalid"
    assert len(world.issuer.live) == 1


async def test_a_hundred_calls_at_once_leave_no_token_behind(world):
    grant = await world.grant()
    requests = [await world.request("once", ("once",), grant=grant) for _ in range(100)]
    given = asyncio.gather(*map(world.given, requests), return_exceptions=True)
    await eventually(lambda: len(world.idp.exchanges) > 20)
    await ended(world, revocation(world, RevocationKind.LINK, grant.root_id))
    found = await given
    for request in requests:
        await world.issuer.withdraw(request)
    assert all(isinstance(one, Refused) or one.value in world.idp.revoked for one in found)
    assert len(set(world.idp.revoked)) == len(world.idp.exchanges)
    assert len(world.issuer.live) == 0


async def two_servers(world, other):
    """Issuers of one zone in front of two identity providers: a sidecar, and one that is killed."""
    other.key = world.idp.key
    two = world.config.model_copy(
        update={
            "token_endpoint": other.address + TOKEN,
            "revocation_endpoint": other.address + REVOKE,
            "audiences": {"b": world.config.audiences["once"]},
        }
    )
    return [
        build_exchanges(
            {"main": world.config, "other": two},
            world.kept,
            world.issuer.journal,
            world.subjects,
            targets=lease_targets,
            clock=world.clock,
            allow_http=True,
            report=lambda _: None,
        )
        for _ in range(2)
    ]


async def test_an_identity_provider_that_hangs_keeps_no_other_from_revoking(make_world, monkeypatch):
    """Neither what this sidecar obtained nor what one that was killed did."""
    monkeypatch.setattr("tabard_sidecar.credentials.noted.OWNER_SECONDS", 0.0)
    world = make_world(timeout_seconds=4)
    with fake_idp() as other:
        here, killed = await two_servers(world, other)
        grant = await world.grant()
        for issuer, audience, count in ((here, "once", 60), (here, "b", 10), (killed, "b", 10)):
            for _ in range(count):
                request = await world.request(audience, ("once",), grant=grant)
                await issuer.issue(request)
                issuer.commit(request)
        world.idp.answers[REVOKE] = Answer(steps=[30.0])
        found = revocation(world, RevocationKind.LINK, grant.root_id)
        await world.store.revoke(found)
        ending = ExchangeEnding(here, clock=lambda: world.clock() + 10)
        ending.take(found)
        began = asyncio.get_running_loop().time()
        for work in (ending.revoked(found), ending.sweep()):
            with pytest.raises(NotRevokedError, match=r"60 credential.*exchange\.main: it didn't answer"):
                await work
        assert len(set(other.revoked)) == 20
        assert asyncio.get_running_loop().time() - began < 30


async def test_a_revoked_token_is_forgotten_as_soon_as_the_store_is_back(world, monkeypatch):
    grant = await world.grant()
    requests = [await world.request("once", ("once",), grant=grant) for _ in range(40)]
    for request in requests:
        await world.given(request)
    found = revocation(world, RevocationKind.LINK, grant.root_id)
    await world.store.revoke(found)
    forget = world.store.end_lease

    async def fail(_lease_id):
        raise NoDecision("UNAVAILABLE", "state_unavailable", "x")

    monkeypatch.setattr(world.store, "end_lease", fail)
    with pytest.raises(NoDecision):
        await ended(world, found)
    assert len(set(world.idp.revoked)) == 40
    monkeypatch.setattr(world.store, "end_lease", forget)
    await ended(world, found)
    assert (await world.store.leases(now=world.clock())).leases == ()
    assert (len(world.idp.revoked), len(world.issuer.live)) == (40, 0)


async def test_the_sweep_revokes_own_tokens_too(world):
    request = await world.request()
    issued = await world.given(request)
    await world.store.revoke(revocation(world, RevocationKind.LINK, request.grant.root_id))
    await ExchangeEnding(world.issuer, clock=lambda: world.clock() + 10).sweep()
    assert world.idp.revoked == [issued.value]
    assert len(world.issuer.live) == 0
