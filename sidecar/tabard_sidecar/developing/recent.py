"""Reads the last decisions of a log, however long it is."""

from __future__ import annotations

import gzip
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tabard_sidecar.records.completing import completed
from tabard_sidecar.records.file_sink import open_log
from tabard_sidecar.records.lines import Line, Tell, lines_of, records_of
from tabard_sidecar.records.reading import joined
from tabard_sidecar.replay.recorded import Recorded, Skipped, recorded

MOST_BYTES = 32 * 2**20
"""Most bytes of a log that are read, from its end."""
_MAGIC = b"\x1f\x8b"

Record = dict[str, Any]


def last_decisions(
    files: Sequence[Path], most: int, check: Callable[[Iterable[Record]], Iterator[Record]], tell: Tell
) -> list[Recorded]:
    """Return the last decisions of a log, oldest first, with the outcomes that were reported meanwhile.

    Args:
        files: of the log, oldest first, plain or compressed with gzip.
        most: how many decisions.
        check: passes the records on, or refuses them.
        tell: is told of odd lines.

    Raises:
        OSError: a file can't be read, or is a pipe or a device, which may keep a reader for ever; ``filename`` says which.
    """
    kept: deque[Recorded] = deque()
    count = 0
    for entry in joined(check(_records(files, tell))):
        item = recorded(entry)
        if isinstance(item, Skipped):
            continue
        kept.append(item)
        count += item.outcome is None
        while count > most or (kept and kept[0].outcome is not None):
            count -= kept.popleft().outcome is None
    return list(kept)


def _records(files: Sequence[Path], tell: Tell) -> Iterator[Record]:
    left = MOST_BYTES
    parts: list[tuple[Path, int]] = []
    for file in reversed(files):
        if left <= 0:
            break
        size = file.stat().st_size
        parts.append((file, max(0, size - left)))
        left -= size
    for file, skipped in reversed(parts):
        with open_log(file, regular=True) as stream:
            compressed = stream.read(len(_MAGIC)) == _MAGIC
            stream.seek(0 if compressed else skipped)
            if compressed:
                with gzip.open(stream) as inner:
                    lines = lines_of(io.BytesIO(inner.read(MOST_BYTES)))
                    yield from completed(records_of(str(file), lines, tell))
                continue
            if skipped:
                stream.readline(MOST_BYTES)  # the rest of a record that began before
            yield from completed(records_of(str(file), _whole(lines_of(stream)), tell))


def _whole(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield the lines but one that is still being written."""
    for line in lines:
        if line.too_long or line.content.endswith(b"\n"):
            yield line
