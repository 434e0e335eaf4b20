"""The policy that decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from tabard_sidecar.facts import FactKind
from tabard_sidecar.model import (
    Operation,
    PolicyDecision,
)
from tabard_sidecar.util.json_parts import LongPart


class InputParts(NamedTuple):
    """What makes up the policy input of a tool call, beside the time and what is alike in all of them.

    ``verified`` is of the grant: subject, agent, task without facts, delegation without children. ``name``, ``server`` and
    ``annotations`` (JSON) are of the tool; ``arguments`` are those of the call, and ``arguments_json`` the same as in the
    input. ``others`` are the texts of all else, in an order of its own.
    """

    verified: bytes | LongPart
    name: str
    server: str
    annotations: bytes
    arguments: Mapping[str, Any]
    arguments_json: bytes
    others: tuple[bytes | LongPart, ...]


class LeasedPolicy(Protocol):
    """One policy, unchanged while it is leased. An error in the policy is a denial and never raises."""

    @property
    def revision(self) -> str:
        """Revision of the policy."""
        ...

    @property
    def reads_history(self) -> bool:
        """True unless it is certain that no rule looks at a task's calls or labels."""
        ...

    @property
    def reads_calls(self) -> bool:
        """True unless it is certain that no rule looks at a task's calls."""
        ...

    @property
    def facts(self) -> Mapping[str, FactKind]:
        """The facts that its grants note, by name; empty if they note none."""
        ...

    async def decide(
        self,
        operation: Operation,
        input_json: bytes,
        *,
        approvals: frozenset[tuple[str, str]] = frozenset(),
        parts: InputParts | None = None,
    ) -> PolicyDecision:
        """Evaluate ``data.tabard.decision`` and compose its elements.

        ``approvals`` are module and code of the approvals that people have given for this very call. ``parts`` are those of
        the input, if it is a tool call's: they tell sooner whether its answer is known.

        Raises:
            NoDecision: the engine can't be reached or is overloaded.
        """
        ...

    async def filter_tools(self, inputs: Sequence[bytes]) -> list[bool]:
        """Tell per policy input whether some ``tool.arguments`` could be allowed."""
        ...


class PolicyRuntime(Protocol):
    """Holds the active policy and replaces it when its source changes."""

    @property
    def revision(self) -> str:
        """Revision of the policy that is active."""
        ...

    def lease(self) -> AbstractContextManager[LeasedPolicy]:
        """Lease the active policy: it stays usable until the context ends, whatever is loaded meanwhile.

        Raises:
            NoDecision: no policy is loaded.
        """
        ...

    async def mask(self, record_json: bytes) -> list[Any]:
        """Evaluate ``data.system.log.mask`` on a decision record; an empty list if no policy defines it."""
        ...
