"""Lets Linux tell of changes in a folder (``inotify(7)``), which saves looking again and again."""

from __future__ import annotations

import asyncio
import ctypes
import os
from contextlib import suppress
from pathlib import Path

# sys/inotify.h; the flags of inotify_init1 are those of open.
_IN_MODIFY, _IN_ATTRIB = 0x2, 0x4
_IN_MOVED_FROM, _IN_MOVED_TO = 0x40, 0x80
_IN_CREATE, _IN_DELETE = 0x100, 0x200
_IN_DELETE_SELF, _IN_MOVE_SELF = 0x400, 0x800
_IN_ONLYDIR, _IN_ONESHOT = 0x1000000, 0x80000000
_MASK = (
    _IN_MODIFY
    | _IN_ATTRIB
    | _IN_MOVED_FROM
    | _IN_MOVED_TO
    | _IN_CREATE
    | _IN_DELETE
    | _IN_DELETE_SELF
    | _IN_MOVE_SELF
    | _IN_ONLYDIR
    | _IN_ONESHOT
)
_EVENTS_BYTES = 4096
_LIBC = ctypes.CDLL(None)
_INIT = getattr(_LIBC, "inotify_init1", None)


class FolderBell:
    """Rings when a file of a folder is written, emptied, made, removed or renamed or gets another time, or the folder is moved.

    It rings once and is then silent until it is asked again, so a folder that is written all the time costs nothing. What
    is written through mapped memory, or by another machine, doesn't ring. Belongs to one event loop.

    Args:
        folder: the folder; not those below it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = os.fsencode(folder)
        self._descriptor = -1
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ring: asyncio.Future[None] | None = None

    def next_ring(self) -> asyncio.Future[None] | None:
        """Return what is done once something changes from now on; callers share it, and it may be done for less.

        ``None`` if the system can't tell: it isn't Linux, the folder isn't there, or this user has as many watches as it
        may have (``fs.inotify.max_user_instances``).
        """
        if self._descriptor < 0 and not self._open():
            return None
        # A watch that is there already stays. One that ends at this moment rings after this call (IN_IGNORED).
        if _LIBC.inotify_add_watch(self._descriptor, self._folder, ctypes.c_uint32(_MASK)) < 0:
            return None
        if self._ring is None or self._ring.done():
            self._ring = asyncio.get_running_loop().create_future()
        return self._ring

    def close(self) -> None:
        """Ring no more."""
        if self._descriptor < 0:
            return
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = -1

    def _open(self) -> bool:
        if _INIT is None:
            return False
        self._descriptor = _INIT(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            return False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self._rang)
        return True

    def _rang(self) -> None:
        with suppress(BlockingIOError):
            while len(os.read(self._descriptor, _EVENTS_BYTES)) > _EVENTS_BYTES // 2:
                pass
        if self._ring is not None and not self._ring.done():
            self._ring.set_result(None)
