"""Compares decisions with those that cases expect, and describes the results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace

from tabard_sidecar.model import PolicyDecision, Reason
from tabard_sidecar.policy.authoring.case_files import Case
from tabard_sidecar.policy.authoring.case_keys import Expected
from tabard_sidecar.policy.authoring.facts import as_facts
from tabard_sidecar.policy.authoring.workbench import FAILURES, Evaluation
from tabard_sidecar.policy.catalogue import ToolSpec
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """One part of a decision that isn't as expected."""

    part: str
    expected: Json
    actual: Json

    def __str__(self) -> str:
        return f"{self.part}: expected {_shown(self.expected)}, got {_shown(self.actual)}"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """Result of one case.

    Attributes:
        case: the case.
        differences: what isn't as expected; empty if the case passed.
        reasons: codes, messages and rules of the decision, for people.
        effect: ``allow``, ``ask`` or ``deny``.
        codes: codes of the rules that allow, ask or deny.
        approved: how the person decided about a call of which policy asked; ``None`` if no person did.
        then: effect and codes after the approval.
        input: the policy input of the first decision.
        seconds: processor time of the longest evaluation.
    """

    case: Case
    differences: tuple[Difference, ...]
    reasons: tuple[str, ...]
    effect: str
    codes: tuple[str, ...]
    approved: bool | None = None
    then: tuple[str, tuple[str, ...]] | None = None
    input: Mapping[str, Json] | None = None
    seconds: float = 0.0

    @property
    def place(self) -> str:
        """File and line of the case."""
        return f"{self.case.file}:{self.case.line}"

    def as_json(self, *, compared: bool = True) -> dict[str, object]:
        """Return the result for ``--json``, with the differences if it was compared."""
        differences = [asdict(difference) for difference in self.differences]
        return {
            "file": self.case.file,
            "line": self.case.line,
            "name": self.case.name,
            "effect": self.effect,
            "codes": list(self.codes),
            **({"approved": self.approved} if self.approved is not None else {}),
            **({"then": {"effect": self.then[0], "codes": list(self.then[1])}} if self.then else {}),
            **({"differences": differences} if compared else {}),
            "reasons": list(self.reasons),
        }


@dataclass(frozen=True, slots=True)
class CaseReport:
    """Results of all cases that were chosen."""

    results: tuple[CaseResult, ...] = ()

    @property
    def failed(self) -> tuple[CaseResult, ...]:
        """The cases whose decision isn't as expected."""
        return tuple(result for result in self.results if result.differences)

    @property
    def passed(self) -> int:
        """Number of the other cases."""
        return len(self.results) - len(self.failed)

    @property
    def slowest(self) -> CaseResult | None:
        """The case whose evaluation took longest."""
        return max(self.results, key=lambda result: result.seconds, default=None)


def result_of(case: Case, spec: ToolSpec | None, decided: Sequence[Evaluation]) -> CaseResult:
    """Return the result of a case that was decided once, or once more after an approval; ``spec`` is its tool."""
    last = decided[-1]
    differences = list(_differences(case.expect, decided[0].decision))
    if last.decision.allowed:
        differences += _differences_if_allowed(case.expect, last.decision, spec)
    elif len(decided) > 1:
        effect, codes = _effect(last.decision)
        differences.append(Difference("after the approval", "allow", f"{effect} by {', '.join(codes)}"))
    if not differences:  # only a failure is looked into
        last = replace(last, holding=None)
    reasons = tuple(_reason(reason, places) for reason, places in last.reasons())
    effect, codes = _effect(decided[0].decision)
    return CaseResult(
        case,
        tuple(differences),
        reasons,
        effect,
        codes,
        case.approved if effect == "ask" else None,
        _effect(last.decision) if len(decided) > 1 else None,
        decided[0].input,
        max(one.seconds for one in decided),
    )


def _differences(expect: Expected, decision: PolicyDecision) -> Iterator[Difference]:
    effect, codes = _effect(decision)
    if effect not in expect.effects:
        yield Difference("effect", expect.effect, effect)
    # A denial that the policy's own failure causes is no denial that an author means, unless the case names it.
    unnamed = set(codes) - FAILURES
    wanted = {expect.code} if isinstance(expect.code, str) else set(expect.code or unnamed)
    if wanted != set(codes):
        yield Difference("code", sorted(wanted), list(codes))


def _differences_if_allowed(
    expect: Expected, decision: PolicyDecision, spec: ToolSpec | None
) -> Iterator[Difference]:
    yield from _credential_differences(expect, decision)
    if expect.charges is not None and expect.charges != dict(decision.charges):
        yield Difference("charges", expect.charges, dict(decision.charges))
    if expect.labels is not None:
        added = {*decision.task_labels, *decision.branch_labels, *(spec.labels if spec is not None else ())}
        if set(expect.labels) != added:
            yield Difference("labels", sorted(set(expect.labels)), sorted(added))
    if expect.facts is not None:
        noted = decision.notes.as_json() if decision.notes is not None else {}
        if as_facts(expect.facts).as_json() != noted:
            yield Difference("facts", expect.facts, noted)


def _effect(decision: PolicyDecision) -> tuple[str, tuple[str, ...]]:
    """Return what was decided, and the codes of the rules that did, each once."""
    if decision.asks:
        return "ask", _codes(ask.code for ask in decision.asks)
    if decision.allowed:
        return "allow", _codes(reason.code for reason in decision.granted_by)
    return "deny", _codes(reason.code for reason in decision.denials)


def _codes(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(found)))


def _credential_differences(expect: Expected, decision: PolicyDecision) -> Iterator[Difference]:
    if expect.credential is None:
        return
    actual: dict[str, Json] = (
        asdict(decision.credential) if decision.credential is not None else {"kind": "none"}
    )
    actual["scopes"] = sorted(actual.get("scopes", ()))
    actual["single_use"] = actual.setdefault("uses", 0) == 1
    for name in sorted(expect.credential.model_fields_set):
        wanted = getattr(expect.credential, name)
        wanted = sorted(set(wanted)) if name == "scopes" and wanted is not None else wanted
        if wanted is not None and wanted != actual.get(name):
            yield Difference(f"credential.{name}", wanted, actual.get(name))


def _reason(reason: Reason, places: str) -> str:
    text = f"{reason.code} by {reason.module}" if reason.module else reason.code
    text += f" ({places})" if places else ""
    return f"{text}: {reason.message}" if reason.message else text


def _shown(value: Json) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(item)}" for key, item in value.items()) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return (
        "none" if value is None or value == "" else f"{value:g}" if isinstance(value, float) else str(value)
    )
