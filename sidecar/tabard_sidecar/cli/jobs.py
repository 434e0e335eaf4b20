"""Offers ``--jobs``: how many processes decide a log's decisions again."""

from __future__ import annotations

import os

import click

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
