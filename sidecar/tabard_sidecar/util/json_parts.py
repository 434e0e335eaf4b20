"""JSON text in parts, some of which can be left out of an object because an earlier one holds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from hashlib import sha256
from typing import NamedTuple, cast

from tabard_sidecar.util.lean import dataclass

LONG_BYTES = 2 * 1024
"""A part of more bytes is worth a reference instead; the same part of a usual grant takes one kilobyte."""


@dataclass(frozen=True)
class LongPart:
    """A part that can be left out.

    Attributes:
        text: its JSON text, whole members or one value of an object.
        brief: what stands in its place.
        members: dotted names of the members that are then incomplete. An object lacks members, another value is null.
        items: the items, if it is a list that grows and shrinks by a few at a time.
        series: what such a list is about; lists of one series resemble each other.
    """

    text: bytes
    brief: bytes
    members: tuple[str, ...]
    items: tuple[bytes, ...] = ()
    series: str = ""

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the text, computed once: a grant's part comes with every call."""
        return sha256(self.text).digest()


class JsonText(NamedTuple):
    """JSON text. ``parts`` make it up, in order, if any of them can be left out; otherwise they are empty."""

    text: bytes
    parts: tuple[bytes | LongPart, ...] = ()


def joined(*parts: bytes | LongPart) -> JsonText:
    """Return the text that parts make up; those without a :class:`LongPart` between them become one."""
    kinds = list(map(type, parts))
    long = kinds.count(LongPart)
    if not long:  # as for most calls
        return JsonText(b"".join(cast("tuple[bytes, ...]", parts)))
    merged: list[bytes | LongPart] = []
    begin = 0
    for _ in range(long):  # and none takes a loop over all parts
        place = kinds.index(LongPart, begin)
        if place > begin:
            merged.append(b"".join(cast("tuple[bytes, ...]", parts[begin:place])))
        merged.append(parts[place])
        begin = place + 1
    if begin < len(parts):
        merged.append(b"".join(cast("tuple[bytes, ...]", parts[begin:])))
    return JsonText(whole(merged), tuple(merged))


def whole(parts: Iterable[bytes | LongPart]) -> bytes:
    """Return the text with every part in full."""
    return b"".join([part if isinstance(part, bytes) else part.text for part in parts])


def series(member: str, task: str) -> str:
    """Return what the lists of one member and task have in common."""
    return f"{member} {task}"


def list_of(items: Sequence[bytes]) -> bytes:
    """Return the JSON list of items."""
    return b"[%b]" % b",".join(items)


def may_repeat(text: bytes, brief: bytes, *members: str) -> bytes | LongPart:
    """Return a text that can be left out if it is long."""
    return LongPart(text, brief, members) if len(text) > LONG_BYTES else text
