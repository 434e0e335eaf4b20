"""Metrics of the injector. Labels never hold text of a pod."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from tabard_sidecar.certificates.serving import Kept
from tabard_sidecar.injector.review import Result

_FAST = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0)


class InjectorMetrics:
    """All instruments of the injector, and those of the process.

    Args:
        registry: the registry in which they are registered.
        kept: tells when certificate and authority expire, and since when they can't be kept.
    """

    def __init__(self, registry: CollectorRegistry, kept: Kept) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # would double the number of series
        ProcessCollector(registry=registry)
        self.registry = registry
        self.reviews = Counter(
            "tabard_injector_reviews",
            "Pods that the API server asked about; result is injected, unchanged, refused or malformed.",
            ("result",),
            registry=registry,
        )
        for result in Result:
            self.reviews.labels(result.value)
        self.review_seconds = Histogram(
            "tabard_injector_review_seconds",
            "Time from a read request to its answer.",
            buckets=_FAST,
            registry=registry,
        )
        self.certificate_expires = Gauge(
            "tabard_injector_certificate_expires_timestamp_seconds",
            "When the webhook's certificate expires, in seconds since 1970; 0 while there is none.",
            registry=registry,
        )
        self.certificate_expires.set_function(kept.expires)
        self.authority_expires = Gauge(
            "tabard_injector_authority_expires_timestamp_seconds",
            "When the authority of `webhook.managed` expires, in seconds since 1970; 0 if there is none.",
            registry=registry,
        )
        self.authority_expires.set_function(kept.authority_expires)
        self.certificate_failing_since = Gauge(
            "tabard_injector_certificate_failing_since_timestamp_seconds",
            "Since when Secret and webhook configuration can't be kept in step, in seconds since 1970; 0 while they can.",
            registry=registry,
        )
        self.certificate_failing_since.set_function(kept.failing_since)
        self.network_failing_since = Gauge(
            "tabard_injector_network_failing_since_timestamp_seconds",
            "Since when a NetworkPolicy `tabard-injected` can't be written, or none can be read, in seconds since 1970; 0 while "
            "all are kept.",
            registry=registry,
        )
