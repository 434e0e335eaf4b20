"""A revocation by another process is seen at once, and a file that rests is seldom looked at."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
import subprocess
import sys
import time

import pytest
from tabard_sidecar.state.sqlite import SQLiteStateStore, changes
from tabard_sidecar.util import folder_bell
from tabard_sidecar.util.folder_bell import FolderBell

from tests.support.descriptors import descriptors
from tests.support.state import new_task
from tests.support.waiting import eventually

NEVER_SECONDS = 3600.0
LONG_SECONDS = 30.0
LAST = 2**62

# Does in a process of its own what each line of its input names, and says when it is done.
OTHER = """
import asyncio, sqlite3, sys, time
from pathlib import Path
from tabard_sidecar.state import Revocation, RevocationKind
from tabard_sidecar.state.sqlite import SQLiteStateStore

async def main(path):
    store = None
    for line in sys.stdin:
        match line.split():
            case ["open"]:
                store = SQLiteStateStore(path, zone="z", busy_timeout_seconds=10)
                await store.open()
            case ["revoke", target]:
                await store.revoke(Revocation(RevocationKind.AGENT, target, 1.0, time.time() + 600))
            case ["checkpoint", mode]:
                connection = sqlite3.connect(path, timeout=10)
                connection.execute(f"PRAGMA wal_checkpoint({mode})")
                connection.close()
            case ["compact"]:
                await store.compact()
            case ["close"]:
                await store.close()
        print("done", flush=True)

asyncio.run(main(Path(sys.argv[1])))
"""


class Other:
    """Another sidecar's process."""

    def __init__(self, path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", OTHER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    async def does(self, what: str) -> None:
        """Let it do something, and wait until it is done."""
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        assert await asyncio.to_thread(self._process.stdout.readline) == "done\n"

    def close(self) -> None:
        self._process.stdin.close()
        assert self._process.wait(30) == 0
        self._process.stdout.close()


@pytest.fixture
def path(tmp_path):
    """The zone's file, in a folder of its own."""
    return tmp_path / "state" / "state.db"


@pytest.fixture
async def store(path):
    """A sidecar's store."""
    store = SQLiteStateStore(path, zone="z")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def other(store, path):
    """A second process that has the file open."""
    other = Other(path)
    await other.does("open")
    yield other
    other.close()


async def newest(store) -> int:
    return max((entry.seq for entry in await store.revocations()), default=0)


async def saw(store, other, target: str, *, rest: float = 0.3) -> float:
    """Wait for a revocation by the other process; return how long it took, in seconds."""
    watching = asyncio.create_task(store.watch(await newest(store), timeout_seconds=NEVER_SECONDS))
    await asyncio.sleep(rest)
    assert not watching.done()
    began = time.monotonic()
    await other.does(f"revoke {target}")
    assert await asyncio.wait_for(watching, LONG_SECONDS)
    assert target in {entry.target for entry in await store.revocations()}
    return time.monotonic() - began


@pytest.fixture
def told_only(monkeypatch):
    """Let nothing but the kernel tell that something was written."""
    monkeypatch.setattr(changes, "_SELDOM_SECONDS", NEVER_SECONDS / 4)


@pytest.mark.usefixtures("told_only")
async def test_the_kernel_tells_of_each_revocation_of_another_process(store, other):
    for number in range(5):
        await saw(store, other, f"agent-{number}", rest=0.15 * number)


@pytest.mark.usefixtures("told_only")
@pytest.mark.parametrize("mode", ["PASSIVE", "RESTART", "TRUNCATE"])
async def test_a_checkpoint_hides_nothing(store, other, mode):
    """After one that restarts the log, the log is written from its beginning."""
    for number in range(3):
        await saw(store, other, f"before-{number}")
        await other.does(f"checkpoint {mode}")
        await saw(store, other, f"after-{number}")


@pytest.mark.usefixtures("told_only")
async def test_a_checkpoint_while_it_waits_hides_nothing(store, other):
    watching = asyncio.create_task(store.watch(await newest(store), timeout_seconds=NEVER_SECONDS))
    for mode in ("PASSIVE", "RESTART", "TRUNCATE"):
        await asyncio.sleep(0.2)
        await other.does(f"checkpoint {mode}")
    await other.does("compact")
    assert not watching.done()
    await other.does("revoke agent")
    assert await asyncio.wait_for(watching, LONG_SECONDS)


@pytest.mark.usefixtures("told_only")
async def test_a_log_that_is_deleted_and_made_anew_is_followed(store, other, path):
    """The sidecar notices it without a look, denies what began before, and goes on with the new one."""
    await new_task(store)
    await other.does("close")
    watching = asyncio.create_task(store.watch(await newest(store), timeout_seconds=NEVER_SECONDS))
    await asyncio.sleep(0.3)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    assert await asyncio.wait_for(watching, LONG_SECONDS)
    await other.does("open")
    for number in range(3):
        await saw(store, other, f"agent-{number}")


@pytest.mark.usefixtures("told_only")
async def test_a_folder_that_is_replaced_is_noticed(store, path):
    """A backup of the whole folder that is moved into place."""
    folder, backup = path.parent, path.parent.with_name("backup")
    backup.mkdir(mode=0o700)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", (str(backup / path.name),))
    (backup / path.name).chmod(0o600)
    watching = asyncio.create_task(store.watch(await newest(store), timeout_seconds=NEVER_SECONDS))
    await asyncio.sleep(0.3)
    os.rename(folder, folder.with_name("away"))  # noqa: PTH104 - in one step with the next
    os.rename(backup, folder)  # noqa: PTH104
    assert await asyncio.wait_for(watching, LONG_SECONDS)


async def test_a_folder_above_that_is_replaced_is_noticed_and_the_new_one_tells(
    store, path, tmp_path, caplog
):
    """The kernel doesn't tell of it, which says nothing about the file system."""
    folder, backup = path.parent, tmp_path / "elsewhere" / "state"
    link = tmp_path / "linked"
    link.symlink_to(folder.parent)
    backup.mkdir(mode=0o700, parents=True)
    linked = SQLiteStateStore(link / "state" / path.name, zone="z")
    await linked.open()
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("VACUUM INTO ?", (str(backup / path.name),))
        (backup / path.name).chmod(0o600)
        watching = asyncio.create_task(linked.watch(await newest(linked), timeout_seconds=NEVER_SECONDS))
        await asyncio.sleep(0.3)
        link.unlink()
        link.symlink_to(backup.parent)
        assert await asyncio.wait_for(watching, LONG_SECONDS)
        assert "doesn't tell of changes" not in caplog.text
        assert linked._changes._bell is not None
    finally:
        await linked.close()


@pytest.mark.usefixtures("told_only")
@pytest.mark.parametrize("suffix", ["", "-wal"])
async def test_another_time_of_a_file_rings(store, path, suffix, caplog):
    """So the time of a file that was only touched doesn't look as if the kernel had told nothing of a write."""
    looks = Looks()
    await asyncio.sleep(0.3)
    watching = asyncio.create_task(store._changes.seen(looks, NEVER_SECONDS))
    await asyncio.sleep(0.3)
    before = looks.count
    os.utime(f"{path}{suffix}")
    await eventually(lambda: looks.count > before)
    watching.cancel()
    assert store._changes._bell is not None
    assert "doesn't tell of changes" not in caplog.text


@pytest.mark.usefixtures("told_only")
async def test_several_wait_at_once(store, other):
    after = await newest(store)
    waiting = [asyncio.create_task(store.watch(after, timeout_seconds=NEVER_SECONDS)) for _ in range(4)]
    await asyncio.sleep(0.3)
    waiting.pop().cancel()
    await other.does("revoke agent")
    assert await asyncio.wait_for(asyncio.gather(*waiting), LONG_SECONDS) == [True] * 3


@pytest.mark.parametrize("kind", ["no inotify", "no more watches"])
async def test_without_the_kernel_the_file_is_looked_at(store, other, monkeypatch, kind):
    monkeypatch.setattr(folder_bell, "_INIT", None if kind == "no inotify" else lambda _flags: -1)
    monkeypatch.setattr(changes, "_SELDOM_SECONDS", NEVER_SECONDS / 4)
    for number in range(3):
        await saw(store, other, f"agent-{number}", rest=0.5 * number)


async def test_a_file_system_that_tells_nothing_is_found_out(store, other, monkeypatch, caplog):
    """The first write is seen by a seldom look, later ones by frequent ones."""
    monkeypatch.setattr(folder_bell, "_MASK", folder_bell._IN_MOVE_SELF)
    caplog.set_level(logging.WARNING)
    await saw(store, other, "first", rest=1.5)
    await eventually(lambda: told_of(store, caplog), seconds=250)
    assert "doesn't tell of changes" in caplog.text
    monkeypatch.setattr(changes, "_SELDOM_SECONDS", NEVER_SECONDS / 4)
    await saw(store, other, "second")


async def told_of(store, caplog) -> bool:
    """Watch a while, and tell whether something was logged."""
    await store.watch(LAST, timeout_seconds=2.5)
    return bool(caplog.records)


class Looks:
    """Counts looks that see nothing."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> bool:
        self.count += 1
        return False


async def test_a_file_that_rests_is_not_looked_at(store, path):
    """Neither by a read nor, but for once a second, by a look at its times."""
    await asyncio.sleep(0.5)
    looks = Looks()
    assert not await store._changes.seen(looks, 2.5)
    assert looks.count <= 2


@pytest.mark.usefixtures("told_only")
async def test_a_file_that_is_written_all_the_time_is_looked_at_ten_times_a_second(store, other):
    looks = Looks()
    watching = asyncio.create_task(store._changes.seen(looks, NEVER_SECONDS))
    began = time.monotonic()
    for number in range(200):
        await other.does(f"revoke agent-{number}")
    await asyncio.sleep(0.3)
    passed = time.monotonic() - began
    watching.cancel()
    # The first ones follow one another sooner.
    assert 1 <= looks.count <= 8 + 11 * passed


@pytest.mark.usefixtures("told_only")
async def test_a_transaction_that_is_being_written_is_waited_for(store, path):
    """A slow disk: what is written to the log becomes visible without another write."""
    looks = Looks()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        watching = asyncio.create_task(store._changes.seen(looks, NEVER_SECONDS))
        await asyncio.sleep(1)
        assert 5 <= looks.count <= 20
        writer.execute("ROLLBACK")
    await asyncio.sleep(0.5)
    ended = looks.count
    await asyncio.sleep(0.5)
    assert looks.count <= ended + 1
    watching.cancel()


async def test_no_descriptor_is_left(path):
    async def once() -> None:
        store = SQLiteStateStore(path, zone="z")
        await store.open()
        assert not await store.watch(LAST, timeout_seconds=0.3)
        await store.close()

    await once()
    before = descriptors()
    for _ in range(3):
        await once()
    assert descriptors() == before


async def test_a_bell_that_is_closed_does_not_ring(tmp_path):
    bell = FolderBell(tmp_path)
    ring = bell.next_ring()
    bell.close()
    (tmp_path / "file").touch()
    await asyncio.sleep(0.1)
    assert ring is not None
    assert not ring.done()
