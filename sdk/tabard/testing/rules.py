"""The script of a fake sidecar: which calls it allows, and how it answers them."""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Literal

from tabard._lean import dataclass

When = Callable[[Mapping[str, Any]], bool]
Decided = Literal["", "approved", "refused", "expired"]
"""What a person decided about a call."""


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One request that the fake received.

    Attributes:
        tool: name of the tool.
        server: server that offers it.
        arguments: parsed arguments.
        grant: grant that was presented.
        scopes: scopes that were asked for.
        context: facts that the caller asserted.
        request_id: as sent.
        metadata: gRPC metadata of the call.
    """

    tool: str
    server: str
    arguments: Mapping[str, Any]
    grant: str = field(repr=False)
    scopes: tuple[str, ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict)
    request_id: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReportedOutcome:
    """One outcome that was reported to the fake.

    Attributes:
        decision_id: the decision that allowed the call.
        succeeded: whether the call did what it was meant to do.
        charges: what it cost beyond the decision's charge, by name of the budget.
        labels: labels of its result.
        signed_outcome: the backend's signed outcome; empty if there is none. The fake doesn't verify it.
    """

    decision_id: str
    succeeded: bool
    charges: Mapping[str, int]
    labels: tuple[str, ...]
    signed_outcome: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request.

    Attributes:
        allowed: allow or deny.
        code: code of the reason.
        message: text for people.
        model_message: text for the model.
        kind: kind of the credential; ``"none"`` for none.
        value: secret of the credential; empty for a made-up one, unless it has fields.
        fields: secrets of a credential that is more than one string.
        audience: audience of the credential.
        scopes: scopes of the credential.
        ttl_seconds: lifetime of the credential.
        uses: how many uses the credential is for; 0 for any number.
        obligations: properties by obligation id.
        status: name of a gRPC status to fail with instead of deciding.
        approved: the answer once a person has approved; set on answers that ask for one.
        decided: what the person decides at once; empty if the test says it later.
    """

    allowed: bool
    code: str
    message: str = ""
    model_message: str = ""
    kind: str = "none"
    value: str = field(default="", repr=False)
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    audience: str = ""
    scopes: tuple[str, ...] = ()
    ttl_seconds: float = 60.0
    uses: int = 0
    obligations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    status: str = ""
    approved: Answer | None = None
    decided: Decided = ""


@dataclass(slots=True)
class _Rule:
    tool: str
    when: When | None
    left: int | None
    answer: Answer

    def matches(self, tool: str, arguments: Mapping[str, Any] | None) -> bool:
        if self.left == 0 or not fnmatch.fnmatchcase(tool, self.tool):
            return False
        return self.when is None or arguments is None or self.when(arguments)


DENY = Answer(allowed=False, code="no_grant", message="the test allows no such call")


class Script:
    """The rules of a fake; the one added last wins, nothing else is allowed. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []

    def add(self, tool: str, answer: Answer, when: When | None, times: int | None) -> None:
        """Add a rule for the tools that the glob ``tool`` matches."""
        with self._lock:
            self._rules.insert(0, _Rule(tool, when, times, answer))

    def answer(self, tool: str, arguments: Mapping[str, Any]) -> Answer:
        """Return the answer to one request. An answer with a limited number of times is used up by one."""
        with self._lock:
            for rule in self._rules:
                if rule.matches(tool, arguments):
                    if rule.left is not None:
                        rule.left -= 1
                    return rule.answer
        return DENY

    def offers(self, tool: str) -> bool:
        """Tell whether some call of the tool might be allowed."""
        with self._lock:
            return any(rule.answer.allowed and rule.matches(tool, None) for rule in self._rules)
