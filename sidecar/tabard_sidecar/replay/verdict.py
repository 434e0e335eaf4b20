"""Holds what a policy or a record says of one decision, so that two of them can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from tabard.caveats import Limits, limits_json

from tabard_sidecar.facts import NO_FACTS, Facts
from tabard_sidecar.model import CredentialTemplate, PolicyDecision, Reason
from tabard_sidecar.policy.authoring.facts import as_facts
from tabard_sidecar.policy.authoring.reserving import lacking

ALLOW = "allow"
ASK = "ask"
DENY = "deny"
WOULD_DENY = "would_deny"
"""The decision in the record of a call that policy denied and that was made, because policy wasn't enforced."""

APPROVAL_REQUIRED = "approval_required"

T = TypeVar("T")


class Scoped(NamedTuple, Generic[T]):
    """What a call leaves in its whole task, and what in its branch of it."""

    task: T
    branch: T


NO_FACTS_LEFT: Scoped[Facts] = Scoped(NO_FACTS, NO_FACTS)


class Verdict(NamedTuple):
    """One decision.

    Attributes:
        effect: ``allow``; ``ask``, if a person's approval is all that is missing; or ``deny``.
        codes: the reasons: ``module.code`` of a rule of the policy, the code alone of one of the sidecar's.
        credential: of an allowed call; ``None`` without one. From a record it is what was issued, which the grant and the
            agent may have narrowed; from a policy what it grants.
        charges: amounts by budget.
        labels: sorted.
        facts: those that the call notes.
        limits: those of a task that is started or handed on.
        issued: whether it is from a record.
        own: whether the sidecar refused what policy had allowed, or asked about.
        observed: whether the call was made although policy denied it, because policy wasn't enforced.
    """

    effect: str
    codes: tuple[str, ...] = ()
    credential: Mapping[str, Any] | None = None
    charges: Mapping[str, int] = {}
    labels: Scoped[tuple[str, ...]] = Scoped((), ())
    facts: Scoped[Facts] = NO_FACTS_LEFT
    limits: tuple[Limits, ...] = ()
    issued: bool = False
    own: bool = False
    observed: bool = False

    @property
    def allowed(self) -> bool:
        """Whether the call was made."""
        return self.effect == ALLOW

    def as_json(self) -> dict[str, Any]:
        """Return what people and scripts are shown; only what there is."""
        labels = sorted({*self.labels.task, *self.labels.branch})
        shown = {
            "effect": self.effect,
            "reasons": list(self.codes),
            "credential": self.credential,
            "charges": dict(self.charges),
            "labels": labels,
            "facts": self.facts.task.joined(self.facts.branch).as_json(),
            "limits": [limits_json(one) for one in self.limits],
        }
        return {name: value for name, value in shown.items() if value or name == "effect"}


def refused(*codes: str, own: bool = False) -> Verdict:
    """Return a denial."""
    return Verdict(DENY, codes, own=own)


def of_policy(decision: PolicyDecision, catalogue_labels: tuple[str, ...] = ()) -> Verdict:
    """Return what a policy decided; ``catalogue_labels`` are those that the catalogue gives the tool's results."""
    if not decision.allowed:
        asked = bool(decision.asks)
        codes = [f"{ask.module}.{ask.code}" for ask in decision.asks] or map(code_of, decision.denials)
        return Verdict(ASK if asked else DENY, tuple(dict.fromkeys(codes)))
    notes = decision.notes
    labels = tuple(sorted({*decision.task_labels, *catalogue_labels}))
    return Verdict(
        ALLOW,
        tuple(dict.fromkeys(map(code_of, decision.granted_by))),
        _granted(decision.credential),
        {name: amount for name, amount in decision.charges.items() if amount},
        Scoped(labels, decision.branch_labels),
        Scoped(notes.task, notes.branch) if notes is not None else NO_FACTS_LEFT,
        decision.limits,
    )


def reserved(decision: PolicyDecision, document: Mapping[str, Any], verdict: Verdict) -> Verdict:
    """Return the verdict after the call was reserved: a denial if the task of a policy input has too little left."""
    if not verdict.allowed:
        return verdict
    left = {name: budget["remaining"] for name, budget in document["budgets"].items()}
    lack = lacking(decision, left, as_facts(document["task"].get("facts", {})))
    return verdict if lack is None else refused(lack[0])


def code_of(reason: Reason) -> str:
    """Return a reason's code, with its module if a rule of the policy stated it."""
    return written_code(reason.module, reason.code)


def written_code(module: str, code: str) -> str:
    """Return a code with the module whose rule stated it; empty if none did."""
    module = module.removeprefix("policy.")
    return f"{module}.{code}" if module else code


def _granted(template: CredentialTemplate | None) -> dict[str, Any] | None:
    if template is None or template.kind == "none":
        return None
    shown = {
        "kind": template.kind,
        "audience": template.audience,
        "role": template.role,
        "scopes": list(template.scopes),
        "ttl_seconds": template.ttl_seconds,
        "uses": template.uses,
        "delivery": str(template.delivery),
    }
    return {name: value for name, value in shown.items() if value}
