import asyncio
import logging
import subprocess
import sys

import pytest
import tabard
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.model import Decision, IssuedCredential, Operation, Reason
from tabard_sidecar.records.conf import TelemetryConfig
from tabard_sidecar.records.exporting import ReportingExporter
from tabard_sidecar.records.metrics import Metrics
from tabard_sidecar.records.observer import RecordsObserver
from tabard_sidecar.records.otel import OtelTracing, create_provider
from tabard_sidecar.records.timed_state import timed
from tabard_sidecar.records.tracing import NoTracing
from tabard_sidecar.records.tracing_factory import create_tracing
from tabard_sidecar.state import (
    Chain,
    Child,
    ClaimState,
    Revocation,
    RevocationKind,
)
from tabard_sidecar.state.sqlite import SQLiteStateStore


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def spans():
    exporter = InMemorySpanExporter()
    provider = create_provider(
        SimpleSpanProcessor(exporter), sample_ratio=1.0, version="1", zone="z", instance="i"
    )
    return OtelTracing(provider), exporter


def deny(code):
    return Decision("d", allowed=False, reasons=(Reason(code),))


def test_decisions_are_counted_by_bounded_codes(registry):
    """Codes of policies share one label, so that the number of series is bounded."""
    observer = RecordsObserver(Metrics(registry), NoTracing())
    for number in range(50):
        observer.decided(Operation.AUTHORIZE, deny(f"invented_{number}"), 0.001)
    observer.decided(Operation.AUTHORIZE, deny("grant_expired"), 0.001)
    credential = IssuedCredential("jwt", "secret", "c", "a", (), 0.0)
    allow = Decision("d", allowed=True, reasons=(Reason("read"),), credential=credential)
    observer.decided(Operation.AUTHORIZE, allow, 0.001)

    def count(effect, code):
        labels = {"operation": "authorize", "effect": effect, "code": code}
        return registry.get_sample_value("tabard_decisions_total", labels)

    assert count("deny", "policy") == 50
    assert count("deny", "grant_expired") == 1
    assert count("allow", "") == 1
    assert registry.get_sample_value("tabard_decision_seconds_count", {"operation": "authorize"}) == 52
    assert registry.get_sample_value("tabard_credentials_issued_total", {"kind": "jwt"}) == 1
    assert b"invented" not in generate_latest(registry)


def test_stages_are_timed_also_when_they_fail(registry):
    """A stage that raises is observed, and the error goes on."""
    observer = RecordsObserver(Metrics(registry), NoTracing())
    with pytest.raises(ValueError, match="x"), observer.stage("verify"):
        raise ValueError("x")
    assert registry.get_sample_value("tabard_stage_seconds_count", {"stage": "verify"}) == 1


def test_every_metric_is_named_by_the_convention(registry):
    """Names begin with tabard_ and say their unit; help is a sentence."""
    Metrics(registry)
    for family in registry.collect():
        if family.name.startswith("process_"):
            continue
        assert family.name.startswith("tabard_")
        assert family.documentation.endswith(".")
        if family.type == "histogram":
            assert family.name.endswith("_seconds")


def test_spans_join_the_callers_trace(registry, spans):
    """A traceparent in the metadata becomes the parent; stages lie below the request."""
    tracing, exporter = spans
    observer = RecordsObserver(Metrics(registry), tracing)
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with tracing.request("Authorize", (("traceparent", parent), ("x", b"\x00"))):
        ids = tracing.ids()
        with observer.stage("verify"):
            pass
    stage, request = exporter.get_finished_spans()
    assert f"{request.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert f"{request.parent.span_id:016x}" == "b7ad6b7169203331"
    assert ids == ("0af7651916cd43dd8448eb211c80319c", f"{request.context.span_id:016x}")
    assert stage.parent.span_id == request.context.span_id
    assert (stage.name, request.name) == ("verify", "Authorize")
    assert request.resource.attributes["service.name"] == "tabard"
    assert tracing.ids() is None


@pytest.mark.parametrize("value", ["", "00-zz-yy-01", "x" * 5000, "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_malformed_trace_context_begins_a_trace_of_its_own(spans, value):
    """Whatever the caller sends as traceparent, the request is answered and traced."""
    tracing, exporter = spans
    with tracing.request("Authorize", (("traceparent", value),)):
        pass
    (span,) = exporter.get_finished_spans()
    assert span.parent is None


def test_tracing_is_off_and_not_imported_by_default():
    """Without a collector nothing of OpenTelemetry is loaded."""
    tracing = create_tracing(TelemetryConfig(), version="1", zone="z", instance="i")
    assert tracing.ids() is None
    code = (
        "import sys, tabard_sidecar.records.observer, tabard_sidecar.records.audit, tabard_sidecar.records.tracing;"
        "print([name for name in sys.modules if name.split('.')[0] in ('opentelemetry', 'rich', 'structlog')])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_configured_collector_gives_real_tracing():
    """With an endpoint spans are made; a collector that is away doesn't hurt."""
    config = TelemetryConfig(otlp_endpoint="http://127.0.0.1:1")
    tracing = create_tracing(config, version="1", zone="z", instance="i")
    assert isinstance(tracing, OtelTracing)
    with tracing.request("Authorize", ()), tracing.stage("verify"):
        assert tracing.ids() is not None
    tracing.close()


class Collector(SpanExporter):
    """A collector that can be away."""

    away = False

    def export(self, _):
        return SpanExportResult.FAILURE if self.away else SpanExportResult.SUCCESS

    def shutdown(self):
        pass


def test_an_outage_of_the_collector_is_told_once_and_so_is_its_end(caplog):
    now, collector = [0.0], Collector()
    exporter = ReportingExporter(collector, "http://c:4317", lambda: now[0])
    exporter.export([None])
    collector.away = True
    for _ in range(100):
        now[0] += 5.0
        exporter.export([None, None])
    (line,) = caplog.records
    assert (line.endpoint, line.spans_lost) == ("http://c:4317", 2)
    now[0] += 600.0
    exporter.export([None])
    collector.away = False
    for _ in range(3):
        exporter.export([None])
    assert [line.spans_lost for line in caplog.records[1:]] == [201, 201]
    assert caplog.records[-1].getMessage() == "traces are exported again"
    exporter.shutdown()


def test_a_collector_that_is_down_costs_one_line(caplog):
    """The library's own lines, two for each batch, are replaced."""
    tracing = create_tracing(
        TelemetryConfig(otlp_endpoint="http://127.0.0.1:1"), version="1", zone="z", instance="i"
    )
    for _ in range(3):
        with tracing.request("Authorize", ()):
            pass
        tracing._provider.force_flush(3000)
    tracing.close()
    assert [line.name for line in caplog.records] == ["tabard_sidecar.records.exporting"]
    assert "UNAVAILABLE" in caplog.records[0].problem
    assert logging.getLogger("opentelemetry.exporter.otlp.proto.grpc.exporter").filters


def test_a_decision_has_a_span_that_says_which_one_it_is(registry, spans):
    """Every decision of a batch has one; secrets in names are redacted, and empty attributes left out."""
    tracing, exporter = spans
    observer = RecordsObserver(Metrics(registry), tracing)
    decision = Decision("d-1", allowed=False, reasons=(Reason("too_much", "never told", "policy.pay"),))
    with tracing.request("AuthorizeBatch", ()):
        with observer.decision(Operation.AUTHORIZE):
            observer.decided(Operation.AUTHORIZE, decision, 0.1, task_id="t-1", tool="pay")
        with observer.decision(Operation.AUTHORIZE):
            observer.decided(Operation.AUTHORIZE, deny("no_grant"), 0.1, task_id="t-1", tool=SECRETS[3] * 99)
    first, second, request = exporter.get_finished_spans()
    assert first.name == "authorize"
    assert dict(first.attributes) == {
        "tabard.decision.id": "d-1",
        "tabard.operation": "authorize",
        "tabard.effect": "deny",
        "tabard.code": "too_much",
        "tabard.policy.module": "policy.pay",
        "tabard.task.id": "t-1",
        "gen_ai.tool.name": "pay",
    }
    assert "never told" not in first.to_json()
    assert SECRETS[3] not in second.to_json()
    assert len(second.attributes["gen_ai.tool.name"]) <= 256
    assert "tabard.policy.module" not in second.attributes
    assert not request.attributes


async def traced_zone(start_zone, monkeypatch):
    """Start a zone; return it and what its spans are exported to."""
    exporter = InMemorySpanExporter()
    provider = create_provider(
        SimpleSpanProcessor(exporter), sample_ratio=1.0, version="1", zone="z", instance="i"
    )
    monkeypatch.setattr(
        "tabard_sidecar.records.otel.create_otel_tracing", lambda *_, **__: OtelTracing(provider)
    )
    zone = await start_zone(overrides={"telemetry.otlp_endpoint": "http://127.0.0.1:1"})
    return zone, exporter


async def test_real_decisions_fill_their_spans(start_zone, monkeypatch):
    """A start and a denied call of a real sidecar."""
    zone, exporter = await traced_zone(start_zone, monkeypatch)
    task = await zone.start_task()
    with pytest.raises(tabard.Denied) as caught:
        await task.authorize("nothing.grants.this", {})
    started, denied = [
        dict(span.attributes)
        for span in exporter.get_finished_spans()
        if "tabard.decision.id" in span.attributes
    ]
    assert started["tabard.task.id"] == denied["tabard.task.id"] == task.info.task_id
    assert (started["tabard.operation"], started["tabard.effect"]) == ("start_task", "allow")
    assert denied["tabard.decision.id"] == caught.value.decision_id
    assert (denied["tabard.effect"], denied["tabard.code"]) == ("deny", caught.value.code)
    assert denied["gen_ai.tool.name"] == "nothing.grants.this"


def test_grant_verifications_are_pulled(registry):
    """Counts kept elsewhere show when metrics are read."""
    counts = {"computed": 1, "cached": 5, "refused": 0}
    Metrics(registry).pull_grants_verified(lambda: counts)
    counts["cached"] = 7
    assert registry.get_sample_value("tabard_grants_verified_total", {"result": "cached"}) == 7


def test_evaluations_are_pulled(registry):
    """How often the policy was evaluated, and how often its answer was remembered, shows when metrics are read."""
    Metrics(registry).pull_policy_evaluations(lambda: {"evaluated": 2, "remembered": 40})
    name = "tabard_policy_evaluations_total"
    assert registry.get_sample_value(name, {"result": "evaluated"}) == 2
    assert registry.get_sample_value(name, {"result": "remembered"}) == 40


async def test_state_operations_are_timed_and_passed_on(registry, tmp_path):
    """Every operation of the store answers as without the timing, and is observed."""
    failures = []
    store = timed(
        SQLiteStateStore(tmp_path / "state.db", zone="z", busy_timeout_seconds=1),
        Metrics(registry),
        failures.append,
    )
    await store.open()
    claim = await store.claim_request(b"k" * 32, b"b" * 32, now=1.0, expires_at=100.0)
    assert claim.state is ClaimState.NEW
    await store.complete_request(b"k" * 32, b"answer", expires_at=100.0)
    again = await store.claim_request(b"k" * 32, b"b" * 32, now=2.0, expires_at=100.0)
    assert again.response == b"answer"
    await store.claim_request(b"j" * 32, b"b" * 32, now=1.0, expires_at=100.0)
    await store.abandon_request(b"j" * 32)
    assert await store.consume("n", limit=1, now=1.0, expires_at=100.0)
    assert not await store.consume("n", limit=1, now=1.0, expires_at=100.0)
    assert await store.register_children([Child("p", "c", 1)], now=0.0, expires_at=100.0) is None
    assert (await store.look_up(Chain(("c", "p")), calls=0)).children == 1
    await store.revoke(Revocation(RevocationKind.LINK, "p", 1.0, 100.0))
    assert (await store.look_up(Chain(("c", "p")))).ended == "p"
    assert await store.ended_at_or_above("c")
    assert await store.expire(now=1000.0) > 0
    assert failures == []
    await store.close()
    with pytest.raises(NoDecision, match="state_unavailable"):
        await store.revocations()
    assert [error.code for error in failures] == ["state_unavailable"]
    counts = {
        sample.labels["operation"]: sample.value
        for family in registry.collect()
        if family.name == "tabard_state_seconds"
        for sample in family.samples
        if sample.name.endswith("_count") and sample.value
    }
    assert counts == {
        "claim_request": 3,
        "complete_request": 1,
        "abandon_request": 1,
        "consume": 2,
        "register_children": 1,
        "look_up": 2,
        "revoke": 1,
        "ended_at_or_above": 1,
        "expire": 1,
        "revocations": 1,
    }


SECRETS = (
    "AgEGdGFiYXJk" + "x" * 80,
    "a recipient",
    "s3cret-value",
    "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2ln",
)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("kind", [Refused, NoDecision, ValueError, asyncio.CancelledError])
def test_a_span_holds_codes_and_no_words(spans, secret, kind):
    """No exception event, no stack trace, no message: only a code of ours, or the name of a type."""
    tracing, exporter = spans
    said = f"it says {secret}"
    given = {Refused: ("grant_malformed",), NoDecision: ("UNAVAILABLE", "state_unavailable")}.get(kind, ())
    failure = kind(*given, said)
    metadata = (("tracestate", f"a={secret}"),)
    with pytest.raises(kind), tracing.request("Authorize", metadata), tracing.stage("verify"):
        raise failure
    exported = exporter.get_finished_spans()
    assert len(exported) == 2
    for span in exported:
        assert span.events == ()
        assert not span.attributes
        assert span.status.description == getattr(failure, "code", kind.__name__)
        assert secret not in span.to_json()


async def test_the_items_of_a_batch_have_spans_of_their_own(start_zone, monkeypatch):
    """They are decided side by side: each below the request's span, with its own stages below it."""
    zone, exporter = await traced_zone(start_zone, monkeypatch)
    task = await zone.start_task()
    exporter.clear()
    calls = [tabard.ToolCall("tickets.read", {"ticket_id": f"t-{n}"}) for n in range(3)]
    answers = await task.batch(calls)
    spans = exporter.get_finished_spans()
    (request,) = [span for span in spans if span.parent is None]
    decisions = [span for span in spans if span.name == "authorize"]
    assert [span.parent.span_id for span in decisions] == [request.context.span_id] * 3
    assert [span.attributes["tabard.decision.id"] for span in decisions] == [
        one.decision_id for one in answers
    ]
    for stage in ("verify", "evaluate", "reserve", "record"):
        parents = [span.parent.span_id for span in spans if span.name == stage]
        assert parents == [span.context.span_id for span in decisions], stage
