"""Logs the errors that callers get, with the details that agents aren't told, at a bounded rate."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tabard_sidecar.errors import NoDecision

_MOST_LINES = 10
_SECONDS = 10.0

_log = logging.getLogger(__name__)


class RefusalLog:
    """Writes at most ten lines in ten seconds for each code, so that a caller can't flood the log.

    Args:
        clock: seconds, never set back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[str, tuple[float, int]] = {}

    def note(self, error: NoDecision) -> None:
        """Log an error, unless it is a defect, which is logged with its stack trace."""
        if error.code == "internal":
            return
        now = self._clock()
        began, count = self._windows.get(error.code, (now, 0))
        left_out = max(0, count - _MOST_LINES)
        if now - began >= _SECONDS:
            began, count = now, 0
        self._windows[error.code] = began, count + 1
        if count >= _MOST_LINES:
            return
        extra = {"reason_code": error.code, "status": error.status, "problem": error.message}
        if count == 0 and left_out:
            extra["left_out"] = str(left_out)
        _log.warning("no decision", extra=extra)
