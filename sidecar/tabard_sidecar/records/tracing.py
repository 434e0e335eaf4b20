"""Traces, joined to the caller's W3C trace context (https://www.w3.org/TR/trace-context/).

Off unless a collector is configured; then nothing of OpenTelemetry is imported and a span costs one method call.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from tabard_sidecar.records.conf import TelemetryConfig

Metadata = Sequence[tuple[str, str | bytes]]

_NOTHING: AbstractContextManager[None] = nullcontext()


class Tracing(Protocol):
    """Makes spans."""

    def request(self, name: str, metadata: Metadata) -> AbstractContextManager[object]:
        """Begin the span of one RPC, as a child of the ``traceparent`` in its metadata if there is one."""
        ...

    def stage(self, name: str) -> AbstractContextManager[object]:
        """Begin the span of one stage of the current question."""
        ...

    def ids(self) -> tuple[str, str] | None:
        """Return trace id and span id of the current span, hex, if there is one."""
        ...

    def close(self) -> None:
        """Send what is left."""
        ...


class NoTracing:
    """Makes no spans."""

    def request(self, name: str, metadata: Metadata) -> AbstractContextManager[None]:  # noqa: ARG002
        """Return a context that does nothing."""
        return _NOTHING

    def stage(self, name: str) -> AbstractContextManager[None]:  # noqa: ARG002
        """Return a context that does nothing."""
        return _NOTHING

    def ids(self) -> None:
        """There is never a current span."""

    def close(self) -> None:
        """Nothing is left to send."""


def create_tracing(config: TelemetryConfig, *, version: str, zone: str, instance: str) -> Tracing:
    """Return what the configuration asks for.

    Args:
        config: the section ``telemetry``.
        version: version of the sidecar.
        zone: its zone.
        instance: identifier of this process.
    """
    if config.otlp_endpoint is None:
        return NoTracing()
    from tabard_sidecar.records.otel import create_otel_tracing  # noqa: PLC0415 - only imported when it is used

    return create_otel_tracing(config, version=version, zone=zone, instance=instance)
