"""Chooses the log, the decisions and the processes of commands that decide again, and writes their page."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from tabard_sidecar.operating.failure import file_failure
from tabard_sidecar.operating.log_source import LogSource, find_log, with_closed
from tabard_sidecar.records.reading import Entry
from tabard_sidecar.replay.recorded import Recorded, Skipped, recorded

_SMALL_BYTES = 4 * 2**20
"""A log of so many bytes is replayed sooner than further processes are started."""

jobs_option = click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    help="Processes that replay. Default: one for each processor, and one in all for a small log.",
)


def jobs_for(wanted: int | None, size: int) -> int:
    """Return how many processes replay a log of so many bytes."""
    return wanted or (len(os.sched_getaffinity(0)) if size > _SMALL_BYTES else 1)


def replayed_log(given: Mapping[str, Any]) -> LogSource:
    """Return the files that are named, else the configured log; without --zone, named files may be of any zones.

    Args:
        given: the command's ``files``, ``zone``, ``config_file`` and ``as_json``.

    Raises:
        Failure: no file is named or configured, or the configuration can't be read.
    """
    files = given["files"]
    if not files:
        return find_log(files, zone=given["zone"], config_file=given["config_file"], quiet=given["as_json"])
    return LogSource(tuple(with_closed(files)), given["zone"], "--zone")


def decisions_between(
    entries: Iterable[Entry], since: str | None, until: str | None, skipped: Counter[str]
) -> Iterator[tuple[Entry, Recorded]]:
    """Yield the entries that can be decided again, of a time from ``since`` on and before ``until``; count the rest."""
    for entry in entries:
        item = recorded(entry)
        if isinstance(item, Skipped):
            skipped[item.why] += 1
        elif (since or "") <= item.timestamp and (until is None or item.timestamp < until):
            yield entry, item
        else:
            skipped["other_times"] += 1


def write_page(file: Path, told: Mapping[str, Any]) -> None:
    """Write what a replay found, as ``--json`` prints it, to a page with charts.

    Raises:
        Failure: the file can't be written.
    """
    from tabard_sidecar.replay.page import page  # noqa: PLC0415 - not needed for --help

    try:
        file.write_text(page(told), encoding="utf-8")
    except OSError as error:
        raise file_failure(error, file) from error
