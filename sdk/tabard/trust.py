"""Tells whether strangers could have written or replaced a file: owners, modes and links on the way to it.

Trusted are root, this process's user and this process's groups. Kubernetes gives volumes to the pod's ``fsGroup``, and
a developer's files belong to his own group, so writing by one of our groups is the administrator's word.

Two places are exempt. What is mounted read-only can't be written, so neither owner nor mode matter there. And Kubernetes
lets every user write to the top folder of a volume (a mount point that root owns); who mounts it is up to the pod.

A private file mustn't be readable by strangers either. A Secret of Kubernetes is exempt: its files are root's, so a process
that isn't root and has no group of the pod's can read them only if everyone may; no other container has the mount.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from tabard.files import RefusedFileError, open_regular, read_bounded

_MAX_LINKS = 40
_MOUNTS = Path("/proc/self/mountinfo")
_ACL = "system.posix_acl_access"


class UntrustedFileError(RefusedFileError):
    """A stranger could have written or replaced a file; ``strerror`` says where and what to do."""


def require_trusted(path: str | Path, *, private: bool = False) -> None:
    """Check a file or folder and every folder and link on the way to it.

    Args:
        path: the file or folder.
        private: whether strangers mustn't read the file either.

    Raises:
        UntrustedFileError: another user could write or replace it, or read it if it is private.
        OSError: it can't be examined.
    """
    # Texts and not paths: a sidecar looks at its keys and its log every second.
    here, pending, links = "/", _steps(os.path.join(os.getcwd(), path)), 0  # noqa: PTH109, PTH118
    _require_folder(here, os.lstat(here), last=False)
    while pending:
        step = pending.pop()
        if step == "..":
            here = os.path.dirname(here)  # noqa: PTH120
            continue
        entry = f"{here.rstrip('/')}/{step}"
        info = os.lstat(entry)
        if stat.S_ISLNK(info.st_mode):
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), entry)
            _require_owner(entry, info, mount=here)
            target = os.readlink(entry)  # noqa: PTH115
            here = "/" if target.startswith("/") else here
            pending += _steps(target)
            continue
        if pending and stat.S_ISDIR(info.st_mode):
            _require_folder(entry, info, last=False)
        else:
            require_trusted_status(entry, info, private=private)
        here = entry


def require_trusted_status(path: str | Path, info: os.stat_result, *, private: bool = False) -> None:
    """Check owner and mode of one file or folder, not the way to it.

    Raises:
        UntrustedFileError: another user could write it, or read it if it is private.
    """
    entry = os.fspath(path)
    if stat.S_ISDIR(info.st_mode):
        _require_folder(entry, info, last=True)
        return
    _require_owner(entry, info, mount=entry)
    if _strangers(entry, info, stat.S_IWGRP, stat.S_IWOTH) and not _is_read_only(entry):
        raise _writable(entry, info)
    if private and _strangers(entry, info, stat.S_IRGRP, stat.S_IROTH) and not is_mounted_secret(entry):
        raise UntrustedFileError(
            errno.EPERM, f"can be read by others ({_mode(info)}); run: chmod 600 {entry}", entry
        )


def read_trusted(path: str | Path, max_bytes: int, *, private: bool = False) -> tuple[bytes, os.stat_result]:
    """Return content and status of a file that only root, this user and its groups could have written.

    Links are followed, since Kubernetes replaces mounted files through them.

    Args:
        path: the file.
        max_bytes: its greatest size.
        private: whether strangers mustn't be able to read it either.

    Raises:
        OSError: it can't be read, isn't a regular file, is too large, or can be changed by strangers; ``filename``
            and ``strerror`` say what is wrong where.
    """
    with open_trusted(path, private=private) as (stream, status):
        return read_bounded(stream, max_bytes, path), status


@contextmanager
def open_trusted(path: str | Path, *, private: bool = False) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    """Open a file as :func:`read_trusted` does.

    Raises:
        OSError: as :func:`read_trusted`.
    """
    require_trusted(path, private=private)
    with open_regular(path) as (stream, status):
        require_trusted_status(path, status, private=private)
        yield stream, status


def is_mounted_secret(path: str | Path) -> bool:
    """Tell whether a file is in memory, on a mount that can't be written, as a container runtime mounts Secrets.

    Raises:
        OSError: it can't be examined.
    """
    if not _is_read_only(os.fspath(path)):
        return False
    number = os.stat(path).st_dev  # noqa: PTH116 - texts and paths
    device = f"{os.major(number)}:{os.minor(number)}".encode()
    try:
        lines = _MOUNTS.read_bytes().splitlines()
    except OSError:
        return False
    for line in lines:
        # proc_pid_mountinfo(5): the third field is the device; after a lone hyphen comes the file system's type.
        before, _, after = line.partition(b" - ")
        if before.split()[2] == device:
            return after.split()[0] == b"tmpfs"
    return False


def _steps(path: str) -> list[str]:
    """Return the steps of a path, the first one last."""
    return [step for step in reversed(path.split("/")) if step not in {"", "."}]


def _require_folder(entry: str, info: os.stat_result, *, last: bool) -> None:
    _require_owner(entry, info, mount=entry)
    if not _strangers(entry, info, stat.S_IWGRP, stat.S_IWOTH):
        return
    volume = info.st_uid == 0 and not info.st_mode & stat.S_ISVTX and _is_mount_point(entry)
    # With the sticky bit, strangers can add files and can't replace those of others.
    allowed = volume or (info.st_mode & stat.S_ISVTX and not last)
    if not allowed and not _is_read_only(entry):
        raise _writable(entry, info)


def _require_owner(entry: str, info: os.stat_result, *, mount: str) -> None:
    if info.st_uid not in {0, os.geteuid()} and not _is_read_only(mount):
        raise UntrustedFileError(
            errno.EPERM,
            f"belongs to user {info.st_uid}, neither to root nor to this user {os.geteuid()}; "
            f"run: chown -h {os.geteuid()} {entry}, or mount it read-only",
            entry,
        )


def _strangers(entry: str, info: os.stat_result, group: int, others: int) -> bool:
    """Tell whether a user whom we don't trust has the permission that two bits of the mode give."""
    if info.st_mode & others:
        return True
    if not info.st_mode & group:
        return False
    return info.st_gid not in {0, os.getegid(), *_groups()} or _has_acl(entry)


@lru_cache(maxsize=1)
def _groups() -> frozenset[int]:
    return frozenset(os.getgroups())


def _has_acl(entry: str) -> bool:
    """Tell whether the group's bits are the mask of an access control list, which may name any user."""
    try:
        return bool(os.getxattr(entry, _ACL))
    except OSError:
        return False


def _is_read_only(entry: str) -> bool:
    return bool(os.statvfs(entry).f_flag & os.ST_RDONLY)


def _is_mount_point(entry: str) -> bool:
    if os.path.ismount(entry):
        return True
    try:
        lines = _MOUNTS.read_bytes().splitlines()
    except OSError:
        return False
    # proc_pid_mountinfo(5): the fifth field; white space and backslashes are written in octal.
    wanted = os.fsencode(entry)
    for character in (b"\\", b" ", b"\t", b"\n"):
        wanted = wanted.replace(character, b"\\%03o" % character[0])
    return any(line.split(b" ", 5)[4] == wanted for line in lines)


def _writable(entry: str, info: os.stat_result) -> UntrustedFileError:
    who = "every user" if info.st_mode & stat.S_IWOTH else f"group {info.st_gid}, or an access list,"
    return UntrustedFileError(
        errno.EPERM, f"{who} can write to it ({_mode(info)}); run: chmod go-w {entry}", entry
    )


def _mode(info: os.stat_result) -> str:
    return f"mode {stat.S_IMODE(info.st_mode):04o}"
