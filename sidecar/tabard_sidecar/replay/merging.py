"""Reads several files of decision logs as one, in the order of time."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

from tabard_sidecar.records.completing import completed
from tabard_sidecar.records.lines import Tell, lines_of, records_of
from tabard_sidecar.replay.recorded import seconds_of
from tabard_sidecar.replay.streams import opened

Progress = Callable[[int], None]
"""Is told of each number of bytes (as they stand in the file) that were read."""

Record = dict[str, Any]


class _Next(NamedTuple):
    """The next record of a file. ``time`` is in seconds since the epoch; ``place`` is the file's place among the files, so that no records are compared."""

    time: float
    place: int
    record: Record
    others: Iterator[Record]


def merged(files: Sequence[Path], tell: Tell, progress: Progress) -> Iterator[Record]:
    """Yield the records of all files by their time, those of one file in its order.

    A file that begins later than others end is opened when it is its turn, so that the closed files of one log aren't all open
    at once. Each file completes what its own records leave out.

    Raises:
        OSError: a file can't be read; ``filename`` says which.
    """
    waiting = sorted(((_begin(file), place) for place, file in enumerate(files)), reverse=True)
    ready: list[_Next] = []
    with ExitStack() as stack:

        def take(place: int) -> None:
            others = stack.enter_context(closing(_records(files[place], tell, progress)))
            _push(ready, place, others, 0.0)

        while waiting or ready:
            while waiting and (not ready or waiting[-1][0] <= ready[0].time):
                take(waiting.pop()[1])
            if not ready:
                continue
            time, place, record, others = heapq.heappop(ready)
            yield record
            _push(ready, place, others, time)


def _push(ready: list[_Next], place: int, others: Iterator[Record], after: float) -> None:
    record = next(others, None)
    if record is not None:
        # A record that is odd, or from a clock that went back, comes where it stands in its file.
        heapq.heappush(ready, _Next(max(after, _time(record)), place, record, others))


def _time(record: Record) -> float:
    found = record.get("timestamp")
    return seconds_of(found) if isinstance(found, str) else 0.0


def _records(file: Path, tell: Tell, progress: Progress) -> Generator[Record]:
    with opened(file, progress) as stream:
        yield from completed(records_of(str(file), lines_of(stream), tell))


def _begin(file: Path) -> float:
    """Return when a file begins; 0 if no line says so, so that it is read from the start, or if it can be read only once."""
    if not file.is_file():
        return 0.0
    with opened(file, lambda _: None) as stream:
        for record in records_of(str(file), lines_of(stream), lambda _: None):
            return _time(record)
    return 0.0
