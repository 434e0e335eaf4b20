"""Creates the configured tracing."""

from __future__ import annotations

from tabard_sidecar.records.conf import TelemetryConfig
from tabard_sidecar.records.tracing import NoTracing, Tracing


def create_tracing(config: TelemetryConfig, *, version: str, zone: str, instance: str) -> Tracing:
    """Return the configured tracing.

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
