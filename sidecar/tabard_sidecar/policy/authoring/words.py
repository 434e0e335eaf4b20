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
# Functions of the acts that a policy asks about: each known verb is asked for by itself.
_OF_ACTS = ("clauses.ordered", "wishes.may")
# Functions of a time zone alone, in which the request's words are read.
_OF_ZONES = tuple(f'{_PACKAGE}.dates.{function}("UTC")' for function in ("said", "spans"))
# Functions of a directory, and what their arguments are here.
_OF_DIRECTORIES = ("named", "unclear", "ruled_out", "ambiguous", "told")
_OF_ACTS_AND_DIRECTORIES = ("ordered", "may")
_ARGUMENTS = {"kinds": "set()", "acts": f"{_PACKAGE}.clauses.verbs"}


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
                found.append(Words(_as_written(expression), value[0]))
    finally:
        compiled.close()
    return tuple(found)


def expressions(engine: Engine, data: Mapping[str, Json]) -> Iterator[str]:
    """Yield expressions for all that the library reads in a request, with a policy's ``data``."""
    clauses = {name: list(rules(module)) for name, module in _modules(engine)}
    yield from (_by_act(f"{_PACKAGE}.{function}({{act}})") for function in _OF_ACTS)
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
    parameters = {rule.name: [each["value"] for each in _arguments(rule)] for rule in entities}
    for directory, entries in data.items():
        if not (directory.isidentifier() and _is_directory(entries)):
            continue
        arguments = {**_ARGUMENTS, "directory": f"data.{directory}"}
        for function in _OF_DIRECTORIES:
            yield _call(function, parameters[function], arguments)
        for function in _OF_ACTS_AND_DIRECTORIES:
            yield _by_act(_call(function, parameters[function], {**arguments, "acts": "{act}"}))


def _call(function: str, parameters: list[str], arguments: Mapping[str, str]) -> str:
    return f"{_PACKAGE}.entities.{function}({', '.join(arguments[each] for each in parameters)})"


def _by_act(call: str) -> str:
    """Return an expression for what ``call`` is worth for each verb that the library knows."""
    return f"{{act: found | some act in {_PACKAGE}.clauses.verbs; found := {call}; count(found) > 0}}"


def _as_written(expression: str) -> str:
    """Return the function or value of ``expression`` as policies write it."""
    call = expression.removesuffix("; count(found) > 0}").rpartition("found := ")[2]
    return call.removeprefix(f"{_PACKAGE}.").replace(f"{_PACKAGE}.", "")


def _arguments(rule: Rule) -> list[dict[str, Any]]:
    return rule.node["head"].get("args") or []


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
