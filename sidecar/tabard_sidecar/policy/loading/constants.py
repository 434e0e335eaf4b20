"""Refuses constants with which a builtin fails on every call, and seconds where a builtin takes nanoseconds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tabard_sidecar.policy.loading.ast import Node, Place, constant, place
from tabard_sidecar.policy.problems import PolicyProblem
from tabard_sidecar.policy.values import Json

_PATTERN_AT = {
    "regex.find_all_string_submatch_n": 0,
    "regex.find_n": 0,
    "regex.match": 0,
    "regex.replace": 1,
    "regex.split": 0,
}
_FOREIGN = re.compile(
    r"\\(?P<back>[1-9])|\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|(?P<look>\(\?(?:[=!]|<[=!]))", re.DOTALL
)
_OF_TIMES = {
    "time.add_date": (0,), "time.clock": (0,), "time.date": (0,), "time.diff": (0, 1), "time.format": (0,), "time.weekday": (0,),
}  # fmt: skip
_SECONDS = ("input", "context", "time")


def check_constants(file: str, module: Node) -> Iterator[PolicyProblem]:
    """Yield a problem for each call of a builtin that can't succeed, whatever the input is."""
    package = place(module["package"])
    for name, operands, at in _calls(module.get("rules") or (), package):
        for code, message, step in (
            *_patterns(name, operands),
            *_delimiters(name, operands),
            *_times(name, operands),
        ):
            yield PolicyProblem(file, at.row, at.column, code, message, step)


def _patterns(name: str, operands: list[Json]) -> Iterator[tuple[str, str, str]]:
    index = _PATTERN_AT.get(name)
    if index is None or index >= len(operands):
        return
    known, pattern = constant(operands[index])
    for found in _FOREIGN.finditer(pattern) if known and isinstance(pattern, str) else ():
        if found["back"] or found["look"]:
            yield (
                "pattern_invalid",
                f"{name} fails on every call: {found[0]!r} isn't RE2 syntax",
                "Write the pattern without look-around and back references",
            )
            return


def _delimiters(name: str, operands: list[Json]) -> Iterator[tuple[str, str, str]]:
    if name != "glob.match" or len(operands) < 2:  # noqa: PLR2004 - the second operand
        return
    known, delimiters = constant(operands[1])
    for one in delimiters if known and isinstance(delimiters, list) else ():
        if isinstance(one, str) and len(one) != 1:
            yield (
                "pattern_invalid",
                f"glob.match fails on every call: the delimiter {one!r} isn't one character",
                "Use delimiters of one character each",
            )


def _times(name: str, operands: list[Json]) -> Iterator[tuple[str, str, str]]:
    for index in _OF_TIMES.get(name, ()):
        operand = operands[index] if index < len(operands) else None
        if isinstance(operand, Mapping) and operand.get("type") == "array" and operand.get("value"):
            operand = operand["value"][0]
        if _path(operand) == _SECONDS:
            yield (
                "time_unit",
                f"input.context.time is in seconds, and {name} takes nanoseconds",
                "Use data.tabard.lib.clock, or input.context.time * 1000000000",
            )


def _calls(node: Json, at: Place) -> Iterator[tuple[str, list[Json], Place]]:
    """Yield name, operands and place of every call below a node."""
    if isinstance(node, dict):
        at = place(node, at)
        terms = (
            node.get("terms")
            if "terms" in node
            else node.get("value")
            if node.get("type") == "call"
            else None
        )
        if isinstance(terms, list) and terms:
            yield ".".join(_path(terms[0])), terms[1:], at
        for key, inner in node.items():
            if key != "location" and isinstance(inner, dict | list):
                yield from _calls(inner, at)
    elif isinstance(node, list):
        for inner in node:
            yield from _calls(inner, at)


def _path(term: Json) -> tuple[str, ...]:
    """Return the parts of a reference; empty if it is none, or one with a part that is computed."""
    parts = term.get("value") if isinstance(term, Mapping) and term.get("type") == "ref" else None
    names = [part.get("value") for part in parts] if isinstance(parts, list) else []
    kinds = [part.get("type") for part in parts] if isinstance(parts, list) else []
    fixed = kinds[:1] == ["var"] and all(kind == "string" for kind in kinds[1:])
    return tuple(map(str, names)) if fixed else ()
