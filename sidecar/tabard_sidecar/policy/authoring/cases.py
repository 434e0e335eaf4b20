"""Runs decision cases: decides each request as in production."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tabard_opa import Engine

from tabard_sidecar.model import PolicyDecision
from tabard_sidecar.policy.authoring.case_files import Case, read_cases
from tabard_sidecar.policy.authoring.case_results import CaseReport, CaseResult, result_of
from tabard_sidecar.policy.authoring.facts import fact_faults
from tabard_sidecar.policy.authoring.input_faults import input_faults
from tabard_sidecar.policy.authoring.request_keys import (
    ApprovalKeys,
    RequestKeys,
    build_input,
    catalogue_fault,
)
from tabard_sidecar.policy.authoring.sequences import (
    continued,
    left_behind,
    reserved,
    starting,
    with_budgets,
    with_facts_of,
)
from tabard_sidecar.policy.authoring.workbench import Evaluation, check, deciding
from tabard_sidecar.policy.catalogue import Catalogue, ToolSpec, load_catalogue
from tabard_sidecar.policy.loading.compiling import Compiled, CompileOptions
from tabard_sidecar.policy.loading.literals import nearest
from tabard_sidecar.policy.loading.rules import RuleIndex
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

DEFAULT_TIME = 1767614400.0
"""Time of a case that states none: Monday 2026-01-05, 12:00 UTC. A fixed time keeps the results the same."""


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
            if case.never:
                keys = with_facts_of(keys, case.never_facts)
            one = _prepare(case, keys, catalogues.find(case.catalogue))
            decided = _decided(one, decide, in_sequence=before is not None)
            if one.refused is None:
                faults += _fact_problems(case, decided[-1])
                for evaluation in decided:
                    seen(evaluation)
            results.append(result_of(case, one.spec, decided))
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
    for fault in (
        *fact_faults(stated, kinds),
        *fact_faults(case.expect.facts or {}, kinds),
        *fact_faults(case.never_facts if case.never and not case.cell else {}, kinds),
    ):
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
