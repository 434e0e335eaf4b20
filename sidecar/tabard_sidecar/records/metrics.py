"""Defines all metrics of the sidecar.

Labels only take values that this code base or the configuration defines, never values from an agent or a policy, which
would let a caller create unlimited time series.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from tabard_sidecar.reasons import REASON_CODES
from tabard_sidecar.records.instruments import LoopCounter, LoopHistogram

POLICY_CODE = "policy"

_FAST = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class CountsByResult(Collector):
    """Collects counts that are kept elsewhere when metrics are scraped.

    Args:
        name: the metric's name.
        documentation: what is counted.
        read: returns the counts by result.
    """

    def __init__(self, name: str, documentation: str, read: Callable[[], Mapping[str, int]]) -> None:
        self._name, self._documentation, self._read = name, documentation, read

    def collect(self) -> Iterator[Metric]:
        """Yield the metric family."""
        family = CounterMetricFamily(self._name, self._documentation, labels=("result",))
        for result, count in self._read().items():
            family.add_metric((result,), count)
        yield family


def grants_verified(read: Callable[[], Mapping[str, int]]) -> CountsByResult:
    """Return the counts of verified grants."""
    return CountsByResult(
        "tabard_grants_verified", "Grants checked; result is computed, cached or refused.", read
    )


def policy_evaluations(read: Callable[[], Mapping[str, int]]) -> CountsByResult:
    """Return the counts of evaluations."""
    return CountsByResult(
        "tabard_policy_evaluations",
        "Inputs that the policy in this process answered; result is evaluated, or remembered for an answer that was given "
        "again.",
        read,
    )


class Metrics:
    """All instruments of the sidecar, and those of the process (memory, CPU, open files).

    Args:
        registry: the registry in which they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # would double the number of series
        ProcessCollector(registry=registry)
        self.registry = registry
        self._create_request_instruments(registry)
        self._create_policy_instruments(registry)
        self._create_decision_log_instruments(registry)
        self._create_dependency_instruments(registry)
        self._create_shadow_instruments(registry)
        self._create_process_instruments(registry)
        self._decisions: dict[tuple[str, bool, str], Counter] = {}
        self._decision_seconds: dict[str, Histogram] = {}
        self._issued: dict[str, Counter] = {}

    def _create_request_instruments(self, registry: CollectorRegistry) -> None:
        self.decisions = LoopCounter(
            "tabard_decisions",
            "Decisions. code is the first reason of a deny if Tabard defines it, otherwise policy.",
            ("operation", "effect", "code"),
            registry=registry,
        )
        self.decision_seconds = LoopHistogram(
            "tabard_decision_seconds",
            "Time from a request's arrival to its decision; of an item of a batch, without the time of other items.",
            ("operation",),
            buckets=_FAST,
            registry=registry,
        )
        self.would_deny = Counter(
            "tabard_would_deny",
            "Calls that policy denies and that were allowed without a credential (insecure.observe). They count as allowed in "
            "tabard_decisions.",
            registry=registry,
        )
        self.errors = Counter(
            "tabard_errors",
            "Requests that ended in a gRPC error, without a decision.",
            ("code",),
            registry=registry,
        )
        self.stage_seconds = LoopHistogram(
            "tabard_stage_seconds",
            "Time spent in one stage of a request.",
            ("stage",),
            buckets=_FAST,
            registry=registry,
        )
        self.in_flight = Gauge("tabard_requests_in_flight", "Requests being decided now.", registry=registry)

    def _create_policy_instruments(self, registry: CollectorRegistry) -> None:
        self.policy_reloads = Counter(
            "tabard_policy_reloads",
            "Attempts to load the policy; result is ok or broken.",
            ("result",),
            registry=registry,
        )
        self.policy_broken = Gauge(
            "tabard_policy_broken",
            "1 while the policy source is broken and an older policy is served.",
            registry=registry,
        )
        self.policy_loaded_timestamp = Gauge(
            "tabard_policy_loaded_timestamp_seconds",
            "When the active policy was loaded, seconds since the epoch.",
            registry=registry,
        )
        self.policy_stuck = Gauge(
            "tabard_policy_stuck_evaluations",
            "Evaluations that go on after their deadline because they can't be interrupted.",
            registry=registry,
        )
        self.credentials_issued = LoopCounter(
            "tabard_credentials_issued", "Credentials issued.", ("kind",), registry=registry
        )

    def _create_decision_log_instruments(self, registry: CollectorRegistry) -> None:
        self.audit_records = LoopCounter(
            "tabard_audit_records",
            "Records written to the decision log.",
            ("event",),
            registry=registry,
        )
        self.audit_bytes = LoopCounter(
            "tabard_audit_written_bytes", "Bytes written to the decision log.", registry=registry
        )
        self.audit_failures = Counter(
            "tabard_audit_failures", "Records that could not be written.", registry=registry
        )
        self.audit_mask_failures = Counter(
            "tabard_audit_mask_failures",
            "Records written without input and result because system.log.mask failed.",
            registry=registry,
        )

    def _create_dependency_instruments(self, registry: CollectorRegistry) -> None:
        self.jwks_fetches = Counter(
            "tabard_jwks_fetches",
            "Fetches of an issuer's keys; result is ok, failed or limited.",
            ("result",),
            registry=registry,
        )
        self.control_fetches = Counter(
            "tabard_control_fetches",
            "Requests to the control service for the zone's keys; result is ok, unchanged or failed.",
            ("result",),
            registry=registry,
        )
        self.control_failing_since = Gauge(
            "tabard_control_failing_since_timestamp_seconds",
            "Since when the control service gives no usable answer, in seconds since 1970; 0 while it does, and without one.",
            registry=registry,
        )
        self.state_seconds = LoopHistogram(
            "tabard_state_seconds",
            "Time of one operation of the state store.",
            ("operation",),
            buckets=_FAST,
            registry=registry,
        )
        self.state_rollbacks = Counter(
            "tabard_state_rollbacks",
            "Losses of acknowledged data in the state store.",
            registry=registry,
        )
        self.revocation_age = Gauge(
            "tabard_revocation_feed_age_seconds",
            "Seconds since the last contact to the zone's revocations. Beyond "
            "revocation.max_stale_seconds every request is denied.",
            registry=registry,
        )
        self.introspections = Counter(
            "tabard_introspections",
            "Introspection requests of backends; result is active, inactive or unauthorized.",
            ("result",),
            registry=registry,
        )

    def _create_shadow_instruments(self, registry: CollectorRegistry) -> None:
        self.shadow_decisions = Counter(
            "tabard_shadow_decisions",
            "What the candidate policy says of decisions; result is same, a kind of change or not_decided.",
            ("result",),
            registry=registry,
        )
        self.shadow_drops = Counter(
            "tabard_shadow_dropped",
            "Records that the candidate policy didn't get; reason is behind or not_running.",
            ("reason",),
            registry=registry,
        )
        self.shadow_failures = Counter(
            "tabard_shadow_failures", "Ends of the candidate policy's process.", registry=registry
        )
        self.shadow_up = Gauge(
            "tabard_shadow_running", "1 while a candidate policy is tried.", registry=registry
        )

    def _create_process_instruments(self, registry: CollectorRegistry) -> None:
        self.ready = Gauge("tabard_ready", "1 while the sidecar is ready for requests.", registry=registry)
        self.build = Gauge(
            "tabard_build_info",
            "Always 1. The labels hold the versions.",
            ("version", "opa"),
            registry=registry,
        )

    def pull_grants_verified(self, read: Callable[[], Mapping[str, int]]) -> None:
        """Export the counts by result that ``read`` returns as ``tabard_grants_verified_total``, at each scrape.

        Counting in the instrument itself would cost more than the look-up of a cached grant.
        """
        self.registry.register(grants_verified(read))

    def pull_policy_evaluations(self, read: Callable[[], Mapping[str, int]]) -> None:
        """Export the counts by result that ``read`` returns as ``tabard_policy_evaluations_total``, at each scrape."""
        self.registry.register(policy_evaluations(read))

    def decided(self, operation: str, *, allowed: bool, code: str, seconds: float) -> None:
        """Count a decision.

        Args:
            operation: the requested operation.
            allowed: the effect.
            code: code of the first reason; used as a label only if Tabard itself defines it.
            seconds: how long it took.
        """
        code = "" if allowed else code if code in REASON_CODES else POLICY_CODE
        key = (operation, allowed, code)
        counter = self._decisions.get(key)
        if counter is None:
            counter = self.decisions.labels(operation, "allow" if allowed else "deny", code)
            self._decisions[key] = counter
        counter.inc()
        histogram = self._decision_seconds.get(operation)
        if histogram is None:
            histogram = self._decision_seconds[operation] = self.decision_seconds.labels(operation)
        histogram.observe(seconds)

    def issued(self, kind: str) -> None:
        """Count a credential of one of the kinds that are configured."""
        counter = self._issued.get(kind)
        if counter is None:
            counter = self._issued[kind] = self.credentials_issued.labels(kind)
        counter.inc()

    def shadow_decided(self, result: str, count: int) -> None:
        """Count what the candidate policy says of decisions; ``result`` is one that this code base names."""
        if count:
            self.shadow_decisions.labels(result).inc(count)

    def shadow_dropped(self, why: str) -> None:
        """Count a record that the candidate policy didn't get."""
        self.shadow_drops.labels(why).inc()

    def shadow_failed(self) -> None:
        """Count an end of the candidate policy's process."""
        self.shadow_failures.inc()

    def shadow_running(self, *, running: bool) -> None:
        """Tell whether a candidate policy is tried."""
        self.shadow_up.set(running)

    def failed(self, code: str) -> None:
        """Count a request that ended without a decision."""
        self.errors.labels(code if code in REASON_CODES else "internal").inc()
