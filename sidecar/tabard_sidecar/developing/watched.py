"""Looks for changes of the files that an author edits; what editors leave beside them is no change."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tabard.files import stamp

Stamps = Mapping[str, tuple[int, ...]]

_SUFFIXES = (".json", ".rego", ".yaml", ".yml")
_MOST_NAMES = 20_000
_LOOK_SECONDS = 0.1


def look(folders: Sequence[Path], files: Sequence[Path]) -> dict[str, tuple[int, ...]]:
    """Return a stamp of each file that counts, by its path; of one that can't be examined there is none.

    In folders these are Rego, JSON and YAML below names that don't begin with a dot, which is how editors call their own files.
    Of very many names only the first are looked at.

    Args:
        folders: the policy; a bundle is a file here, too.
        files: others that count whatever they are called.
    """
    found: dict[str, tuple[int, ...]] = {}
    for path in (*files, *(folder for folder in folders if not folder.is_dir())):
        _add(found, str(path))
    left = _MOST_NAMES
    for folder in folders:
        for inside, names, entries in os.walk(folder):
            left -= len(names) + len(entries)
            if left < 0:
                break
            names[:] = sorted(name for name in names if not name.startswith("."))
            for entry in entries:
                if entry.endswith(_SUFFIXES) and not entry.startswith("."):
                    _add(found, os.path.join(inside, entry))  # noqa: PTH118 - os.walk gives texts
    return found


def _add(found: dict[str, tuple[int, ...]], path: str) -> None:
    try:
        found[path] = stamp(os.stat(path))  # noqa: PTH116 - as above
    except OSError:
        return


def changed(before: Stamps, after: Stamps) -> list[str]:
    """Return the paths of which one look has another stamp than the other, or none."""
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


def settled(
    seen: Stamps,
    look_again: Callable[[], Stamps],
    sleep: Callable[[float], None],
    *,
    quiet: float,
    most: float,
) -> Stamps:
    """Wait until nothing has changed for ``quiet`` seconds, at most ``most`` seconds; return the last look."""
    waited = calm = 0.0
    while calm < quiet and waited < most:
        sleep(_LOOK_SECONDS)
        waited += _LOOK_SECONDS
        again = look_again()
        calm = calm + _LOOK_SECONDS if again == seen else 0.0
        seen = again
    return seen
