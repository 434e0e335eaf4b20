"""Reads the files that a verifier trusts: regular ones of this user or of root, which no other user can change."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_STICKY = stat.S_ISVTX


class FileProblem(Exception):
    """A file can't be read or isn't to be trusted; the message says why and what to do."""


def read(path: Path, max_bytes: int, *, secret: bool = False) -> bytes:
    """Return a file's content.

    Args:
        path: the file; links are followed.
        max_bytes: most bytes that are read; a longer file is cut.
        secret: the file must not be readable by all users.

    Raises:
        FileProblem: it isn't a regular file, belongs to another user, or other users could change it.
    """
    try:
        # Without O_NONBLOCK opening a named pipe would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as stream:  # noqa: PTH123  # a descriptor
            require_own(path, os.fstat(descriptor), secret=secret)
            require_own_folder(path.resolve().parent)
            return stream.read(max_bytes)
    except OSError as error:
        raise FileProblem(f"{path}: {error.strerror}") from None


def require_own(path: Path, info: os.stat_result, *, secret: bool = False) -> None:
    """Check kind, owner and mode of an open file.

    Raises:
        FileProblem: see :func:`read`.
    """
    if not stat.S_ISREG(info.st_mode):
        raise FileProblem(f"{path}: not a regular file")
    if info.st_uid not in {os.geteuid(), 0}:
        raise FileProblem(f"{path}: belongs to user {info.st_uid}; run `chown {os.geteuid()} {path}`")
    if secret and info.st_mode & stat.S_IRWXO:
        raise FileProblem(f"{path}: all users can read it; run `chmod 600 {path}`")
    # The own group is usually this user's alone, and some systems let it write by default (umask 002).
    if info.st_mode & stat.S_IWOTH or (info.st_mode & stat.S_IWGRP and info.st_gid != os.getegid()):
        raise FileProblem(f"{path}: other users can change it; run `chmod go-w {path}`")


def require_own_folder(folder: Path) -> None:
    """Check that other users can't replace the files of a folder.

    Raises:
        FileProblem: they can.
        OSError: the folder can't be looked at.
    """
    info = folder.stat()
    if info.st_uid not in {os.geteuid(), 0}:
        raise FileProblem(f"{folder}: belongs to user {info.st_uid}; choose a folder of this user")
    if info.st_mode & stat.S_IWOTH and not info.st_mode & _STICKY:
        raise FileProblem(f"{folder}: all users can replace its files; run `chmod o-w {folder}`")
