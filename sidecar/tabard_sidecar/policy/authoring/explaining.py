"""Tells for each rule that could grant a request the first condition that doesn't hold, and what expressions are worth."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, field, replace
from pathlib import Path

from tabard_opa import Clause, Engine, EvaluationError, default_capabilities

from tabard_sidecar.model import Operation
from tabard_sidecar.policy.authoring.facts import with_facts
from tabard_sidecar.policy.compose import GRANTING
from tabard_sidecar.policy.loading.ast import package_path, rules
from tabard_sidecar.policy.loading.compiling import Compiled, CompileOptions, compile_policy, read_policy
from tabard_sidecar.policy.resources import library
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

DEADLINE_SECONDS = 5.0
"""Longest time for the rules of one module, and for one expression."""

_ABOUT_TOOL = re.compile(r"\binput\.tool\.name\b|\btools\.one_of\(")

_COMPARED = re.compile(r"(\w+) (?:==|in) ")

_HEAD = "a value of its head isn't defined"


@dataclass(frozen=True, slots=True)
class Tried:
    """One clause of a rule, and how far it came.

    Attributes:
        rule: the rule, such as ``data.policy.refunds.grant``.
        code: the code of its element; empty if it isn't a constant, or makes none.
        place: file and line of the clause.
        failed: the first condition that doesn't hold, as it is written; empty if the clause holds.
        at: file and line of that condition.
        negated: whether that condition is a negation; then ``helper`` lists clauses that hold.
        values: names and parts of that condition with their values as JSON; long ones are cut.
        helper: how far each clause came of the helpers that the condition uses, without those for other tools.
        branch: which branch of a rule with ``else`` this is, from 1; 0 if the rule has none. One that holds gives the value.
    """

    rule: str
    code: str
    place: str
    failed: str
    at: str
    negated: bool = False
    values: Mapping[str, str] = field(default_factory=dict)
    helper: tuple[Tried, ...] = ()
    branch: int = 0

    def as_json(self) -> dict[str, object]:
        """Return it for ``--json``."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Explained:
    """Every rule that could grant the request.

    Attributes:
        tried: the rules for the tool, by place.
        others: number of rules that are for other tools: their condition on ``input.tool.name`` doesn't hold.
        errors: why rules of a module couldn't be tried to their end.
    """

    tried: tuple[Tried, ...]
    others: int
    errors: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return it for ``--json``."""
        return {
            "tried": [one.as_json() for one in self.tried],
            "for_other_tools": self.others,
            "errors": list(self.errors),
        }


@dataclass(frozen=True, slots=True)
class Shown:
    """What an expression is worth.

    Attributes:
        expression: as it was asked for.
        values: its values: none if it isn't defined, several if it iterates.
        more: whether there are more than these.
        error: why its evaluation failed; empty if it didn't.
        tried: of an expression that isn't defined, or is false, how far the clauses came that it uses.
    """

    expression: str
    values: tuple[Json, ...]
    more: bool
    error: str
    tried: tuple[Tried, ...]

    def as_json(self) -> dict[str, object]:
        """Return it for ``--json``."""
        return asdict(self)


class ExpressionError(Exception):
    """An expression can't be evaluated."""


@contextmanager
def trial(
    engine: Engine, path: Path, options: CompileOptions, document: Mapping[str, Json]
) -> Iterator[Trial]:
    """Compile the policy at ``path``, to try its rules with one input while the context lasts.

    Raises:
        PolicyBrokenError: the policy can't be used.
    """
    source = read_policy(engine, path, options.bundle_keys, sizes=options.sizes)
    compiled = compile_policy(engine, source.modules, source.data, wide(options), source.tests)
    try:
        yield Trial(compiled, short_names(engine, source.modules), _whole(compiled, document))
    finally:
        compiled.close()


def wide(options: CompileOptions) -> CompileOptions:
    """Return options for a policy that is tried: an expression may name each module of the library, used or not."""
    return replace(options, whole_library=True)


def trial_of(
    compiled: Compiled, engine: Engine, path: Path, options: CompileOptions, document: Mapping[str, Json]
) -> Trial:
    """Return what tries the rules of the policy at ``path``, which was compiled with options as :func:`wide` returns them.

    Raises:
        PolicyBrokenError: the policy can't be read any more.
    """
    source = read_policy(engine, path, options.bundle_keys, sizes=options.sizes)
    return Trial(compiled, short_names(engine, source.modules), _whole(compiled, document))


def _whole(compiled: Compiled, document: Mapping[str, Json]) -> bytes:
    return json.dumps(with_facts(document, compiled.rules.facts)).encode()


@dataclass(frozen=True, slots=True)
class Trial:
    """Tries the rules of a policy with one input.

    Attributes:
        compiled: the policy.
        names: what expressions may call by a short name.
        document: the input, as JSON.
    """

    compiled: Compiled
    names: Mapping[str, str]
    document: bytes

    def with_names(self, names: Mapping[str, str]) -> Trial:
        """Return the same with other short names."""
        return replace(self, names=names)

    def with_input(self, document: Mapping[str, Json]) -> Trial:
        """Return the same with another input."""
        return replace(self, document=_whole(self.compiled, document))

    def explain(self) -> Explained:
        """Try every rule that could grant."""
        rule = GRANTING[Operation(json.loads(self.document)["operation"])]
        modules = sorted(name for name in self.compiled.rules.sites if self.compiled.rules.knows(name, rule))
        errors: list[str] = []
        tried: list[Tried] = []
        for module in modules:
            clauses, error = self._clauses(f"data.policy.{module}.{rule}")
            tried += map(self._tried, clauses)
            if error is not None and error.code != "undefined":
                errors.append(f"policy.{module}.{rule}: {error}")
        name = json.dumps(json.loads(self.document).get("tool", {}).get("name"))
        own = tuple(one for one in tried if not _for_other_tools(one, name))
        return Explained(own, len(tried) - len(own), tuple(errors))

    def _clauses(self, rule: str) -> tuple[tuple[Clause, ...], EvaluationError | None]:
        try:
            told = self.compiled.decision.explain(
                rule, self.document, deadline_seconds=DEADLINE_SECONDS, mode="conditions"
            )
        except EvaluationError as error:
            return (), error
        return told.clauses, told.error

    def show(self, expression: str) -> Shown:
        """Evaluate an expression, which may name rules, library and data of the policy, and the input.

        Raises:
            ExpressionError: it isn't one expression with a value, or it names what isn't there.
        """
        try:
            told = self.compiled.decision.show(
                expression, self.names, self.document, deadline_seconds=DEADLINE_SECONDS
            )
        except EvaluationError as error:
            if error.code == "invalid_query":
                raise ExpressionError(error.message) from error
            return Shown(expression, (), more=False, error=error.message, tried=())
        fails = told.error is None and (not told.values or [*map(json.dumps, told.values)] == ["false"])
        failed = told.error.message if told.error is not None else ""
        tried = self._reasons(told.clauses, negated=False) if fails else ()
        return Shown(expression, told.values, told.more, failed, tried)

    def _tried(self, clause: Clause) -> Tried:
        place = f"{clause.file}:{clause.row}"
        code = self._code(clause)
        if clause.matched:
            return Tried(clause.rule, code, place, "", "", branch=clause.branch)
        failed = clause.failed or _HEAD
        helper = self._reasons(clause.helpers, negated=clause.negated)
        at = f"{clause.file}:{clause.at or clause.row}"
        values = dict(clause.values)
        return Tried(clause.rule, code, place, failed, at, clause.negated, values, helper, clause.branch)

    def _reasons(self, clauses: Sequence[Clause], *, negated: bool) -> tuple[Tried, ...]:
        """Return what tells why a condition failed: of a negated one what holds, else what doesn't.

        Of a rule with ``else`` that has a value it is also the branch that gives it.
        """
        # A clause without a condition that failed is one for other parameters.
        told = (clause for clause in clauses if clause.matched == negated or (clause.branch and not negated))
        tried = map(self._tried, told)
        return tuple(one for one in tried if negated or not (_for_other_tools(one) or one.failed == _HEAD))

    def _code(self, clause: Clause) -> str:
        _, _, path = clause.rule.partition("data.policy.")
        module, _, rule = path.partition(".")
        sites = self.compiled.rules.sites.get(module, {}).get(rule, ())
        return next(
            (site.code or "" for site in sites if (site.file, site.row) == (clause.file, clause.row)), ""
        )


def _for_other_tools(one: Tried, name: str = "") -> bool:
    """Tell whether a rule stops at the tool's name; a set of tools that has a rule for this one is followed instead.

    ``name`` is the tool's name as JSON: a value of the policy may stand for ``input.tool.name``.
    """
    if one.helper:
        return False
    compared = _COMPARED.match(one.failed)
    return _ABOUT_TOOL.search(one.failed) is not None or (
        compared is not None and (one.values.get(compared[1]) == name or "tool" in compared[1])
    )


def short_names(engine: Engine, modules: Mapping[str, str]) -> dict[str, str]:
    """Return short names of what a policy's rules can name: its modules, the library's, and rules of unique names."""
    found: dict[str, str] = {}
    taken = {builtin["name"].partition(".")[0] for builtin in default_capabilities()["builtins"]}
    for file in library():
        if file.startswith("tabard/lib/"):
            name = file.split("/")[2]
            found[name] = f"data.tabard.lib.{name}"
    rules_of: dict[str, set[str]] = {}
    packages: dict[str, str] = {}
    for file, text in modules.items():
        module = engine.parse(file, text)
        path = package_path(module)
        if path[:1] in {("policy",), ("lib",)}:
            packages[path[-1]] = ".".join(("data", *path))
            for rule in rules(module):
                rules_of.setdefault(rule.name, set()).add(".".join(("data", *path, rule.name)))
    found |= {name: next(iter(paths)) for name, paths in rules_of.items() if len(paths) == 1}
    return {name: path for name, path in (found | packages).items() if name not in taken}
