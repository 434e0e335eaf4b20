"""Follows values through a policy's rules, and finds what can never match.

The rules are evaluated on shapes (:mod:`.shapes`) in place of values: an upper bound of what each term can be. So whatever
is found is wrong for every input; what depends on the input's values is left to the evaluation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tabard_sidecar.policy.loading import operators, type_tests
from tabard_sidecar.policy.loading.bounds import (
    ANY,
    Fields,
    Fits,
    Many,
    Origin,
    Shape,
    TooLargeError,
    Values,
)
from tabard_sidecar.policy.loading.calls import Calls, make_call, origins_in
from tabard_sidecar.policy.loading.finding import (
    UNSTARTED,
    Finding,
    Frame,
    Sink,
    always_holds,
    mismatch,
    read_before_start,
    too_large,
)
from tabard_sidecar.policy.loading.program import Clause, Path, Program, Source, input_of
from tabard_sidecar.policy.loading.shapes import (
    certain,
    fits,
    items_of,
    kinds,
    origins,
    same,
    uncertain,
    union,
)
from tabard_sidecar.policy.loading.taking_apart import parts_of
from tabard_sidecar.policy.loading.terms import SCALARS, Terms
from tabard_sidecar.policy.values import Json

_MAX_DEPTH = 24
_HIDDEN = Origin(reported=False)
_TRUE = Values((True,), _HIDDEN)


class Flow(Terms):
    """Evaluates rules on shapes.

    Attributes:
        labels: the labels that rules have looked for.
    """

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.labels: set[str] = set()
        self._values: dict[Path, Shape] = {}
        self._started: dict[Path, bool] = {}
        self._arguments: dict[Path, list[Shape]] = {}
        self._open: set[Path] = set()
        self._fixed = {_HIDDEN, UNSTARTED}
        self._visited: set[int] = set()  # parts of values, which are kept
        self._calls = Calls(self._fixed)
        self._deepest = 0
        self._known_names = 0

    def _sink(self, *, quiet: bool) -> Sink:
        return Sink(quiet=quiet, labels=self.labels)

    def check(self) -> Iterator[tuple[Source, Finding]]:
        """Yield what can never match, with the module that it stands in."""
        for last in (False, False, True):  # the arguments of functions are known after two rounds
            for path, clauses in self.program.clauses.items():
                if not clauses[0].source.own:
                    continue
                sinks: list[tuple[set[Origin], Sink]] = []
                arguments = self._arguments.get(path)
                for clause in clauses:
                    self.new_clause()
                    sink = self._sink(quiet=not last)
                    frame = Frame(clause.source, {}, sink, input_of(self.program, clause))
                    try:
                        self._clause(clause, frame, arguments)
                    except TooLargeError as error:
                        yield clause.source, too_large(clause.rule, str(error))
                        return
                    sinks.append((_used(clause, arguments or []), sink))
                for finding in _told(sinks):
                    yield clauses[0].source, finding
            self._begin_round()

    def _begin_round(self) -> None:
        """Forget what was found before it was known of all tables that are read by name."""
        if len(self._named) > self._known_names:
            self._known_names = len(self._named)
            self._calls.clear()

    def element(self, clause: Clause) -> Shape:
        """Return the bound of the element that a clause of the contract contains."""
        self.new_clause()
        frame = Frame(clause.source, {}, self._sink(quiet=True), input_of(self.program, clause))
        try:
            return union(self._clause(clause, frame, None))
        except TooLargeError:
            return ANY  # check tells it

    # Rules and functions

    def _clause(
        self, clause: Clause, frame: Frame, arguments: list[Shape] | None, keys: list[Shape] | None = None
    ) -> list[Shape]:
        """Return the bounds of the values of a clause and its ``else``; none if it can't apply to the arguments.

        The bounds of the keys that its head names are added to ``keys``.
        """
        node: Json = clause.rule.node
        results: list[Shape] = []
        while node:
            head: Json = node["head"]
            inner = frame.inner()
            inner.move(node)
            alive = self._parameters(head.get("args") or [], arguments, inner)
            if alive and self.body(node.get("body") or [], inner):
                named = [self.term(part, inner) for part in (head.get("ref") or [])[1:]]
                if keys is not None:
                    keys += named[:1]
                key, value = head.get("key"), head.get("value")
                shapes = [self.term(term, inner) for term in (key, value) if term is not None]
                value_ = shapes[-1] if shapes else _TRUE
                results.append(value_ if _unconditional(node) else uncertain(value_))
            node = node.get("else")
        return results

    def _parameters(self, patterns: list[Json], arguments: list[Shape] | None, frame: Frame) -> bool:
        """Bind a function's parameters; False if the arguments can't fit them."""
        for index, pattern in enumerate(patterns):
            shape = arguments[index] if arguments is not None and index < len(arguments) else ANY
            for part, inner in parts_of(pattern, shape):
                if part.get("type") not in SCALARS:
                    self.bind(part, inner, frame)
                    continue
                wanted = self.term(part, frame)
                if frame.calls and not _may_equal(wanted, inner):
                    return False
                if not frame.calls:
                    operators.compare("equal", wanted, inner, frame)
        return True

    def rule(self, path: Path, frame: Frame) -> Shape:
        """Return the bound of a rule's value."""
        if frame.replaced or path in self._open:
            return ANY
        if frame.input is self.program.started and self._reads_facts(path):
            read_before_start(frame)
        if path not in self._values:
            self._open.add(path)
            reads = self.reads_of_tool
            try:
                self._values[path] = self._whole(path, frame)
            finally:
                self._open.discard(path)
            self.reads_of_tool = reads  # a rule's value is bound for every input
            self._fixed.update(origins_in(self._values[path], self._visited))
        return self._values[path]

    def _reads_facts(self, path: Path) -> bool:
        """Tell whether each clause of a rule reads facts, so that it means nothing before a task starts."""
        if path not in self._started:
            self._started[path] = False
            clauses = [
                clause
                for clause in self.program.clauses.get(path, ())
                if not clause.rule.node.get("default") and clause.rule.shape != "a function"
            ]
            found = []
            for clause in clauses:
                sink = self._sink(quiet=False)
                started = self.program.started
                self._clause(clause, Frame(clause.source, {}, sink, started, calls=(path,)), None)
                found.append(any(finding.origin is UNSTARTED for finding in sink.findings))
            self._started[path] = bool(found) and all(found)
        return self._started[path]

    def _whole(self, path: Path, frame: Frame) -> Shape:
        """Return the bound of what clauses state about a path together, of which some may name keys below it."""
        clauses = self.program.clauses.get(path)
        below = {name: self.rule((*path, name), frame) for name in self.program.branches.get(path, ())}
        if clauses is None:
            return Fields(below, Origin(reported=self.program.is_own(path)))
        found = self._value(clauses)
        if not below:
            return found
        if not isinstance(found, Many):
            return ANY
        names = Values(tuple(below), Origin())
        return Many("object", union((found.item, *below.values())), union((found.key, names)))

    def _value(self, clauses: tuple[Clause, ...]) -> Shape:
        shapes = {clause.rule.shape for clause in clauses}
        nested = shapes == {"a nested set"} and not any("?" in clause.rule.path for clause in clauses)
        if shapes & {"a function", "a nested set", "a set with else"} and not nested:
            return ANY
        found: list[Shape] = []
        keys: list[Shape] = []
        for clause in clauses:
            system = clause.source.package[:1] == ("system",)
            bound = self.program.record if system else self.program.input
            frame = Frame(clause.source, {}, self._sink(quiet=True), bound)
            found += self._clause(clause, frame, None, keys)
        if shapes == {"set"} or nested:
            return Many("set", union(found))
        if "set" in shapes or any("?" in clause.rule.path[2:] for clause in clauses):
            return ANY
        keyed = any("?" in clause.rule.path for clause in clauses)
        return Many("object", union(found), union(keys)) if keyed else union(found)

    def function(self, path: Path, arguments: list[Shape], frame: Frame) -> Shape:
        """Return the bound of what a function returns, and find what its arguments never match in it."""
        if frame.replaced or path in frame.calls:
            self._note_arguments(path, arguments, frame)
            return ANY
        key, found_origins = self._calls.key(path, arguments)
        if frame.input is self.program.started or frame.input is self.program.record:
            key = (*key, id(frame.input))
        known = self._calls.find(key, frame.input)
        if known is None:
            outer = self._deepest, self.reads_of_tool
            self._deepest = len(frame.calls)
            result, findings = self._function(path, arguments, frame)
            of_tool = self.reads_of_tool > outer[1]
            height = self._deepest - len(frame.calls)
            self._deepest = max(outer[0], self._deepest)
            call = make_call(arguments, found_origins, result, findings, height, of_tool=of_tool)
            self._calls.keep(key, frame.input, call)
        else:
            self._require_depth(len(frame.calls) + known.height)
            self.reads_of_tool += known.of_tool
            result, findings = known.answer(found_origins)
        if not frame.sink.quiet:
            frame.sink.findings += [finding._replace(at=frame.at) for finding in findings]
        return result

    def _note_arguments(self, path: Path, arguments: list[Shape], frame: Frame) -> None:
        """Join the bounds of the arguments that a function of the policy is called with."""
        if self.program.clauses[path][0].source.own and not frame.replaced:
            known = self._arguments.get(path)
            self._arguments[path] = (
                [union(pair) for pair in zip(known, arguments, strict=False)] if known else list(arguments)
            )

    def _require_depth(self, depth: int) -> None:
        self._deepest = max(self._deepest, depth)
        if depth > _MAX_DEPTH:
            raise TooLargeError(f"calls helpers within helpers more than {_MAX_DEPTH} deep")

    def _function(self, path: Path, arguments: list[Shape], frame: Frame) -> tuple[Shape, Sequence[Finding]]:
        self._note_arguments(path, arguments, frame)
        calls = (*frame.calls, path)
        self._require_depth(len(calls))
        self.pay()
        results: list[Shape] = []
        sinks: list[tuple[set[Origin], Sink]] = []
        for clause in self.program.clauses[path]:
            sink = self._sink(quiet=False)
            called = Frame(clause.source, {}, sink, frame.input, frame.at, calls)
            found = self._clause(clause, called, arguments)
            if found:
                results += found
                sinks.append((_used(clause, arguments), sink))
        common = Sink()
        common.take_common(sinks)
        return (union(results) if results else ANY), common.findings

    # Bodies

    def body(self, expressions: list[Json], frame: Frame) -> bool:
        """Evaluate a body; False if a test of types shows that it can't hold."""
        for expression in expressions:
            terms: Json = expression.get("terms")
            if isinstance(terms, list) and operators.name_of(terms[0]) == "eq" and not expression.get("with"):
                quiet = replace(frame, sink=self._sink(quiet=True))
                for target, value in ((terms[1], terms[2]), (terms[2], terms[1])):
                    if self.unbound(target, frame):
                        self.bind(target, self.term(value, quiet), frame)
        held = [self._expression(expression, frame) for expression in expressions]
        return all(held)

    def _expression(self, expression: Json, frame: Frame) -> bool:
        frame.move(expression)
        terms: Json = expression.get("terms")
        targets = expression.get("with") or []
        for target in targets:
            self.term(target["value"], frame)
        if targets:
            replaced = tuple(self._target(target["target"], frame) for target in targets)
            frame = replace(frame, replaced=(*frame.replaced, *replaced))
        if isinstance(terms, list):
            if type_tests.excludes(self, terms, frame, negated=bool(expression.get("negated"))):
                self._never_of_type(terms, frame)
                return False
            self._alone(operators.call(self, terms, frame), frame)
            if not expression.get("negated") and not targets:
                type_tests.narrow(terms, frame)
        elif "symbols" in terms:
            self._some(terms["symbols"], frame)
        elif "domain" in terms:
            self._every(terms, frame)
        else:
            self._alone(self.term(terms, frame), frame)
        return True

    def _never_of_type(self, terms: list[Json], frame: Frame) -> None:
        """Find a test of a type that a part of the input never passes; one of a parameter is for other calls, too."""
        shape = self.term(terms[1], frame) if terms[1].get("type") in {"call", "ref"} else ANY
        if certain(shape):
            mismatch(kinds(shape) or frozenset(), frozenset({type_tests.tested(terms)}), None, frame)

    def _alone(self, shape: Shape, frame: Frame) -> None:
        """Find a condition that is nothing but a value which is always there."""
        if isinstance(shape, Fits) and certain(shape):
            always_holds(shape, frame)

    def _target(self, target: Json, frame: Frame) -> Path:
        parts = target["value"] if target.get("type") == "ref" else [target]
        head = str(parts[0].get("value"))
        base = frame.source.imports.get(head, (head,))
        return (*base, *(str(part["value"]) for part in parts[1:] if part.get("type") == "string"))

    def _some(self, symbols: list[Json], frame: Frame) -> None:
        for symbol in symbols:
            if symbol.get("type") == "var":
                frame.variables[symbol["value"]] = None
                continue
            _, *variables, collection = symbol["value"]
            shape = self.term(collection, frame)
            self._bind_pair(variables, shape, frame)

    def _every(self, terms: Json, frame: Frame) -> None:
        shape = self.term(terms["domain"], frame)
        inner = frame.inner()
        self._bind_pair([term for term in (terms.get("key"), terms.get("value")) if term], shape, inner)
        self.body(terms["body"], inner)

    def _bind_pair(self, variables: list[Json], collection: Shape, frame: Frame) -> None:
        operators.require_collection(collection, frame)
        self.bind(variables[-1], items_of(collection), frame)
        if len(variables) > 1:
            self.bind(variables[0], self.keys(collection), frame)


def _unconditional(node: Json) -> bool:
    """Tell whether a clause has neither conditions nor parameters that only some arguments fit."""
    plain = all(
        expression.get("terms", {}).get("value") is True and not expression.get("negated")
        if isinstance(expression.get("terms"), dict)
        else False
        for expression in node.get("body") or []
    )
    return plain and all(each.get("type") == "var" for each in node["head"].get("args") or [])


def _may_equal(wanted: Shape, shape: Shape) -> bool:
    """Tell whether a literal parameter may be met by an argument."""
    (value,) = wanted.items  # type: ignore[union-attr]
    if isinstance(shape, Values):
        return any(same(value, item) for item in shape.items)
    if isinstance(shape, Fits):
        return fits(value, shape)
    types = kinds(shape)
    return types is None


def _told(sinks: list[tuple[set[Origin], Sink]]) -> Iterator[Finding]:
    """Yield what the clauses of a rule found; of a literal argument only what no other clause may match."""
    passed = set().union(*(used for used, _ in sinks))
    for _, sink in sinks:
        yield from (finding for finding in sink.findings if finding.origin not in passed)
    common = Sink()
    common.take_common(sinks)
    yield from (finding for finding in common.findings if finding.origin in passed)


def _used(clause: Clause, arguments: list[Shape]) -> set[Origin]:
    """Return the origins of the literals among the arguments that the clause looks at."""
    found: set[Origin] = set()
    for pattern, shape in zip(clause.rule.node["head"].get("args") or [], arguments, strict=False):
        wildcard = pattern.get("type") == "var" and str(pattern["value"]).startswith("$")
        if not wildcard:
            found |= set(origins(shape))
    return found
