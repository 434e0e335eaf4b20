"""Writes the application log: JSON lines on standard error, without secrets.

Modules log through the standard library (``logging.getLogger(__name__)``) with a short event name as the message and
everything else as ``extra``. structlog would do the same, but importing it takes 0.2 s and 9 MB, because it loads rich.
"""

from __future__ import annotations

import json
import logging
import time
from typing import TextIO

from tabard_sidecar.records.redaction import redact, redact_text
from tabard_sidecar.util.visible import visible_json

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object: time, level, logger, event, then the extras."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its newline."""
        document: dict[str, object] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": redact_text(record.getMessage()),
        }
        for name, value in record.__dict__.items():
            if name not in _STANDARD and name not in document:
                document[name] = redact(value, name)
        if record.exc_info:
            document["exception"] = redact_text(self.formatException(record.exc_info))
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
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    return handler
