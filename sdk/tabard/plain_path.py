"""Says whether every usual reader takes a path the same way: file systems, web servers, URL libraries.

A check of a path before another program follows it needs that: a wrong refusal costs another name, a second reading
would bypass the check.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_READ_DIFFERENTLY = frozenset("\\%;?#")
"""Separators, escapes, parameters and ends of the path to some programs, plain characters to others."""
_FILES_DIFFERENTLY = frozenset(':|$*[{`<>"')
"""Drives, streams, variables, patterns and commands to some programs that open files, and to shells."""
_PATTERN = re.compile(r"[+@!]\(")
"""Patterns of bash, beside those that begin with ``*`` and ``?``."""
_LIKE_SEPARATORS = frozenset("\u2044\u2215\u2216\u29f5\u29f8\u29f9\u00a5\u20a9")
"""What conversions to legacy character sets turn into a slash or backslash; yen and won signs are backslashes there."""
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?: *\..*)?", re.IGNORECASE)
_FORMAT = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def path_flaw(path: str) -> str | None:
    r"""Return what another reader might understand differently in an absolute path, ``None`` if nothing.

    Flaws are: a relative path; empty segments (one slash at the end is fine), ``.`` and ``..``; ``\``, ``%``, ``;``, ``?`` and
    ``#``; control and format characters; and each of these after Unicode compatibility normalisation, which turns
    full-width full stops into ``..``.
    """
    return _any_form(path, _flaw)


def file_path_flaw(path: str) -> str | None:
    """Return what a program that opens files might understand differently in an absolute path, ``None`` if nothing.

    Flaws are those of :func:`path_flaw`, and: ``:``, ``|``, ``<``, ``>``, ``"`` and ``$``; what shells expand (``*``, ``[``,
    ``{``, a backtick, ``+(``, ``@(``, ``!(``); a segment that begins with ``~`` or a space, or ends with a dot or a space, or is
    ``.`` or ``..`` once a shell has removed quotes; names of devices on Windows. Symbolic links are another matter: only
    who opens the path can see them.
    """
    return _any_form(path, lambda form: _flaw(form) or _file_flaw(form))


def compatible(path: str) -> str:
    """Return a path after compatibility normalisation (NFKC)."""
    return path if path.isascii() else unicodedata.normalize("NFKC", path)


def _any_form(path: str, flaw_of: Callable[[str], str | None]) -> str | None:
    flaw = flaw_of(path)
    if flaw or path.isascii():
        return flaw
    normal = compatible(path)
    if _LIKE_SEPARATORS & set(path) or normal.count("/") != path.count("/"):
        return "holds a character that looks like a separator"
    return flaw_of(normal)


def _flaw(path: str) -> str | None:
    if not path.startswith("/"):
        return "is not an absolute path"
    if _READ_DIFFERENTLY & set(path):
        return r"holds one of \ % ; ? #"
    if not path.isprintable() and any(unicodedata.category(char) in _FORMAT for char in path):
        return "holds a control character"
    if any(segment.strip() in {"", ".", ".."} for segment in _segments(path)):
        return "holds an empty, '.' or '..' segment"
    return None


def _file_flaw(path: str) -> str | None:
    if _FILES_DIFFERENTLY & set(path):
        return 'holds one of : | $ * [ { ` < > "'
    if _PATTERN.search(path):
        return "holds a pattern of a shell"
    for segment in _segments(path):
        if segment[0] in "~ " or segment[-1] in ". ":
            return "holds a segment that begins with '~' or a space, or ends with a dot or a space"
        if segment.replace("'", "").strip() in {"", ".", ".."}:
            return "holds a segment of nothing but dots and quotes"
        if _DEVICE.fullmatch(segment):
            return "holds the name of a device"
    return None


def _segments(path: str) -> list[str]:
    segments = path[1:].split("/")
    return segments if segments[-1] else segments[:-1]
