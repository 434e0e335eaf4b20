"""Writes the application log: JSON lines on standard error, without secrets.

Modules log through the standard library (``logging.getLogger(__name__)``) with a short event name as the message and
everything else as ``extra``. structlog would do the same, but importing it takes 0.2 s and 9 MB, because it loads rich.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from types import TracebackType
from typing import TextIO

from tabard_sidecar.records.redaction import redact, redact_text
from tabard_sidecar.util.rarely import PerWindow
from tabard_sidecar.util.visible import visible_json

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}
_OWN = ("tabard", "tabard_sidecar", "tabard_opa")
_FOREIGN_CHARACTERS = 300
_FOREIGN_LINES = 10
_FOREIGN_SECONDS = 10.0
_LOGGERS = 64


class ForeignLimit(logging.Filter):
    """Lets each logger of a library write ten lines in ten seconds: libraries log for each request of a stranger."""

    def __init__(self) -> None:
        super().__init__()
        self._lines = PerWindow(_FOREIGN_LINES, _FOREIGN_SECONDS, _LOGGERS)

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record is written."""
        if _is_own(record):
            return True
        said, left_out = self._lines.take(record.name, time.monotonic())
        if left_out:
            record.left_out = left_out
        return said


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object: time, level, logger, event, then the extras."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its newline."""
        document: dict[str, object] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": redact_text(record.getMessage()) if _is_own(record) else _shortened(record.getMessage()),
        }
        for name, value in record.__dict__.items():
            if name not in _STANDARD and name not in document:
                document[name] = redact(value, name)
        if record.exc_info:
            document["exception"] = (
                redact_text(self.formatException(record.exc_info))
                if _is_own(record)
                else _without_words(record.exc_info[0], record.exc_info[2])
            )
        # Escaped, because standard error may be a terminal, which obeys control characters.
        return visible_json(json.dumps(document, ensure_ascii=False, default=str))


def configure_logging(level: str, stream: TextIO) -> logging.Handler:
    """Send everything that this process logs to ``stream``. Called once, when the process starts.

    Args:
        level: least severe level, as in ``telemetry.log_level``.
        stream: stream for the lines, normally standard error.

    Returns:
        The handler, so that tests can remove it.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(ForeignLimit())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    return handler


def _is_own(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] in _OWN


def _shortened(text: str) -> str:
    """Return the beginning of what a library says, which may quote a stranger: one line, without secrets."""
    line = redact_text(text.partition("\n")[0])
    return line if len(line) <= _FOREIGN_CHARACTERS else f"{line[:_FOREIGN_CHARACTERS]}…"


def _without_words(kind: type[BaseException] | None, where: TracebackType | None) -> str:
    """Return type and innermost place of an exception without its text, which quotes requests."""
    frames = traceback.extract_tb(where)[-1:]
    places = "".join(f" in {frame.name} ({frame.filename}:{frame.lineno})" for frame in frames)
    return f"{kind.__module__}.{kind.__qualname__}{places}" if kind is not None else places
