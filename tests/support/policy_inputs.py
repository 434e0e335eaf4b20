"""Generates policy inputs that fit the input's JSON Schema and meet the rules of a given policy.

Values are drawn mostly from what the policy itself names: its constants, its data and their neighbours. Random strings
alone would hardly ever reach a rule's body.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tabard_opa import Engine

_LINKS = (
    "https://elsewhere.example/x?y=z",
    "see http://elsewhere.example, please",
    "www.elsewhere.example/a",
)
_STRANGE = ("", " ", "ü", "none", "a" * 300, "*", "../..", "\u202eetc", *_LINKS)
_UNKNOWN = object()
_NUMBERS = (0, 1, -1, 0.5, 100, 1e9, 2**53)


class Words:
    """The strings, numbers and calls that a policy and its tests speak of."""

    def __init__(
        self, engine: Engine, modules: dict[str, str], tests: dict[str, str], data: Mapping[str, Any]
    ) -> None:
        strings: set[str] = set()
        numbers: set[float] = set(_NUMBERS)
        trees = [engine.parse(name, source) for name, source in (modules | tests).items()]
        for value in [*_constants(trees), *_leaves(data)]:
            if isinstance(value, str):
                strings.add(value)
            else:
                numbers.update({value, value + 1, value - 1})
        self.strings = sorted(strings)
        self.numbers = sorted(numbers)
        parsed = [engine.parse(name, source) for name, source in tests.items()]
        self.calls = list(_calls(parsed))
        self.examples = [
            value
            for _, document in _documents(engine, {**modules, **tests}, parsed, data)
            for value in document.values()
            if isinstance(value, dict) and "operation" in value
        ]

    def string(self, dice: random.Random) -> str:
        """Draw a string, sometimes one that the policy doesn't know."""
        if dice.random() < 0.1:
            return dice.choice(_STRANGE)
        return dice.choice(self.strings)

    def sentence(self, dice: random.Random) -> str:
        """Draw a few strings and numbers, as a person's request."""
        words = [self.string(dice) for _ in range(dice.randint(1, 8))]
        words += [str(self.number(dice)) for _ in range(dice.randint(0, 2))]
        dice.shuffle(words)
        return " ".join(words)

    def number(self, dice: random.Random) -> float:
        """Draw a number."""
        return dice.choice(self.numbers)

    def base(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Return an input that one of the policy's tests asks about, or any."""
        return (
            copy.deepcopy(self.examples[0]) if self.examples else next(inputs(self, schema, random.Random(0)))
        )


def _documents(
    engine: Engine, modules: Mapping[str, str], tests: Iterable[Mapping[str, Any]], data: Mapping[str, Any]
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield each test module's tree with the values of its rules, which are the tests' constants."""
    for tree in tests:
        package = "data." + ".".join(part["value"] for part in tree["package"]["path"][1:])
        with engine.compile(modules, data, entrypoints=[package], strict=False) as compiled:
            yield tree, json.loads(compiled.evaluate_blocking(package, b"{}", deadline_seconds=30))


def with_tests_data(
    engine: Engine, modules: Mapping[str, str], tests: Mapping[str, str], data: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the policy's data together with what its tests put in its place, so that the tests' inputs meet rules."""
    merged = copy.deepcopy(dict(data))
    parsed = [engine.parse(name, source) for name, source in tests.items()]
    for tree, document in _documents(engine, {**modules, **tests}, parsed, data):
        for path, constant in set(_replacements(tree)):
            value = document[constant]
            for name in reversed(path):
                value = {name: value}
            _merge(merged, value)
    return merged


def _replacements(node: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield path and constant of every ``with data.path as constant``."""
    if isinstance(node, list):
        for child in node:
            yield from _replacements(child)
    elif isinstance(node, Mapping):
        target, value = node.get("target"), node.get("value")
        if isinstance(target, Mapping) and isinstance(value, Mapping) and value.get("type") == "var":
            path = [part["value"] for part in target["value"]] if target["type"] == "ref" else []
            if path[:1] == ["data"]:
                yield tuple(path[1:]), value["value"]
        for child in node.values():
            yield from _replacements(child)


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for name, value in other.items():
        if isinstance(into.get(name), dict) and isinstance(value, dict):
            _merge(into[name], value)
        else:
            into[name] = copy.deepcopy(value)


def inputs(words: Words, schema: Mapping[str, Any], dice: random.Random) -> Iterator[dict[str, Any]]:
    """Yield inputs without end: some arbitrary, most near what the policy is about."""
    while True:
        document = _sample(schema, words, dice)
        if words.examples and dice.random() < 0.7:
            document = {**document, **copy.deepcopy(dice.choice(words.examples))}
        if dice.random() < 0.7:
            _ask_for_a_call(document, words, dice)
        else:
            document["operation"] = dice.choice(schema["properties"]["operation"]["enum"])
        workloads = [word for word in words.strings if word.startswith("spiffe:")]
        if workloads and dice.random() < 0.5:
            document["request"] = {"limits": {}, "holder": dice.choice(workloads)}
        for _ in range(dice.choice((0, 0, 1, 2))):
            name = dice.choice(sorted(document))
            document[name] = _sample(schema["properties"][name], words, dice)
        yield document


def _ask_for_a_call(document: dict[str, Any], words: Words, dice: random.Random) -> None:
    """Make it an input about a call that a test of the policy makes, or one like it, with or without a reason."""
    strings, arguments = dice.choice(words.calls) if words.calls else ([words.string(dice)], {})
    arguments = {
        name: _value(words, dice) if value is _UNKNOWN or dice.random() < 0.2 else value
        for name, value in arguments.items()
        if dice.random() < 0.9
    }
    if dice.random() < 0.2:
        arguments[words.string(dice)] = _value(words, dice)
    if document["operation"] not in {"authorize", "filter_tools"} and dice.random() < 0.7:
        document["operation"] = "authorize"
    document["tool"] = {"name": dice.choice(strings), "server": "", "annotations": {}, "arguments": arguments}
    if dice.random() < 0.6:
        document["task"]["intent_source"] = "signed"
    if dice.random() < 0.5:
        said = [str(value) for value in arguments.values() if not isinstance(value, list | dict)]
        document["task"]["statement"] = " ".join([*strings, words.sentence(dice), *said])


def _sample(schema: Mapping[str, Any], words: Words, dice: random.Random) -> Any:
    if "enum" in schema:
        return dice.choice(schema["enum"])
    match schema.get("type"):
        case "object":
            sample = _object(schema, words, dice)
        case "array":
            items = schema.get("items", {})
            sample = [_sample(items, words, dice) for _ in range(dice.randint(0, 3))]
        case "string":
            sample = words.string(dice)
        case "integer":
            sample = max(int(words.number(dice)), schema.get("minimum", -(2**53)))
        case "number":
            sample = words.number(dice)
        case "boolean":
            sample = dice.random() < 0.5
        case _:
            sample = _value(words, dice)
    return sample


def _object(schema: Mapping[str, Any], words: Words, dice: random.Random) -> dict[str, Any]:
    required = set(schema.get("required", ()))
    known = schema.get("properties", {})
    found = {
        name: _sample(part, words, dice)
        for name, part in known.items()
        if name in required or dice.random() < 0.7
    }
    extra = schema.get("additionalProperties", False)
    if extra is not False:
        part = extra if isinstance(extra, Mapping) else {}
        for _ in range(dice.randint(0, 3)):
            found.setdefault(words.string(dice), _sample(part, words, dice))
    return found


def _value(words: Words, dice: random.Random) -> Any:
    match dice.randint(0, 9):
        case 0:
            return None
        case 1:
            return dice.random() < 0.5
        case 2 | 3 | 4:
            return words.number(dice)
        case 5:
            return [words.string(dice) for _ in range(dice.randint(0, 3))]
        case _:
            return words.string(dice)


def _constants(node: Any) -> Iterator[str | float]:
    if isinstance(node, list):
        for child in node:
            yield from _constants(child)
    elif isinstance(node, Mapping):
        if node.get("type") in {"string", "number"} and isinstance(node.get("value"), str | int | float):
            yield node["value"]
        for name, child in node.items():
            if name not in {"location", "annotations", "comments"}:
                yield from _constants(child)


def _calls(node: Any) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """Yield the strings and the object of every function call that has both, as tests ask about tools."""
    if isinstance(node, list):
        for child in node:
            yield from _calls(child)
    elif isinstance(node, Mapping):
        if node.get("type") == "call":
            terms = node["value"][1:]
            strings = [term["value"] for term in terms if term["type"] == "string"]
            for term in terms:
                if strings and term["type"] == "object":
                    yield strings, {key["value"]: _ground(value) for key, value in term["value"]}
        for name, child in node.items():
            if name not in {"location", "annotations", "comments"}:
                yield from _calls(child)


def _ground(term: Mapping[str, Any]) -> Any:
    match term["type"]:
        case "string" | "number" | "boolean" | "null":
            return term.get("value")
        case "array":
            items = [_ground(item) for item in term["value"]]
            return _UNKNOWN if _UNKNOWN in items else items
        case _:
            return _UNKNOWN


def _leaves(value: Any) -> Iterator[str | float]:
    if isinstance(value, Mapping):
        for name, child in value.items():
            yield name
            yield from _leaves(child)
    elif isinstance(value, list):
        for child in value:
            yield from _leaves(child)
    elif isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
        yield value


def as_json(document: Mapping[str, Any]) -> bytes:
    """Return the input as the sidecar would hand it to an engine."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
