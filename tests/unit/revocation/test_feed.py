"""Following revocations: at once, never older than the bound, across restarts and a store that goes back."""

from __future__ import annotations

import asyncio
import shutil
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.revocation.active import ActiveRevocations
from tabard_sidecar.revocation.feed import RevocationFeed
from tabard_sidecar.revocation.targets import UNTIL_LIFTED
from tabard_sidecar.state import Revocation, RevocationKind, RevocationOrigin
from tabard_sidecar.state.sqlite import SQLiteStateStore
from tabard_sidecar.state.store import KEPT_SECONDS

from tests.support.grants import ALICE, BOB, NOW
from tests.support.waiting import eventually
from tests.unit.revocation.conftest import agent


def revocation(target=ALICE, *, kind=RevocationKind.AGENT, at=NOW, expires_at=UNTIL_LIFTED) -> Revocation:
    return Revocation(kind, target, at, expires_at)


async def test_another_sidecar_is_told(side, store):
    """Soon, without a request to the other sidecar."""
    one, other = await side(), await side()
    await one.admin.revoke_agent(ALICE)
    await eventually(lambda: other.feed.active.agent((ALICE,), NOW))


async def test_revocations_survive_a_restart(side, tmp_path, store):
    """A new process over the same file knows them before it serves."""
    one = await side()
    await one.admin.revoke_agent(ALICE)
    await store.close()
    again = SQLiteStateStore(tmp_path / "state.db", zone="shop")
    await again.open()
    restarted = await side(over=again)
    assert restarted.feed.active.agent((ALICE,), NOW).target == ALICE
    await restarted.feed.stop()
    await again.close()


async def test_a_sidecar_does_not_start_without_them(side):
    """It would have to deny everything, so it says why it doesn't start."""
    one = await side(start=False)
    one.store.broken = True
    with pytest.raises(NoDecision, match="state_unavailable"):
        await one.feed.start()


async def test_a_feed_without_word_denies_everything(side, store, kit, clock):
    """After the bound and not before; it recovers alone when the store answers again."""
    one = await side(max_stale_seconds=2.0)
    grant = kit.verify(kit.mint())
    one.store.broken = True
    await eventually(lambda: one.problems[-1])
    clock.now += 1.9
    await one.checks.check(agent(), grant, newest=0, now=clock.now)
    clock.now += 0.2
    with pytest.raises(Refused, match="revocation_state_stale"):
        await one.checks.check(agent(), grant, newest=0, now=clock.now)
    assert "last read" in one.problems[-1]
    one.store.broken = False
    await eventually(lambda: one.problems[-1] == "")
    await one.checks.check(agent(), grant, newest=0, now=clock.now)


async def test_a_store_that_says_nothing_is_stale_too(side, clock, kit):
    """A connection that is open and dead is noticed within the bound."""
    one = await side(max_stale_seconds=1.0)
    one.store.silent = True
    await eventually(lambda: one.problems[-1])
    clock.now += 1.1
    with pytest.raises(Refused, match="revocation_state_stale"):
        await one.checks.check(agent(), kit.verify(kit.mint()), newest=0, now=clock.now)
    one.store.silent = False
    await eventually(lambda: one.problems[-1] == "")


async def test_a_broken_push_is_made_up_for(side, store, monkeypatch):
    """Where the store can't tell, it is read; health says so."""
    one = await side(max_stale_seconds=1.0)

    async def deaf(*_arguments, **_options):
        raise NoDecision("UNAVAILABLE", "state_unavailable", "no push today")

    monkeypatch.setattr(one.store, "watch", deaf, raising=False)
    await store.revoke(revocation())
    await eventually(lambda: one.feed.active.agent((ALICE,), NOW))
    await eventually(lambda: one.problems[-1] == "no push today")
    assert one.feed.age_seconds <= 1.0


async def test_a_defect_of_the_store_is_reported_and_survived(side, store, monkeypatch):
    """An unexpected exception doesn't end the feed quietly."""
    one = await side(max_stale_seconds=1.0)

    async def defective(**_options):
        raise RuntimeError("an unexpected error")

    monkeypatch.setattr(one.store, "revocations", defective, raising=False)
    await eventually(lambda: "reading revocations failed" in one.problems[-1])
    monkeypatch.undo()
    await store.revoke(revocation())
    await eventually(lambda: one.feed.active.agent((ALICE,), NOW))


async def test_checks_at_once_share_a_reading(side, store):
    """Thirty-two that lack the same revocation read at most twice, and all of them know it afterwards."""
    one = await side(start=False)
    await one.feed.refresh()
    number = await store.revoke(revocation())
    one.store.calls.clear()
    await asyncio.gather(*(one.feed.catch_up(number) for _ in range(32)))
    assert one.feed.active.agent((ALICE,), NOW).target == ALICE
    assert one.store.calls == ["revocations"]
    one.store.calls.clear()
    await asyncio.gather(*(one.feed.refresh() for _ in range(32)))
    assert (
        len(one.store.calls) == 2
    )  # the first one's, which began before the others asked, and one for all others


async def test_a_check_that_is_cancelled_ends_no_other(side, store):
    """Its caller hung up while it read; the next one reads."""
    one = await side(start=False)
    await one.feed.refresh()
    number = await store.revoke(revocation())
    one.store.silent = True
    first = asyncio.create_task(one.feed.catch_up(number))
    second = asyncio.create_task(one.feed.catch_up(number))
    await asyncio.sleep(0)
    one.store.silent = False
    first.cancel()
    await second
    assert one.feed.active.agent((ALICE,), NOW).target == ALICE


async def test_a_number_whose_revocation_is_gone_is_not_looked_for_again(side, store):
    """Numbers are never given back, so the newest one may belong to something that has expired."""
    one = await side(start=False)
    await one.feed.refresh()
    number = await store.revoke(revocation("f" * 64, kind=RevocationKind.LINK, expires_at=NOW - 1))
    await store.expire(now=NOW + KEPT_SECONDS)
    assert not await store.revocations()
    await one.feed.catch_up(number)
    one.store.calls.clear()
    await one.feed.catch_up(number)
    assert one.store.calls == []


async def test_a_start_knows_numbers_whose_revocations_are_gone(side, store):
    """So that waiting for the next one waits, and a check reads nothing."""
    number = await store.revoke(revocation("f" * 64, kind=RevocationKind.LINK, expires_at=NOW - 1))
    await store.expire(now=NOW + KEPT_SECONDS)
    assert not await store.revocations()
    one = await side()
    assert one.feed.sequence == number


async def test_a_look_up_from_before_the_last_reading_is_no_loss(side, store):
    """Its number is lower than what is known by now; nothing is read anew."""
    one = await side(start=False)
    await one.feed.refresh()
    numbers = [await store.revoke(revocation(target)) for target in (ALICE, BOB)]
    await one.feed.refresh()
    one.store.calls.clear()
    for _ in range(3):
        await one.feed.catch_up(numbers[0])
    assert one.store.calls == ["look_up"]
    assert one.feed.sequence == numbers[1]


@pytest.fixture
async def went_back(side, tmp_path, store):
    """A feed that knows c-0 to c-2, over a store that was restored from when there was c-0 only, or nothing."""

    async def went_back(*, emptied=False, expires_at=UNTIL_LIFTED):
        one = await side(start=False, max_stale_seconds=1.0)
        await one.feed.refresh()
        await store.revoke(revocation("c-0", kind=RevocationKind.CREDENTIAL))
        await store.close()
        shutil.copy(tmp_path / "state.db", tmp_path / "backup.db")
        await store.open()
        for target in ("c-1", "c-2"):
            await store.revoke(revocation(target, kind=RevocationKind.CREDENTIAL, expires_at=expires_at))
        await one.feed.refresh()
        await store.close()
        for file in tmp_path.glob("state.db*"):
            if emptied or file.name != "state.db":
                file.unlink()
        if not emptied:
            # The same file with the content of before: of another one the store itself tells that it is a copy.
            (tmp_path / "state.db").write_bytes((tmp_path / "backup.db").read_bytes())
        await store.open()
        return one

    return went_back


@pytest.mark.parametrize("emptied", [False, True])
async def test_a_store_that_goes_back_hides_no_later_revocation(went_back, store, emptied):
    """Its numbers are given a second time; the feed notices with the next request and reads everything."""
    one = await went_back(emptied=emptied)
    before = one.feed.sequence
    number = await store.revoke(revocation(BOB))
    assert number < before
    await one.feed.catch_up(number)
    assert one.feed.active.agent((BOB,), NOW).target == BOB
    assert one.feed.sequence == number


async def test_a_number_given_a_second_time_is_noticed(went_back, store):
    """Even if the store has caught up before it was read."""
    one = await went_back()
    before = one.feed.sequence
    number = 0
    for target in (BOB, ALICE):
        number = await store.revoke(revocation(target))
    assert number == before
    await one.feed.refresh()
    assert one.feed.active.agent((BOB,), NOW).target == BOB
    assert one.feed.active.agent((ALICE,), NOW).target == ALICE


async def test_a_loss_is_noticed_without_a_request(went_back, store, clock):
    """Also when nothing that is known is left to miss: the store's newest number is lower than it was."""
    one = await went_back(expires_at=NOW + 10)
    clock.now = NOW + 11
    await one.feed.start()
    await store.revoke(revocation(BOB))
    await eventually(lambda: one.feed.active.agent((BOB,), NOW))


@pytest.mark.parametrize("emptied", [False, True])
async def test_what_the_store_lost_is_revoked_again(went_back, store, emptied):
    """A loss takes nothing back: it stays revoked here, and everywhere after a moment."""
    one = await went_back(emptied=emptied)
    await one.feed.start()
    for target in ("c-0", "c-1", "c-2"):
        assert one.feed.active.credential(target, "", NOW).target == target

    async def revoked_again():
        return {entry.target for entry in await store.revocations()} == {"c-0", "c-1", "c-2"}

    await eventually(revoked_again)
    # And what was revoked again can be lifted like anything else.
    assert await one.admin.lift(RevocationKind.CREDENTIAL, "c-2")
    assert one.feed.active.credential("c-2", "", NOW) is None


async def test_listeners_hear_of_everything_once_and_in_order(side, store):
    """Those from before the start too, lifts included; all of them count before the first listener hears."""
    heard = []
    await store.revoke(revocation())
    one = await side(start=False)
    one.feed.subscribe(lambda entry: heard.append((entry.target, entry.expires_at > 0)))
    await one.feed.start()
    await one.admin.revoke_agent(BOB)
    await one.admin.lift(RevocationKind.AGENT, ALICE)
    await one.admin.revoke_link("a" * 64)
    await eventually(lambda: len(heard) == 4)
    assert heard == [(ALICE, True), (BOB, True), (ALICE, False), ("a" * 64, True)]


async def test_a_listener_that_fails_keeps_nothing_from_the_others(side, store):
    """Its failure stays in health until a restart tells it everything again."""
    heard = []

    def broken(_entry):
        raise RuntimeError("a cache with a defect")

    one = await side(max_stale_seconds=1.0, listeners=(broken, heard.append))
    await one.admin.revoke_agent(ALICE)
    assert [entry.target for entry in heard] == [ALICE]
    await eventually(lambda: "listener" in one.problems[-1])
    assert one.feed.active.agent((ALICE,), NOW).target == ALICE


async def test_expired_revocations_are_forgotten(side, store, clock):
    """Memory holds what counts and no more; links that their holders ended aren't held at all."""
    one = await side(max_stale_seconds=1.0)
    await one.admin.revoke_agent(ALICE, ttl_seconds=60.0)
    await one.admin.revoke_subject("https://idp.example.org", "u-1", ttl_seconds=60.0)
    ended = Revocation(RevocationKind.LINK, "a" * 64, NOW, NOW + 3600, origin=RevocationOrigin.HOLDER)
    await store.revoke(ended)
    await one.feed.refresh()
    assert len(one.feed.active) == 2
    clock.now += 61.0
    await eventually(lambda: len(one.feed.active) == 0)


async def test_nothing_is_forgotten_by_a_clock_that_jumped(side, clock):
    """The revocation is in force again when the clock is right again, since the store isn't asked a second time."""
    steady = False
    one = await side(max_stale_seconds=1.0, steady=lambda: steady)
    await one.admin.revoke_agent(ALICE, ttl_seconds=60.0)
    clock.now += 7200.0
    reads = one.feed._reads_begun
    await eventually(lambda: one.feed._reads_begun > reads + 2)
    clock.now -= 7200.0
    assert one.feed.active.agent((ALICE,), NOW).target == ALICE
    steady = True
    clock.now += 61.0
    await eventually(lambda: len(one.feed.active) == 0)


def test_a_feed_that_was_never_started_is_stale():
    """There is no state in which a feed that knows nothing lets anything pass."""
    feed = RevocationFeed(None, clock=time.time, max_stale_seconds=10.0)
    with pytest.raises(Refused, match="revocation_state_stale"):
        feed.check_fresh()


_entries = st.lists(
    st.builds(
        Revocation,
        kind=st.sampled_from([RevocationKind.AGENT, RevocationKind.SUBJECT, RevocationKind.CREDENTIAL]),
        target=st.sampled_from(["i a", "i b"]),
        at=st.integers(0, 5).map(float),
        expires_at=st.integers(0, 12).map(float),
    ),
    max_size=12,
)


@given(entries=_entries, now=st.integers(0, 12).map(float), since=st.integers(0, 6).map(float))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_known_is_what_was_said_last_and_never_less(entries, now, since):
    """Against a model that keeps every entry: a target is revoked by any entry since its last lift."""
    known = ActiveRevocations()
    for entry in entries:
        known.apply(entry)
    pruned = ActiveRevocations()
    for entry in entries:
        pruned.apply(entry)
    pruned.prune(now)
    for target in ("i a", "i b"):
        for kind, ask in (
            (RevocationKind.AGENT, lambda k, t=target: k.agent((t,), now)),
            (RevocationKind.SUBJECT, lambda k, t=target: k.subject("i", t.removeprefix("i "), since, now)),
            (RevocationKind.CREDENTIAL, lambda k, t=target: k.credential(t, "x", now)),
        ):
            said = [entry for entry in entries if (entry.kind, entry.target) == (kind, target)]
            lifts = [index for index, entry in enumerate(said) if entry.expires_at == 0]
            held = said[lifts[-1] + 1 :] if lifts else said
            revoked = bool(held) and max(entry.expires_at for entry in held) > now
            if kind is RevocationKind.SUBJECT:
                revoked = revoked and since <= max(entry.at for entry in held)
            assert (ask(known) is not None) == revoked
            assert (ask(pruned) is not None) == revoked
