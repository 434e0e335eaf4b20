"""Lets long work in a thread end when nobody waits for it any more."""

from __future__ import annotations

import threading
from collections.abc import Callable

_here = threading.local()


class GivenUpError(Exception):
    """Nobody waits for this thread's work any more. Told to nobody."""


def work_while(wanted: Callable[[], bool]) -> None:
    """Set what tells, from now on, whether somebody waits for this thread's work."""
    _here.wanted = wanted


def require_wanted() -> None:
    """End this thread's work if it was given up. Long work calls it between its pieces.

    Raises:
        GivenUpError: as told; never where :func:`work_while` wasn't called.
    """
    wanted: Callable[[], bool] | None = getattr(_here, "wanted", None)
    if wanted is not None and not wanted():
        raise GivenUpError
