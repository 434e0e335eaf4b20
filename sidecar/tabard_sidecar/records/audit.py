"""Creates the decision log that the configuration describes."""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection, Mapping, Sequence

from tabard_sidecar.health import Component
from tabard_sidecar.records.conf import AuditConfig
from tabard_sidecar.records.decision_log import Hooks, SinkDecisionLog
from tabard_sidecar.records.file_sink import FileSink
from tabard_sidecar.records.metrics import Metrics
from tabard_sidecar.records.reading import SHADOW
from tabard_sidecar.records.sinks import Sink, StreamSink
from tabard_sidecar.records.verification import NOTE

EVENTS = ("intent", "outcome", NOTE, SHADOW)
"""``event`` of a record."""
_log = logging.getLogger(__name__)


class AuditObserver:
    """Reports the decision log's state to metrics, health and the application log.

    Args:
        metrics: count records and failures.
        component: the decision log's health.
        required: whether the sidecar isn't ready while the log is broken.
    """

    def __init__(self, metrics: Metrics, component: Component, *, required: bool = True) -> None:
        self._metrics = metrics
        self._required = required
        self._records = {event: metrics.audit_records.labels(event) for event in EVENTS}
        self._component = component
        self._broken = False
        self._mask_broken = False

    def audit_written(self, event: str, size_bytes: int) -> None:
        """Count a record; the first record after a failure clears it."""
        self._records[event].inc()
        self._metrics.audit_bytes.inc(size_bytes)
        if self._broken:
            self._broken = False
            self._component.ok()
            _log.warning("decision log works again")

    def audit_failed(self, message: str) -> None:
        """Count a lost record; only the first of several in a row is logged."""
        self._metrics.audit_failures.inc()
        (self._component.failed if self._required else self._component.degraded)(message)
        if not self._broken:
            self._broken = True
            _log.error("decision log broken", extra={"problem": message})

    def audit_removed(self, files: Sequence[str]) -> None:
        """Log that closed files were removed."""
        _log.info("decision log files removed", extra={"files": list(files)})

    def mask_failed(self, message: str) -> None:
        """Count a record whose mask failed."""
        self._metrics.audit_mask_failures.inc()
        if not self._mask_broken:
            self._mask_broken = True
            _log.error(
                "system.log.mask failed; all that a mask can erase is erased", extra={"problem": message}
            )


def create_sink(config: AuditConfig) -> Sink:
    """Return the configured sink; the caller opens it."""
    if config.sink == "file" and config.path is not None:
        return FileSink(
            config.path,
            max_bytes=config.max_bytes,
            max_total_bytes=config.max_total_bytes,
            keep_seconds=config.keep_days * 86_400,
        )
    return StreamSink(sys.stdout.fileno(), stall_seconds=config.stall_seconds)


def create_decision_log(  # noqa: PLR0913
    config: AuditConfig,
    *,
    labels: Mapping[str, str],
    observer: AuditObserver,
    hooks: Hooks | None = None,
    required: bool = True,
    issuers: Collection[str] = (),
) -> SinkDecisionLog:
    """Return the decision log that the section ``audit`` describes.

    Args:
        config: the section.
        labels: labels that identify this sidecar; configured labels override them.
        observer: called for every record.
        hooks: the policy runtime's ``mask`` and the tracing's ``ids``.
        required: whether there is no decision without its record.
        issuers: issuers whose tokens never stand in a record.
    """
    return SinkDecisionLog(
        create_sink(config),
        labels={**labels, **config.labels},
        required=required,
        observer=observer,
        hooks=hooks,
        issuers=issuers,
    )
