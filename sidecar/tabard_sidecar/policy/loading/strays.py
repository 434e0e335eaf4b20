"""Finds files that look like a part of the policy and would be skipped without a word."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tabard.files import open_regular, stamp

from tabard_sidecar.policy.loading.reading import UnreadableError
from tabard_sidecar.policy.problems import PolicyProblem

_KUBERNETES = re.compile(r"\.\.(data|data_tmp|\d{4}_.*)")
"""Folders of a mounted ConfigMap; the visible names are links into them."""
_OF_A_POLICY = re.compile(rb"^\s*package\s+(policy|lib|system|tabard)\b", re.MULTILINE)
_MAX_READ = 1024 * 1024
_MAX_ENTRIES = 200_000
_HISTORY = frozenset({".git", ".hg", ".jj", ".svn"})
_OF_EDITORS = re.compile(r".*~|#.*#")
"""Backups and unsaved texts that editors keep beside a file."""
_CASES = re.compile(r"(?:(.+)[_-]|)cases?\.(ya?ml)")


def misspelt(name: str, known: frozenset[str]) -> str:
    """Return the name that a file's name must have meant; empty if it is spelt as it has to be, or unrelated.

    Meant are names in other letters, with blanks or ``.txt`` around them, or with one letter of the ending (of a data file's
    whole name) missing, too many, wrong or exchanged. So are decision cases whose names don't end in ``_cases.yaml``. What an
    editor keeps beside a file (``desk.rego~``, ``#desk.rego#``) is unrelated.

    Args:
        name: the file's name, without its folder.
        known: names of data files.
    """
    if _OF_EDITORS.fullmatch(name):
        return ""
    plain = name.strip().lower().removesuffix(".txt")
    cases = _CASES.fullmatch(plain)
    if cases:
        meant = f"{cases[1] or 'policy'}_cases.{cases[2]}"
        return "" if name.endswith(f"_cases.{cases[2]}") else meant
    if plain == name.lower() == name:
        stem, dot, ending = plain.rpartition(".")
        if dot and ending != "rego" and almost(ending, "rego"):
            return f"{stem}.rego"
        return "" if name in known else next((one for one in sorted(known) if almost(name, one)), "")
    if plain.endswith(".rego"):
        return name.strip()[: len(plain) - len(".rego")] + ".rego"
    return plain if plain in known else ""


def almost(name: str, meant: str) -> bool:
    """Tell whether one letter is missing, too many or wrong, or two are exchanged."""
    pairs = enumerate(zip(name, meant, strict=False))
    same = next((index for index, (left, right) in pairs if left != right), min(len(name), len(meant)))
    one, other = name[same:], meant[same:]
    swapped = one[:2] == other[1::-1] and one[2:] == other[2:]
    return one[1:] == other[1:] or one[1:] == other or one == other[1:] or swapped


def misspelt_file(file: str, meant: str) -> PolicyProblem:
    """Return the problem of a file that isn't read because of how its name is spelt."""
    return PolicyProblem(file, 0, 0, "skipped", "isn't read with this spelling", f"Call it {meant}")


def hidden_files(root: Path) -> Iterator[str]:
    """Yield the files of the policy that stand below a name that begins with a dot, which is never read.

    A file counts if its name ends in ``.rego`` and it says ``package policy…``, ``lib…``, ``system…`` or ``tabard…``. One
    that a visible link leads to is read, and doesn't count; nor do the folders of a mounted ConfigMap and of version control.
    """
    for entry in _below(root):
        if _is_policy(Path(entry.path)):
            yield entry.path


def hidden_stamps(root: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield name and stamp of the hidden files that :func:`hidden_files` reads. Contents aren't read."""
    for entry in _below(root):
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        yield entry.path, stamp(status)


def _below(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield the hidden files below a folder whose names end in ``.rego``.

    Links aren't followed: what they lead to is looked at in its own place.

    Raises:
        UnreadableError: there are too many names to be looked at.
    """
    pending, count = [(str(folder), False)], 0
    while pending:
        current, inside = pending.pop()
        try:
            with os.scandir(current) as found:
                entries = sorted(islice(found, _MAX_ENTRIES + 1 - count), key=lambda entry: entry.name)
        except OSError:
            continue
        count += len(entries)
        if count > _MAX_ENTRIES:
            message = f"holds more than {_MAX_ENTRIES} names, hidden ones included"
            raise UnreadableError(str(folder), message, "Use a folder of its own")
        for entry in entries:
            concealed = inside or entry.name.startswith(".")
            if entry.is_symlink() or entry.name in _HISTORY or _KUBERNETES.fullmatch(entry.name):
                continue
            if entry.is_dir():
                pending.append((entry.path, concealed))
            elif concealed and entry.is_file() and entry.name.lower().endswith(".rego"):
                yield entry


def _is_policy(path: Path) -> bool:
    try:
        with open_regular(path) as (file, _):
            return _OF_A_POLICY.search(file.read(_MAX_READ)) is not None
    except OSError:
        return False
