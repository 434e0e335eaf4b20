"""Tells what the library reads in a person's request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tabard_opa import Engine

from tabard_sidecar.policy.authoring.explaining import Trial
from tabard_sidecar.policy.loading.ast import Rule, rules
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy, read_policy
from tabard_sidecar.policy.resources import library
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

_NO_POLICY = {
    "words/words.rego": 'package policy.words\n\nstart contains {"code": "words", "limits": {"ttl_seconds": 60}}\n'
}
_AT_ONCE = 25
_PACKAGE = "data.tabard.lib"
# Functions of the acts that a policy asks about: each known verb is asked for by itself.
_OF_ACTS = ("clauses.ordered", "wishes.may")
# Functions of a time zone alone, in which the request's words are read.
_OF_ZONES = tuple(f'{_PACKAGE}.dates.{function}("UTC")' for function in ("said", "spans"))
# Functions of a directory, and what their arguments are here.
_OF_DIRECTORIES = ("named", "unclear", "ruled_out", "ambiguous", "told")
# Functions of acts and a directory, each with the one that has the clauses which it reads.
_OF_ACTS_AND_DIRECTORIES = {"ordered": "clauses.ordered", "may": "wishes.may"}
_ARGUMENTS = {"kinds": "set()", "acts": f"{_PACKAGE}.clauses.verbs"}


@dataclass(frozen=True, slots=True)
class Words:
    """What one function or value of the library is for a request, as it is written in a policy.

    ``error`` says why it can't be evaluated; then it has no value.
    """

    expression: str
    value: Json
    error: str = ""

    def as_json(self) -> dict[str, object]:
        """Return it for ``--json``."""
        return asdict(self) if self.error else {"expression": self.expression, "value": self.value}


def read_words(
    engine: Engine, path: Path, options: CompileOptions, document: Mapping[str, Any]
) -> tuple[Words, ...]:
    """Return what the library reads in the request of ``document``, a policy input.

    These are all values of the library that the request's words decide, and which entries of each directory in the
    policy's data the words mean. A directory is an object of arrays of texts (see the library's ``entities``).

    Raises:
        PolicyBrokenError: the policy can't be used.
    """
    data = read_policy(engine, path, options.bundle_keys, sizes=options.sizes).data
    silent = {**document, "task": {**document["task"], "statement": ""}}
    found: list[Words] = []
    # The policy's own rules aren't needed, and may take long to compile.
    compiled = compile_policy(engine, _NO_POLICY, data, replace(options, whole_library=True))
    try:
        asked, unasked = (Trial(compiled, {}, json.dumps(each).encode()) for each in (document, silent))
        acts: dict[str, list[str]] = {}
        verbs = sorted(asked.show(f"{_PACKAGE}.clauses.verbs").values[0])
        for function in _OF_ACTS:
            written = f"{function}({{act}})"
            call = f"{_PACKAGE}.{written}"
            told: dict[str, Json] = {}
            for one in _values_of(asked, [_by_act(call, part) for part in _parts(verbs)], at_once=1):
                told |= one.values[0] if one.values else {}
                found += [Words(written, None, one.error)] if one.error else []
            acts[function] = sorted(told)
            found += [Words(written, told)] if told else []
        every = list(_others(engine, data, acts))
        for expression, one, other in zip(
            every, _values_of(asked, every), _values_of(unasked, every), strict=True
        ):
            if one.error:
                found.append(Words(_as_written(expression), None, one.error))
            elif one.values and one.values != other.values:
                found.append(Words(_as_written(expression), one.values[0]))
    finally:
        compiled.close()
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Value:
    """The value of an expression: one, or none if it isn't defined or its evaluation failed."""

    values: list[Json]
    error: str = ""


def _values_of(trial: Trial, wanted: list[str], at_once: int = _AT_ONCE) -> list[_Value]:
    """Return the value of each expression.

    Many are asked for at once, because what they have in common is then evaluated once.
    """
    found: list[_Value] = []
    for part in _parts(wanted, at_once):
        together = trial.show(f"[{', '.join(f'[shown | shown := {one}]' for one in part)}]").values
        if together:
            found += [_Value(values) for values in together[0]]
        else:  # one of them fails, or all are too large together
            shown = [trial.show(one) for one in part]
            found += [_Value(list(one.values[:1]), one.error) for one in shown]
    return found


def _parts(every: list[str], size: int = _AT_ONCE) -> Iterator[list[str]]:
    return (every[start : start + size] for start in range(0, len(every), size))


def expressions(engine: Engine, data: Mapping[str, Json]) -> Iterator[str]:
    """Yield expressions for all that the library reads in a request, with a policy's ``data``."""
    yield from (_by_act(f"{_PACKAGE}.{function}({{act}})") for function in _OF_ACTS)
    yield from _others(engine, data)


def _others(
    engine: Engine, data: Mapping[str, Json], acts: Mapping[str, list[str]] | None = None
) -> Iterator[str]:
    """Yield the expressions besides those of acts alone.

    Args:
        engine: parses the library.
        data: the policy's.
        acts: the verbs for which each of ``_OF_ACTS`` has clauses; without, all verbs are asked for.
    """
    clauses = {name: list(rules(module)) for name, module in _modules(engine)}
    yield from _values(clauses)
    yield from _OF_ZONES
    yield from _of_directories(clauses["entities"], data, acts)


def _values(clauses: Mapping[str, list[Rule]]) -> Iterator[str]:
    """Yield the library's values: rules without arguments that policies may use."""
    for name, found in clauses.items():
        for rule in dict.fromkeys(one.name for one in found if not _arguments(one)):
            if not rule.startswith("_"):
                yield f"{_PACKAGE}.{name}.{rule}"


def _of_directories(
    entities: list[Rule], data: Mapping[str, Json], acts: Mapping[str, list[str]] | None
) -> Iterator[str]:
    """Yield what the functions of directories are worth for each directory in the policy's data."""
    parameters = {rule.name: [each["value"] for each in _arguments(rule)] for rule in entities}
    for directory, entries in data.items():
        if not (directory.isidentifier() and _is_directory(entries)):
            continue
        arguments = {**_ARGUMENTS, "directory": f"data.{directory}"}
        for function in _OF_DIRECTORIES:
            yield _call(function, parameters[function], arguments)
        for function, clauses in _OF_ACTS_AND_DIRECTORIES.items():
            # An act that no clause is about names no entry either.
            known = None if acts is None else acts[clauses]
            if known != []:
                yield _by_act(_call(function, parameters[function], {**arguments, "acts": "{act}"}), known)


def _call(function: str, parameters: list[str], arguments: Mapping[str, str]) -> str:
    return f"{_PACKAGE}.entities.{function}({', '.join(arguments[each] for each in parameters)})"


def _by_act(call: str, acts: list[str] | None = None) -> str:
    """Return an expression for what ``call`` is worth for each of some verbs, or for each that the library knows."""
    verbs = f"{_PACKAGE}.clauses.verbs" if acts is None else json.dumps(acts)
    return f"{{act: found | some act in {verbs}; found := {call}; count(found) > 0}}"


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
