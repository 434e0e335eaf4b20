"""Tells for each rule that could grant a request the first condition that doesn't hold."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tabard_opa import Clause, Engine

from tabard_sidecar.model import Operation
from tabard_sidecar.policy.authoring.facts import with_facts
from tabard_sidecar.policy.compose import GRANTING
from tabard_sidecar.policy.loading.compiling import Compiled, CompileOptions, compile_policy
from tabard_sidecar.policy.loading.sources import load_source
from tabard_sidecar.policy.values import Json

DEADLINE_SECONDS = 5.0
"""Longest time for the rules of one module."""

MAX_DEPTH = 3
"""Most helpers that are followed, one within another."""

_ABOUT_TOOL = re.compile(r"\binput\.tool\.name\b|\btools\.one_of\(")
_HELPER = re.compile(r"(?:(?:input\.tool\.name|\"[^\"]*\") in )?(_[A-Za-z0-9_]+)")
"""A condition that is a helper without arguments, or looks for the tool or a constant in one."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A rule that could grant, and how far it came.

    Attributes:
        module: name of its module, without ``policy.``.
        code: the code of its element; empty if it isn't a constant.
        place: file and line of the rule.
        failed: the first condition that doesn't hold, as it is written; empty if the rule grants.
        at: file and line of that condition.
        helper: if the condition is a helper of the module, how far each of its rules came, without those for other tools.
    """

    module: str
    code: str
    place: str
    failed: str
    at: str
    helper: tuple[Tried, ...] = ()

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


def explain(engine: Engine, path: Path, options: CompileOptions, document: Mapping[str, Json]) -> Explained:
    """Try every rule that could grant.

    Raises:
        PolicyBrokenError: the policy can't be used.
    """
    source = load_source(path, options.bundle_keys)
    compiled = compile_policy(engine, source.modules, source.data, options, source.tests)
    rule = GRANTING[Operation(document["operation"])]
    trial = _Trial(compiled, json.dumps(with_facts(document, compiled.rules.facts)).encode(), [])
    try:
        modules = sorted(name for name in compiled.rules.sites if compiled.rules.knows(name, rule))
        tried = [one for module in modules for one in trial.of(module, rule)]
    finally:
        compiled.close()
    own = tuple(one for one in tried if not _for_other_tools(one))
    return Explained(own, len(tried) - len(own), tuple(trial.errors))


def _for_other_tools(one: Tried) -> bool:
    """Tell whether a rule stops at the tool's name; a set of tools that has a rule for this one is followed instead."""
    return not one.helper and _ABOUT_TOOL.search(one.failed) is not None


@dataclass(frozen=True, slots=True)
class _Trial:
    compiled: Compiled
    document: bytes
    errors: list[str]

    def of(self, module: str, rule: str, depth: int = 0) -> tuple[Tried, ...]:
        """Try every clause of a rule."""
        explained = self.compiled.decision.explain(
            f"data.policy.{module}.{rule}",
            self.document,
            deadline_seconds=DEADLINE_SECONDS,
            mode="conditions",
        )
        error = explained.error
        if error is not None and error.code != "undefined":
            self.errors.append(f"policy.{module}.{rule}: {error}")
        return tuple(self._tried(module, rule, clause, depth) for clause in explained.clauses)

    def _tried(self, module: str, rule: str, clause: Clause, depth: int) -> Tried:
        sites = self.compiled.rules.sites[module].get(rule, ())
        code = next((site.code for site in sites if (site.file, site.row) == (clause.file, clause.row)), None)
        place = f"{clause.file}:{clause.row}"
        if clause.matched:
            return Tried(module, code or "", place, "", "")
        failed = clause.failed or "a value of its head isn't defined"
        follow = _HELPER.fullmatch(failed) if depth < MAX_DEPTH else None
        tried = self.of(module, follow[1], depth + 1) if follow else ()
        helper = tuple(one for one in tried if one.failed and not _for_other_tools(one))
        return Tried(module, code or "", place, failed, f"{clause.file}:{clause.at or clause.row}", helper)
