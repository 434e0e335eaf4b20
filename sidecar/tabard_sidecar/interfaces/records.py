"""Records and measurements of decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import field
from typing import Any, NamedTuple, Protocol

from tabard_sidecar.model import (
    Decision,
    Operation,
)
from tabard_sidecar.util.json_parts import LongPart
from tabard_sidecar.util.lean import dataclass


class Observer(Protocol):
    """Observes the pipelines, for metrics and traces."""

    def stage(self, name: str) -> AbstractContextManager[object]:
        """Observe one stage of a request while the context lasts."""
        ...

    def decision(self, operation: Operation) -> AbstractContextManager[object]:
        """Observe the work of one decision while the context lasts."""
        ...

    def decided(
        self, operation: Operation, decision: Decision, seconds: float, *, task_id: str, tool: str
    ) -> None:
        """Count a decision and its duration; task and tool are empty if nothing verified names them."""
        ...


class DecisionRecord(NamedTuple):
    """One line of the decision log: a decision, or a change that an operator, an approver or a holder made.

    ``event`` is ``"intent"`` (before anything leaves the process or is changed) or ``"outcome"``. ``operation`` is an
    :class:`Operation` or the name of a change. ``input_json`` is the policy input as it was evaluated, or what the change
    is about; ``input_parts`` make it up, if some are so long that a record may refer to an earlier one for them.
    ``result`` never holds a credential's value. ``metrics`` are nanoseconds by name, as OPA reports.
    ``root_holder`` is the workload that started the task, if it isn't the one that asks. ``by`` says
    who made a change; no mask applies to such a record.
    """

    event: str
    decision_id: str
    operation: str
    timestamp: float
    input_json: bytes
    result: Mapping[str, Any]
    policy_revision: str
    request_id: str = ""
    metrics: Mapping[str, int] | None = None
    root_holder: str = ""
    by: Mapping[str, Any] | None = None
    input_parts: tuple[bytes | LongPart, ...] = ()


@dataclass(frozen=True, slots=True)
class Unverified:
    """A refused request without a verified grant, of which any number can come.

    ``request`` returns it as JSON; only its digest is recorded. ``verified`` is its whole record if a person's token was
    verified; ``who`` then names workload and person.
    """

    decision_id: str
    operation: str
    timestamp: float
    code: str
    message: str
    request: Callable[[], bytes]
    verified: DecisionRecord | None = None
    who: Mapping[str, Any] = field(default_factory=dict)

    @property
    def person(self) -> tuple[str, str]:
        """Identifier and issuer of the person; empty if none was verified."""
        subject = self.who.get("subject", {})
        return subject.get("id", ""), subject.get("issuer", "")


class DecisionLog(Protocol):
    """Records decisions."""

    def hold(self, decision_id: str, size: int) -> None:
        """Keep room for the records of a decision, before anything is taken for it.

        The room is given back with the decision's outcome, or when a record of it fails. ``size`` is in bytes.

        Raises:
            NoDecision: there is no room, or the last record couldn't be written and none can be since, and the
                configuration requires it.
        """
        ...

    async def record(self, record: DecisionRecord) -> None:
        """Write one record.

        Raises:
            NoDecision: the sink is broken and the configuration requires it.
        """
        ...

    async def unverified(self, refusal: Unverified) -> None:
        """Note a refused request without a verified grant, within a bound.

        Raises:
            NoDecision: the sink is broken and the configuration requires it.
        """
        ...
