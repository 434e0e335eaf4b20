"""Lays text out in rows of the terminal's width, so that a reader sees at each row whose words it holds.

Text that others supply stands behind a bar. It is wrapped here and never by the terminal, which wouldn't repeat the bar.
Columns are counted so that no terminal draws a row wider than counted: a mark has a column, and a character that some
terminals draw in two columns has two.
"""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from typing import IO

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.terminal import style
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.visible import hidden, json_escape, visible_json

UNKNOWN_COLUMNS = 40
"""Width of the rows if nothing tells the terminal's width; a wider terminal shows them as they are."""
LEAST_COLUMNS = 8
"""Narrowest terminal on which foreign text is shown."""

_UNBROKEN_COLUMNS = 1 << 20
_NARROW_COLUMNS = 40
_BARE_COLUMNS = 20
_NAME_COLUMNS = 10
_WIDE = 2
_MOST_MARKS = 3
_BAR, _ASCII_BAR = "▏", "|"
_CUT = ">"


@dataclass(frozen=True, slots=True)
class Screen:
    """Where rows are shown.

    Attributes:
        columns: width of the terminal.
        unicode: whether it can show more than ASCII.
        own_columns: width of the rows of our own lines, if it is another one.
    """

    columns: int
    unicode: bool = True
    own_columns: int | None = None

    def foreign(self, whose: str, lines: Iterable[str], colour: str) -> Iterator[str]:
        """Yield lines that ``whose`` (``agent`` and the like) supplied, each row behind a bar.

        The character after the bar is a space where a line begins, and ``>`` where it is continued.
        """
        head = self._head(whose)
        styled = style(head, fg=colour)
        for line in lines:
            mark = " "
            for row in self._rows(line, self.columns - text_columns(head) - 1):
                yield f"{styled}{mark}{row}"
                mark = ">"

    def own(self, name: str, text: str) -> Iterator[str]:
        """Yield a line of ours: what it is and its verified value. Further rows are indented below the value."""
        if self.columns < _NARROW_COLUMNS:
            yield f"  {name}"
            first = rest = "    "
        else:
            first = f"  {name:<{_NAME_COLUMNS}} "
            rest = " " * len(first)
        for row in self._rows(text, (self.own_columns or self.columns) - len(first)):
            yield first + row
            first = rest

    def own_cut(self, name: str, text: str) -> str:
        """Return the one row that holds the beginning of a line of ours."""
        first = f"  {name:<{_NAME_COLUMNS}} " if self.columns >= _NARROW_COLUMNS else f"{name[:1]}:"
        row, *more = self._rows(text, (self.own_columns or self.columns) - len(first) - len(_CUT))
        return f"{first}{row}{_CUT if more else ''}"

    def cut(self, whose: str, text: str, colour: str) -> str:
        """Return the one row that holds the beginning of a foreign text."""
        head = self._head(whose)
        first, *more = self._rows(text, self.columns - text_columns(head) - 1 - len(_CUT))
        return f"{style(head, fg=colour)} {first}{_CUT if more else ''}"

    def _head(self, whose: str) -> str:
        bar = _BAR if self.unicode else _ASCII_BAR
        # A letter comes first, because terminals that turn rows around for right-to-left text look for one.
        return f"  {whose} {bar}" if self.columns >= _BARE_COLUMNS else f"{whose[:1]}{bar}"

    def _rows(self, text: str, columns: int) -> Iterator[str]:
        columns = max(columns, _WIDE)
        row: list[str] = []
        free = columns
        for cluster in self._clusters(text, columns):
            width = text_columns(cluster)
            if width > free and row:
                yield "".join(row)
                row, free = [], columns
            row.append(cluster)
            free -= width
        yield "".join(row)

    def _clusters(self, text: str, columns: int) -> Iterator[str]:
        """Yield the parts of a text that stand in one row: a character with its marks.

        More marks than any script needs are escaped, because they would be drawn over other rows, and so are those that
        could need more columns than a row has.
        """
        cluster = ""
        for character in text:
            joins = is_mark(character) and 0 < len(cluster) <= _MOST_MARKS and self._shows(character)
            if joins and text_columns(cluster + character) <= columns:
                cluster += character
                continue
            if cluster:
                yield cluster
            cluster = ""
            if is_mark(character) or hidden(character) or not self._shows(character):
                yield from json_escape(character)
            else:
                cluster = character
        if cluster:
            yield cluster

    def _shows(self, character: str) -> bool:
        return self.unicode or character.isascii()


def screen(*, err: bool = False, scripts: bool = False) -> Screen:
    """Return where standard output, or with ``err`` standard error, is read.

    With ``scripts``, our own lines aren't broken where no terminal shows them, so that scripts find whole ids.

    If that is a pipe, another of the standard streams may know the terminal. The variable COLUMNS isn't read: it would be
    believed against the terminal.

    Raises:
        Failure: the terminal is too narrow to show whose words a row holds.
    """
    stream = sys.stderr if err else sys.stdout
    columns = _columns(stream)
    if columns is None:
        known = [found for other in (sys.stderr, sys.stdout, sys.stdin) if (found := _columns(other))]
        columns = min(known, default=UNKNOWN_COLUMNS)
    if columns < LEAST_COLUMNS:
        raise Failure(
            f"the terminal has {columns} columns, too few to show whose words a row holds",
            exit_codes.USAGE,
            next_step=f"Widen it to {LEAST_COLUMNS} columns or more, or add --json.",
        )
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
    own = _UNBROKEN_COLUMNS if scripts and _columns(stream) is None else None
    return Screen(columns, unicode=encoding.startswith("utf"), own_columns=own)


def quoted(text: str, most: int | None = None) -> str:
    """Return a text as one JSON string, so that its beginning and end are visible, cut to ``most`` characters."""
    shown = text if most is None or len(text) <= most else f"{text[:most]}…"
    return visible_json(json.dumps(shown, ensure_ascii=False))


def text_columns(text: str) -> int:
    """Return the most columns in which a terminal draws a text without control characters."""
    return len(text) if text.isascii() else sum(map(_character_columns, text))


def is_mark(character: str) -> bool:
    """Tell whether a character is drawn over the one before it."""
    return not character.isascii() and unicodedata.category(character).startswith("M")


@cache
def _character_columns(character: str) -> int:
    from wcwidth import wcwidth  # noqa: PLC0415 - its tables take a while to read

    if unicodedata.east_asian_width(character) in {"A", "F", "W"} or unicodedata.category(character) == "So":
        return _WIDE
    return max(wcwidth(character), 1)


def _columns(stream: IO[str] | None) -> int | None:
    """Return the width of the terminal behind a stream; ``None`` if it is none or doesn't say."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or None if stream is not None else None
    except (OSError, ValueError, AttributeError):
        return None
