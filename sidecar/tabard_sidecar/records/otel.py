"""Exports traces with OpenTelemetry. Imported only if a collector is configured.

A span of a decision names it, its task, tool, code and policy module. No span holds a message or arguments: messages quote
what agents, people and policies say, and stack traces quote everything. The decision log has them, under the trace id.

``gen_ai.tool.name`` is OpenTelemetry's (https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/). It has no
attributes for a decision about access, so the others begin with ``tabard.``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from tabard.trust import read_trusted

from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.records.redaction import redact_text

if TYPE_CHECKING:
    from tabard_sidecar.records.conf import TelemetryConfig
    from tabard_sidecar.records.tracing import Metadata

_MAX_CA_BYTES = 1 << 20
_EXPORT_SECONDS = 2  # also bounds how long a missing collector delays the stop
_MOST_CHARACTERS = 256
_CARRIED = ("traceparent", "tracestate")


class OtelTracing:
    """Creates spans with its own provider, so that nothing global is changed."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("tabard")
        self._propagator = TraceContextTextMapPropagator()

    def request(self, name: str, metadata: Metadata) -> AbstractContextManager[object]:
        """Start the span of one RPC; a malformed ``traceparent`` starts a new trace."""
        carrier = {
            key: value
            for key, value in metadata
            if key in _CARRIED and isinstance(value, str) and redact_text(value) == value
        }
        parent = self._propagator.extract(carrier) if carrier else None
        return self._span(name, parent, SpanKind.SERVER)

    def stage(self, name: str) -> AbstractContextManager[object]:
        """Start the span of one stage below the current span."""
        return self._span(name)

    @contextmanager
    def _span(
        self, name: str, parent: Context | None = None, kind: SpanKind = SpanKind.INTERNAL
    ) -> Iterator[Span]:
        """Make a span; an exception leaves its reason code, or the name of its type."""
        with self._tracer.start_as_current_span(
            name, parent, kind=kind, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except (Refused, NoDecision) as error:
                span.set_status(Status(StatusCode.ERROR, error.code))
                raise
            except BaseException as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise

    def describe(self, attributes: Mapping[str, str]) -> None:
        """Add attributes to the current span, redacted and cut; empty ones are left out."""
        span = trace.get_current_span()
        if span.is_recording():
            for name, value in attributes.items():
                if value:
                    span.set_attribute(name, redact_text(value[:_MOST_CHARACTERS]))

    def ids(self) -> tuple[str, str] | None:
        """Return trace id and span id of the current span, hex."""
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return None
        return trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)

    def close(self) -> None:
        """Export what is queued and stop the exporter."""
        self._provider.shutdown()


def create_provider(
    processor: SpanProcessor, *, sample_ratio: float, version: str, zone: str, instance: str
) -> TracerProvider:
    """Return a provider that passes its spans to ``processor``."""
    resource = Resource.create(
        {
            "service.name": "tabard",
            "service.namespace": zone,
            "service.version": version,
            "service.instance.id": instance,
        }
    )
    provider = TracerProvider(resource=resource, sampler=ParentBased(TraceIdRatioBased(sample_ratio)))
    provider.add_span_processor(processor)
    return provider


def create_otel_tracing(config: TelemetryConfig, *, version: str, zone: str, instance: str) -> OtelTracing:
    """Return tracing that exports by OTLP/gRPC to ``config.otlp_endpoint``."""
    import grpc  # noqa: PLC0415 - with the exporter below
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    from tabard_sidecar.records.exporting import ReportingExporter  # noqa: PLC0415

    endpoint = config.otlp_endpoint or ""
    secure = endpoint.startswith("https://")
    roots = read_trusted(config.otlp_ca_file, _MAX_CA_BYTES)[0] if config.otlp_ca_file else None
    exporter = OTLPSpanExporter(
        endpoint=endpoint,
        insecure=not secure,
        timeout=_EXPORT_SECONDS,
        credentials=grpc.ssl_channel_credentials(roots) if secure else None,
    )
    provider = create_provider(
        BatchSpanProcessor(ReportingExporter(exporter, endpoint)),
        sample_ratio=config.sample_ratio,
        version=version,
        zone=zone,
        instance=instance,
    )
    return OtelTracing(provider)
