"""Writes the decision log, the application log, metrics and traces.

The names below are imported when they are first used, so that reading the configuration doesn't import Prometheus.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.util.late import late_names

if TYPE_CHECKING:
    from tabard_sidecar.records.applog import configure_logging
    from tabard_sidecar.records.audit import AuditObserver, create_decision_log
    from tabard_sidecar.records.decision_log import Hooks
    from tabard_sidecar.records.metrics import Metrics
    from tabard_sidecar.records.observer import RecordsObserver
    from tabard_sidecar.records.tracing_factory import create_tracing

__all__ = [
    "AuditObserver",
    "Hooks",
    "Metrics",
    "RecordsObserver",
    "configure_logging",
    "create_decision_log",
    "create_tracing",
]

__getattr__ = late_names(
    __name__,
    {
        "AuditObserver": "audit",
        "Hooks": "decision_log",
        "Metrics": "metrics",
        "RecordsObserver": "observer",
        "configure_logging": "applog",
        "create_decision_log": "audit",
        "create_tracing": "tracing_factory",
    },
)
