"""Finds rules whose cost grows with the data or with an argument: grows each collection and profiles what reads it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from tabard_opa import Engine, EvaluationError, Policy, Profile

from tabard_sidecar.policy.authoring.advice import Clause, advice, clause_of
from tabard_sidecar.policy.authoring.curves import Cost, Curve, Point, StepKey, growth_of, key_of
from tabard_sidecar.policy.authoring.facts import with_facts
from tabard_sidecar.policy.authoring.growing import (
    Collection,
    collections_in_arguments,
    collections_in_data,
    grown,
)
from tabard_sidecar.policy.authoring.measuring import Measurement, measure
from tabard_sidecar.policy.loading.compiling import (
    CompileOptions,
    compile_policy,
    library_modules,
    parse_modules,
    read_policy,
    with_settings,
)
from tabard_sidecar.policy.loading.literals import nearest
from tabard_sidecar.policy.resources import ENTRYPOINT
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

SIZES = (4, 16, 64, 256, 1024, 4096, 16384)
"""Entries that a collection gets beside its own."""
_ARGUMENT_SIZES = (4, 16, 64, 256)
_MOST_INPUTS = 12
_MOST_MEASURED = 50
_DEADLINE_SECONDS = 4.0
_SLOW_NS = 100_000_000
_MOST_INPUT_BYTES = 2**20
_REPEATS, _CONFIRMING = 3, 9
_LARGE = 64
"""From this size on, time may tell what counts don't."""

Input = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule whose cost grows with a collection.

    Attributes:
        rule: the rule, such as ``policy.refunds.grant``.
        place: file and line of the clause.
        collection: what it grows with, such as ``data.people``.
        degree: 1 if the cost grows as the entries do, 2 as their square, and so on.
        at: file and line of the condition that iterates, of several the innermost.
        text: that condition.
        entries: how many entries the collection had in the first and the last measurement, beside its own.
        steps: how many steps that condition took then; an iteration of OPA's that has no steps counts none.
        decision_us: microseconds of the whole decision without further entries, and with the most of them.
        tolerable: whether only an argument or a part of one entry grows, and not faster than linearly.
        advice: what to write instead.
    """

    rule: str
    place: str
    collection: str
    degree: int
    at: str
    text: str
    entries: tuple[int, int]
    steps: tuple[int, int]
    decision_us: tuple[float, float]
    tolerable: bool
    advice: str

    def as_json(self) -> dict[str, object]:
        """Return it for ``--json``."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class BenchReport:
    """What a policy costs.

    Attributes:
        inputs: how many different inputs were tried.
        measurements: time of each rule, slowest first, and of the decision as the last.
        collections: what was grown.
        not_grown: what wasn't, because the time was over or it would have been too large.
        findings: the rules whose cost grows, the worst first.
    """

    inputs: int
    measurements: tuple[Measurement, ...]
    collections: tuple[str, ...]
    not_grown: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def per_second(self) -> float:
        """How many decisions one processor makes in a second, one after the other."""
        return 1e6 / self.measurements[-1].median_us


class Limits(NamedTuple):
    """How long collections are grown in all, and which aren't, by their names."""

    seconds: float
    accepted: frozenset[str] = frozenset()


class UnknownCollectionError(Exception):
    """A collection is named that no rule reads."""


def bench(  # noqa: PLR0913, PLR0917 - one argument per part
    engine: Engine,
    path: Path,
    options: CompileOptions,
    inputs: Iterable[Input],
    limits: Limits,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> BenchReport:
    """Measure a policy and find what iterates.

    Args:
        engine: compiles and evaluates.
        path: the policy: folder or bundle.
        options: as the sidecar would compile it.
        inputs: what is asked, at least one.
        limits: of the work.
        progress: is told how many collections were grown, of how many.

    Raises:
        PolicyBrokenError: the policy can't be used.
        UnknownCollectionError: one of the accepted ones isn't there.
    """
    source = read_policy(engine, path, options.bundle_keys, sizes=options.sizes)
    compiled = compile_policy(engine, source.modules, source.data, options, source.tests)
    rules = compiled.rules
    documents = _different(with_facts(document, rules.facts) for document in inputs)
    try:
        measured = measure(engine, source.modules, source.data, rules, _spread(documents, _MOST_MEASURED))
        whole = with_settings(source.data, options)
        modules = {**library_modules(rules), **source.modules}
        with engine.compile(modules, whole, entrypoints=[ENTRYPOINT], as_written=True) as written:
            parsed = parse_modules(engine, source.modules)
            growing = _Growing(written, compiled.decision, whole, _reaching(written, documents))
            every = [*collections_in_data(parsed, source.data), *collections_in_arguments(parsed, documents)]
            wanted = _wanted(every, limits.accepted)
            until = time.monotonic() + limits.seconds
            clauses = clause_of(parsed, source.modules)
            found: list[Finding] = []
            left: list[str] = []
            for number, collection in enumerate(wanted):
                progress(number, len(wanted))
                if time.monotonic() > until or not growing.fits(collection):
                    left.append(str(collection))
                    continue
                found += growing.findings(collection, clauses)
            progress(len(wanted), len(wanted))
    finally:
        compiled.close()
    found.sort(key=lambda one: (one.tolerable, -one.degree, -one.decision_us[1], one.at))
    names = tuple(str(one) for one in wanted if str(one) not in left)
    return BenchReport(len(documents), tuple(measured), names, tuple(left), tuple(found))


def _wanted(every: Sequence[Collection], accepted: frozenset[str]) -> list[Collection]:
    """Return the collections that aren't accepted as they are.

    Raises:
        UnknownCollectionError: one of the accepted ones isn't there.
    """
    names = {str(one) for one in every}
    for name in sorted(accepted - names):
        raise UnknownCollectionError(f"{name}: no rule reads such a collection{nearest(name, names)}")
    return [one for one in every if str(one) not in accepted]


class _Growing:
    """Grows one collection after the other and finds what the growth costs.

    Args:
        written: the policy as it is written, for profiles.
        served: the policy as it is served, for times.
        data: its data.
        inputs: what is asked.
    """

    def __init__(
        self, written: Policy, served: Policy, data: Mapping[str, Json], inputs: Sequence[Input]
    ) -> None:
        self._written = written
        self._served = served
        self._data = data
        self._inputs = inputs

    def fits(self, collection: Collection) -> bool:
        """Tell whether the collection can be grown far enough to see anything."""
        sizes = _sizes(collection)
        documents = [self._data] if collection.root == "data" else self._inputs
        return any(grown(document, collection, sizes[2]) is not None for document in documents)

    def findings(self, collection: Collection, clause: Callable[[str, int], Clause | None]) -> list[Finding]:
        """Return the clauses whose cost grows with a collection, each once."""
        worst: dict[tuple[str, int], tuple[Cost, Clause, Input]] = {}
        for asked in self._tried(collection):
            for cost in asked.costs:
                found = clause(cost.key.file, cost.key.row)
                if found is None:
                    continue
                known = worst.get((found.file, found.row))
                if known is None or (cost.degree, cost.key.row) > (known[0].degree, known[0].key.row):
                    worst[found.file, found.row] = cost, found, asked.document
        return [self._finding(collection, *one) for one in worst.values()]

    def _finding(self, collection: Collection, cost: Cost, clause: Clause, document: Input) -> Finding:
        sizes = _sizes(collection)
        last = max((size for size in sizes if size <= cost.entries[1]), default=sizes[0])
        return Finding(
            clause.rule,
            f"{clause.file}:{clause.row}",
            str(collection),
            cost.degree,
            f"{cost.key.file}:{cost.key.row}",
            cost.text,
            cost.entries,
            cost.steps,
            (self._decision_us(collection, document, 0), self._decision_us(collection, document, last)),
            tolerable=cost.degree == 1 and (collection.own or collection.root == "input"),
            advice=advice(collection, cost, clause),
        )

    def _tried(self, collection: Collection) -> list[_Asked]:
        """Return what grows for which input."""
        every = [_Asked(document) for document in self._inputs]
        going = list(every)
        for size in _sizes(collection):
            repeats = _REPEATS if size >= _LARGE else 1
            with self._grown(self._written, collection, size) as larger:
                going = [asked for asked in going if _profile(larger, asked, size, repeats)]
            if not going:
                break
        for asked in every:
            asked.costs = asked.growing()
        doubtful = [asked for asked in every if any(cost.by_time for cost in asked.costs)]
        # Time is measured, and not counted: what seems to grow has to do so again.
        again = {id(asked): _Asked(asked.document) for asked in doubtful}
        for size in sorted({size for asked in doubtful for size in asked.sizes[-2:]}):
            with self._grown(self._written, collection, size) as larger:
                for asked in doubtful:
                    if size in asked.sizes[-2:]:
                        _profile(larger, again[id(asked)], size, _CONFIRMING)
        for asked in doubtful:
            asked.confirm(again[id(asked)])
        return every

    def _decision_us(self, collection: Collection, document: Input, size: int) -> float:
        spent = []
        with self._grown(self._served, collection, size) as larger:
            policy, text = larger.policy, larger.asked(document)
            if policy is None or not text:
                return 0.0
            for _ in range(_CONFIRMING):
                began = time.perf_counter()
                with suppress(EvaluationError):  # what fails or is cut took its time, too
                    policy.evaluate_blocking(ENTRYPOINT, text, deadline_seconds=_DEADLINE_SECONDS)
                spent.append((time.perf_counter() - began) * 1e6)
                if spent[-1] > _SLOW_NS / 1e3:
                    break
        return min(spent)

    @contextmanager
    def _grown(self, policy: Policy, collection: Collection, size: int) -> Iterator[_Larger]:
        """Yield what to ask of which policy, with that many more entries in the collection."""
        if size == 0 or collection.root == "input":
            yield _Larger(policy, collection if size else None, size)
            return
        data = grown(self._data, collection, size)
        if data is None:
            yield _Larger(None, None, size)
            return
        with policy.with_data(data) as larger:
            yield _Larger(larger, None, size)


class _Larger(NamedTuple):
    """A policy with larger data, or with inputs in which a collection is larger."""

    policy: Policy | None
    collection: Collection | None
    size: int

    def asked(self, document: Input) -> bytes:
        """Return the input to ask about; empty if it can't be that large."""
        if self.policy is None:
            return b""
        larger = document if self.collection is None else grown(document, self.collection, self.size)
        text = b"" if larger is None else json.dumps(larger).encode()
        return text if len(text) <= _MOST_INPUT_BYTES else b""


class _Asked:
    """What one input costs as a collection grows."""

    def __init__(self, document: Input) -> None:
        self.document = document
        self.sizes: list[int] = []
        self.curves: dict[StepKey, Curve] = {}
        self.costs: list[Cost] = []

    def growing(self) -> list[Cost]:
        """Return the expressions that make the cost grow."""
        found = (growth_of(key, curve, self.sizes) for key, curve in self.curves.items())
        return [cost for cost in found if cost is not None]

    def confirm(self, again: _Asked) -> None:
        """Keep of what only time told what it tells again."""
        self.costs = [
            cost
            for cost in self.costs
            if not cost.by_time or again.curves.get(cost.key, Curve()).slower(*self.sizes[-2:])
        ]


def _profile(larger: _Larger, asked: _Asked, size: int, repeats: int) -> bool:
    """Add what an input costs with this size; tell whether a larger one may be tried."""
    text = larger.asked(asked.document)
    if larger.policy is None or not text:
        return False
    best: dict[StepKey, Point] = {}
    slow = False
    for _ in range(repeats):
        profile = _profile_of(larger.policy, text)
        if profile is None:
            return False
        for step in profile.steps:
            key = key_of(step)
            least = min(step.ns, best[key].ns) if key in best else step.ns
            best[key] = Point(step.evals, step.solutions, least, step.text)
        slow = profile.ns > _SLOW_NS
        if slow:
            break
    asked.sizes.append(size)
    for key, point in best.items():
        asked.curves.setdefault(key, Curve()).points[size] = point
    return not slow


def _profile_of(policy: Policy, text: bytes) -> Profile | None:
    """Return the profile of a decision; ``None`` if it was cut."""
    try:
        profile = policy.profile(ENTRYPOINT, text, deadline_seconds=_DEADLINE_SECONDS)
    except EvaluationError:
        return None
    cut = profile.error is not None and profile.error.code in {"timeout", "overloaded"}
    return None if cut else profile


def _sizes(collection: Collection) -> tuple[int, ...]:
    return SIZES if collection.root == "data" else _ARGUMENT_SIZES


def _different(documents: Iterable[Input]) -> list[Input]:
    return list({json.dumps(document, sort_keys=True): document for document in documents}.values())


def _spread(documents: Sequence[Input], most: int) -> Sequence[Input]:
    """Return at most that many of them, from the first to the last."""
    if len(documents) <= most:
        return documents
    return [documents[number * len(documents) // most] for number in range(most)]


def _reaching(policy: Policy, documents: Sequence[Input]) -> list[Input]:
    """Return few inputs that together reach all that any of them reaches, those first that reach most."""
    reached = []
    for document in documents:
        text = json.dumps(document).encode()
        profile = _profile_of(policy, text)
        reached.append((document, {key_of(step) for step in profile.steps} if profile else set()))
    chosen: list[Input] = []
    missing = {key for _, keys in reached for key in keys}
    while missing and len(chosen) < _MOST_INPUTS:
        document, keys = max(reached, key=lambda one: len(one[1] & missing))
        chosen.append(document)
        missing -= keys
    return chosen
