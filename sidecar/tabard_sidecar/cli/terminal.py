"""Putting words of agents and policies on a terminal without letting them play with it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import click

_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LONGEST_SHOWN = 512
# Letters, marks and symbols that are drawn as nothing: fillers, the braille blank, variation selectors.
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
    r"""Return ``text`` with everything escaped that isn't plainly visible, cut after ``most`` characters.

    That is control characters, which move the cursor, and format characters, which reorder text or hide in it; they show
    as ``\x1b`` or ``\u202e``.
    """
    cut = text if len(text) <= most else f"{text[:most]}…"
    return "".join(
        _escape(character) if hidden(character) or character == "\\" else character for character in cut
    )


def hidden(character: str) -> bool:
    """Tell whether a character isn't plainly visible: a control or format character, or one that is drawn as nothing."""
    return not character.isprintable() or ord(character) in _BLANK


def echo_ascii_json(document: object, *, indent: int | None = 2) -> None:
    """Print a document as JSON in ASCII, so that what others wrote can't play with the terminal here either."""
    click.echo(json.dumps(document, indent=indent))


def moment(seconds: float | None) -> str:
    """Return a time for people, in UTC; ``None`` is never."""
    if seconds is None:
        return "never"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


class Duration(click.ParamType[float]):
    """A time such as ``90``, ``90s``, ``15m``, ``8h`` or ``7d``; becomes seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a duration."""
        if isinstance(value, int | float):
            return float(value)
        found = _DURATION.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!a} isn't a duration; write 90s, 15m, 8h or 7d", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


def _escape(character: str) -> str:
    return "\\\\" if character == "\\" else character.encode("unicode_escape").decode()
