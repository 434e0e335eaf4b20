"""Creates traces that continue the caller's W3C trace context (https://www.w3.org/TR/trace-context/).

Without a configured collector tracing is off: OpenTelemetry isn't imported and a span costs one method call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

Metadata = Sequence[tuple[str, str | bytes]]

_NOTHING: AbstractContextManager[None] = nullcontext()


class Tracing(Protocol):
    """Creates spans."""

    def request(self, name: str, metadata: Metadata) -> AbstractContextManager[object]:
        """Start the span of one RPC, as a child of the ``traceparent`` in its metadata if there is one."""
        ...

    def stage(self, name: str) -> AbstractContextManager[object]:
        """Start the span of one stage of the current request."""
        ...

    def describe(self, attributes: Mapping[str, str]) -> None:
        """Add attributes to the current span; empty ones are left out."""
        ...

    def ids(self) -> tuple[str, str] | None:
        """Return trace id and span id of the current span, hex, if there is one."""
        ...

    def close(self) -> None:
        """Export the remaining spans."""
        ...


class NoTracing:
    """Creates no spans."""

    def request(self, name: str, metadata: Metadata) -> AbstractContextManager[None]:  # noqa: ARG002
        """Return a context that does nothing."""
        return _NOTHING

    def stage(self, name: str) -> AbstractContextManager[None]:  # noqa: ARG002
        """Return a context that does nothing."""
        return _NOTHING

    def describe(self, attributes: Mapping[str, str]) -> None:
        """Do nothing: there is no span."""

    def ids(self) -> None:
        """Return ``None``: there is never a current span."""

    def close(self) -> None:
        """Do nothing: there are no spans to export."""
