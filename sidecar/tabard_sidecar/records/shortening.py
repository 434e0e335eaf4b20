"""Leaves long parts out of a record that an earlier record of the same file holds.

Everything under one grant has the same long parts: its caveats, the person's claims, the task's statement. A batch of a
hundred calls sends them once. So each file of the log holds them once, and further records say which record has them.
Who asked always stays: the ids of person, workload and task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, NamedTuple

from cachetools import LRUCache

from tabard_sidecar.records.chain import Head
from tabard_sidecar.util.json_parts import LONG_BYTES, LongPart, list_of, may_repeat, series, whole
from tabard_sidecar.util.jsontext import encode
from tabard_sidecar.util.lean import dataclass

KNOWN_PARTS = 256
"""Most parts that are remembered; more than requests that are answered at once."""
_WHO = ("subject", "agent", "task", "delegation")
_KEPT = {
    "subject": ("id", "issuer"),
    "agent": ("id",),
    "task": ("id", "facts"),
    "delegation": ("depth", "children"),
}

Parts = tuple[bytes | LongPart, ...]


class Draft(NamedTuple):
    """A record without its chain and its last brace: what stands before the input's value, and the input in parts.

    A record that has nothing to leave out has no parts.
    """

    head: bytes
    parts: Parts = ()

    @property
    def long(self) -> bool:
        """Whether it has parts that can be left out."""
        return bool(self.parts) and any(isinstance(part, LongPart) for part in self.parts)

    @property
    def size(self) -> int:
        """Bytes of the record with every part in full."""
        return len(self.head) + sum(
            [len(part if isinstance(part, bytes) else part.text) for part in self.parts]
        )

    def text(self) -> bytes:
        """Return the record with every part in full."""
        return self.head + whole(self.parts) if self.parts else self.head

    def changed(self, change: Callable[[bytes], bytes]) -> Draft:
        """Return the record with every text changed, each by itself."""
        if not self.parts:
            return Draft(change(self.head))
        parts = [change(part) if isinstance(part, bytes) else _changed(part, change) for part in self.parts]
        return Draft(change(self.head), tuple(parts))


def _changed(part: LongPart, change: Callable[[bytes], bytes]) -> LongPart:
    if not part.items:
        text = change(part.text)
        return part if text is part.text else replace(part, text=text)
    items = tuple(map(change, part.items))
    return replace(part, text=list_of(items), items=items)


def draft_of(document: Mapping[str, Any]) -> Draft:
    """Return a record as a draft, with the same parts as a policy input."""
    asked = document.get("input")
    if not isinstance(asked, dict):
        return Draft(encode(dict(document))[:-1])
    others = {name: value for name, value in document.items() if name != "input"}
    return Draft(encode(others)[:-1] + b',"input":', _split(asked))


def _split(asked: Mapping[str, Any]) -> Parts:
    who = {name: asked[name] for name in _WHO if name in asked}
    brief = {
        name: {kept: value[kept] for kept in _KEPT[name] if kept in value}
        for name, value in who.items()
        if isinstance(value, dict)
    }
    history = asked.get("history")
    others = {name: value for name, value in asked.items() if name not in {*_WHO, "history"}}
    groups: list[list[bytes | LongPart]] = []
    if who:
        groups.append([may_repeat(encode(who)[1:-1], encode(brief)[1:-1], *who)])
    if isinstance(history, dict):
        groups.append([b'"history":{', *_history(history, task_of(asked)), b"}"])
    elif "history" in asked:
        others["history"] = history
    if others:
        groups.append([encode(others)[1:-1]])
    between = [part for group in groups for part in (b",", *group)]
    return (b"{", *between[1:], b"}")


def task_of(asked: Mapping[str, Any]) -> str:
    """Return the id of an input's task; empty if it has none."""
    task = asked.get("task")
    return str(task.get("id", "")) if isinstance(task, dict) else ""


def _history(history: Mapping[str, Any], task: str) -> list[bytes | LongPart]:
    parts: list[bytes | LongPart] = []
    for name, value in history.items():
        text, member = encode(value), f"history.{name}"
        parts.append(b"%b%b:" % (b"," if parts else b"", encode(name)))
        # A mask blanks items: those can't be told from a run.
        if len(text) > LONG_BYTES and isinstance(value, list) and None not in value:
            items = tuple(map(encode, value))
            parts.append(LongPart(text, b"null", (member,), items, series(member, task)))
        else:
            parts.append(text)
    return parts


@dataclass(frozen=True, slots=True)
class Written:
    """What a record holds in full, to be noted when it was written."""

    parts: list[LongPart]
    lists: dict[str, tuple[bytes, ...]]


class KnownParts:
    """The long parts that stand in records of the log's present file, and in which."""

    def __init__(self) -> None:
        # By digest and members of a part, the item of `left_out` that stands for it.
        self._places: LRUCache[tuple[bytes, tuple[str, ...]], bytes] = LRUCache(KNOWN_PARTS)
        self._lists: LRUCache[str, tuple[Head, tuple[bytes, ...]]] = LRUCache(KNOWN_PARTS)
        self._file = -1

    def in_file(self, number: int) -> None:
        """Note which file the next record goes to; a new one must be understood without the others."""
        if number != self._file:
            self._places.clear()
            self._lists.clear()
            self._file = number

    def shorten(self, draft: Draft) -> tuple[bytes, Written | None]:
        """Return a record without the parts that are known, and what is known after it was written."""
        texts, left_out, in_full = [draft.head], list[bytes](), list[str]()
        parts, lists = list[LongPart](), dict[str, tuple[bytes, ...]]()
        for part in draft.parts:
            if isinstance(part, bytes):
                texts.append(part)
                continue
            text, place = self._items(part, lists) if part.items else self._whole(part, parts)
            texts.append(text)
            if place:
                left_out.append(place)
            else:
                in_full += part.members
        if left_out:
            texts.append(b',"left_out":%b' % list_of(left_out))
        if in_full:
            texts.append(b',"in_full":%b' % encode(in_full))
        return b"".join(texts), Written(parts, lists) if parts or lists else None

    def _whole(self, part: LongPart, written: list[LongPart]) -> tuple[bytes, bytes]:
        place = self._places.get((part.digest, part.members))
        if place is None:
            written.append(part)
            return part.text, b""
        return part.brief, place

    def _items(self, part: LongPart, written: dict[str, tuple[bytes, ...]]) -> tuple[bytes, bytes]:
        digests = tuple([sha256(item).digest() for item in part.items])
        written[part.series] = digests
        known = self._lists.get(part.series)
        if known is None:
            return part.text, b""
        head, before = known
        items, runs = _difference(part.items, digests, before)
        return (list_of(items), _place(part, head, items=runs)) if runs else (part.text, b"")

    def stand(self, written: Written, head: Head) -> None:
        """Note what stands in the record after which the chain has this head."""
        for part in written.parts:
            self._places[part.digest, part.members] = _place(part, head)
        for about, digests in written.lists.items():
            self._lists[about] = head, digests


def _place(part: LongPart, head: Head, **runs: list[list[int]]) -> bytes:
    """Return the item of ``left_out`` for a part that the record with this head holds."""
    return encode({"members": list(part.members), "sequence": head.sequence, "hash": head.digest, **runs})


def _difference(
    items: Sequence[bytes], digests: Sequence[bytes], before: Sequence[bytes]
) -> tuple[list[bytes], list[list[int]]]:
    """Return the items with ``null`` for each run of items that an earlier list holds, and the runs: begin and end there."""
    places = {digest: place for place, digest in enumerate(before)}
    found: list[bytes] = []
    runs: list[list[int]] = []
    in_run = False
    for item, digest in zip(items, digests, strict=True):
        place = places.get(digest)
        if place is None:
            found.append(item)
        elif in_run and runs[-1][1] == place:
            runs[-1][1] += 1
        else:
            found.append(b"null")
            runs.append([place, place + 1])
        in_run = place is not None
    return found, runs
