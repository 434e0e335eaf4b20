"""Completes records that leave out what an earlier record of the same file holds (see :mod:`.shortening`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cachetools import LRUCache

from tabard_sidecar.records.shortening import KNOWN_PARTS
from tabard_sidecar.util.json_parts import LONG_BYTES
from tabard_sidecar.util.jsontext import encode

LEFT_OUT = "left_out"
"""Member of a record that says what it leaves out: names of members of the input, and which record holds them."""
# A part may be shorter as it is read: a terminal got it in ASCII, or the writer counted it with its members' names.
_LONG = LONG_BYTES // 2


def completed(records: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield records with everything that they leave out, as far as the records before them hold it.

    What isn't there stays in ``left_out``.
    """
    # Twice as many as the writer remembers: it refers to no others. Kept as text, which takes a tenth of the memory.
    inputs: LRUCache[str, bytes] = LRUCache(2 * KNOWN_PARTS)
    for record in records:
        asked = record.get("input")
        if isinstance(asked, dict):
            missing = [place for place in left_out(record) if not _complete(asked, place, inputs)]
            if missing:
                record[LEFT_OUT] = missing
            else:
                record.pop(LEFT_OUT, None)
            same = {
                name: value for name, value in asked.items() if name not in {"tool", "context", "request"}
            }
            text = encode(same)
            if len(text) > _LONG:
                inputs[str(record.get("hash"))] = text
        yield record


def left_out(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a record leaves out; each has ``members``, ``sequence`` and ``hash``."""
    found = record.get(LEFT_OUT)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _complete(asked: dict[str, Any], place: Mapping[str, Any], inputs: LRUCache[str, bytes]) -> bool:
    """Put in what is left out from one record; tell whether that record was there."""
    text, members = inputs.get(str(place.get("hash"))), place.get("members")
    if text is None or not isinstance(members, list):
        return False
    source = json.loads(text)
    for member in map(str, members):
        *above, last = member.split(".")
        here, there = asked, source
        for step in above:
            here, there = _object(here, step), _object(there, step)
        mine, theirs = here.get(last), there.get(last)
        here[last] = {**theirs, **mine} if isinstance(mine, dict) and isinstance(theirs, dict) else theirs
    return True


def _object(value: dict[str, Any], name: str) -> dict[str, Any]:
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}
