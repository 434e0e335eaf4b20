"""Implements ``tabard log tail``: shows decisions and changes as they are recorded."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import click

from tabard_sidecar.cli.log_view import print_entries
from tabard_sidecar.operating.following import Followed, follow
from tabard_sidecar.operating.log_filters import filter_options, fits
from tabard_sidecar.operating.log_source import find_log
from tabard_sidecar.operating.odd_lines import OddLines
from tabard_sidecar.operating.options import Existing, config_option, json_option, zone_option
from tabard_sidecar.records.reading import Entry


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
