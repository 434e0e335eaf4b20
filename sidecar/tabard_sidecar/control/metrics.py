"""Metrics of the control service. Labels never hold a namespace or text of a token."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, disable_created_metrics

from tabard_sidecar.certificates.serving import Kept
from tabard_sidecar.reasons import REASON_CODES


class Result(StrEnum):
    """What became of a request; a label of the metrics."""

    GIVEN = "given"
    UNCHANGED = "unchanged"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    UNKNOWN = "unknown"
    UNAVAILABLE = "unavailable"


class Endpoint(StrEnum):
    """What was asked for; a label of the metrics."""

    KEYS = "keys"
    JWKS = "jwks"


class ControlMetrics:
    """All instruments of the control service, and those of the process.

    Args:
        registry: the registry in which they are registered.
        kept: tells when certificate and authority expire, and since when they can't be kept.
        newest: returns the newest generation of the master keys.
    """

    def __init__(self, registry: CollectorRegistry, kept: Kept, newest: Callable[[], float]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # would double the number of series
        ProcessCollector(registry=registry)
        self.registry = registry
        self.requests = Counter(
            "tabard_control_requests",
            "Requests of sidecars and backends; result is given, unchanged, unauthorized, forbidden, unknown or "
            "unavailable.",
            ("endpoint", "result"),
            registry=registry,
        )
        for endpoint in Endpoint:
            for result in Result:
                self.requests.labels(endpoint.value, result.value)
        self.introspections = Counter(
            "tabard_control_introspections",
            "Introspection requests of backends; result is active, inactive or unauthorized.",
            ("result",),
            registry=registry,
        )
        self.operator_calls = Counter(
            "tabard_control_operator_calls",
            "Calls of operators; result is answered, failed, refused or unauthenticated.",
            ("result",),
            registry=registry,
        )
        for name in ("answered", "failed", "refused", "unauthenticated"):
            self.operator_calls.labels(name)
        self.errors = Counter(
            "tabard_control_operator_errors",
            "Calls of operators that ended with an error, by its reason code.",
            ("code",),
            registry=registry,
        )
        self.in_flight = Gauge(
            "tabard_control_operator_calls_in_flight",
            "Calls of operators that are being answered.",
            registry=registry,
        )
        self.audit_failures = Counter(
            "tabard_control_audit_failures",
            "Records of operators' changes that couldn't be written.",
            registry=registry,
        )
        self.generation = Gauge(
            "tabard_control_master_generation",
            "Newest generation of the master keys; less on one replica than on another means that its Secret isn't renewed.",
            registry=registry,
        )
        self.generation.set_function(newest)
        self.certificate_expires = Gauge(
            "tabard_control_certificate_expires_timestamp_seconds",
            "When the listener's certificate expires, in seconds since 1970; 0 while there is none.",
            registry=registry,
        )
        self.certificate_expires.set_function(kept.expires)
        self.authority_expires = Gauge(
            "tabard_control_authority_expires_timestamp_seconds",
            "When the authority of `server.managed` expires, in seconds since 1970; 0 if there is none.",
            registry=registry,
        )
        self.authority_expires.set_function(kept.authority_expires)
        self.certificate_failing_since = Gauge(
            "tabard_control_certificate_failing_since_timestamp_seconds",
            "Since when Secret and ConfigMap can't be kept in step, in seconds since 1970; 0 while they can.",
            registry=registry,
        )
        self.certificate_failing_since.set_function(kept.failing_since)

    def failed(self, code: str) -> None:
        """Count a call of an operator that ended with an error."""
        self.errors.labels(code if code in REASON_CODES else "internal").inc()
