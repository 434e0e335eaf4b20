"""Logs the errors that callers get, with the details that agents aren't told, at a bounded rate."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tabard_sidecar.util.rarely import PerWindow

if TYPE_CHECKING:
    from tabard_sidecar.errors import NoDecision

_MOST_LINES = 10
_SECONDS = 10.0
_CODES = 1024

_log = logging.getLogger(__name__)


class RefusalLog:
    """Writes at most ten lines in ten seconds for each code, so that a caller can't flood the log.

    Args:
        clock: seconds, never set back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lines = PerWindow(_MOST_LINES, _SECONDS, _CODES)

    def note(self, error: NoDecision) -> None:
        """Log an error, unless it is a defect, which is logged with its stack trace."""
        if error.code == "internal":
            return
        said, left_out = self._lines.take(error.code, self._clock())
        if not said:
            return
        extra = {"reason_code": error.code, "status": error.status, "problem": error.message}
        if left_out:
            extra["left_out"] = str(left_out)
        _log.warning("no decision", extra=extra)
