"""Escapes untrusted text so that it can't inject terminal control sequences, and formats times and durations."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import click

_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LONGEST_SHOWN = 512
# Letters, marks and symbols without a visible glyph: fillers, the braille blank, variation selectors.
_BLANK = frozenset(
    {
        0x034F,
        0x115F,
        0x1160,
        0x17B4,
        0x17B5,
        0x2800,
        0x3164,
        0xFFA0,
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
    }
)


def visible(text: str, most: int = _LONGEST_SHOWN) -> str:
    r"""Return ``text`` with invisible characters escaped, truncated to ``most`` characters.

    These are control characters, which move the cursor, and format characters, which reorder or hide text. They are shown
    as ``\x1b`` or ``\u202e``.
    """
    shown = text if len(text) <= most else f"{text[:most]}…"
    return "".join(
        _escape(character) if hidden(character) or character == "\\" else character for character in shown
    )


def hidden(character: str) -> bool:
    """Tell whether a character is invisible: a control or format character, or one without a visible glyph."""
    return not character.isprintable() or ord(character) in _BLANK


def echo_ascii_json(document: object, *, indent: int | None = 2) -> None:
    """Print a document as ASCII JSON, so that untrusted text can't inject terminal control sequences."""
    click.echo(json.dumps(document, indent=indent))


def moment(seconds: float | None) -> str:
    """Format a time in UTC; ``None`` is ``never``."""
    if seconds is None:
        return "never"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


class Duration(click.ParamType[float]):
    """A duration such as ``90``, ``90s``, ``15m``, ``8h`` or ``7d``, converted to seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Convert a duration to seconds."""
        if isinstance(value, int | float):
            return float(value)
        found = _DURATION.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!a} isn't a duration; write 90s, 15m, 8h or 7d", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


def _escape(character: str) -> str:
    return "\\\\" if character == "\\" else character.encode("unicode_escape").decode()
