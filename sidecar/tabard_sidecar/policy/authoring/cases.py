"""Runs decision cases: decides each request as in production and compares with the expected decision."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from tabard_opa import Engine

from tabard_sidecar.model import PolicyDecision, Reason
from tabard_sidecar.policy.authoring.case_files import Case, Expected, read_cases
from tabard_sidecar.policy.authoring.facts import as_facts, fact_faults
from tabard_sidecar.policy.authoring.input_faults import input_faults
from tabard_sidecar.policy.authoring.request_keys import (
    ApprovalKeys,
    RequestKeys,
    build_input,
    catalogue_fault,
)
from tabard_sidecar.policy.authoring.sequences import continued, left_behind, reserved, starting, with_budgets
from tabard_sidecar.policy.authoring.workbench import FAILURES, Evaluation, check, deciding
from tabard_sidecar.policy.catalogue import Catalogue, ToolSpec, load_catalogue
from tabard_sidecar.policy.loading.compiling import Compiled, CompileOptions
from tabard_sidecar.policy.loading.literals import nearest
from tabard_sidecar.policy.loading.rules import RuleIndex
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

DEFAULT_TIME = 1767614400.0
"""Time of a case that states none: Monday 2026-01-05, 12:00 UTC. A fixed time keeps the results the same."""


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
    """

    case: Case
    differences: tuple[Difference, ...]
    reasons: tuple[str, ...]
    effect: str
    codes: tuple[str, ...]
    approved: bool | None = None
    then: tuple[str, tuple[str, ...]] | None = None
    input: Mapping[str, Json] | None = None

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


class Catalogues:
    """Tool catalogues for cases: one for all of them, else the one that a file names, else the configured one."""

    def __init__(self, configured: Catalogue, *, for_all: Catalogue | None = None) -> None:
        self._for_all = for_all
        self._known: dict[Path | None, Catalogue] = {None: configured}

    def find(self, named: Path | None) -> Catalogue:
        """Return the catalogue for the cases of a file that names ``named``.

        Raises:
            PolicyBrokenError: it can't be used.
        """
        if self._for_all is not None:
            return self._for_all
        if named is not None and named not in self._known:
            self._known[named] = load_catalogue(named)
        return self._known[named]


def run_cases(  # noqa: PLR0913 - one argument per part
    engine: Engine,
    path: Path,
    options: CompileOptions,
    catalogues: Catalogues,
    *,
    pattern: str = "",
    seen: Callable[[Evaluation], None] = lambda _: None,
) -> CaseReport:
    """Run the cases of the policy at ``path``.

    Args:
        engine: compiles and evaluates the policy.
        path: folder or bundle.
        options: how the sidecar would compile it.
        catalogues: the tools.
        pattern: only cases whose name matches this regular expression.
        seen: is told what each case asked the policy.

    Raises:
        PolicyBrokenError: the policy, a file with cases or a catalogue can't be used.
        NoDecision: an input is too large.
    """
    try:
        every = read_cases(path, options.bundle_keys, options.sizes)
    except PolicyBrokenError as error:
        beside = check(engine, path, options, catalogues.find(None)).errors
        raise PolicyBrokenError({*error.problems, *beside}) from error
    return decide_matching(engine, path, options, catalogues, every, pattern=pattern, seen=seen)


def decide_matching(  # noqa: PLR0913 - one argument per part
    engine: Engine,
    path: Path,
    options: CompileOptions,
    catalogues: Catalogues,
    cases: Sequence[Case],
    *,
    pattern: str = "",
    seen: Callable[[Evaluation], None] = lambda _: None,
    progress: Callable[[int], None] = lambda _: None,
    then: Callable[[Compiled, CaseReport], None] = lambda *_: None,
) -> CaseReport:
    """Decide the cases whose name matches, and those that they follow, and report the first ones.

    Arguments and errors are as for :func:`run_cases` and :func:`decide_cases`; ``then`` is told the first ones, too.
    """
    chosen = {_key(case) for case in cases if re.search(pattern, case.name)}

    def matching(report: CaseReport) -> CaseReport:
        return CaseReport(tuple(result for result in report.results if _key(result.case) in chosen))

    report = decide_cases(
        engine,
        path,
        options,
        catalogues,
        _with_those_before(cases, chosen),
        seen,
        progress=progress,
        then=lambda compiled, decided: then(compiled, matching(decided)),
    )
    return matching(report)


def decide_cases(  # noqa: PLR0913, PLR0917 - one argument per part
    engine: Engine,
    path: Path,
    options: CompileOptions,
    catalogues: Catalogues,
    cases: Sequence[Case],
    seen: Callable[[Evaluation], None] = lambda _: None,
    *,
    progress: Callable[[int], None] = lambda _: None,
    result: Callable[[CaseResult], None] = lambda _: None,
    then: Callable[[Compiled, CaseReport], None] = lambda *_: None,
) -> CaseReport:
    """Decide cases by the policy at ``path``, in their order.

    Arguments and errors are as for :func:`run_cases`; ``progress`` is told how many more were decided, ``result`` each
    result at once, and ``then`` all of them, with the policy while it is still there.
    """
    if not cases:
        return CaseReport()
    faults = [
        PolicyProblem(case.file, case.line, 0, "case", fault, "Correct the value")
        for case in cases
        for fault in input_faults(_prepare(case, case.keys, catalogues.find(case.catalogue)).document)
    ]
    if faults:
        raise PolicyBrokenError(faults)
    results: list[CaseResult] = []
    left: dict[tuple[str, str], RequestKeys] = {}
    with deciding(engine, path, options) as decide:
        starts = _Starts(decide)
        for case in cases:
            before = left.get((case.file, case.after)) if case.after else None
            if before is None:
                keys = starts.with_budgets(case.keys)
            else:
                keys = continued(case.keys, before, _time(before))
            one = _prepare(case, keys, catalogues.find(case.catalogue))
            decided = _decided(one, decide, in_sequence=before is not None)
            if one.refused is None:
                faults += _fact_problems(case, decided[-1])
                for evaluation in decided:
                    seen(evaluation)
            results.append(_result(one, decided))
            result(results[-1])
            left[_key(case)] = left_behind(keys, decided[-1].decision, one.spec, case.outcome)
            progress(1)
        if decide.compiled is not None and not faults:
            then(decide.compiled, CaseReport(tuple(results)))
    if faults:
        raise PolicyBrokenError(faults)
    return CaseReport(tuple(results))


class _Starts:
    """Gives a case that states no budgets those with which policy starts its task."""

    def __init__(self, decide: Callable[[Mapping[str, Json]], Evaluation]) -> None:
        self._decide = decide
        self._known: dict[str, PolicyDecision] = {}

    def with_budgets(self, keys: RequestKeys) -> RequestKeys:
        """Return the keys of a call with budgets: the stated ones, or those of the start rule."""
        if keys.operation == "start_task" or "budgets" in keys.model_fields_set:
            return keys
        document = build_input(starting(keys), None, DEFAULT_TIME)
        text = json.dumps(document, sort_keys=True)
        if text not in self._known:
            self._known[text] = self._decide(document).decision
        return with_budgets(keys, self._known[text])


def _decided(
    prepared: _Prepared, decide: Callable[[Mapping[str, Json]], Evaluation], *, in_sequence: bool
) -> list[Evaluation]:
    """Return the decision about a case, and after it the one that the approval of a person leads to."""
    keys = prepared.keys

    def reserving(evaluation: Evaluation) -> Evaluation:
        return replace(evaluation, decision=reserved(keys, evaluation.decision, in_sequence=in_sequence))

    first = reserving(prepared.refused or decide(prepared.document))
    if not first.decision.asks or prepared.case.approved is not True:
        return [first]
    given = [ApprovalKeys(module=ask.module, code=ask.code) for ask in first.decision.asks]
    approved = keys.model_copy(update={"approvals": [*keys.approvals, *given]})
    return [first, reserving(decide(build_input(approved, prepared.spec, DEFAULT_TIME)))]


def _fact_problems(case: Case, evaluation: Evaluation) -> Iterator[PolicyProblem]:
    """Yield what is wrong with the facts that a case states."""
    stated, kinds = case.keys.facts if not case.after else {}, evaluation.rules.facts
    for fault in (*fact_faults(stated, kinds), *fact_faults(case.expect.facts or {}, kinds)):
        yield PolicyProblem(case.file, case.line, 0, "case", fault, "Correct the value")
    notes, credential = evaluation.decision.notes, evaluation.decision.credential
    if case.outcome is not None and case.outcome.failed and credential is not None and credential.uses > 1:
        fault = f"outcome: a failure of one of {credential.uses} uses takes nothing back"
        yield PolicyProblem(case.file, case.line, 0, "case", fault, "Remove it, or 'uses' from the grant")
    allowed = notes.backend if notes is not None else {}
    for name in case.outcome.facts if case.outcome is not None and evaluation.decision.allowed else ():
        if name not in allowed:
            fault = f"outcome: the grant doesn't list the fact {name!r} under notes{nearest(name, allowed)}"
            yield PolicyProblem(case.file, case.line, 0, "case", fault, "Correct the name, or the grant")


def _key(case: Case) -> tuple[str, str]:
    return case.file, case.name


def _with_those_before(cases: Sequence[Case], chosen: set[tuple[str, str]]) -> list[Case]:
    """Return the chosen cases and those that they follow, in their order."""
    wanted = set(chosen)
    for case in reversed(cases):
        if case.after and _key(case) in wanted:
            wanted.add((case.file, case.after))
    return [case for case in cases if _key(case) in wanted]


def _time(keys: RequestKeys) -> float:
    return DEFAULT_TIME if keys.time is None else float(keys.time)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A case with its policy input, or with the denial of a call that the catalogue refuses before policy."""

    case: Case
    keys: RequestKeys
    document: Mapping[str, Json]
    spec: ToolSpec | None
    refused: Evaluation | None


def _prepare(case: Case, keys: RequestKeys, catalogue: Catalogue) -> _Prepared:
    spec = catalogue.lookup(keys.tool, keys.server) if keys.tool else None
    document = build_input(keys, spec, DEFAULT_TIME)
    fault = catalogue_fault(keys, catalogue)
    if fault is None:
        return _Prepared(case, keys, document, spec, None)
    denial = PolicyDecision("", denials=(fault,))
    return _Prepared(case, keys, document, spec, Evaluation(denial, RuleIndex(), document))


def _result(prepared: _Prepared, decided: Sequence[Evaluation]) -> CaseResult:
    """Return the result of a case that was decided once, or once more after an approval."""
    case, last = prepared.case, decided[-1]
    differences = list(_differences(case.expect, decided[0].decision))
    if last.decision.allowed:
        differences += _differences_if_allowed(case.expect, last.decision, prepared.spec)
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
