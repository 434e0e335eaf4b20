"""Tells whether a file system takes writes, before a write fails."""

from __future__ import annotations

import errno
import os

LEAST_BYTES = 64 * 1024
"""With less space a record or a call may fit by chance, and the next one not."""


def require_space(place: int | str | os.PathLike[str]) -> None:
    """Check the file system of a path or an open file.

    Raises:
        OSError: it is mounted read-only or full, or can't be examined.
    """
    found = os.statvfs(place)
    name = None if isinstance(place, int) else os.fspath(place)
    if found.f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, "its file system is mounted read-only; mount it writable", name)
    free = (found.f_bavail if os.geteuid() else found.f_bfree) * found.f_frsize
    if found.f_blocks and free < LEAST_BYTES:
        raise OSError(errno.ENOSPC, f"its file system has only {free} bytes left; free space there", name)
