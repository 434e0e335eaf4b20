"""Prometheus instruments that only the event loop's thread writes to.

For every observation prometheus-client takes locks and checks labels, about 4 µs in all, and a request makes a dozen of
them. With one writing thread neither is needed. Reading is left to the library.
"""

from __future__ import annotations

from bisect import bisect_left

from prometheus_client import Counter, Histogram


class LoopHistogram(Histogram):
    """A histogram for one writing thread."""

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:  # noqa: ARG002
        """Observe ``amount``, in the histogram's unit."""
        self._sum._value += amount  # noqa: SLF001 - see the module's docstring
        self._buckets[bisect_left(self._upper_bounds, amount)]._value += 1  # noqa: SLF001


class LoopCounter(Counter):
    """A counter for one writing thread."""

    def inc(self, amount: float = 1, exemplar: dict[str, str] | None = None) -> None:  # noqa: ARG002
        """Count ``amount``, which isn't negative."""
        self._value._value += amount  # noqa: SLF001 - see the module's docstring
