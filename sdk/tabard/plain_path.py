"""Says whether every usual reader takes a path the same way: file systems, web servers, URL libraries.

A check of a path before another program follows it needs that: a wrong refusal costs another name, a second reading
would bypass the check.
"""

from __future__ import annotations

import re
import unicodedata

_READ_DIFFERENTLY = frozenset("\\%;:|$")
"""Separators, escapes, parameters, drives, streams and variables to some programs, plain characters to others."""
_LIKE_SEPARATORS = frozenset("\u2044\u2215\u2216\u29f5\u29f8\u29f9\u00a5\u20a9")
"""What conversions to legacy character sets turn into a slash or backslash; yen and won signs are backslashes there."""
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?: *\..*)?", re.IGNORECASE)
_FORMAT = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def path_flaw(path: str) -> str | None:
    r"""Return what in an absolute path another reader might take differently, ``None`` if nothing.

    Flaws are: a relative path; empty segments (one slash at the end is fine), ``.`` and ``..``; a segment that begins with
    ``~`` or a space, or ends with a dot or a space; ``\``, ``%``, ``;``, ``:``, ``|`` and ``$``; control and format characters;
    names of devices on Windows; and each of these after Unicode compatibility normalisation, which turns full-width
    full stops into ``..``. Symbolic links are another matter: only who opens the path can see them.
    """
    flaw = _flaw(path)
    if flaw or path.isascii():
        return flaw
    normal = compatible(path)
    if _LIKE_SEPARATORS & set(path) or normal.count("/") != path.count("/"):
        return "holds a character that looks like a separator"
    return _flaw(normal)


def compatible(path: str) -> str:
    """Return a path after compatibility normalisation (NFKC)."""
    return path if path.isascii() else unicodedata.normalize("NFKC", path)


def _flaw(path: str) -> str | None:
    if not path.startswith("/"):
        return "is not an absolute path"
    if _READ_DIFFERENTLY & set(path):
        return r"holds one of \ % ; : | $"
    if not path.isprintable() and any(unicodedata.category(char) in _FORMAT for char in path):
        return "holds a control character"
    segments = path[1:].split("/")
    if segments[-1] == "":
        segments.pop()
    return next(filter(None, map(_segment_flaw, segments)), None)


def _segment_flaw(segment: str) -> str | None:
    if segment.strip() in {"", ".", ".."}:
        return "holds an empty, '.' or '..' segment"
    if segment[0] in "~ " or segment[-1] in ". ":
        return "holds a segment that begins with '~' or a space, or ends with a dot or a space"
    return "holds the name of a device" if _DEVICE.fullmatch(segment) else None
