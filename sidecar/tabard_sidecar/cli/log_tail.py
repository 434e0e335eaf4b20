"""Implements ``tabard log tail``: shows decisions and changes as they are recorded."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.failure import Failure
from tabard_sidecar.cli.log_filters import filter_options, fits
from tabard_sidecar.cli.log_source import LogSource, find_log
from tabard_sidecar.cli.log_view import print_entries
from tabard_sidecar.cli.odd_lines import OddLines
from tabard_sidecar.cli.options import Existing, config_option, json_option, zone_option
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


@click.command()
@click.argument("file", required=False, type=Existing())
@click.option(
    "--lines",
    "most",
    type=click.IntRange(0, 10_000),
    default=10,
    show_default=True,
    help="How many of those that are there already are shown first.",
)
@click.option(
    "--interval",
    type=click.FloatRange(min=0.05, max=3600),
    default=0.5,
    show_default=True,
    help="Seconds between two looks at the file.",
)
@click.option(
    "--seconds",
    "duration",
    type=click.FloatRange(min=0),
    help="Stop after this number of seconds. Default: run until interrupted.",
)
@filter_options
@zone_option
@config_option
@json_option
def tail(  # noqa: PLR0913 - one parameter per option
    *,
    file: Path | None,
    most: int,
    interval: float,
    duration: float | None,
    as_json: bool,
    zone: str,
    config_file: Path | None,
    **wanted: str | None,
) -> None:
    """Show the decisions and changes that all options fit, as they are recorded.

    FILE is the log's file that is being written; without it, it is audit.path of the configuration.
    When the sidecar closes it and begins another, that one is followed. A decision is shown when its
    outcome is recorded.
    """
    source = find_log((file,) if file is not None else (), zone=zone, config_file=config_file, quiet=as_json)
    shown = _Shown(most, wanted, as_json=as_json)
    until = None if duration is None else time.monotonic() + duration
    followed = Followed(
        source.files[-1],
        interval,
        lambda: until is not None and time.monotonic() >= until,
        shown.caught_up,
    )
    follow(source, followed, shown.show, OddLines())
    shown.caught_up()


class _Shown:
    """Prints entries: at first the last of those that are there, then each as it comes.

    Args:
        most: how many of those that are there.
        wanted: which entries are shown.
        as_json: prints them for scripts.
    """

    def __init__(self, most: int, wanted: Mapping[str, str | None], *, as_json: bool) -> None:
        self._wanted = wanted
        self._as_json = as_json
        self._there: deque[Entry] | None = deque(maxlen=most)

    def show(self, entry: Entry) -> None:
        """Print an entry, or keep it until what is there was read."""
        if not fits(entry.as_json(), self._wanted):
            return
        if self._there is None:
            print_entries([entry], as_input=False, as_json=self._as_json)
        else:
            self._there.append(entry)

    def caught_up(self) -> None:
        """Print what was kept."""
        there, self._there = self._there, None
        if there:
            print_entries(there, as_input=False, as_json=self._as_json)


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
            raise Failure(str(error.strerror), exit_codes.UNREACHABLE, where=str(path)) from error
        if followed.over:
            return
