"""A state file that is replaced, removed or emptied while sidecars have it open, or that is a copy of another one."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time

import pytest
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.state import Chain, Revocation, RevocationKind
from tabard_sidecar.state.sqlite import SQLiteStateStore, StateFileError
from tabard_sidecar.state.sqlite.place import Place

from tests.support.state import new_task, opened

SIBLINGS = ("-wal", "-shm")


@pytest.fixture
def path(tmp_path):
    """The zone's file."""
    return tmp_path / "state.db"


@pytest.fixture
async def store(path):
    """A store that has the file open, as a running sidecar has."""
    async with opened(lambda: SQLiteStateStore(path, zone="z")) as store:
        yield store


def back_up(path):
    """Copy the file as it is, as `sqlite3 state.db .backup` does."""
    copy = path.with_name("backup.db")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("VACUUM INTO ?", (str(copy),))
    copy.chmod(0o600)
    return copy


def unlink_siblings(path):
    """Remove log and index of the file."""
    for suffix in SIBLINGS:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def restore(path):
    """Move a backup into place."""
    back_up(path).replace(path)
    unlink_siblings(path)


def drop_log(path):
    """Remove the log alone."""
    path.with_name(f"{path.name}-wal").unlink()


def drop_index(path):
    """Remove the index alone."""
    path.with_name(f"{path.name}-shm").unlink()


def remove(path):
    """Remove everything."""
    path.unlink()
    unlink_siblings(path)


async def lost(store):
    """Return the targets of the revocations of earlier tasks."""
    return [entry for entry in await store.revocations() if entry.kind is RevocationKind.STATE]


@pytest.mark.parametrize("happen", [restore, drop_log, drop_index])
async def test_a_sidecar_uses_the_file_that_is_there_and_denies_what_began_before(store, path, happen):
    """It meets the sidecars that were started later, and none of them knows what was lost."""
    await new_task(store)
    happen(path)
    await store.watch(99_000_000, timeout_seconds=0)
    async with opened(lambda: SQLiteStateStore(path, zone="z")) as later:
        await later.revoke(Revocation(RevocationKind.AGENT, "agent", 1.0, time.time() + 60))
        assert "agent" in {entry.target for entry in await store.revocations()}
        (found,) = await lost(later)
    assert found.at == pytest.approx(time.time(), abs=5)
    assert any(str(path) in reason for reason in found.reasons)


async def test_no_number_of_a_lost_revocation_is_used_again(store, path):
    """Else a sidecar that has read it takes the new one for it."""
    backup = back_up(path)
    await store.revoke(Revocation(RevocationKind.AGENT, "agent", 1.0, time.time() + 60))
    before = (await store.look_up(Chain(("a",)))).revocations
    backup.replace(path)
    unlink_siblings(path)
    assert await store.watch(before, timeout_seconds=0)
    assert (await store.look_up(Chain(("a",)))).revocations > before + 1


def empty(path):
    """Empty a file whose log holds nothing that it lacks."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA wal_checkpoint")
    os.truncate(path, 0)


async def test_an_emptied_file_comes_back_as_far_as_its_log_goes(store, path):
    """What is whole again is used, and still may lack something."""
    await new_task(store)
    os.truncate(path, 0)
    await store.watch(99_000_000, timeout_seconds=0)
    assert len((await store.tasks(now=0.0)).tasks) == len(await lost(store)) == 1


@pytest.mark.parametrize("happen", [remove, empty])
async def test_without_a_file_nothing_is_decided(store, path, happen):
    """An operator says whether to begin anew: by a restart."""
    happen(path)
    for _ in range(2):
        with pytest.raises(NoDecision) as error:
            await store.watch(0, timeout_seconds=0)
        assert error.value.code == "state_unavailable"
        assert str(path) in error.value.message
    with pytest.raises(NoDecision, match="restart"):
        await store.look_up(Chain(("a",)))
    with pytest.raises(NoDecision, match="restart"):
        await store.consume("name", limit=1, now=0.0, expires_at=1.0)


async def test_a_file_that_comes_back_is_used(store, path):
    """A volume that was gone for a while needs no restart."""
    away = path.with_name("away")
    restore(path)
    await store.watch(0, timeout_seconds=0)
    backup = back_up(path)
    path.replace(away)
    with pytest.raises(NoDecision):
        await store.watch(0, timeout_seconds=0)
    backup.replace(path)
    await store.watch(99_000_000, timeout_seconds=0)
    assert await lost(store)


@pytest.mark.parametrize("content", [b"no database" * 999, b"SQLite format 3\0" + bytes(9000)])
async def test_a_damaged_file_in_its_place_is_refused(store, path, content):
    """The message names both what happened and what is wrong now."""
    other = path.with_name("other")
    other.write_bytes(content)
    other.chmod(0o600)
    other.replace(path)
    unlink_siblings(path)
    with pytest.raises(NoDecision, match="was replaced, and state file"):
        await store.watch(0, timeout_seconds=0)
    with pytest.raises(NoDecision):
        await store.look_up(Chain(("a",)))


async def test_a_file_of_another_zone_in_its_place_is_refused(store, path):
    """As it is at the start."""
    other = path.with_name("other.db")
    async with opened(lambda: SQLiteStateStore(other, zone="y")):
        pass
    other.replace(path)
    unlink_siblings(path)
    with pytest.raises(NoDecision, match="belongs to zone 'y'"):
        await store.watch(0, timeout_seconds=0)


async def test_a_copy_denies_what_began_before(path):
    """A second file of the zone knows the first one's tasks, so each would give out their budgets."""
    async with opened(lambda: SQLiteStateStore(path, zone="z")) as store:
        await new_task(store)
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    for file, lost_tasks in ((path, 0), (copy, 1), (copy, 1)):
        async with opened(lambda file=file: SQLiteStateStore(file, zone="z")) as store:
            assert len(await lost(store)) == lost_tasks


async def test_a_moved_file_is_no_copy(path):
    """Renaming a folder loses nothing."""
    async with opened(lambda: SQLiteStateStore(path, zone="z")):
        pass
    moved = path.with_name("moved.db")
    path.replace(moved)
    async with opened(lambda: SQLiteStateStore(moved, zone="z")) as store:
        assert not await lost(store)


async def test_an_open_file_stays_itself(store, path):
    """Other sidecars come and go, and an operator compacts the file."""
    for _ in range(3):
        async with opened(lambda: SQLiteStateStore(path, zone="z")) as other:
            await new_task(other)
            await other.compact()
        assert not await store.watch(0, timeout_seconds=0)


async def test_a_start_says_what_is_wrong(path):
    """A file that others can use is refused."""
    path.touch(mode=0o666)
    path.chmod(0o666)
    with pytest.raises(StateFileError):
        await SQLiteStateStore(path, zone="z").open()


@pytest.mark.parametrize(
    ("fraction", "age", "told"),
    [
        (123_456_789, 50_000_000, False),
        (123_456_789, 500_000_000, True),
        (0, 500_000_000, False),
        (0, 1_900_000_000, False),
        (0, 3_500_000_000, True),
    ],
    ids=["just now", "half a second", "half a whole second", "two whole seconds", "four whole seconds"],
)
def test_a_last_write_counts_once_a_later_one_would_have_another_time(path, monkeypatch, fraction, age, told):
    """File systems that count whole seconds need two: a write within them has the time of the one before."""
    for name in (path, f"{path}-wal", f"{path}-shm"):
        with open(name, "wb") as file:  # noqa: PTH123 - names with a suffix
            file.write(b"x")
        os.utime(name, ns=(0, 1_700_000_000_000_000_000 + fraction))
    place = Place(path)
    assert place.problem() == ""
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_000_000_000 + fraction + age)
    assert (place.unwritten_since() is not None) is told
