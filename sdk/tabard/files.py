"""Reads files that other programs prepared: regular files only, without waiting for them, at most so many bytes.

Opening a named pipe waits for its writer, and a device may never end. The sidecar and the verifiers read every file of
their configuration here.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class RefusedFileError(OSError):
    """A file isn't read because of what it is; ``strerror`` says why and what to do."""

    def __init__(self, number: int, problem: str, path: str | os.PathLike[str]) -> None:
        super().__init__(number, problem, os.fspath(path))


def stamp(status: os.stat_result) -> tuple[int, ...]:
    """Return a value that changes whenever a file is written or replaced, or its mode or owner changes.

    A copy can keep size and time of the last write, so the time of the last change of the inode (``ctime``, which no program
    sets) counts, too.
    """
    return (
        *(status.st_dev, status.st_ino, status.st_mode, status.st_uid, status.st_gid),
        *(status.st_size, status.st_mtime_ns, status.st_ctime_ns),
    )


@contextmanager
def open_regular(path: str | Path, *, follow: bool = True) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    """Open a regular file for reading, and return it with its status.

    Args:
        path: the file.
        follow: whether a symbolic link in its place is followed, as mounted secrets need it.

    Raises:
        RefusedFileError: it isn't a regular file.
        OSError: it can't be opened.
    """
    # Looking before opening: opening a device can have effects. Looking again after it: the name may lead elsewhere now.
    _require_regular(Path(path).stat(follow_symlinks=follow), path)
    descriptor = os.open(path, _FLAGS if follow else _FLAGS | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        _require_regular(status, path)
        yield stream, status


def read_regular(path: str | Path, max_bytes: int, *, follow: bool = True) -> tuple[bytes, os.stat_result]:
    """Return the content and the status of a regular file.

    Raises:
        RefusedFileError: it isn't a regular file, or is larger than ``max_bytes``.
        OSError: it can't be read.
    """
    with open_regular(path, follow=follow) as (stream, status):
        return read_bounded(stream, max_bytes, path), status


def create_regular(path: str | Path) -> os.stat_result:
    """Create an empty file with mode 0600 if there is none, and return the file's status.

    Raises:
        RefusedFileError: something else than a regular file is there.
        OSError: it can't be created or opened, or a symbolic link is there.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    _require_regular(status, path)
    return status


def create_private_folder(path: Path) -> None:
    """Create a folder and its missing parents, all with mode 0700, whatever the process's umask is.

    ``mkdir(parents=True)`` would give other users access to the parents.

    Raises:
        OSError: one can't be created, or something else is there.
    """
    for missing in reversed([folder for folder in (path, *path.parents) if not folder.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def read_bounded(stream: BinaryIO, max_bytes: int, path: str | Path) -> bytes:
    """Return the rest of an open file.

    Raises:
        RefusedFileError: that is more than ``max_bytes``.
        OSError: it can't be read.
    """
    content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise RefusedFileError(errno.EFBIG, f"is larger than {max_bytes} bytes; make it smaller", path)
    return content


def _require_regular(status: os.stat_result, path: str | Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for test, name in _KINDS if test(status.st_mode)), "something else")
        raise RefusedFileError(
            errno.EINVAL, f"is {kind}, not a regular file; put the file itself there", path
        )


_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
