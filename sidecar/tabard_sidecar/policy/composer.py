"""Composes the answers of one policy into decisions, with a cache."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import orjson

from tabard_sidecar.model import Operation, PolicyDecision, Reason
from tabard_sidecar.policy.compose import compose, largest_charges
from tabard_sidecar.policy.loading.rules import RuleIndex
from tabard_sidecar.policy.resources import schema
from tabard_sidecar.policy.schema import Check, compile_schema
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.fifo import FifoDict

_REMEMBERED = 256
_REMEMBERED_BYTES = 4096

_Key = tuple[Operation, bytes, frozenset[tuple[str, str]]]


class Composer:
    """Composes decisions from the answers of one policy's entrypoint, and caches them.

    Equal answers give equal decisions. Answers that differ only in the amounts of their charges, which may differ with
    every call, share a cached decision; the amounts are put in afterwards.

    Args:
        revision: revision of the policy.
        rules: places of its rules.
    """

    def __init__(self, revision: str, rules: RuleIndex) -> None:
        self._revision = revision
        self._rules = rules
        self._decisions: FifoDict[_Key, PolicyDecision] = FifoDict(_REMEMBERED)

    def compose(
        self, operation: Operation, answer: bytes, approvals: frozenset[tuple[str, str]]
    ) -> PolicyDecision:
        """Return the decision for an answer (JSON); see :func:`tabard_sidecar.policy.compose.compose`."""
        key = (operation, answer, approvals)
        # Answers with charges differ from call to call, so a miss is common; raising KeyError costs more than looking.
        return (
            self._decisions[key] if key in self._decisions else self._composed(operation, answer, approvals)
        )

    def _composed(
        self, operation: Operation, answer: bytes, approvals: frozenset[tuple[str, str]]
    ) -> PolicyDecision:
        try:
            document = orjson.loads(answer)
        except ValueError:
            reason = Reason("policy_error", "the engine's answer isn't JSON")
            return PolicyDecision(self._revision, denials=(reason,))
        amounts = _take_amounts(document)
        if not amounts:
            return self._remembered(operation, answer, approvals, document)
        decision = self._remembered(operation, orjson.dumps(document), approvals, document)
        # A decision without charges isn't an allow.
        return decision.charging(largest_charges(amounts)) if decision.charges else decision

    def _remembered(
        self, operation: Operation, text: bytes, approvals: frozenset[tuple[str, str]], document: Json
    ) -> PolicyDecision:
        key = (operation, text, approvals)
        if key in self._decisions:
            return self._decisions[key]
        decision = compose(
            document, operation, revision=self._revision, rules=self._rules, approvals=approvals
        )
        if len(text) <= _REMEMBERED_BYTES:
            self._decisions[key] = decision
        return decision


@cache
def _charges_check() -> Check:
    return compile_schema(schema("grant")["properties"]["charges"])


def _take_amounts(document: Json) -> list[Mapping[str, int]]:
    """Replace every grant's amounts by 0 and return them, one mapping per grant with charges.

    If any charges are invalid against their schema, nothing is replaced or returned.
    """
    items = document.get("grant") if isinstance(document, dict) else None
    if not isinstance(items, list):
        return []
    elements = [item.get("element") for item in items if isinstance(item, dict)]
    charging = [one for one in elements if isinstance(one, dict) and "charges" in one]
    check = _charges_check()
    if any(check(one["charges"]) is not None for one in charging):
        return []
    amounts = [one["charges"] for one in charging]
    for one in charging:
        one["charges"] = dict.fromkeys(one["charges"], 0)
    return amounts
