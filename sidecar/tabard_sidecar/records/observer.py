"""Turns the pipelines' events into metrics and spans."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from time import perf_counter
from types import TracebackType

from prometheus_client import Histogram

from tabard_sidecar.model import Decision, Operation
from tabard_sidecar.records.metrics import Metrics
from tabard_sidecar.records.tracing import NoTracing, Tracing

WOULD_DENY = "would_deny"
_NOTHING: AbstractContextManager[None] = nullcontext()


class _Timed:
    """Times one stage."""

    __slots__ = ("_began", "_histogram")

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._began: float

    def __enter__(self) -> None:
        self._began = perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._histogram.observe(perf_counter() - self._began)


class _TimedSpan(_Timed):
    """Times one stage inside a span of its own."""

    __slots__ = ("_span",)

    def __init__(self, histogram: Histogram, span: AbstractContextManager[object]) -> None:
        super().__init__(histogram)
        self._span = span

    def __enter__(self) -> None:
        self._span.__enter__()
        super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._span.__exit__(kind, error, trace)


class RecordsObserver:
    """Implements the pipelines' observer and the decision log's."""

    def __init__(self, metrics: Metrics, tracing: Tracing) -> None:
        self._metrics = metrics
        self._tracing = None if isinstance(tracing, NoTracing) else tracing
        self._stages: dict[str, Histogram] = {}

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Return a context that times one stage, in a span if tracing is on."""
        if name in self._stages:
            histogram = self._stages[name]
        else:
            histogram = self._stages[name] = self._metrics.stage_seconds.labels(name)
        if self._tracing is None:
            return _Timed(histogram)
        return _TimedSpan(histogram, self._tracing.stage(name))

    def decision(self, operation: Operation) -> AbstractContextManager[object]:
        """Return a context that is the span of one decision if tracing is on."""
        return _NOTHING if self._tracing is None else self._tracing.stage(operation.value)

    def decided(
        self, operation: Operation, decision: Decision, seconds: float, *, task_id: str = "", tool: str = ""
    ) -> None:
        """Count a decision and, if it carries one, its credential; tell its span what was decided."""
        code = decision.reasons[0].code if decision.reasons else ""
        self._metrics.decided(operation.value, allowed=decision.allowed, code=code, seconds=seconds)
        if decision.allowed and decision.credential is not None:
            self._metrics.issued(decision.credential.kind)
        observed = decision.allowed and code == WOULD_DENY
        if observed:
            self._metrics.would_deny.inc()
        if self._tracing is not None:
            self._tracing.describe(
                {
                    "tabard.decision.id": decision.decision_id,
                    "tabard.operation": operation.value,
                    "tabard.effect": WOULD_DENY if observed else "allow" if decision.allowed else "deny",
                    "tabard.code": code,
                    "tabard.policy.module": decision.reasons[0].module if decision.reasons else "",
                    "tabard.task.id": task_id,
                    "gen_ai.tool.name": tool,
                }
            )
