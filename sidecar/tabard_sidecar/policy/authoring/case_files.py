"""Reads decision cases: files called ``*_cases.yaml`` beside the policy's modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tabard_sidecar.policy.authoring import matrices, sentences
from tabard_sidecar.policy.authoring.case_keys import CaseFileKeys, CaseKeys, Expected
from tabard_sidecar.policy.authoring.drafts import complete
from tabard_sidecar.policy.authoring.facts import Stated
from tabard_sidecar.policy.authoring.matrices import MAX_CELLS
from tabard_sidecar.policy.authoring.request_keys import OutcomeKeys, RequestKeys, keys_fault
from tabard_sidecar.policy.authoring.sequences import CARRIED, OF_ONE_CALL
from tabard_sidecar.policy.loading.bundles import BundleKeys
from tabard_sidecar.policy.loading.literals import nearest
from tabard_sidecar.policy.loading.reading import USUAL_SIZES, Sizes
from tabard_sidecar.policy.loading.sources import read_case_files
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.model_problems import FilePlaces, explain
from tabard_sidecar.util.problems import SourceError, SourceProblem
from tabard_sidecar.util.yaml_source import Marked, parse

MAX_BYTES = 2 * 1024 * 1024
"""Longest file with cases."""

_ALLOWED_ONLY = ("credential", "charges", "labels", "facts")


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a file.

    Attributes:
        file: the file, as messages name it.
        line: where the case begins, from 1.
        name: what it shows.
        keys: the request, defaults included.
        expect: the decision that is expected.
        catalogue: the catalogue that the file names, or ``None``.
        after: name of the case in the same file that it follows; empty if it begins a task.
        outcome: what the backend signs afterwards, or ``None``.
        approved: how the person decides if policy asks; ``None`` if no person does.
        cell: whether it is a cell of a matrix.
        sentence: name of the request whose call it is, of `requests`; empty for a case of another kind.
        never: whether it is a call that this request must never let through.
        never_facts: facts that the task has, too, if ``never``.
    """

    file: str
    line: int
    name: str
    keys: RequestKeys
    expect: Expected
    catalogue: Path | None
    after: str = ""
    outcome: OutcomeKeys | None = None
    approved: bool | None = None
    cell: bool = False
    sentence: str = ""
    never: bool = False
    never_facts: Stated = field(default_factory=dict)


def read_cases(path: Path, keys: BundleKeys | None = None, sizes: Sizes = USUAL_SIZES) -> list[Case]:
    """Read every case of the policy at ``path``, a folder or bundle; ``keys`` and ``sizes`` as for ``load_source``.

    Raises:
        PolicyBrokenError: a file can't be read or holds mistakes; every mistake is listed with its line.
    """
    files = read_case_files(path, keys, sizes)
    return _read(files, lambda file: Path(file).parent if path.is_dir() else None)


def read_case_file(path: Path) -> list[Case]:
    """Read one file of any name, whose cases and matrices may lack what they expect: then they expect nothing in earnest.

    Raises:
        PolicyBrokenError: as for :func:`read_cases`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        problem = PolicyProblem(str(path), 0, 0, "case", f"can't be read: {error.strerror}", "Name a file")
        raise PolicyBrokenError([problem]) from error
    return _read({str(path): content}, lambda _: path.parent, draft=True)


def _read(
    files: Mapping[str, bytes], folder: Callable[[str], Path | None], *, draft: bool = False
) -> list[Case]:
    cases: list[Case] = []
    problems: list[PolicyProblem] = []
    for file, content in files.items():
        try:
            document, repeated = parse(content, file, MAX_BYTES)
            if repeated:
                raise SourceError(repeated)
            if draft:
                complete(document.value)
            cases += _cases(file, document, folder(file))
        except SourceError as error:
            problems += map(_problem, error.problems)
    if problems:
        raise PolicyBrokenError(problems)
    return cases


def _cases(file: str, document: Marked, folder: Path | None) -> list[Case]:
    try:
        keys = CaseFileKeys.model_validate(document.value)
    except ValidationError as error:
        raise SourceError(explain(error, FilePlaces(document, file), CaseFileKeys)) from None
    faults = list(_faults(file, document, keys))
    if keys.catalogue is not None and folder is None:
        faults.append(
            _fault(file, document, ("catalogue",), "a bundle has no catalogue", "Name it with --catalogue.")
        )
    faults += () if faults else _matrix_faults(file, document, keys)
    faults += () if faults else _sentence_faults(file, document, keys)
    if faults:
        raise SourceError(faults)
    catalogue = folder / keys.catalogue if folder is not None and keys.catalogue is not None else None
    single = [
        Case(
            file,
            document.find(("cases", index))[0].position.line,
            case.name,
            whole,
            case.expect,
            catalogue,
            case.after,
            case.outcome,
            case.approved,
        )
        for index, (case, whole) in enumerate(zip(keys.cases, _whole_requests(keys), strict=True))
    ]
    return [*single, *_cells(file, document, keys, catalogue), *_steps(file, document, keys, catalogue)]


def _cells(file: str, document: Marked, keys: CaseFileKeys, catalogue: Path | None) -> Iterator[Case]:
    """Yield each cell of the matrices as a case."""
    general = {name: getattr(keys.defaults, name) for name in keys.defaults.model_fields_set}
    before = {
        case.name: _taken_over(whole) for case, whole in zip(keys.cases, _whole_requests(keys), strict=True)
    }
    for index, matrix in enumerate(keys.matrices):
        for cell in matrices.cells(matrix):
            line = document.find(("matrices", index, *cell.path))[0].position.line
            given = before[cell.after] if cell.after else general
            whole = RequestKeys.model_construct(**{**given, **cell.stated})
            expect = Expected(effect=cell.expect)
            yield Case(file, line, cell.name, whole, expect, catalogue, cell.after, cell=True)


def _steps(file: str, document: Marked, keys: CaseFileKeys, catalogue: Path | None) -> Iterator[Case]:
    """Yield each call of the requests as a case."""
    general = {name: getattr(keys.defaults, name) for name in keys.defaults.model_fields_set}
    for index, sentence in enumerate(keys.requests):
        for step in sentences.steps(sentence, keys.people):
            line = document.find(("requests", index, *step.path))[0].position.line
            whole = RequestKeys.model_construct(**{**general, **step.stated})
            expect = Expected(effect=step.expect)
            approved = True if step.role == "does" and "ask" in expect.effects else None
            yield Case(
                file,
                line,
                step.name,
                whole,
                expect,
                catalogue,
                step.after,
                step.signs,
                approved,
                sentence=step.sentence,
                never=step.role == "never",
                never_facts=keys.never_facts,
            )


def _sentence_faults(file: str, document: Marked, keys: CaseFileKeys) -> Iterator[SourceProblem]:
    taken = {case.name for case in keys.cases}
    for path, message, step in sentences.faults(keys.requests, keys.people, taken):
        yield _fault(file, document, ("requests", *path), message, step)


def _taken_over(whole: RequestKeys) -> dict[str, Any]:
    """Return what a cell after a case takes over: all that describes the task."""
    left_out = {*OF_ONE_CALL, *CARRIED}
    return {name: getattr(whole, name) for name in whole.model_fields_set if name not in left_out}


def _matrix_faults(file: str, document: Marked, keys: CaseFileKeys) -> Iterator[SourceProblem]:
    count = matrices.size(keys.matrices)
    if count > MAX_CELLS:
        message = f"{count} cells; a file may have {MAX_CELLS}"
        yield _fault(file, document, ("matrices",), message, "Divide the file.")
        return
    singles = {case.name for case in keys.cases}
    found = set(singles)
    for index, matrix in enumerate(keys.matrices):
        path = ("matrices", index)
        wrong = list(matrices.faults(matrix, keys.defaults, singles))
        for place, message, step in wrong:
            yield _fault(file, document, (*path, *place), message, step)
        for cell in () if wrong else matrices.cells(matrix):
            if cell.name in found:
                message = f"another case has the name {cell.name!r}"
                yield _fault(file, document, (*path, "name"), message, "Give each matrix its own name.")
                break
            found.add(cell.name)


def _whole_requests(keys: CaseFileKeys) -> list[RequestKeys]:
    """Return the request of each case: what it states, else what the case before it of the same task does, else the default."""
    by_name: dict[str, RequestKeys] = {}
    found: list[RequestKeys] = []
    for case in keys.cases:
        stated: dict[str, Any] = {}
        before = by_name.get(case.after)
        default_not = () if before is None else ("time",)  # time goes on
        for one, left_out in ((keys.defaults, default_not), (before, OF_ONE_CALL), (case, ())):
            names = one.model_fields_set if one is not None else ()
            stated |= {
                name: getattr(one, name)
                for name in names
                if name in RequestKeys.model_fields and name not in left_out
            }
        found.append(RequestKeys.model_construct(**stated))
        by_name[case.name] = found[-1]
    return found


def _faults(file: str, document: Marked, keys: CaseFileKeys) -> Iterator[SourceProblem]:
    """Yield what is wrong with cases beyond the types of their keys."""
    names: set[str] = set()
    for index, (case, whole) in enumerate(zip(keys.cases, _whole_requests(keys), strict=True)):
        path = ("cases", index)
        if case.after and case.after not in names:
            message = f"no case before it has the name {case.after!r}{nearest(case.after, names)}"
            yield _fault(file, document, (*path, "after"), message, "Name a case that stands before it.")
        for name in CARRIED if case.after else ():
            if name in case.model_fields_set:
                message = "a case after another has what that one left"
                yield _fault(file, document, (*path, name), message, "State it where the task begins.")
        if case.name in names:
            message = f"another case has the name {case.name!r}"
            yield _fault(file, document, (*path, "name"), message, "Give each case its own name.")
        names.add(case.name)
        if whole.operation == "filter_tools":
            yield _fault(
                file, document, path, "a case can't use filter_tools", "Use authorize with arguments."
            )
        elif fault := keys_fault(whole, case.model_fields_set):
            yield _fault(file, document, path, fault, "Correct the case, or the operation.")
        for stated, message, step in _misplaced(case, whole):
            yield _fault(file, document, (*path, *stated), message, step)


def _misplaced(case: CaseKeys, whole: RequestKeys) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield keys that don't go with the effect that a case expects."""
    asks = whole.operation == "authorize" and "ask" in case.expect.effects
    if case.approved is not None and not asks:
        message = "only a call about which policy asks has this"
        yield ("approved",), message, "Remove it, or expect `ask`."
        return
    # A call that the person approves is made in the end.
    made = case.expect.effect == "allow" or (case.approved is True and "deny" not in case.expect.effects)
    if whole.operation != "authorize" or not made:
        step = "State `approved: true` if the person approves the call." if asks else "Remove it."
        for stated in _of_allowed(case):
            yield stated, "only an allowed call has this", step


def _of_allowed(case: CaseKeys) -> Iterator[tuple[str, ...]]:
    """Yield the stated keys that only a case with an allowed call may have."""
    for name in sorted(case.expect.model_fields_set.intersection(_ALLOWED_ONLY)):
        yield "expect", name
    if case.outcome is not None:
        yield ("outcome",)


def _fault(
    file: str, document: Marked, path: tuple[str | int, ...], message: str, next_step: str
) -> SourceProblem:
    source, line, column = FilePlaces(document, file).key_place(path)
    return SourceProblem(message, source, line, column, ".".join(map(str, path)), next_step)


def _problem(problem: SourceProblem) -> PolicyProblem:
    message = f"{problem.key}: {problem.message}" if problem.key else problem.message
    return PolicyProblem(
        problem.source, problem.line, problem.column, "case", message, problem.next_step.removesuffix(".")
    )
