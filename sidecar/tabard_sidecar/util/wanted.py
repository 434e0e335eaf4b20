"""Ends long work in a thread when its caller has stopped waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable

_here = threading.local()


class GivenUpError(Exception):
    """The caller of this thread's work has stopped waiting, and gets no answer."""


def work_while(wanted: Callable[[], bool]) -> None:
    """Set what tells, from now on, whether the caller still waits for this thread's work."""
    _here.wanted = wanted


def require_wanted() -> None:
    """End this thread's work if it was given up. Long work calls it between its pieces.

    Raises:
        GivenUpError: as told; never where :func:`work_while` wasn't called.
    """
    wanted: Callable[[], bool] | None = getattr(_here, "wanted", None)
    if wanted is not None and not wanted():
        raise GivenUpError
