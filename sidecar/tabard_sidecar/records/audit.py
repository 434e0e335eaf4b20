"""Creates the decision log that the configuration describes."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping

from tabard_sidecar.health import Component
from tabard_sidecar.records.conf import AuditConfig
from tabard_sidecar.records.decision_log import Hooks, SinkDecisionLog
from tabard_sidecar.records.metrics import Metrics
from tabard_sidecar.records.sinks import FileSink, Sink, StreamSink

_log = logging.getLogger(__name__)


class AuditObserver:
    """Reports the decision log's state to metrics, health and the application log."""

    def __init__(self, metrics: Metrics, component: Component) -> None:
        self._metrics = metrics
        self._records = {event: metrics.audit_records.labels(event) for event in ("intent", "outcome")}
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
        self._component.degraded(message)
        if not self._broken:
            self._broken = True
            _log.error("decision log broken", extra={"problem": message})

    def mask_failed(self, message: str) -> None:
        """Count a record whose mask failed."""
        self._metrics.audit_mask_failures.inc()
        if not self._mask_broken:
            self._mask_broken = True
            _log.error("system.log.mask failed; input and result are erased", extra={"problem": message})


def create_sink(config: AuditConfig) -> Sink:
    """Return the configured sink; the caller opens it."""
    if config.sink == "file" and config.path is not None:
        return FileSink(config.path, max_bytes=config.max_bytes, keep_files=config.keep_files)
    return StreamSink(sys.stdout.fileno(), stall_seconds=config.stall_seconds)


def create_decision_log(
    config: AuditConfig,
    *,
    labels: Mapping[str, str],
    observer: AuditObserver,
    hooks: Hooks | None = None,
) -> SinkDecisionLog:
    """Return the decision log that the section ``audit`` describes.

    Args:
        config: the section.
        labels: labels that identify this sidecar; configured labels override them.
        observer: called for every record.
        hooks: the policy runtime's ``mask`` and the tracing's ``ids``.
    """
    return SinkDecisionLog(
        create_sink(config),
        labels={**labels, **config.labels},
        required=config.required,
        observer=observer,
        hooks=hooks,
    )
