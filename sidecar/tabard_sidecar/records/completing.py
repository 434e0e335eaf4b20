"""Completes records that leave out what an earlier record of the same file holds (see :mod:`.shortening`)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from cachetools import LRUCache

from tabard_sidecar.records.shortening import KNOWN_PARTS, task_of
from tabard_sidecar.util.json_parts import series
from tabard_sidecar.util.jsontext import encode

LEFT_OUT = "left_out"
"""Member of a record that says what it leaves out: names of members of the input, and which record holds them."""
_IN_FULL = "in_full"
_LISTS = ("history.calls", "history.labels")
_FACTS = "task.facts."


class _Known:
    """What records hold that later ones leave out. It remembers as long as the writer, and no less.

    Values are kept as text, which takes a tenth of the memory.
    """

    def __init__(self) -> None:
        self._parts: LRUCache[str, bytes] = LRUCache(2 * KNOWN_PARTS)
        self._lists: LRUCache[str, tuple[str, bytes]] = LRUCache(2 * KNOWN_PARTS)

    def note(self, record: Mapping[str, Any], asked: dict[str, Any], members: Collection[str]) -> None:
        """Remember these members of a complete record."""
        digest, parts = str(record.get("hash")), {}
        for member in members:
            if _is_list(member):
                self._lists[series(member, task_of(asked))] = digest, encode(_found(asked, member))
            else:
                value = _found(asked, member)
                if member == "task" and isinstance(
                    value, dict
                ):  # every record has all of its facts, or names them
                    value = {name: inner for name, inner in value.items() if name != "facts"}
                parts[member] = value
        if parts:
            self._parts[digest] = encode(parts)

    def find(self, digest: str, member: str, asked: dict[str, Any]) -> tuple[bool, Any]:
        """Tell whether a member of the record with this hash is known, and return its value."""
        if _is_list(member):
            at, text = self._lists.get(series(member, task_of(asked)), ("", b"null"))
            return at == digest, json.loads(text)
        parts = json.loads(self._parts.get(digest, b"{}"))
        return member in parts, parts.get(member)


def _is_list(member: str) -> bool:
    return member in _LISTS or member.startswith(_FACTS)


def completed(records: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield records with everything that they leave out, as far as the records before them hold it.

    What isn't there stays in ``left_out``.
    """
    known = _Known()
    for record in records:
        asked = record.get("input")
        if isinstance(asked, dict):
            places, in_full = left_out(record), record.pop(_IN_FULL, None)
            missing = [place for place in places if not _complete(asked, place, known)]
            grown = [
                member
                for place in places
                if place not in missing and "items" in place
                for member in _members(place)
            ]
            known.note(record, asked, [*grown, *(in_full if isinstance(in_full, list) else [])])
            record.pop(LEFT_OUT, None)
            if missing:
                record[LEFT_OUT] = missing
        yield record


def left_out(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a record leaves out; each has ``members``, ``sequence`` and ``hash``."""
    found = record.get(LEFT_OUT)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _complete(asked: dict[str, Any], place: Mapping[str, Any], known: _Known) -> bool:
    """Put in what is left out from one record; tell whether that record was there."""
    members = _members(place)
    found = [known.find(str(place.get("hash")), member, asked) for member in members]
    if not found or not all(there for there, _ in found):
        return False
    for member, (_, theirs) in zip(members, found, strict=True):
        *above, last = member.split(".")
        here = asked
        for step in above:
            here = _object(here, step)
        here[last] = _merged(here.get(last), theirs, place.get("items"))
    return True


def _members(place: Mapping[str, Any]) -> list[str]:
    members = place.get("members")
    return [str(member) for member in members] if isinstance(members, list) else []


def _found(asked: dict[str, Any], member: str) -> object:
    *above, last = member.split(".")
    for step in above:
        asked = _object(asked, step)
    return asked.get(last)


def _merged(mine: object, theirs: object, runs: object) -> object:
    """Return a value with what an earlier record's value has of it."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return {**theirs, **mine}
    if not (isinstance(mine, list) and isinstance(theirs, list) and isinstance(runs, list)):
        return theirs
    left = iter(runs)
    found: list[object] = []
    for item in mine:
        match next(left, None) if item is None else None:
            case [int(begin), int(end)]:
                found += theirs[begin:end]
            case _:
                found.append(item)
    return found


def _object(value: dict[str, Any], name: str) -> dict[str, Any]:
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}
