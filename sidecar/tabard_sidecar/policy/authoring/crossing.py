"""Crosses the requests of decision cases with the calls of all others: what else would each request let through?"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tabard_opa import Engine

from tabard_sidecar.policy.authoring.case_files import Case
from tabard_sidecar.policy.authoring.case_keys import Expected
from tabard_sidecar.policy.authoring.case_results import CaseResult
from tabard_sidecar.policy.authoring.cases import Catalogues, decide_cases
from tabard_sidecar.policy.authoring.request_keys import RequestKeys
from tabard_sidecar.policy.authoring.sequences import CARRIED, OF_ONE_CALL
from tabard_sidecar.policy.catalogue import Catalogue
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.util.lean import dataclass

MAX_DECISIONS = 100_000
"""Most decisions at once: a policy with thousands of lines makes some 25 in a second."""

_WORST_FIRST = ("allow", "ask", "deny")
_Key = tuple[str, str]


class TooManyError(ValueError):
    """The requests have more foreign calls than are decided at once."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is tried under requests other than its own.

    Attributes:
        tool: name of the tool.
        server: server that offers it.
        arguments: the arguments.
        origin: the first case that makes it.
        identity: the same text for the same call.
    """

    tool: str
    server: str
    arguments: Mapping[str, object]
    origin: str
    identity: str


@dataclass(frozen=True, slots=True)
class Crossing:
    """A foreign call under a request.

    Attributes:
        request: name of the request's first case.
        statement: the request in the person's words.
        call: the call, which is none of the request's own.
        effect: the worst of what policy says at the places where the call was tried: ``allow``, ``ask`` or ``deny``.
        codes: codes of the rules that said it.
    """

    request: str
    statement: str
    call: Call
    effect: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Task:
    """The cases of one request, in their order; ``own`` has the identities of its calls."""

    cases: tuple[Case, ...]
    own: frozenset[str]

    @property
    def first(self) -> Case:
        return self.cases[0]

    @property
    def key(self) -> _Key:
        return _key(self.first)


def cross(  # noqa: PLR0913 - as for the run of cases, and what is tried
    engine: Engine,
    path: Path,
    options: CompileOptions,
    catalogues: Catalogues,
    cases: Sequence[Case],
    *,
    reads: bool = False,
    pattern: str = "",
    progress: Callable[[int], None] = lambda _: None,
    told: Callable[[Sequence[Crossing]], None] = lambda _: None,
) -> tuple[Crossing, ...]:
    """Decide, under each request of ``cases``, the calls of all other requests and those that cases expect to be denied.

    A request is a sequence of cases, a single case, or a request of a matrix. A foreign call is tried where the request has
    read what it reads and changed nothing yet, and where all its own calls are made.

    Args:
        engine: compiles and evaluates the policy.
        path: folder or bundle with the policy.
        options: how the sidecar would compile it.
        catalogues: the tools; one whose annotations say ``readOnlyHint`` only reads.
        cases: the cases, each after the one that it follows.
        reads: whether calls that only read are tried, too.
        pattern: only requests whose first case has a name that matches this regular expression.
        progress: told after each decision, with how many it were.
        told: gets the crossings of a request as soon as all of them are decided.

    Returns:
        One for each request and foreign call, in the order of requests and calls.

    Raises:
        PolicyBrokenError, NoDecision: as for ``run_cases``.
        TooManyError: there would be more than ``MAX_DECISIONS``.
    """
    count = decisions(cases, catalogues, reads=reads, pattern=pattern)
    if count > MAX_DECISIONS:
        raise TooManyError(f"{count:,} decisions; {MAX_DECISIONS:,} are the most")
    tasks, calls = _chosen(cases, catalogues, reads=reads, pattern=pattern)
    tried = [one for task in tasks for one in _tried(task, calls, catalogues)]
    own = [case for case in cases if not case.cell]
    together = [*own, *(case for _, _, case in tried)]
    found = _Found(tried, told)
    decide_cases(engine, path, options, catalogues, together, progress=progress, result=found.note)
    return tuple(one for task in found.crossings.values() for one in task.values())


class _Found:
    """Collects the crossings while calls are decided, the worst of each, and tells those of a request once it is done."""

    def __init__(
        self, tried: Sequence[tuple[_Task, Call, Case]], told: Callable[[Sequence[Crossing]], None]
    ) -> None:
        self.crossings: dict[_Key, dict[str, Crossing]] = {}
        self._tried = {_key(case): (task, call) for task, call, case in tried}
        self._left = Counter(task.key for task, _, _ in tried)
        self._told = told

    def note(self, result: CaseResult) -> None:
        """Take the result of a case, which may be none of the foreign calls."""
        if _key(result.case) not in self._tried:
            return
        task, call = self._tried[_key(result.case)]
        here = self.crossings.setdefault(task.key, {})
        one = _crossing(task, call, result)
        worst = min(
            here.get(call.identity, one), one, key=lambda crossing: _WORST_FIRST.index(crossing.effect)
        )
        here[call.identity] = worst
        self._left[task.key] -= 1
        if not self._left[task.key]:
            self._told(tuple(here.values()))


def decisions(
    cases: Sequence[Case], catalogues: Catalogues, *, reads: bool = False, pattern: str = ""
) -> int:
    """Return how many decisions :func:`cross` makes, for progress."""
    tasks, calls = _chosen(cases, catalogues, reads=reads, pattern=pattern)
    foreign = (
        sum(call.identity not in task.own for call in calls) * sum(1 for _ in _places(task, catalogues))
        for task in tasks
    )
    return sum(foreign) + sum(not case.cell for case in cases)


def _chosen(
    cases: Sequence[Case], catalogues: Catalogues, *, reads: bool, pattern: str
) -> tuple[list[_Task], list[Call]]:
    known = [catalogues.find(named) for named in {case.catalogue for case in cases}]
    calls = [call for call in _calls(cases) if reads or not any(_reads(call, one) for one in known)]
    return [task for task in _tasks(cases) if re.search(pattern, task.first.name)], calls


def _crossing(task: _Task, call: Call, result: CaseResult) -> Crossing:
    return Crossing(
        task.first.sentence or task.first.name, task.first.keys.statement, call, result.effect, result.codes
    )


def _hostile(case: Case) -> bool:
    """Return whether the author wants the call to be stopped, so that it is none of the request's own."""
    return "deny" in case.expect.effects


def _tasks(cases: Sequence[Case]) -> Iterator[_Task]:
    """Yield each request: a path from a case that begins a task to one that no other follows, and each row of a matrix."""
    own = [case for case in cases if not case.cell and not _hostile(case)]
    known = {_key(case): case for case in own}
    followed = {(case.file, case.after) for case in own if case.after}
    paths = [_path(case, known) for case in own if _key(case) not in followed and case.keys.statement]
    calls: dict[_Key, set[str]] = {}
    for path in paths:
        calls.setdefault(_key(path[0]), set()).update(_call(case).identity for case in path if case.keys.tool)
    for path in paths:
        yield _Task(tuple(path), frozenset(calls[_key(path[0])]))
    yield from _rows([case for case in cases if case.cell])


def _path(leaf: Case, known: Mapping[_Key, Case]) -> list[Case]:
    path = [leaf]
    while path[0].after and (path[0].file, path[0].after) in known:
        path.insert(0, known[path[0].file, path[0].after])
    return path


def _key(case: Case) -> _Key:
    return case.file, case.name


def _rows(cells: Sequence[Case]) -> Iterator[_Task]:
    """Yield the requests of matrices, whose own calls are those that a cell expects to be allowed or asked about."""
    rows: dict[str, list[Case]] = {}
    for case in cells:
        if case.keys.statement:
            row = case.keys.model_copy(update={"tool": "", "server": "", "arguments": {}})
            rows.setdefault(f"{case.file} {case.after} {row.model_dump_json()}", []).append(case)
    for found in rows.values():
        wanted = frozenset(_call(case).identity for case in found if not _hostile(case))
        yield _Task((found[0],), wanted)


def _calls(cases: Sequence[Case]) -> Iterator[Call]:
    """Yield each different call once."""
    seen: set[str] = set()
    for case in cases:
        call = _call(case)
        if case.keys.operation == "authorize" and call.identity not in seen:
            seen.add(call.identity)
            yield call


def _call(case: Case) -> Call:
    keys = case.keys
    identity = json.dumps([keys.tool, keys.server, keys.arguments], sort_keys=True)
    return Call(keys.tool, keys.server, keys.arguments, case.name, identity)


def _reads(call: Call, catalogue: Catalogue) -> bool:
    spec = catalogue.lookup(call.tool, call.server)
    return spec is not None and spec.annotations.get("readOnlyHint") is True


def _tried(task: _Task, calls: Sequence[Call], catalogues: Catalogues) -> Iterator[tuple[_Task, Call, Case]]:
    """Yield each foreign call at each of the task's places, as a case."""
    for place, before in _places(task, catalogues):
        for number, call in enumerate(calls):
            if call.identity not in task.own:
                yield task, call, _as_case(task, place, before, number, call)


def _places(task: _Task, catalogues: Catalogues) -> Iterator[tuple[int, Case | None]]:
    """Yield the cases after which foreign calls are tried; ``None`` where the request has made no call that is left behind."""
    first = task.first
    if first.cell or len(task.cases) == 1:
        single = None if first.cell or first.keys.operation != "start_task" else first
        yield 0, single
        return
    catalogue = catalogues.find(first.catalogue)
    changing = [
        place
        for place, case in enumerate(task.cases)
        if case.keys.tool and not _reads(_call(case), catalogue)
    ]
    places = {len(task.cases) - 1} | {place - 1 for place in changing[:1] if place > 0}
    for place in sorted(places):
        yield place, task.cases[place]


def _as_case(task: _Task, place: int, before: Case | None, number: int, call: Call) -> Case:
    at = before or task.first
    keys = {name: getattr(at.keys, name) for name in at.keys.model_fields_set if name not in OF_ONE_CALL}
    if before is not None:
        keys = {name: value for name, value in keys.items() if name not in CARRIED}
    elif "time" in at.keys.model_fields_set:
        keys["time"] = at.keys.time
    keys |= {
        "operation": "authorize",
        "tool": call.tool,
        "server": call.server,
        "arguments": dict(call.arguments),
    }
    return Case(
        at.file,
        at.line,
        f"{task.cases[-1].name}\n{place} {number}",
        RequestKeys.model_construct(**keys),
        Expected(effect=["allow", "ask", "deny"]),
        at.catalogue,
        after=before.name if before is not None else at.after,
        cell=True,
        never=True,
        never_facts=at.never_facts,
    )
