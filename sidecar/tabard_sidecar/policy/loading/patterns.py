"""Tells whether a text may match a pattern of Rego, as far as the pattern's literal beginning goes."""

from __future__ import annotations

import re
from collections.abc import Callable

from tabard.caveats import glob_matches

_PLAIN_GLOB = re.compile(r"[^*?\[\]{}\\,!]*")
_PLAIN_REGEX = re.compile(r"\^((?:[A-Za-z0-9_/-]|\\[./-])*)")


def may_match_glob(text: str, pattern: str) -> bool:
    """Return False only if ``glob.match`` of the pattern can't hold for the text, whatever the delimiters are."""
    beginning = _PLAIN_GLOB.match(pattern)
    plain = beginning[0] if beginning else ""
    return text == pattern if plain == pattern else text.startswith(plain)


def may_match_regex(text: str, pattern: str) -> bool:
    """Return False only if ``regex.match`` of the pattern can't hold for the text: it is anchored and begins otherwise."""
    beginning = _PLAIN_REGEX.match(pattern)
    if beginning is None or "|" in pattern:
        return True
    parts = re.findall(r"\\?.", beginning[1])
    rest = pattern[beginning.end() :]
    if rest[:1] in {"?", "*", "{"}:
        parts = parts[:-1]  # it may be there no times
    return text.startswith("".join(part[-1] for part in parts))


def globs_meet(one: str, other: str) -> bool:
    """Return False only if no text matches both globs of tools' names; as far as their beginnings and ends go."""
    if "*" not in one or "*" not in other:
        return glob_matches(other, one) if "*" not in one else glob_matches(one, other)
    starts, ends = (
        (one.split("*", maxsplit=1)[0], other.split("*", maxsplit=1)[0]),
        (one.rsplit("*", maxsplit=1)[-1], other.rsplit("*", maxsplit=1)[-1]),
    )
    return _either(str.startswith, starts) and _either(str.endswith, ends)


def _either(holds: Callable[[str, str], bool], pair: tuple[str, str]) -> bool:
    return holds(pair[0], pair[1]) or holds(pair[1], pair[0])
