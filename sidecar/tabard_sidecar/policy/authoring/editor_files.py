"""Writes files for editors into an author's folder, and never over what the author wrote."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import field
from enum import Enum
from pathlib import Path
from typing import Any

from tabard.files import RefusedFileError, read_regular
from tabard.trust import require_trusted

from tabard_sidecar.policy.authoring.editor import LISTED, OWN
from tabard_sidecar.policy.loading.documents import DocumentError, parse_yaml
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.own_places import require_own_place
from tabard_sidecar.util.replacing import replace_file

_MAX_BYTES = 4 * 1024 * 1024


class EditorFilesError(Exception):
    """Something is in the way: a link, what strangers can change, or a file that can't be read or written. The text names it."""


class Status(Enum):
    """What is true of a file."""

    CURRENT = "current"
    WRITTEN = "written"
    REMOVED = "removed"
    STALE = "stale"
    YOURS = "yours"


@dataclass(frozen=True, slots=True)
class EditorFile:
    """A file.

    Attributes:
        path: its path below the folder that the editor opens.
        status: ``STALE`` is said instead of written and removed if nothing is to be written; ``YOURS`` is a file that the
            author wrote and that lacks something.
        missing: what the author's file lacks.
    """

    path: str
    status: Status
    missing: Json = None


class OtherPolicyError(Exception):
    """The folder's files are for another policy of it, which the text names."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """What an earlier run wrote: for which policy, and of each file its digest, inode and time.

    A folder that came from elsewhere can't know the latter, so its list claims no file.
    """

    policy: str = ""
    files: Mapping[str, Json] = field(default_factory=dict)

    def has(self, root: Path, path: str, held: str) -> bool:
        """Tell whether an earlier run wrote this text to this very file."""
        return path in self.files and self.files[path] == _entry(root, path, held)


def update(
    root: Path, policy: str, wanted: Mapping[str, str], *, write: bool, replace: bool = False
) -> list[EditorFile]:
    """Write what is absent, and what an earlier run wrote if it is unchanged; return what became of each file.

    Args:
        root: the folder that the editor opens.
        policy: the policy's folder below ``root``.
        wanted: the text of each file by its path below ``root``.
        write: False to change nothing.
        replace: whether this policy takes the place of another one.

    Raises:
        EditorFilesError: as its description.
        OtherPolicyError: the files are for another policy, which is still there.
    """
    with _refusing(root):
        require_trusted(root)
    listed = _listed(root)
    if listed.policy not in {"", policy} and not replace and (root / listed.policy).is_dir():
        raise OtherPolicyError(listed.policy)
    found = [_examined(root, path, text, listed) for path, text in wanted.items()]
    found += [
        EditorFile(path, Status.STALE)
        for path in _own_files(root)
        if path not in wanted and _is_ours(root, path, listed)
    ]
    if not write:
        return found
    found = [_settled(root, one, wanted.get(one.path)) for one in found]
    _write(root, LISTED, _text_of_list(root, policy, wanted, found, listed))
    return found


def _examined(root: Path, path: str, text: str, listed: _Listed) -> EditorFile:
    held = _read(root, path)
    if held == text:
        return EditorFile(path, Status.CURRENT)
    if held is None or path.startswith(f"{OWN}/") or listed.has(root, path, held):
        return EditorFile(path, Status.STALE)
    missing = _missing(_parsed(text), _parsed(held))
    return EditorFile(path, Status.CURRENT) if missing is None else EditorFile(path, Status.YOURS, missing)


def _settled(root: Path, one: EditorFile, text: str | None) -> EditorFile:
    if one.status is not Status.STALE:
        return one
    if text is None:
        with contextlib.suppress(FileNotFoundError):
            (root / one.path).unlink()
        return EditorFile(one.path, Status.REMOVED)
    _write(root, one.path, text)
    return EditorFile(one.path, Status.WRITTEN)


def _missing(wanted: Json, held: Json) -> Json:
    """Return what of ``wanted`` isn't in ``held``; ``None`` if all is there. A list may hold more."""
    if isinstance(wanted, Mapping) and isinstance(held, Mapping):
        parts = {name: _missing(value, held.get(name)) for name, value in wanted.items()}
        return {name: part for name, part in parts.items() if part is not None} or None
    if isinstance(wanted, list) and isinstance(held, list):
        return [value for value in wanted if value not in held] or None
    return None if wanted == held and type(wanted) is type(held) else wanted


def _parsed(text: str) -> Json:
    """Return what YAML or JSON says, also with comments as editors allow them; ``None`` if it can't be told."""
    plain = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("//"))
    with contextlib.suppress(DocumentError):
        return parse_yaml(plain.encode())
    return None


def _own_files(root: Path) -> Iterator[str]:
    """Yield the files of a copy of the library, as paths below ``root``. Links aren't followed."""
    for folder, _, names in os.walk(root / OWN / "rego"):
        for name in names:
            yield (Path(folder) / name).relative_to(root).as_posix()


def _is_ours(root: Path, path: str, listed: _Listed) -> bool:
    held = _read(root, path)
    return held is not None and listed.has(root, path, held)


def _listed(root: Path) -> _Listed:
    text = _read(root, LISTED)
    try:
        document: Any = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return _Listed()
    policy, files = (
        (document.get("policy"), document.get("files")) if isinstance(document, dict) else ("", {})
    )
    return _Listed(policy if isinstance(policy, str) else "", files if isinstance(files, dict) else {})


def _text_of_list(
    root: Path, policy: str, wanted: Mapping[str, str], found: list[EditorFile], listed: _Listed
) -> str:
    """Return the list: what this run or an earlier one wrote, if it is unchanged."""
    files = {
        one.path: _entry(root, one.path, wanted[one.path])
        for one in found
        if one.status is Status.WRITTEN or (one.path in wanted and _is_ours(root, one.path, listed))
    }
    return json.dumps({"policy": policy, "files": dict(sorted(files.items()))}, indent=2) + "\n"


def _entry(root: Path, path: str, text: str) -> Json:
    """Return what the list says of a file with this text. No program sets the time at which an inode changed."""
    status = (root / path).lstat()
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"sha256": digest, "inode": status.st_ino, "changed_ns": status.st_ctime_ns}


def _read(root: Path, path: str) -> str | None:
    """Return a file's text; ``None`` if there is no file.

    Raises:
        EditorFilesError: the file or a folder on the way is a link or can't be read.
    """
    _require_own(root, path)
    try:
        content, _ = read_regular(root / path, _MAX_BYTES, follow=False)
        return content.decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "isn't text"
        raise EditorFilesError(f"{root / path} can't be read: {reason}") from error


def _require_own(root: Path, path: str) -> None:
    with _refusing(root / path):
        require_own_place(root, root / path)


@contextlib.contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except RefusedFileError as error:
        raise EditorFilesError(f"{error.filename or path} {error.strerror}") from error
    except OSError as error:
        raise EditorFilesError(f"{path} can't be examined: {error.strerror}") from error


def _write(root: Path, path: str, text: str) -> None:
    _require_own(root, path)
    file = root / path
    if _unchanged(file, text):
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, text.encode())
    except OSError as error:
        raise EditorFilesError(f"{file} can't be written: {error.strerror}") from error


def _unchanged(file: Path, text: str) -> bool:
    try:
        return file.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False
