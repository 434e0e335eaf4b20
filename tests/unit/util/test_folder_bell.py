"""Linux tells of changes in a folder."""

from __future__ import annotations

import asyncio
import mmap
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tabard_sidecar.util import folder_bell
from tabard_sidecar.util.folder_bell import FolderBell

from tests.support.descriptors import descriptors

SILENCE_SECONDS = 0.2
Change = Callable[[Path], object]


@pytest.fixture
def folder(tmp_path):
    """A folder with one file."""
    made = tmp_path / "folder"
    made.mkdir()
    (made / "file").write_bytes(b"content")
    return made


@pytest.fixture
async def bell(folder):
    """The folder's bell."""
    bell = FolderBell(folder)
    yield bell
    bell.close()


async def is_silent(ring: asyncio.Future[None]) -> bool:
    """Tell whether nothing rings for a while."""
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(ring), SILENCE_SECONDS)
    return not ring.done()


CHANGES: dict[str, Change] = {
    "a write": lambda folder: (folder / "file").write_bytes(b"other"),
    "a write at the end": lambda folder: _append(folder / "file"),
    "emptied": lambda folder: os.truncate(folder / "file", 0),
    "made": lambda folder: (folder / "new").touch(),
    "removed": lambda folder: (folder / "file").unlink(),
    "renamed away": lambda folder: (folder / "file").rename(folder.parent / "file"),
    "replaced": lambda folder: _made(folder.parent / "other").replace(folder / "file"),
    "the folder moved": lambda folder: folder.rename(folder.parent / "moved"),
}


def _append(file: Path) -> None:
    with file.open("ab") as opened:
        opened.write(b"more")


def _made(file: Path) -> Path:
    file.touch()
    return file


@pytest.mark.parametrize("name", CHANGES)
async def test_it_rings(bell, folder, name):
    ring = bell.next_ring()
    CHANGES[name](folder)
    await asyncio.wait_for(ring, 60)


def _mapped(folder: Path) -> None:
    with (folder / "file").open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[0:1] = b"C"


SILENT: dict[str, Change] = {
    "a read": lambda folder: (folder / "file").read_bytes(),
    "a listing": os.listdir,
    "mapped memory": _mapped,
    "another folder": lambda folder: _made(folder.parent / "beside"),
}


@pytest.mark.parametrize("name", SILENT)
async def test_it_is_silent(bell, folder, name):
    ring = bell.next_ring()
    SILENT[name](folder)
    assert await is_silent(ring)


async def test_it_rings_once_and_again_when_it_is_asked_again(bell, folder):
    """A folder that is written all the time costs no wake-up for each write."""
    first = bell.next_ring()
    assert bell.next_ring() is first
    for number in range(100):
        (folder / "file").write_bytes(b"%d" % number)
    await asyncio.wait_for(first, 60)
    second = bell.next_ring()
    assert second is not first
    # The end of the former watch may be told only now.
    if second is not first and not await is_silent(second):
        second = bell.next_ring()
    assert await is_silent(second)
    (folder / "file").write_bytes(b"last")
    await asyncio.wait_for(second, 60)


async def test_it_follows_a_folder_that_is_replaced(bell, folder):
    ring = bell.next_ring()
    folder.rename(folder.parent / "away")
    await asyncio.wait_for(ring, 60)
    assert bell.next_ring() is None
    folder.mkdir()
    ring = bell.next_ring()
    (folder / "file").touch()
    await asyncio.wait_for(ring, 60)


async def test_where_the_kernel_cannot_tell_it_says_so(bell, monkeypatch):
    """Another system, or a user who has as many watches as there may be."""
    with monkeypatch.context() as patched:
        patched.setattr(folder_bell, "_INIT", None)
        assert bell.next_ring() is None
        patched.setattr(folder_bell, "_INIT", lambda _flags: -1)
        assert bell.next_ring() is None
    assert bell.next_ring() is not None


async def test_no_descriptor_is_left(folder):
    before = descriptors()
    for _ in range(5):
        bell = FolderBell(folder)
        assert bell.next_ring() is not None
        bell.close()
        bell.close()
    assert descriptors() == before
