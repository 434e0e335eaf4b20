"""Tells whether a text may match a pattern of Rego, as far as the pattern's literal beginning goes."""

from __future__ import annotations

import re

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
