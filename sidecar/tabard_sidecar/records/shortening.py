"""Leaves long parts out of a record that an earlier record of the same file holds.

Everything under one grant has the same long parts: its caveats, the person's claims, the task's statement. A batch of a
hundred calls sends them once. So each file of the log holds them once, and further records say which record has them.
Who asked always stays: the ids of person, workload and task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from cachetools import LRUCache

from tabard_sidecar.records.chain import Head
from tabard_sidecar.util.json_parts import LongPart, may_repeat, whole
from tabard_sidecar.util.jsontext import encode

KNOWN_PARTS = 256
"""Most parts that are remembered; more than requests that are answered at once."""
_WHO = ("subject", "agent", "task", "delegation")
_KEPT = {
    "subject": ("id", "issuer"),
    "agent": ("id",),
    "task": ("id",),
    "delegation": ("depth", "children"),
}

Parts = tuple[bytes | LongPart, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """A record without its chain and its last brace: what stands before the input's value, and the input in parts.

    A record that has nothing to leave out has no parts.
    """

    head: bytes
    parts: Parts = ()

    @property
    def long(self) -> bool:
        """Whether it has parts that can be left out."""
        return bool(self.parts) and any(isinstance(part, LongPart) for part in self.parts)

    def text(self) -> bytes:
        """Return the record with every part in full."""
        return self.head + whole(self.parts) if self.parts else self.head

    def changed(self, change: Callable[[bytes], bytes]) -> Draft:
        """Return the record with every text changed, each by itself."""
        if not self.parts:
            return Draft(change(self.head))
        parts = (
            change(part) if isinstance(part, bytes) else replace(part, text=change(part.text))
            for part in self.parts
        )
        return Draft(change(self.head), tuple(parts))


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
        groups.append([b'"history":{', *_history(history), b"}"])
    elif "history" in asked:
        others["history"] = history
    if others:
        groups.append([encode(others)[1:-1]])
    between = [part for group in groups for part in (b",", *group)]
    return (b"{", *between[1:], b"}")


def _history(history: Mapping[str, Any]) -> list[bytes | LongPart]:
    parts: list[bytes | LongPart] = []
    for name, value in history.items():
        parts += [
            b"%b%b:" % (b"," if parts else b"", encode(name)),
            may_repeat(encode(value), b"null", f"history.{name}"),
        ]
    return parts


class KnownParts:
    """The long parts that stand in records of the log's present file, and in which."""

    def __init__(self) -> None:
        self._heads: LRUCache[bytes, Head] = LRUCache(KNOWN_PARTS)
        self._file = -1

    def in_file(self, number: int) -> None:
        """Note which file the next record goes to; a new one must be understood without the others."""
        if number != self._file:
            self._heads.clear()
            self._file = number

    def shorten(self, draft: Draft) -> tuple[bytes, list[bytes]]:
        """Return a record without the parts that are known, and the digests of those that it holds in full."""
        texts, left_out, full = [draft.head], [], []
        for part in draft.parts:
            if isinstance(part, bytes):
                texts.append(part)
                continue
            digest = sha256(part.text).digest()
            head = self._heads.get(digest)
            if head is None:
                texts.append(part.text)
                full.append(digest)
                continue
            texts.append(part.brief)
            place = {"sequence": head.sequence, "hash": head.digest}
            left_out.append({"members": list(part.members), **place})
        if left_out:
            texts.append(b',"left_out":%b' % encode(left_out))
        return b"".join(texts), full

    def stand(self, digests: list[bytes], head: Head) -> None:
        """Note that parts stand in full in the record after which the chain has this head."""
        for digest in digests:
            self._heads[digest] = head
