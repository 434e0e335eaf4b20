"""The SQLite state store: single use, ends, children and requests, across processes too."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.facts import MOST_TASK_BYTES
from tabard_sidecar.model import BudgetLimit
from tabard_sidecar.state import (
    CLAIM_SECONDS,
    Chain,
    Child,
    ClaimState,
    OutcomeState,
    Reservation,
    ReserveState,
    Revocation,
    RevocationKind,
    TaskState,
)
from tabard_sidecar.state.sqlite import SQLiteStateStore, StateFileError
from tabard_sidecar.state.sqlite.schema import MIGRATIONS
from tabard_sidecar.state.store import KEPT_SECONDS

from tests.contracts.state.leases import lease
from tests.support.state import chain, new_task, noted, outcome, wanted

NOW = 1_800_000_000.0
LATER = NOW + 3600


def ending(link, expires_at):
    """The revocation that ends a link."""
    return Revocation(RevocationKind.LINK, link, NOW, expires_at)


@pytest.fixture
async def store(tmp_path):
    """An open store on a file of its own."""
    opened = SQLiteStateStore(tmp_path / "state.db", zone="z")
    await opened.open()
    yield opened
    await opened.close()


async def test_a_name_is_used_no_more_often_than_allowed(store):
    """The use after the last allowed one is refused and not counted."""
    uses = [await store.consume("token:a", limit=3, now=NOW, expires_at=LATER) for _ in range(5)]
    assert uses == [True, True, True, False, False]


async def test_calls_that_note_the_same_keep_it_once(store, tmp_path):
    """However long it is: an agent that repeats a call fills no disk with it."""
    of = chain((await new_task(store)).root_id)
    notes = noted({"ids": [f"{number:03}".ljust(480, "x") for number in range(60)]}, backend={"made": "task"})
    for _ in range(200):
        version = (await store.look_up(of)).label_version
        assert (await store.reserve(wanted(of, notes=notes, version=version))).state is ReserveState.DONE
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as file:
        (held,) = file.execute("SELECT sum(length(facts)) FROM calls").fetchone()
    assert held < MOST_TASK_BYTES + 200 * 100


async def test_a_use_is_forgotten_after_its_expiry(store):
    """A counter that has expired starts again."""
    assert await store.consume("intent:j", limit=1, now=NOW, expires_at=NOW + 10)
    assert not await store.consume("intent:j", limit=1, now=NOW + 9, expires_at=NOW + 10)
    assert await store.consume("intent:j", limit=1, now=NOW + 11, expires_at=NOW + 20)


async def test_an_ended_link_is_found_among_others(store):
    """Ending one link ends every chain through it, and ending twice is no error."""
    await store.revoke(ending("b", LATER))
    await store.revoke(ending("b", LATER))
    assert (await store.look_up(Chain(("a", "b", "c")))).ended == "b"
    assert not (await store.look_up(Chain(("a", "c")))).ended


async def test_children_are_counted_once_and_all_or_none(store):
    """A child beyond the limit is refused, together with the children it came with."""
    for child in "ab":
        assert await store.register_children([Child("p", child, 2)], now=NOW, expires_at=LATER) is None
    assert await store.register_children([Child("p", "a", 2)], now=NOW, expires_at=LATER) is None
    both = [Child("q", "x", 5), Child("p", "c", 2)]
    refused = await store.register_children(both, now=NOW, expires_at=LATER)
    assert refused == Child("p", "c", 2)
    assert (await store.look_up(Chain(("q",)))).children == 0
    assert (await store.look_up(Chain(("q", "p")))).children == 2


async def test_an_end_reaches_what_was_counted_below_it(store):
    """Following the parents up finds an end at any height."""
    chain = [Child("root", "a", None), Child("a", "b", None), Child("b", "c", None)]
    await store.register_children(chain, now=NOW, expires_at=LATER)
    assert not await store.ended_at_or_above("c")
    await store.revoke(ending("a", LATER))
    assert await store.ended_at_or_above("c")
    assert await store.ended_at_or_above("a")
    assert not await store.ended_at_or_above("root")


async def test_a_request_is_claimed_once(store):
    """The same request is pending, then done; another body is a conflict; an abandoned claim is free again."""
    claim = await store.claim_request(b"k", b"body", now=NOW, expires_at=LATER)
    assert claim.state is ClaimState.NEW
    assert (await store.claim_request(b"k", b"body", now=NOW, expires_at=LATER)).state is ClaimState.PENDING
    assert (await store.claim_request(b"k", b"other", now=NOW, expires_at=LATER)).state is ClaimState.CONFLICT
    await store.abandon_request(b"k")
    assert (await store.claim_request(b"k", b"body", now=NOW, expires_at=LATER)).state is ClaimState.NEW
    await store.complete_request(b"k", b"reply", expires_at=LATER)
    done = await store.claim_request(b"k", b"body", now=NOW, expires_at=LATER)
    assert (done.state, done.response) == (ClaimState.DONE, b"reply")


async def test_a_claim_outlives_its_owner_only_briefly(store):
    """What a crashed owner claimed can be claimed anew."""
    await store.claim_request(b"k", b"body", now=NOW, expires_at=LATER)
    late = NOW + CLAIM_SECONDS + 1
    assert (await store.claim_request(b"k", b"body", now=late, expires_at=LATER)).state is ClaimState.NEW


async def test_expired_rows_go(store):
    """Housekeeping removes what has expired and nothing else."""
    long_ago = NOW - KEPT_SECONDS - 1
    await store.revoke(ending("old", long_ago))
    await store.revoke(ending("new", LATER))
    await store.consume("u", limit=1, now=long_ago - 9, expires_at=long_ago)
    await store.register_children([Child("p", "c", None)], now=NOW, expires_at=long_ago)
    await store.claim_request(b"k", b"b", now=NOW - 10, expires_at=NOW - 1)
    assert await store.expire(now=NOW) == 4
    assert not (await store.look_up(Chain(("old",)))).ended
    assert (await store.look_up(Chain(("new",)))).ended == "new"


async def test_a_clock_that_ran_ahead_gives_nothing_back(store):
    """Revocations, single use and children outlive what they are about, so that setting the clock right is harmless."""
    await store.revoke(ending("old", LATER))
    await store.consume("intent:j", limit=1, now=NOW, expires_at=LATER)
    await store.register_children([Child("p", "c", 1)], now=NOW, expires_at=LATER)
    await store.expire(now=LATER + KEPT_SECONDS - 1)
    assert (await store.look_up(Chain(("old",)))).ended == "old"
    assert not await store.consume("intent:j", limit=1, now=NOW, expires_at=LATER)
    assert (await store.look_up(Chain(("p",)))).children == 1


async def test_state_survives_a_restart(tmp_path):
    """A new process sees what the old one wrote."""
    path = tmp_path / "state.db"
    first = SQLiteStateStore(path, zone="z")
    await first.open()
    await first.consume("once", limit=1, now=NOW, expires_at=LATER)
    await first.close()
    second = SQLiteStateStore(path, zone="z")
    await second.open()
    assert not await second.consume("once", limit=1, now=NOW, expires_at=LATER)
    await second.close()
    assert path.stat().st_mode & 0o777 == 0o600


async def test_another_zones_file_is_refused(tmp_path, store):
    """A file belongs to the zone that created it."""
    with pytest.raises(StateFileError, match="belongs to zone 'z', not 'other'"):
        await SQLiteStateStore(tmp_path / "state.db", zone="other").open()


async def test_a_newer_file_is_refused(tmp_path, store):
    """A file written by a later version isn't touched."""
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as connection, connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(StateFileError, match="newer version"):
        await SQLiteStateStore(tmp_path / "state.db", zone="z").open()


async def test_a_file_that_is_no_database_is_refused(tmp_path):
    """Garbage is reported with the file's name."""
    path = tmp_path / "state.db"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StateFileError, match=r"state\.db can't be used"):
        await SQLiteStateStore(path, zone="z").open()


def _descriptors(path: Path) -> int:
    """How many descriptors of this process lead to a file, its log or its index."""
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the descriptor that lists the folder
            links.append(str(entry.readlink()))
    return sum(link.startswith(str(path)) for link in links)


@pytest.mark.parametrize("refused", ["zone", "newer", "garbage", "damaged"])
async def test_a_file_that_is_refused_stays_open_nowhere(tmp_path, refused):
    """A start that fails closes what it opened; Python 3.13 warns of connections that stay open."""
    path = tmp_path / "state.db"
    if refused == "garbage":
        path.write_bytes(b"not a database" * 100)
        path.chmod(0o600)
    else:
        first = SQLiteStateStore(path, zone="z")
        await first.open()
        await first.close()
    if refused == "newer":
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("PRAGMA user_version=99")
    if refused == "damaged":
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DROP TABLE meta")
    store = SQLiteStateStore(path, zone="other" if refused == "zone" else "z")
    with pytest.raises(StateFileError):
        await store.open()
    assert _descriptors(path) == 0


async def test_a_write_waits_for_another_process_without_blocking_the_loop(tmp_path):
    """While the file is locked the loop goes on, and the write succeeds once the lock is gone."""
    store = SQLiteStateStore(tmp_path / "state.db", zone="z", busy_timeout_seconds=5)
    await store.open()
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    write = asyncio.create_task(store.consume("x", limit=1, now=NOW, expires_at=LATER))
    ticks = 0
    while ticks < 5:
        await asyncio.sleep(0.01)
        ticks += 1
    assert not write.done()
    other.execute("ROLLBACK")
    assert await write
    other.close()
    await store.close()


async def test_a_lock_that_lasts_is_an_error_not_an_answer(tmp_path):
    """A store that stays locked makes no decision."""
    store = SQLiteStateStore(tmp_path / "state.db", zone="z", busy_timeout_seconds=0.05)
    await store.open()
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(NoDecision) as caught:
        await store.consume("x", limit=1, now=NOW, expires_at=LATER)
    assert caught.value.code == "state_unavailable"
    other.close()
    await store.close()


def _consume_in_process(path: str, attempts: int) -> int:
    async def work() -> int:
        store = SQLiteStateStore(Path(path), zone="z", busy_timeout_seconds=10)
        await store.open()
        got = 0
        for _ in range(attempts):
            got += await store.consume("shared", limit=25, now=NOW, expires_at=LATER)
        await store.close()
        return got

    return asyncio.run(work())


def test_processes_together_never_use_more_than_the_limit(tmp_path):
    """Four processes race for 25 uses and get exactly 25."""
    path = str(tmp_path / "state.db")
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        got = pool.starmap(_consume_in_process, [(path, 20)] * 4)
    assert sum(got) == 25


def _open_together(path: str, barrier) -> bool:
    async def work() -> bool:
        store = SQLiteStateStore(Path(path), zone="z")
        barrier.wait(30)
        await store.open()
        await store.close()
        return True

    return asyncio.run(work())


def test_sidecars_that_start_together_all_open_a_new_file(tmp_path):
    """Creating the file, its journal and its tables at the same moment is an error in none of the processes."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(6) as pool:
        for round_number in range(5):
            barrier = manager.Barrier(6)
            opened = pool.starmap(_open_together, [(str(tmp_path / f"{round_number}.db"), barrier)] * 6)
            assert opened == [True] * 6


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    claims=st.lists(st.tuples(st.integers(0, 6), st.one_of(st.none(), st.integers(0, 4))), max_size=30),
)
def test_no_parent_ever_has_more_children_than_its_limit(tmp_path_factory, claims):
    """Whatever order children come in, an accepted child never exceeded the limit it came with."""

    async def work() -> None:
        store = SQLiteStateStore(tmp_path_factory.mktemp("s") / "state.db", zone="z")
        await store.open()
        seen: set[int] = set()
        for child, limit in claims:
            refused = await store.register_children(
                [Child("p", str(child), limit)], now=NOW, expires_at=LATER
            )
            if child in seen:
                assert refused is None
            elif limit is not None and len(seen) >= limit:
                assert refused is not None
            else:
                assert refused is None
                seen.add(child)
        assert (await store.look_up(Chain(("p",)))).children == len(seen)
        await store.close()

    asyncio.run(work())


async def test_a_look_up_that_is_remembered_sees_every_change(tmp_path):
    """A chain's state is read again after any change: one's own, and another process's, fast or durable."""
    path = tmp_path / "state.db"
    ours, theirs = (SQLiteStateStore(path, zone="z") for _ in range(2))
    await ours.open()
    await theirs.open()
    try:
        links = ("a", "b")
        for _ in range(2):
            assert await ours.look_up(Chain(links)) == TaskState(known=False, with_calls=True)
        for count, store in enumerate((ours, theirs, ours), 1):
            await store.register_children([Child("b", f"child-{count}", None)], now=NOW, expires_at=LATER)
            assert [(await one.look_up(Chain(links))).children for one in (ours, theirs)] == [count, count]
        await theirs.revoke(ending("a", LATER))
        assert [(await one.look_up(Chain(links))).ended for one in (ours, theirs)] == ["a", "a"]
    finally:
        await ours.close()
        await theirs.close()


async def test_what_is_remembered_of_chains_is_bounded(store):
    """Holders choose how long their chains are and how many they make of them."""
    for number in range(3_000):
        await store.look_up(Chain((f"root-{number}",)))
    assert len(store._task_states) <= 256
    before = len(store._task_states)
    budgets = tuple(BudgetLimit(f"b{number}", "x", 1) for number in range(500))
    await store.look_up(Chain(("root", *(f"l{number}" for number in range(20))), budgets))
    assert len(store._task_states) <= before


async def test_old_decisions_are_looked_for_beside_the_loop(store, monkeypatch):
    """A holder can name decisions that aren't there as often as it likes, and no other call waits for the search."""
    made = await new_task(store)
    calls = [wanted(chain(made.root_id, budgets={"rows": 10}), charges={"rows": 0}) for _ in range(400)]
    for call in calls:
        await store.reserve(call)
    in_thread, searched = store._file.in_thread, []

    async def counted(work):
        searched.append(work)
        return await in_thread(work)

    monkeypatch.setattr(store._file, "in_thread", counted)
    assert await store.report(outcome(calls[-1], raised={"rows": 1})) is OutcomeState.DONE
    assert not searched
    assert await store.report(outcome(calls[0], raised={"rows": 1})) is OutcomeState.DONE
    assert await store.report(outcome(wanted(calls[0].chain))) is OutcomeState.UNKNOWN
    assert len(searched) == 2
    await store.release(calls[0].decision_id, made.root_id)
    await store.release("unknown", made.root_id)
    assert (await store.look_up(calls[0].chain)).spent == {f"{made.root_id}/rows": 2}


async def test_a_file_of_the_first_version_is_brought_forward(tmp_path):
    """What was ended and counted then is ended and counted now."""
    path = tmp_path / "state.db"
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.executescript(MIGRATIONS[0])
        old.execute("PRAGMA user_version=1")
        old.execute("INSERT INTO ended VALUES ('a', 'task', ?)", (LATER,))
        old.execute("INSERT INTO children VALUES ('a', 'b', ?)", (LATER,))
        old.execute("INSERT INTO uses VALUES ('token:x', 1, ?)", (LATER,))
        old.commit()
    path.chmod(0o600)
    store = SQLiteStateStore(path, zone="z")
    await store.open()
    try:
        state = await store.look_up(Chain(("a",)))
        assert (state.ended, state.children, state.known) == ("a", 1, False)
        (revocation,) = await store.revocations()
        assert (revocation.kind, revocation.target) == (RevocationKind.LINK, "a")
        assert not await store.consume("token:x", limit=1, now=NOW, expires_at=LATER)
        assert not await store.check()
    finally:
        await store.close()


async def test_a_file_of_the_second_version_goes_on_counting(tmp_path):
    """What a task had spent is still spent; only what its budget is called isn't known."""
    path = tmp_path / "state.db"
    budget = BudgetLimit("b", "cents", 10)
    with contextlib.closing(sqlite3.connect(path)) as old:
        for script in MIGRATIONS[:2]:
            old.executescript(script)
        old.execute("PRAGMA user_version=2")
        old.execute("INSERT INTO tasks VALUES ('r', 't', 'i', 's', 'w', 'p', ?, ?, 0, 1)", (NOW, LATER))
        old.execute("INSERT INTO spent VALUES ('r', 'b', 7)")
        old.commit()
    path.chmod(0o600)
    store = SQLiteStateStore(path, zone="z")
    await store.open()
    try:
        of = Chain(("r",), (budget,))
        assert ((await store.look_up(of)).spent, (await store.tree("t")).budgets) == ({"b": 7}, {})
        over, fits = (
            Reservation(of, f"d{cents}", "pay", {"cents": cents}, (), (), 0, (), NOW) for cents in (4, 3)
        )
        assert (await store.reserve(over)).state is ReserveState.EXHAUSTED
        done = await store.reserve(replace(fits, unchanged=(0, 0)))
        assert (done.state, done.changes) == (ReserveState.DONE, 1)
        assert (await store.tree("t")).spent == {"b": 10}
        assert not await store.check()
    finally:
        await store.close()


async def test_a_lease_survives_a_power_cut_once_it_is_extended(store):
    """Until then its source ends it in seconds. A durable write syncs what was written before, too."""
    made = lease()
    durable = store._file._durable
    before = durable.total_changes
    await store.add_lease(made, durable=False)
    assert durable.total_changes == before
    assert durable.execute("PRAGMA synchronous").fetchone() == (2,)
    assert await store.extend_lease(made.lease_id, expires_at=LATER + 60)
    extended = durable.total_changes
    assert extended > before
    await store.add_lease(lease())
    assert durable.total_changes > extended


async def test_a_file_that_rests_is_not_read_again_and_again(store, monkeypatch):
    """To see that nothing was written is cheaper, ten times a second."""
    await asyncio.sleep(1.1)
    asked = []
    rows = store._file.rows
    monkeypatch.setattr(store._file, "rows", lambda *given: asked.append(1) or rows(*given))
    assert not await store.watch(0, timeout_seconds=1)
    assert len(asked) == 1


@pytest.mark.parametrize("rest", [0.0, 0.3, 1.3])
async def test_a_revocation_of_another_process_is_noticed_at_once_however_long_the_file_rested(
    store, tmp_path, rest
):
    other = SQLiteStateStore(tmp_path / "state.db", zone="z")
    await other.open()
    try:
        after, waits = 0, []
        for link in (b"l" * 32, b"m" * 32, b"n" * 32):
            waiting = asyncio.create_task(store.watch(after, timeout_seconds=30))
            await asyncio.sleep(rest)
            assert not waiting.done()
            began = asyncio.get_running_loop().time()
            after = await other.revoke(ending(link, LATER))
            assert await waiting
            waits.append(asyncio.get_running_loop().time() - began)
        # A busy machine may delay one of them.
        assert min(waits) < 1
    finally:
        await other.close()
