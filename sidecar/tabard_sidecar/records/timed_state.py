"""Wraps a state store to time its operations and to notice those that fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, cast

from prometheus_client import Histogram

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.records.metrics import Metrics
from tabard_sidecar.state.leases import LeaseJournal
from tabard_sidecar.state.store import StateStore

_UNTIMED = frozenset({"open", "look", "close", "watch"})
OPERATIONS = tuple(
    name
    for part in (StateStore, LeaseJournal)
    for name in vars(part)
    if not name.startswith("_") and callable(getattr(part, name))
)
"""The names of all methods of the interface."""


Failed = Callable[[NoDecision], None]
"""Called with the error of every operation that found the store unavailable."""


def timed(store: StateStore, metrics: Metrics, failed: Failed) -> StateStore:
    """Return ``store`` with every operation, failed ones included, observed in ``tabard_state_seconds``.

    Opening, closing and waiting for a revocation aren't observed.
    """
    return cast("StateStore", _TimedStateStore(store, metrics, failed))


class _TimedStateStore:
    def __init__(self, store: StateStore, metrics: Metrics, failed: Failed) -> None:
        for name in OPERATIONS:
            operation = getattr(store, name)
            if name not in _UNTIMED:
                operation = _timed(operation, metrics.state_seconds.labels(name), failed)
            setattr(self, name, operation)


def _timed(
    operation: Callable[..., Awaitable[Any]], histogram: Histogram, failed: Failed
) -> Callable[..., Awaitable[Any]]:
    async def observed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the operation decides the types
        began = perf_counter()
        try:
            return await operation(*args, **kwargs)
        except NoDecision as error:
            if error.code == "state_unavailable":
                failed(error)
            raise
        finally:
            histogram.observe(perf_counter() - began)

    return observed
