"""Reads the files of a policy's folder, and tells whether they changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path

from tabard.files import stamp
from tabard.trust import UntrustedFileError, require_trusted, require_trusted_status

from tabard_sidecar.policy.loading.reading import (
    MAX_FILES,
    USUAL_SIZES,
    Sizes,
    UnreadableError,
    read_file,
    unreadable,
)
from tabard_sidecar.policy.problems import PolicyProblem
from tabard_sidecar.util.lean import dataclass

Wanted = Callable[[str], bool]
"""Whether a file of this name, without its folder, is read."""

_READ_ATTEMPTS = 5
_MAX_ENTRIES = 200_000


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file or folder below the policy's folder. ``status`` is that of what a link leads to."""

    name: str
    path: str
    link: bool
    status: os.stat_result


def read_folder(root: Path, wanted: Wanted, sizes: Sizes = USUAL_SIZES) -> dict[str, bytes]:
    """Return the wanted files by their path below ``root``.

    The folder is read again until it doesn't change meanwhile, so that no partial change is read.

    Raises:
        UnreadableError: something can't be read, isn't a regular file, or leads nowhere.
    """
    before = fingerprint(root, wanted)
    for _attempt in range(_READ_ATTEMPTS):
        files: dict[str, bytes] = {}
        left = sizes.whole_bytes
        for entry in _walk(root, wanted):
            files[entry.name] = read_file(Path(entry.path), left)
            left -= len(files[entry.name])
        after = fingerprint(root, wanted)
        if before == after:
            return files
        before = after
    raise UnreadableError(str(root), "keeps changing while it is being read", "Wait until it is written")


def fingerprint(path: Path, wanted: Wanted) -> object:
    """Return a value that changes whenever the source changes: names, inodes, sizes, times, owners and modes.

    Contents aren't read. Two equal fingerprints mean the same files; a missing source has one, too, and so
    has one that can't be read.
    """
    try:
        own = _stamp(path.stat())
        if not path.is_dir():
            return own
        entries = _walk(path, wanted, folders=True)
        return own, tuple(sorted((entry.name, *_stamp(entry.status)) for entry in entries))
    except UnreadableError as error:
        return str(error.problem), place_stamps(error.problem.file)
    except OSError as error:
        return str(error), place_stamps(path)


def place_stamps(path: str | os.PathLike[str]) -> tuple[tuple[int, ...], ...]:
    """Return values that change whenever what can't be read is removed, comes back or is replaced.

    Its problem alone is the same each time: a source that was readable only while it was loaded would seem unchanged.
    """
    found = []
    for place in (Path(path), Path(path).parent) if path else ():
        with suppress(OSError, ValueError):
            found.append(stamp(place.lstat()))
    return tuple(found)


def list_files(root: Path, wanted: Wanted) -> list[str]:
    """Return the paths of the wanted files, sorted.

    Raises:
        UnreadableError: something can't be examined, or isn't a regular file.
    """
    return sorted(entry.path for entry in _walk(root, wanted))


def distrusted(path: Path, wanted: Wanted) -> list[PolicyProblem]:
    """Return a problem for everything by which a stranger could change the policy at ``path``, a folder or a file.

    Raises:
        UnreadableError: something can't be examined.
    """
    found: set[PolicyProblem] = set()

    def look(check: Callable[[], None], at: str) -> None:
        try:
            check()
        except UntrustedFileError as error:
            step = "Let only root and the sidecar's user change it"
            found.add(PolicyProblem(error.filename, 0, 0, "untrusted", str(error.strerror), step))
        except OSError as error:
            raise unreadable(error, at) from error

    look(partial(require_trusted, path), str(path))
    for entry in _walk(path, wanted, folders=True) if path.is_dir() else ():
        check = require_trusted if entry.link else partial(require_trusted_status, info=entry.status)
        look(partial(check, entry.path), entry.path)
    return sorted(found)


def _walk(root: Path, wanted: Wanted, *, folders: bool = False) -> Iterator[_Entry]:
    """Yield the wanted files below a folder, and its folders if they are asked for. Hidden names are left out."""
    top = _top(root)
    seen = {(top.st_dev, top.st_ino): "the policy's folder"}
    pending, files, entries = [(str(root), "")], 0, _MAX_ENTRIES
    while pending:
        folder, prefix = pending.pop()
        for found in _entries(folder, prefix, entries, wanted):
            entries -= 1
            if stat.S_ISDIR(found.status.st_mode):
                first = seen.setdefault((found.status.st_dev, found.status.st_ino), found.path)
                if first is not found.path:
                    raise UnreadableError(found.path, f"is the same folder as {first}", "Keep one of them")
                pending.append((found.path, f"{found.name}/"))
                if folders:
                    yield found
            elif wanted(found.name.rsplit("/", 1)[-1]):
                if not stat.S_ISREG(found.status.st_mode):
                    raise UnreadableError(found.path, "is not a regular file", "Put the file itself there")
                files += 1
                if files > MAX_FILES:
                    raise UnreadableError(str(root), f"holds more than {MAX_FILES} files", "Use fewer files")
                yield found


def _top(root: Path) -> os.stat_result:
    try:
        status = root.stat()
    except OSError as error:
        raise UnreadableError(str(root), f"can't be read: {error.strerror}", "Fix policy.path") from error
    if not stat.S_ISDIR(status.st_mode):
        raise UnreadableError(str(root), "isn't a folder", "Fix policy.path")
    return status


def _entries(folder: str, prefix: str, most: int, wanted: Wanted) -> Iterator[_Entry]:
    for entry in _scan(folder, most):
        plain = not entry.is_symlink() and not entry.is_dir(follow_symlinks=False)
        if not entry.name.startswith(".") and not (plain and not wanted(entry.name)):
            found = _examine(entry, prefix)
            if found is not None:
                yield found


def _examine(entry: os.DirEntry[str], prefix: str) -> _Entry | None:
    """Return what an entry is; ``None`` if it was removed meanwhile."""
    link = entry.is_symlink()
    try:
        status = entry.stat()
    except FileNotFoundError as error:
        if link:
            raise UnreadableError(entry.path, "is a link that leads nowhere", "Remove or mend it") from error
        return None
    except OSError as error:
        raise unreadable(error, entry.path) from error
    return _Entry(prefix + entry.name, entry.path, link, status)


def _scan(folder: str, most: int) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            found = list(islice(entries, most + 1))
    except OSError as error:
        raise UnreadableError(
            folder, f"can't be listed: {error.strerror}", "Check its owner and mode"
        ) from error
    if len(found) > most:
        raise UnreadableError(
            folder, f"and what is beside it hold more than {_MAX_ENTRIES} names", "Use a folder of its own"
        )
    return sorted(found, key=lambda entry: entry.name)


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    if stat.S_ISDIR(found.st_mode):  # its times change with files that aren't read
        return found.st_dev, found.st_ino, found.st_mode, found.st_uid, found.st_gid
    return stamp(found)
