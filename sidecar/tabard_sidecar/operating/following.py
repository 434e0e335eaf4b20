"""Follows a decision log that is being written."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tabard_sidecar.operating.failure import file_failure
from tabard_sidecar.operating.log_source import LogSource
from tabard_sidecar.records.completing import completed
from tabard_sidecar.records.file_sink import closed_files, open_log
from tabard_sidecar.records.lines import MAX_LINE_BYTES, Line, Tell, records_of
from tabard_sidecar.records.reading import Entry, Joining

_PIECE_BYTES = 256 * 1024


class Followed:
    """The lines of a log that is being written, file by file, until it is time to stop.

    Args:
        path: the file that is written.
        interval: seconds between two looks at it.
        over: tells whether to stop.
        caught_up: called whenever everything was read that is there.
        regular: whether pipes and devices are refused, which may keep a reader for ever.
    """

    def __init__(
        self,
        path: Path,
        interval: float,
        over: Callable[[], bool],
        caught_up: Callable[[], None],
        *,
        regular: bool = False,
    ) -> None:
        self._regular = regular
        self._path = path
        self._interval = interval
        self._over = over
        self._caught_up = caught_up
        self._read: int | None = None

    @property
    def over(self) -> bool:
        """Whether to stop."""
        return self._over()

    def lines(self) -> Iterator[Line]:
        """Yield the whole lines of the next file, and wait for further ones. Ends when it is closed, or it is time to stop.

        Raises:
            OSError: it can't be read.
        """
        with open_log(self._next(), regular=self._regular) as stream:
            self._read = os.fstat(stream.fileno()).st_ino
            number, rest, closed = 0, b"", False
            while True:
                piece = stream.read(_PIECE_BYTES)
                if piece:
                    *whole, rest = (rest + piece).split(b"\n")
                    for line in whole:
                        number += 1
                        if line.strip():
                            yield Line(number, line + b"\n", len(line) > MAX_LINE_BYTES)
                    rest = rest[: MAX_LINE_BYTES + 1]
                    continue
                if closed or self.over:
                    return
                # What was written before it was closed is read once more.
                closed = _inode(self._path) != self._read
                if not closed:
                    self._caught_up()
                    time.sleep(self._interval)

    def _next(self) -> Path:
        """Return the file after the one that was read: several may have been closed meanwhile."""
        closed = [file for _, file in closed_files(self._path)] if self._read is not None else []
        places = [place for place, file in enumerate(closed) if _inode(file) == self._read]
        later = closed[places[0] + 1 :] if places else []
        if later:
            return later[0]
        while not self._path.exists() and not self.over:
            time.sleep(self._interval)
        return self._path


def _inode(file: Path) -> int:
    """Return which file has a name; 0 as long as none has."""
    try:
        return file.stat().st_ino
    except FileNotFoundError:
        return 0


def follow(source: LogSource, followed: Followed, show: Callable[[Entry], None], odd: Tell) -> None:
    """Show what is written until it is time to stop.

    Args:
        source: the log.
        followed: the last of its files.
        show: is given each decision and change.
        odd: is told of odd lines.

    Raises:
        Failure: the log can't be read, or a record is of another zone.
    """
    path, joining = source.files[-1], Joining()
    while True:
        try:
            for record in completed(source.checked(records_of(str(path), followed.lines(), odd))):
                for entry in joining.add(record):
                    show(entry)
        except OSError as error:
            raise file_failure(error, path) from error
        if followed.over:
            return
