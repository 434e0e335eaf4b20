"""Completes records that leave out what an earlier record of the same file holds (see :mod:`.shortening`)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, TypeGuard

from cachetools import LRUCache

from tabard_sidecar.records.lines import MAX_LINE_BYTES
from tabard_sidecar.records.shortening import KNOWN_PARTS, task_of
from tabard_sidecar.util.json_parts import series
from tabard_sidecar.util.jsontext import encode, encode_to_keep

LEFT_OUT = "left_out"
"""Member of a record that says what it leaves out: names of members of the input, and which record holds them."""
_IN_FULL = "in_full"
_KNOWN_BYTES = 64 * 1024 * 1024
_MAX_MEMBERS = 256
_LISTS = ("history.calls", "history.labels")
_FACTS = "task.facts."


class _Known:
    """What records hold that later ones leave out. It remembers as long as the writer, and no less.

    Values are kept as text, which takes a tenth of the memory. What is larger than any record of ours isn't kept.
    """

    def __init__(self) -> None:
        self._parts: LRUCache[str, bytes] = LRUCache(_KNOWN_BYTES, getsizeof=_size)
        self._lists: LRUCache[str, tuple[str, bytes]] = LRUCache(
            _KNOWN_BYTES, getsizeof=lambda entry: _size(entry[1])
        )

    def note(self, record: Mapping[str, Any], asked: dict[str, Any], members: Collection[str]) -> None:
        """Remember these members of a complete record."""
        digest, parts = str(record.get("hash")), {}
        for member in members:
            if _is_list(member):
                text = encode_to_keep(_found(asked, member))
                if len(text) <= MAX_LINE_BYTES:
                    self._lists[series(member, task_of(asked))] = digest, text
            else:
                value = _found(asked, member)
                if member == "task" and isinstance(
                    value, dict
                ):  # every record has all of its facts, or names them
                    value = {name: inner for name, inner in value.items() if name != "facts"}
                parts[member] = value
        text = encode_to_keep(parts) if parts else b""
        if parts and len(text) <= MAX_LINE_BYTES:
            self._parts[digest] = text

    def find(self, digest: str, member: str, asked: dict[str, Any]) -> bytes:
        """Return the text in which a member of the record with this hash stands; empty if it isn't known."""
        if _is_list(member):
            at, text = self._lists.get(series(member, task_of(asked)), ("", b""))
            return text if at == digest else b""
        return self._parts.get(digest, b"")


def _size(text: bytes) -> int:
    """Return what a text counts: few large ones take the places of many."""
    return max(len(text), _KNOWN_BYTES // (2 * KNOWN_PARTS))


def _is_list(member: str) -> bool:
    return member in _LISTS or member.startswith(_FACTS)


def completed(records: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield records with everything that they leave out, as far as the records before them hold it.

    What isn't there stays in ``left_out``, and so does what would make a record larger than a few lines of a log.
    """
    known = _Known()
    for record in records:
        asked = record.get("input")
        if isinstance(asked, dict):
            missing, grown = _filled(record, asked, known)
            in_full = record.pop(_IN_FULL, None)
            full = in_full[:_MAX_MEMBERS] if isinstance(in_full, list) else []
            known.note(record, asked, {*grown, *filter(_is_text, full)})
            record.pop(LEFT_OUT, None)
            if missing:
                record[LEFT_OUT] = missing
        yield record


def _filled(
    record: dict[str, Any], asked: dict[str, Any], known: _Known
) -> tuple[list[dict[str, Any]], list[str]]:
    """Put in what is left out; return the places that stay, and the lists that then stand whole here."""
    room = _Room()
    missing, grown = [], []
    for number, place in enumerate(left_out(record)):
        if number >= _MAX_MEMBERS or not _complete(asked, place, known, room):
            missing.append(place)
        elif "items" in place:
            grown += _members(place)
    return missing, grown


class _Room:
    """How many bytes may still be put into one record."""

    def __init__(self) -> None:
        self._left = MAX_LINE_BYTES

    def takes(self, size: int) -> bool:
        """Take so many bytes; tell whether there was room for them."""
        self._left -= size
        return self._left >= 0


def left_out(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a record leaves out; each has ``members``, ``sequence`` and ``hash``."""
    found = record.get(LEFT_OUT)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _complete(asked: dict[str, Any], place: Mapping[str, Any], known: _Known, room: _Room) -> bool:
    """Put in what is left out from one record; tell whether that record was there."""
    members = _members(place)
    texts = {member: known.find(str(place.get("hash")), member, asked) for member in members}
    found: dict[str, Any] = {}
    for member, text in texts.items():
        if not text or not room.takes(len(text)):
            return False
        value = json.loads(text)
        if not _is_list(member):
            if member not in value:
                return False
            value = value[member]
        found[member] = value
    for member, theirs in found.items():
        *above, last = member.split(".")
        here = asked
        for step in above:
            here = _object(here, step)
        merged = _merged(here.get(last), theirs, place.get("items"), room)
        if merged is None:
            return False
        here[last] = merged
    return bool(found)


def _members(place: Mapping[str, Any]) -> list[str]:
    members = place.get("members")
    return list(filter(_is_text, members[:_MAX_MEMBERS])) if isinstance(members, list) else []


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str)


def _found(asked: dict[str, Any], member: str) -> object:
    *above, last = member.split(".")
    for step in above:
        asked = _object(asked, step)
    return asked.get(last)


def _merged(mine: object, theirs: object, runs: object, room: _Room) -> object:
    """Return a value with what an earlier record's value has of it; ``None`` if that is more than there is room for."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return {**theirs, **mine}
    if not (isinstance(mine, list) and isinstance(theirs, list) and isinstance(runs, list)):
        return theirs
    left, sizes = iter(runs), [len(encode(item)) + 1 for item in theirs]
    found: list[object] = []
    for item in mine:
        match next(left, None) if item is None else None:
            case [int(begin), int(end)]:
                if not room.takes(sum(sizes[begin:end])):
                    return None
                found += theirs[begin:end]
            case _:
                found.append(item)
    return found


def _object(value: dict[str, Any], name: str) -> dict[str, Any]:
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}
