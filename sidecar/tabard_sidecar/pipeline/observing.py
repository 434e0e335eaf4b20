"""Lets calls through that only a policy denies, in namespaces that are observed, and says what is never let through.

A namespace is observed while its policy is being written (``insecure.observe``). The call is made without a credential, is
recorded as ``would_deny``, and costs nothing. Everything that isn't a rule's own denial, or the lack of a rule that grants,
denies as ever: a grant that doesn't verify, its caveats, its budgets, revocation, an approval that is missing, a policy that
fails or takes too long, a tool that the catalogue doesn't list.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from tabard_sidecar.model import Agent, PolicyDecision, Reason
from tabard_sidecar.pipeline.requests import VerifiedCall
from tabard_sidecar.reasons import REASON_CODES
from tabard_sidecar.state import TaskState

WOULD_DENY: Final = "would_deny"
"""Code of the reason that an observed call is allowed with, and the decision that its record states."""

_NO_GRANT = "no_grant"
_NAMESPACED = re.compile(r"spiffe://[^/]+/ns/([^/]+)/sa/[^/]+")


class Observing:
    """Decides which denials of policy aren't enforced.

    Args:
        namespaces: those that are observed.
    """

    def __init__(self, namespaces: Collection[str]) -> None:
        self._namespaces = frozenset(namespaces)

    def covers(self, agent: Agent) -> bool:
        """Tell whether a workload's namespace is observed."""
        return bool(self._namespaces) and namespace_of(agent) in self._namespaces

    def let_through(
        self, call: VerifiedCall, state: TaskState, decision: PolicyDecision
    ) -> PolicyDecision | None:
        """Return the decision with which an observed call is made, ``None`` if it is denied.

        Args:
            call: the call, whose grant and caveats were checked.
            state: the task's state.
            decision: what policy decided: a denial.
        """
        if not self.covers(call.agent) or decision.asks or not all(map(_of_a_rule, decision.denials)):
            return None
        if call.spec is None or call.request.scopes:
            # The catalogue says what the tool's result is labelled, and what its arguments are. Scopes need a credential.
            return None
        if any(state.spent.get(budget.budget_id, 0) >= budget.limit for budget in call.grant.budgets):
            # Policy might have charged it.
            return None
        return PolicyDecision(
            decision.revision, granted_by=(Reason("would_deny", "policy isn't enforced in this namespace"),)
        )


def namespace_of(agent: Agent) -> str:
    """Return the Kubernetes namespace of a workload, from its token or else from its SPIFFE ID; empty if it has none."""
    stated = agent.attributes.get("namespace")
    if isinstance(stated, str):
        return stated
    found = _NAMESPACED.fullmatch(agent.id)
    return found[1] if found else ""


def _of_a_rule(reason: Reason) -> bool:
    return reason.code == _NO_GRANT or (bool(reason.module) and reason.code not in REASON_CODES)
