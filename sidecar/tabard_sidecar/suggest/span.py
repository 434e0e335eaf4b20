"""Finds the time that logs cover, without reading what their records say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tabard_sidecar.records.lines import lines_of, records_of
from tabard_sidecar.replay.merging import Progress
from tabard_sidecar.replay.recorded import seconds_of
from tabard_sidecar.replay.streams import opened


def span_of(
    files: Sequence[Path], since: str | None, until: str | None, progress: Progress
) -> tuple[float, float]:
    """Return the time of the first and of the last record, in seconds since the epoch; both are 0 without one.

    Args:
        files: logs.
        since: timestamp from which on records count.
        until: timestamp before which they count.
        progress: is told of the bytes that were read.

    Raises:
        OSError: a file can't be read; ``filename`` says which.
    """
    first, last = float("inf"), 0.0
    for file in files:
        with opened(file, progress) as stream:
            for record in records_of(str(file), lines_of(stream), lambda _: None):
                timestamp = record.get("timestamp")
                if not isinstance(timestamp, str) or not (since or "") <= timestamp:
                    continue
                time = seconds_of(timestamp) if until is None or timestamp < until else 0.0
                if time > 0:
                    first, last = min(first, time), max(last, time)
    return (first, last) if last else (0.0, 0.0)
