"""Finds one decision in the files of a decision log, the newest first, without reading every record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from tabard_sidecar.records.completing import completed
from tabard_sidecar.records.lines import Line, Tell, lines_of, records_of
from tabard_sidecar.records.reading import SHADOW, Entry, joined
from tabard_sidecar.replay.streams import opened

_HOLDS_PARTS = b'"in_full"'
_MOST_RECORDS = 16
"""Most records of one decision that a file is read for. The sidecar writes an intent and an outcome."""


def find_decision(
    files: Sequence[Path],
    decision_id: str,
    tell: Tell,
    progress: Callable[[int], None] = lambda _: None,
    *,
    regular: bool = False,
) -> Entry | None:
    """Return a decision or change with its outcome; ``None`` if no file has it.

    Args:
        files: of the log, oldest first, plain or compressed with gzip.
        decision_id: its identifier.
        tell: is told of odd lines among those that may belong to it.
        progress: is told of bytes that were read. What it raises ends the search.
        regular: whether pipes and devices are refused, which may keep a reader for ever.

    Raises:
        OSError: a file can't be read; ``filename`` is set.
    """
    wanted = decision_id.encode()
    records: list[dict[str, Any]] = []
    for file in reversed(files):
        with opened(file, progress, regular=regular) as stream:
            every = completed(records_of(str(file), _relevant(stream, wanted), tell))
            own = (record for record in every if _is_of(record, decision_id))
            records = [*islice(own, _MOST_RECORDS), *records]
        # An intent may stand at the end of one file, and its outcome at the begin of the next.
        for entry in joined(records):
            if entry.input:
                return entry
    return next(joined(records), None)


def _is_of(record: Mapping[str, Any], decision_id: str) -> bool:
    """Tell whether a record is of the decision itself: a stored answer that was given again, or what a candidate says, isn't."""
    result = record.get("result")
    repeated = isinstance(result, dict) and bool(result.get("replayed"))
    return record.get("decision_id") == decision_id and record.get("event") != SHADOW and not repeated


def _relevant(stream: BinaryIO, wanted: bytes) -> Iterator[Line]:
    """Yield the lines that name the decision, and those that hold parts which later ones leave out."""
    for line in lines_of(stream):
        if wanted in line.content or _HOLDS_PARTS in line.content:
            yield line
