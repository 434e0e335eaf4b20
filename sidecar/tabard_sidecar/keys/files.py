"""Reads and writes key files, and checks their owner and mode.

Reading never follows a symbolic link and refuses files that another user could read or replace. Writing uses a
temporary file and a rename, under an exclusive lock on the directory's ``.lock``, so a reader sees a whole file or none.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tabard.files import create_private_folder, stamp
from tabard.trust import read_trusted, require_trusted

from tabard_sidecar.keys.model import Key, KeyringError, decode, encode
from tabard_sidecar.util.files import explain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAX_FILE_BYTES = 16 * 1024
_MAX_FILES = 256
_SUFFIX = ".json"
_TEMPORARY = ".new-"
_LOCK = ".lock"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

Signature = tuple[int, ...]


def check_directory(directory: Path) -> None:
    """Check that ``directory`` is a real directory that no other user can access.

    Raises:
        KeyringError: it isn't; the text says how to fix it.
    """
    try:
        status = os.lstat(directory)
    except OSError as error:
        raise KeyringError(
            f"key directory {directory}: {error.strerror}. Run `tabard keys new` to create it"
        ) from error
    if not stat.S_ISDIR(status.st_mode):
        raise KeyringError(
            f"key directory {directory} is a symbolic link or not a directory; name the directory itself"
        )
    _check_owner(directory, status)
    if status.st_mode & _OTHERS:
        raise KeyringError(
            f"key directory {directory} has mode {stat.S_IMODE(status.st_mode):04o}, which gives other users access; "
            f"run: chmod 700 {directory}"
        )
    try:
        require_trusted(directory)
    except OSError as error:
        raise KeyringError(f"the way to key directory {directory}: {explain(error)}") from error


def create_directory(directory: Path) -> None:
    """Create ``directory`` with mode 0700 if it doesn't exist, then check it.

    Raises:
        KeyringError: it can't be created or isn't safe.
    """
    try:
        create_private_folder(directory)
    except OSError as error:
        raise KeyringError(f"key directory {directory} can't be created: {error.strerror}") from error
    check_directory(directory)


def list_files(directory: Path) -> list[str]:
    """Return the names of the files that should hold keys, sorted.

    Raises:
        KeyringError: the directory can't be read or holds too many files.
    """
    try:
        names = sorted(name for name in os.listdir(directory) if not name.startswith("."))  # noqa: PTH208
    except OSError as error:
        raise KeyringError(f"key directory {directory}: {error.strerror}") from error
    if len(names) > _MAX_FILES:
        raise KeyringError(
            f"key directory {directory} holds more than {_MAX_FILES} files; remove retired keys"
        )
    return names


def signature(path: Path) -> Signature:
    """Return a value that changes whenever the file is written or replaced, or its mode or owner changes.

    Raises:
        KeyringError: the file doesn't exist or can't be examined.
    """
    try:
        status = os.lstat(path)
    except OSError as error:
        raise KeyringError(f"key file {path}: {error.strerror}") from error
    return stamp(status)


def read(path: Path) -> Key:
    """Read one key.

    Raises:
        KeyringError: the file isn't safe or isn't a key; the text names it and says how to fix it.
    """
    _require_suffix(path)
    return _named(path, read_private_file(path))


def _require_suffix(path: Path) -> None:
    if path.suffix != _SUFFIX:
        raise KeyringError(
            f"key file {path} doesn't end in {_SUFFIX}; a key directory may hold only keys, so move it away"
        )


def _named(path: Path, content: bytes) -> Key:
    try:
        key = decode(content)
    except KeyringError as error:
        raise KeyringError(f"key file {path}: {error}; restore it or remove it") from None
    if path.stem != key.kid:
        raise KeyringError(
            f"the kid in key file {path} differs from the file's name; rename the file to the kid"
        )
    return key


def read_private_file(path: Path) -> bytes:
    """Return the content of a file that only its owner can read.

    Raises:
        KeyringError: it isn't a regular file, belongs to another user, other users can read it, or it is too large.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise KeyringError(f"key file {path} is a symbolic link; put the key itself there") from error
        raise KeyringError(f"key file {path}: {error.strerror}; run: chmod 600 {path}") from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise KeyringError(f"key file {path} is not a regular file; remove it")
        _check_owner(path, status)
        if status.st_mode & (_OTHERS | stat.S_IXUSR):
            raise KeyringError(
                f"key file {path} has mode {stat.S_IMODE(status.st_mode):04o}, which lets others read it; "
                f"run: chmod 600 {path} and rotate the key if another user may have read it"
            )
        content = file.read(_MAX_FILE_BYTES + 1)
    if len(content) > _MAX_FILE_BYTES:
        raise KeyringError(f"key file {path} is larger than {_MAX_FILE_BYTES} bytes; restore it or remove it")
    return content


def create_private_file(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read.

    Raises:
        KeyringError: the path exists already, or the file can't be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            # The umask can only have removed permissions.
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise KeyringError(f"key file {path} can't be written: {error.strerror}") from error


def write(directory: Path, key: Key) -> None:
    """Write ``key``, replacing the file of the same kid. The caller holds :func:`locked`.

    Raises:
        KeyringError: the file can't be written; nothing has changed.
    """
    temporary = directory / f"{_TEMPORARY}{secrets.token_hex(8)}"
    create_private_file(temporary, encode(key))
    try:
        temporary.rename(directory / f"{key.kid}{_SUFFIX}")
        _sync(directory)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise KeyringError(f"key directory {directory} can't be written: {error.strerror}") from error


def copy(source: Path, directory: Path) -> list[Key]:
    """Copy every key of a mounted folder into a key directory, which is made if it doesn't exist.

    A Secret is mounted as symbolic links, and with wider modes than a key directory may have. All keys are read before
    the first is written. Other keys of the directory stay.

    Args:
        source: the folder; names that begin with a dot are Kubernetes' own.
        directory: the key directory.

    Raises:
        KeyringError: the folder holds no key or something else, strangers could have written it, or the directory isn't
            safe.
    """
    keys = [_mounted(source / name) for name in list_files(source)]
    if not keys:
        raise KeyringError(f"{source} holds no key; mount the Secret with the zone's keys there")
    create_directory(directory)
    with locked(directory):
        for key in keys:
            write(directory, key)
    return keys


def _mounted(path: Path) -> Key:
    _require_suffix(path)
    try:
        content, _ = read_trusted(path, _MAX_FILE_BYTES)
    except OSError as error:
        raise KeyringError(f"key file {path}: {explain(error)}") from error
    return _named(path, content)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the directory's lock against other writers; wait for it if necessary.

    Raises:
        KeyringError: the lock can't be taken.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(directory / _LOCK, flags, 0o600)
    except OSError as error:
        raise KeyringError(f"key directory {directory} can't be locked: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # The holder of the lock is the only writer, so an unfinished file was left by a crashed writer.
        for leftover in directory.glob(f"{_TEMPORARY}*"):
            leftover.unlink(missing_ok=True)
        yield
    finally:
        os.close(descriptor)


def _check_owner(path: Path, status: os.stat_result) -> None:
    if status.st_uid not in {os.geteuid(), 0}:
        raise KeyringError(
            f"{path} belongs to user {status.st_uid}, not to the sidecar's user {os.geteuid()}; "
            f"run: chown {os.geteuid()} {path}"
        )


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
