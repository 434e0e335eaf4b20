"""Tells what the library reads in a person's request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tabard_opa import Engine

from tabard_sidecar.policy.authoring.explaining import Trial
from tabard_sidecar.policy.loading.ast import Rule, rules
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy, read_policy
from tabard_sidecar.policy.resources import library
from tabard_sidecar.policy.values import Json

_NO_POLICY = {
    "words/words.rego": 'package policy.words\n\nstart contains {"code": "words", "limits": {"ttl_seconds": 60}}\n'
}
_PACKAGE = "data.tabard.lib"
_ORDERED = {
    f"{{act: ordered | some act in {_PACKAGE}.clauses.verbs; "
    f"ordered := {_PACKAGE}.clauses.ordered({{act}}); count(ordered) > 0}}": "clauses.ordered"
}
# Functions of a time zone alone, in which the request's words are read.
_OF_ZONES = tuple(f'{_PACKAGE}.dates.{function}("UTC")' for function in ("said", "spans"))
# Functions of a directory alone.
_DIRECTORY_FUNCTIONS = ("named", "unclear", "ruled_out", "ambiguous", "told")


@dataclass(frozen=True, slots=True)
class Words:
    """What one function or value of the library is for a request, as it is written in a policy."""

    expression: str
    value: Json

    def as_json(self) -> dict[str, object]:
        """Return it for ``--json``."""
        return asdict(self)


def read_words(
    engine: Engine, path: Path, options: CompileOptions, document: Mapping[str, Any]
) -> tuple[Words, ...]:
    """Return what the library reads in the request of ``document``, a policy input.

    These are all values of the library that the request's words decide, and which entries of each directory in the
    policy's data the words mean. A directory is an object of arrays of texts (see the library's ``entities``).

    Raises:
        PolicyBrokenError: the policy can't be used.
    """
    data = read_policy(engine, path, options.bundle_keys).data
    silent = {**document, "task": {**document["task"], "statement": ""}}
    found = []
    # The policy's own rules aren't needed, and may take long to compile.
    compiled = compile_policy(engine, _NO_POLICY, data, replace(options, whole_library=True))
    try:
        asked, unasked = (Trial(compiled, {}, json.dumps(each).encode()) for each in (document, silent))
        for expression in expressions(engine, data):
            value = asked.show(expression).values
            if value and value != unasked.show(expression).values:
                name = _ORDERED.get(expression, expression.removeprefix(f"{_PACKAGE}."))
                found.append(Words(name, value[0]))
    finally:
        compiled.close()
    return tuple(found)


def expressions(engine: Engine, data: Mapping[str, Json]) -> Iterator[str]:
    """Yield expressions for all that the library reads in a request, with a policy's ``data``."""
    clauses = {name: list(rules(module)) for name, module in _modules(engine)}
    yield from _ORDERED
    yield from _values(clauses)
    yield from _OF_ZONES
    yield from _of_directories(clauses["entities"], data)


def _values(clauses: Mapping[str, list[Rule]]) -> Iterator[str]:
    """Yield the library's values: rules without arguments that policies may use."""
    for name, found in clauses.items():
        for rule in dict.fromkeys(one.name for one in found if not _arguments(one)):
            if not rule.startswith("_"):
                yield f"{_PACKAGE}.{name}.{rule}"


def _of_directories(entities: list[Rule], data: Mapping[str, Json]) -> Iterator[str]:
    """Yield what the functions of directories are worth for each directory in the policy's data."""
    arities = {rule.name: _arguments(rule) for rule in entities}
    for directory, entries in data.items():
        if not (directory.isidentifier() and _is_directory(entries)):
            continue
        for function in _DIRECTORY_FUNCTIONS:
            if function in arities:
                kinds = ", set()" * (arities[function] - 1)
                yield f"{_PACKAGE}.entities.{function}(data.{directory}{kinds})"


def _arguments(rule: Rule) -> int:
    return len(rule.node["head"].get("args") or ())


def _is_directory(entries: Json) -> bool:
    return (
        isinstance(entries, Mapping)
        and bool(entries)
        and all(
            isinstance(names, list) and names and all(isinstance(name, str) for name in names)
            for names in entries.values()
        )
    )


def _modules(engine: Engine) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for file, text in library().items():
        if file.startswith("tabard/lib/"):
            yield file.split("/")[2], engine.parse(file, text)
