"""Says once that spans can't be exported, and once that they can again. Imported only if a collector is configured.

The library says it with two lines for every batch, and with one for every span that its full queue drops.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from opentelemetry.exporter.otlp.proto.grpc import exporter as otlp
from opentelemetry.sdk import _shared_internal as batching
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

_AGAIN_SECONDS = 600.0
"""While a collector stays away, a line comes this often."""

_NOISY = (otlp.__name__, batching.__name__)
_log = logging.getLogger(__name__)


class ReportingExporter(SpanExporter):
    """Exports through another exporter and logs its outages, with the number of spans that were lost.

    Args:
        exporter: the exporter that sends spans.
        endpoint: where to, for the log.
        clock: seconds, never set back.
    """

    def __init__(
        self, exporter: SpanExporter, endpoint: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._exporter = exporter
        self._endpoint = endpoint
        self._clock = clock
        self._problem = ""
        self._down_since: float | None = None
        self._said_at = 0.0
        self._lost = 0
        for name in _NOISY:
            logging.getLogger(name).addFilter(self._swallow)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export spans; a failure is logged if it is the first one, or if the last line about it is old."""
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - the library's thread would only log it
            self._problem, result = type(error).__name__, SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            self._up()
        else:
            self._down(len(spans))
        return result

    def shutdown(self) -> None:
        """Stop the exporter."""
        self._exporter.shutdown()
        for name in _NOISY:
            logging.getLogger(name).removeFilter(self._swallow)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until what was passed on has been exported."""
        return self._exporter.force_flush(timeout_millis)

    def _down(self, spans: int) -> None:
        now = self._clock()
        self._lost += spans
        if self._down_since is None:
            self._down_since = now
        elif now < self._said_at + _AGAIN_SECONDS:
            return
        self._said_at = now
        _log.warning(
            "traces can't be exported; decisions are made and recorded all the same",
            extra={"endpoint": self._endpoint, "problem": self._problem, "spans_lost": self._lost},
        )

    def _up(self) -> None:
        if self._down_since is not None:
            _log.warning(
                "traces are exported again",
                extra={
                    "endpoint": self._endpoint,
                    "spans_lost": self._lost,
                    "seconds": round(self._clock() - self._down_since),
                },
            )
        self._down_since, self._lost = None, 0

    def _swallow(self, record: logging.LogRecord) -> bool:
        """Keep what the library would log, as the problem to tell, and count what its full queue drops."""
        if record.levelno >= logging.ERROR:
            self._problem = record.getMessage()
        elif record.msg.startswith("Queue full"):
            self._problem = self._problem or "more spans than the collector takes"
            self._down(1)
        return False
