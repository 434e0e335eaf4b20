"""Looking at a state file changes nothing, whatever became of it; opening it might."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time

import pytest
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.state import Revocation, RevocationKind
from tabard_sidecar.state.sqlite import SQLiteStateStore, StateFileError
from tabard_sidecar.state.sqlite.schema import MIGRATIONS

from tests.support.state import new_task, opened


@pytest.fixture
def path(tmp_path):
    """The zone's file, alone in its folder."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return folder / "zone.db"


def contents(path):
    """Every file in the folder with its content and its number; SQLite's index of the log holds nothing that is kept."""
    return {
        file.name: (file.read_bytes(), file.stat().st_ino)
        for file in path.parent.iterdir()
        if not file.name.endswith("-shm")
    }


async def looked(path, *, zone="z"):
    """Look at the file; return what opening it would change, and its problems."""
    store = SQLiteStateStore(path, zone=zone)
    try:
        return list(await store.look()), list(await store.check())
    finally:
        await store.close()


async def used(path):
    """Use the file as a sidecar does, until it ends."""
    async with opened(lambda: SQLiteStateStore(path, zone="z")) as store:
        await new_task(store)


async def copied(path):
    """Restore a backup."""
    await used(path)
    shutil.copy(path, path.with_name("backup"))
    path.with_name("backup").replace(path)


async def old(path):
    """Write it as the first versions did."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for script in MIGRATIONS[:4]:
            connection.executescript(script)
        connection.execute("PRAGMA user_version=4")
        connection.execute("INSERT INTO meta VALUES ('zone', 'z')")
    path.chmod(0o600)


async def killed(path):
    """Leave a log behind, as a killed sidecar does."""
    async with opened(lambda: SQLiteStateStore(path, zone="z")) as store:
        await new_task(store)
        for file in list(path.parent.iterdir()):
            shutil.copy(file, path.with_name(f"kept-{file.name}"))
    for file in list(path.parent.glob("kept-*")):
        file.replace(path.with_name(file.name.removeprefix("kept-")))


async def empty(path):
    """Make a file that no sidecar has used."""
    path.touch(mode=0o600)


@pytest.mark.parametrize(
    ("happen", "words"),
    [
        (used, []),
        (empty, []),
        (copied, ["ends every task that was started before"]),
        (killed, ["ends every task that was started before"]),
        (old, [f"schema 4, and this version's is {len(MIGRATIONS)}"]),
    ],
)
async def test_looking_changes_nothing_and_says_what_a_start_would(path, happen, words):
    await happen(path)
    before = contents(path)
    for _ in range(2):
        notes, problems = await looked(path)
        assert contents(path) == before
        assert problems == []
        assert len(notes) == len(words)
        assert all(word in note for word, note in zip(words, notes, strict=True))


async def test_the_file_of_a_running_sidecar_can_be_looked_at(path):
    """And what is in its log alone is seen."""
    async with opened(lambda: SQLiteStateStore(path, zone="z")) as store:
        await new_task(store)
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("INSERT INTO labels VALUES ('nobody', '', 'x', 0)")
        before = contents(path)
        notes, problems = await looked(path)
        assert contents(path) == before
        assert (notes, problems) == ([], ["1 rows of labels belong to no task"])
        await new_task(store)
        assert not await store.watch(0, timeout_seconds=0)


async def test_what_is_looked_at_cannot_be_written(path):
    await used(path)
    store = SQLiteStateStore(path, zone="z")
    await store.look()
    try:
        with pytest.raises(NoDecision):
            await store.revoke(Revocation(RevocationKind.AGENT, "a", 1.0, time.time() + 60))
        with pytest.raises(NoDecision):
            await store.compact()
    finally:
        await store.close()


async def test_a_lost_table_is_a_problem(path):
    await used(path)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE facts")
    assert (await looked(path))[1] == ["The table facts is missing."]


@pytest.mark.parametrize("refused", ["zone", "newer", "garbage", "readable", "link", "missing"])
async def test_what_a_start_refuses_is_refused_unchanged(path, refused):
    if refused != "missing":
        await used(path)
    if refused == "newer":
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("PRAGMA user_version=99")
    elif refused == "garbage":
        path.write_bytes(b"not a database" * 100)
    elif refused == "readable":
        path.chmod(0o644)
    elif refused == "link":
        path.replace(path.with_name("other.db"))
        path.symlink_to("other.db")
    before = contents(path)
    with pytest.raises(StateFileError, match=r"zone\.db"):
        await looked(path, zone="other" if refused == "zone" else "z")
    assert contents(path) == before
