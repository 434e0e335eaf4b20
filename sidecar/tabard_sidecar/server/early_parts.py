"""Builds the components that the load of a policy needs, before the modules of all others are imported."""

from __future__ import annotations

import logging
from collections.abc import Callable

from prometheus_client import CollectorRegistry
from tabard_opa import Engine, opa_version

from tabard_sidecar.config import Settings, compile_options
from tabard_sidecar.health import POLICY, About, Component, Health
from tabard_sidecar.interfaces import Clock
from tabard_sidecar.policy.catalogue_source import CatalogueSource
from tabard_sidecar.policy.engines.embedded import evaluations
from tabard_sidecar.policy.factory import create_runtime
from tabard_sidecar.policy.status import PolicyState, PolicyStatus
from tabard_sidecar.records.metrics import Metrics
from tabard_sidecar.util.installed import installed_version

# How long an evaluation may hold the loop before it moves to another thread. After an idle period an ordinary evaluation
# takes up to twice its usual quarter of a millisecond, and moving it costs as much as finishing it.
_HOLD_SECONDS = 0.001

_REQUIRED = (POLICY, "agent", "keys", "state")
"""What a sidecar needs, whatever is configured."""

_log = logging.getLogger(__name__)


class EarlyParts:
    """Health, metrics, the catalogue, and the policy that is loaded.

    A policy compiles for a tenth of a second, mostly outside of Python; the other modules are imported meanwhile.

    Raises:
        ValueError: the policy's or the catalogue's configuration can't be used.
    """

    def __init__(self, settings: Settings, clock: Clock, about: About) -> None:
        self.settings = settings
        self.clock = clock
        self.health = Health(
            _REQUIRED if settings.insecure.audit_optional else (*_REQUIRED, "audit"),
            about,
        )
        self.metrics = Metrics(CollectorRegistry())
        self.version = installed_version("tabard-sidecar")
        self.metrics.build.labels(self.version, opa_version()).set(1)
        self.health.subscribe(lambda snapshot: self.metrics.ready.set(snapshot.ready))
        self.catalogues = CatalogueSource(
            settings.catalogue, settings.policy.load_seconds, self.health.component("catalogue").report
        )
        self.catalogue = self.catalogues.current
        self.policy_options = compile_options(settings, self.catalogue)
        engine = self.engine = Engine(hold_seconds=_HOLD_SECONDS)
        self.metrics.pull_policy_evaluations(lambda: evaluations(engine))
        self.policy = create_runtime(
            settings.policy,
            self.policy_options,
            engine,
            clock,
            _policy_listener(self.health.component("policy"), self.metrics),
            self.catalogues,
        )


def _tell_load(status: PolicyStatus, metrics: Metrics) -> None:
    broken = bool(status.problems)
    metrics.policy_reloads.labels("broken" if broken else "ok").inc()
    metrics.policy_broken.set(broken)
    if not broken:
        metrics.policy_loaded_timestamp.set(status.since)
        _log.info("policy loaded", extra={"revision": status.revision})
    else:
        _log.error("policy broken", extra={"problems": list(status.reasons), "serving": status.revision})


def _policy_listener(component: Component, metrics: Metrics) -> Callable[[PolicyStatus], None]:
    attempts = 0

    def listen(status: PolicyStatus) -> None:
        nonlocal attempts
        metrics.policy_stuck.set(status.stuck)
        if status.attempts != attempts:
            attempts = status.attempts
            _tell_load(status, metrics)
        elif status.reasons:
            _log.warning("policy evaluation limited", extra={"reasons": list(status.reasons)})
        else:
            _log.info("policy evaluation as usual")
        if status.state is PolicyState.SERVING:
            component.ok()
        elif status.ready:
            component.degraded("; ".join(status.reasons))
        else:
            component.failed("; ".join(status.reasons))

    return listen
