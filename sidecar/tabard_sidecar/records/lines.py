"""Reads the lines of decision logs that any party may have written: in bounds of memory and time, and each told if it is odd.

The sidecar's own records take a fraction of these bounds: a call's arguments have 256 KiB at most.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple, NoReturn

from tabard_sidecar.records.shape import fault
from tabard_sidecar.util.lean import dataclass

MAX_LINE_BYTES = 8 * 1024 * 1024
"""Most bytes of a line."""
MAX_VALUES = 500_000
"""Most values of a record; each takes up to some 200 bytes of memory."""
MAX_DEPTH = 100
"""Deepest nesting of a record. A call's arguments may have 64 levels."""
_PIECE_BYTES = 65_536
_OPENING = (b",", b"[", b"{")
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"?+', re.DOTALL)
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))


class Line(NamedTuple):
    """One line of a log. ``number`` counts from 1. A line that is too long has no ``content``."""

    number: int
    content: bytes
    too_long: bool = False


@dataclass(frozen=True, slots=True)
class Oddity:
    """What is odd about a line: ``line`` counts from 1 within ``file``."""

    file: str
    line: int
    problem: str


Tell = Callable[[Oddity], None]
"""Is told of each odd line."""


class OddLineError(ValueError):
    """A line isn't a record; the message says why and never quotes it."""


def lines_of(stream: BinaryIO) -> Iterator[Line]:
    """Yield the lines of a file that aren't blank, each read up to :data:`MAX_LINE_BYTES` and no further."""
    number = 0
    while content := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        too_long = len(content) > MAX_LINE_BYTES and not content.endswith(b"\n")
        if too_long:
            content = b""
            while (rest := stream.readline(_PIECE_BYTES)) and not rest.endswith(b"\n"):
                pass
        if too_long or content.strip():
            yield Line(number, content, too_long)


def read_record(line: Line) -> dict[str, Any]:
    """Return the record that a line holds.

    Raises:
        OddLineError: it holds none, or one with more bytes, values or levels than a record has.
    """
    if line.too_long:
        raise OddLineError(f"the line has more than {MAX_LINE_BYTES} bytes")
    content = line.content
    require_bounded(content)
    try:
        record = json.loads(content.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite)
    except UnicodeDecodeError:
        raise OddLineError("the line isn't UTF-8 text") from None
    except (ValueError, RecursionError):
        whole = content.endswith(b"\n")
        raise OddLineError(
            "the line isn't JSON" if whole else "the line isn't JSON, or only the begin of a record"
        ) from None
    if not isinstance(record, dict):
        raise OddLineError("the line isn't a JSON object")
    return record


def require_bounded(content: bytes) -> None:
    """Refuse JSON of more values or levels than a record has, before anything parses it.

    Raises:
        OddLineError: as told.
    """
    brackets = content.count(b"[") + content.count(b"{")
    if brackets < MAX_DEPTH and brackets + content.count(b",") < MAX_VALUES:
        return
    bare = _STRINGS.sub(b"", content)
    if sum(map(bare.count, _OPENING)) >= MAX_VALUES:
        raise OddLineError(f"the line has more than {MAX_VALUES} values")
    nested = bare.translate(_BRACKETS, _OTHERS)
    for _ in range(MAX_DEPTH):
        before, nested = len(nested), nested.replace(b"[]", b"")  # which removes the innermost level
        if len(nested) in {0, before}:
            return  # brackets that don't fit together are no JSON
    raise OddLineError(f"the line is nested deeper than {MAX_DEPTH} levels")


def records_of(file: str, lines: Iterable[Line], tell: Tell) -> Iterator[dict[str, Any]]:
    """Yield the records among lines. Tell of each line that is none, and of each record with a member of another type."""
    for line in lines:
        try:
            record = read_record(line)
        except OddLineError as error:
            tell(Oddity(file, line.number, f"{error}; it is left out"))
            continue
        odd = fault(record)
        if odd:
            tell(Oddity(file, line.number, odd))
        yield record


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} isn't a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number
