"""The tools that agents call, and the check of their arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any, Protocol

from tabard_sidecar.model import (
    ToolCall,
)
from tabard_sidecar.util.lean import dataclass


@dataclass(frozen=True, slots=True)
class CandidateTool:
    """One tool of a FilterTools request, with its annotations from the catalogue."""

    name: str
    server: str
    annotations: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ArgumentFault:
    """Why arguments don't fit a tool's schema.

    ``argument`` is the name of one that the call has, dotted below the first level; empty if the fault is elsewhere.
    ``message`` says what is wrong, without any value, but may quote the schema.
    """

    message: str
    argument: str = ""


class ToolSpec(Protocol):
    """The catalogue's entry for one tool."""

    @property
    def name(self) -> str:
        """Name of the tool."""
        ...

    @property
    def server(self) -> str:
        """Server that offers it; empty for any."""
        ...

    @property
    def read_only(self) -> bool:
        """True if the catalogue marks the tool as changing nothing."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of what the tool returns, sorted; a call adds them to its task."""
        ...

    @property
    def annotations(self) -> Mapping[str, Any]:
        """The catalogue's annotations, for example ``readOnlyHint``; policies see them as ``input.tool.annotations``."""
        ...

    def fits(self, arguments: Mapping[str, Any]) -> bool:
        """Tell whether arguments fit. Takes as long as the schema makes it."""
        ...

    def explain(self, arguments: Mapping[str, Any]) -> ArgumentFault:
        """Return the problem of arguments that don't fit, which takes longer."""
        ...

    def steps(self, call: ToolCall) -> int:
        """Return an upper bound of the steps, of some 10 ns each, that :meth:`fits` takes."""
        ...

    def explaining_steps(self, call: ToolCall) -> int:
        """Return an upper bound of the steps that :meth:`explain` takes."""
        ...

    @property
    def schema_json(self) -> bytes:
        """The schema of the arguments as JSON."""
        ...

    def told(self, fault: tuple[str, str], arguments: Mapping[str, Any]) -> ArgumentFault:
        """Return a fault of arguments, given its place and the problem, as it is told."""
        ...


class ArgumentChecker(Protocol):
    """Checks arguments against the catalogue, off the event loop where that takes long."""

    async def fault(self, spec: ToolSpec, call: ToolCall) -> ArgumentFault | None:
        """Return the problem of a call's arguments, or ``None``.

        Raises:
            NoDecision: too many costly checks are being made.
        """
        ...


class Catalogue(Protocol):
    """The tools that are known."""

    @property
    def required(self) -> bool:
        """True if a tool that isn't known is denied."""
        ...

    def lookup(self, name: str, server: str) -> ToolSpec | None:
        """Return the entry for a tool, or ``None``."""
        ...

    def __iter__(self) -> Iterator[ToolSpec]:
        """Yield every known tool."""
        ...
