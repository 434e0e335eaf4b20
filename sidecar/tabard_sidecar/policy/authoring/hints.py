"""Warns authors of what loads and decides, and still isn't meant: names that mean too much, tools without a rule, …."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from tabard_opa import Engine

from tabard_sidecar.policy.catalogue import Catalogue
from tabard_sidecar.policy.loading.ast import Node, nodes, package_path, place, rules
from tabard_sidecar.policy.loading.literals import nearest
from tabard_sidecar.policy.loading.negations import conditional_rules
from tabard_sidecar.policy.loading.sources import PolicySource
from tabard_sidecar.policy.problems import PolicyProblem, Severity
from tabard_sidecar.policy.values import Json

_MOST = 20
"""Most warnings of a kind."""

_GENERIC = frozenset(
    [
        "account",
        "address",
        "all",
        "answer",
        "appointment",
        "article",
        "bill",
        "book",
        "call",
        "card",
        "client",
        "company",
        "contact",
        "copy",
        "customer",
        "data",
        "date",
        "day",
        "delivery",
        "document",
        "email",
        "everyone",
        "file",
        "folder",
        "form",
        "group",
        "invoice",
        "item",
        "letter",
        "line",
        "list",
        "mail",
        "meeting",
        "message",
        "money",
        "name",
        "new",
        "note",
        "number",
        "old",
        "one",
        "order",
        "other",
        "page",
        "parcel",
        "patient",
        "payment",
        "person",
        "phone",
        "price",
        "product",
        "record",
        "reply",
        "report",
        "request",
        "service",
        "setting",
        "sheet",
        "stock",
        "supplier",
        "system",
        "text",
        "thing",
        "ticket",
        "time",
        "tool",
        "user",
        "visit",
    ]
)
_KINDS = ("message",)
_KEYS = ("acts", "matter", "thing", "values", "undoable", "held", "kind", "confirmed", "needs")
"""What `calls.meaning` reads of the object that it gets."""

_MANY = 12
"""In a smaller catalogue authors see themselves which tools have no rule, and mean it."""

_CALLS = re.compile(r"\b(?:entities|calls|scopes|relations|figures|groups)\.\w+\((?:[^()]|\([^()]*\))*\)")
_DIRECTORIES = re.compile(r'"directory": data\.([\w.]+)')


def hints(engine: Engine, path: Path, source: PolicySource, catalogue: Catalogue) -> list[PolicyProblem]:
    """Return warnings about a policy that loads, with file, line and what to do.

    Args:
        engine: parses the modules.
        path: the policy's folder or bundle.
        source: its modules and data.
        catalogue: the tools; may be empty.
    """
    parsed = {file: engine.parse(file, text) for file, text in source.modules.items()}
    modules = {
        file: module for file, module in parsed.items() if package_path(module)[:1] in {("policy",), ("lib",)}
    }
    return [
        *(one for where in _directories(source) for one in islice(_in_directory(path, source, where), _MOST)),
        *islice(_without_rule(source, catalogue), _MOST),
        *(
            one
            for file, module in modules.items()
            for one in islice(_in_module(file, module, source.modules[file]), _MOST)
        ),
    ]


def _warning(file: str, row: int, code: str, message: str, step: str) -> PolicyProblem:
    return PolicyProblem(file, row, 0, code, message, step, Severity.WARNING)


def _directories(source: PolicySource) -> list[str]:
    """Return the paths below data that rules give to the library as directories."""
    code = "\n".join(source.modules.values())
    called = "\n".join(_CALLS.findall(code))
    return sorted({*re.findall(r"\bdata\.([\w.]+)", called), *_DIRECTORIES.findall(code)})


def _in_directory(path: Path, source: PolicySource, where: str) -> Iterator[PolicyProblem]:
    """Yield the names in a directory that mean too much."""
    directory: Json = source.data
    for part in where.split("."):
        directory = directory.get(part) if isinstance(directory, Mapping) else None
    if not _is_directory(directory):
        return
    file = source.data_files.get(where.partition(".")[0], "")
    text = _read(path, file)
    parts = _words_of_longer_names(directory)
    for key, names in directory.items():
        entry = f"data.{where}[{key!r}]"
        for name in names:
            row = _row(text, name)
            if name.casefold() in _GENERIC:
                message = (
                    f"the name {name!r} of {entry} is a word that people also use otherwise, and there it names this "
                    "entry, too"
                )
                yield _warning(file, row, "name_generic", message, "Use a name of two words, or remove it")
            for other in sorted(parts.get(name.casefold(), set()) - {key}):
                message = f"the name {name!r} of {entry} is a word of a name of {other!r}: alone it names {key!r} only"
                step = "Use a longer name here, or give both entries the word"
                yield _warning(file, row, "name_clash", message, step)


def _words_of_longer_names(directory: Mapping[str, list[str]]) -> dict[str, set[str]]:
    """Return for each word of names of several words the entries that have it, without those that have it as a name."""
    found: dict[str, set[str]] = {}
    for key, names in directory.items():
        own = {name.casefold() for name in names}
        for name in names:
            words = re.findall(r"\w+", name.casefold())
            for word in words if len(words) > 1 else ():
                if word not in own:
                    found.setdefault(word, set()).add(key)
    return found


def _is_directory(value: Json) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(
            isinstance(names, list) and names and all(isinstance(name, str) for name in names)
            for names in value.values()
        )
    )


def _read(path: Path, file: str) -> str:
    for candidate in (Path(file), path / file):
        try:
            return candidate.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
    return ""


def _row(text: str, name: str) -> int:
    """Return the line of a data file that first has a name; 0 if that isn't known."""
    at = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) if text else None
    return text.count("\n", 0, at.start()) + 1 if at else 0


def _without_rule(source: PolicySource, catalogue: Catalogue) -> Iterator[PolicyProblem]:
    """Yield each tool of the catalogue that neither modules nor data name; a policy that grants by pattern names none."""
    code = "\n".join(source.modules.values())
    if re.search(r"startswith\(input\.tool\.name|glob\.match\(|regex\.match\([^)]*input\.tool\.name", code):
        return
    known = {*re.findall(r'"([^"\n]*)"', code), *_texts(source.data)}
    tools = list(catalogue)
    for spec in tools if len(tools) >= _MANY and any(one.name in known for one in tools) else ():
        reads = spec.annotations.get("readOnlyHint") is True and "tools.read_only" in code
        if spec.name not in known and not reads:
            yield _warning(
                next(iter(source.modules), ""),
                0,
                "tool_without_rule",
                f"no rule names the tool {spec.name!r} of the catalogue{nearest(spec.name, known)}",
                "Grant it, or deny it with a message that says why",
            )


def _texts(value: Json) -> Iterator[str]:
    """Yield every key and text of data."""
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, Mapping):
            yield from map(str, one)
            pending += one.values()
        elif isinstance(one, list):
            pending += one


def _in_module(file: str, module: Node, text: str) -> Iterator[PolicyProblem]:
    """Yield what is wrong with the objects that rules give to `calls.meaning` and `messages.meaning`."""
    conditional = conditional_rules(module)
    for rule in rules(module):
        for node in nodes(rule.node):
            if node.get("type") != "object":
                continue
            entries = {str(key.get("value")): (key, item) for key, item in node["value"]}
            row = place(node, rule.place).row
            if {"acts", "matter"} <= entries.keys():
                yield from _of_call(file, row, entries, text)
            if {"name", "own", "people"} <= entries.keys():
                yield from _of_message(file, row, entries, conditional)


def _of_call(
    file: str, row: int, entries: Mapping[str, tuple[Any, Any]], text: str
) -> Iterator[PolicyProblem]:
    _, kind = entries.get("kind", ({}, {}))
    if kind.get("type") == "string" and kind["value"] not in _KINDS:
        message = f"kind {kind['value']!r} isn't known to calls.meaning{nearest(kind['value'], _KINDS)}"
        yield _warning(
            file, place(kind).row or row, "call_kind_unknown", message, 'Write "message", or remove it'
        )
    for name, (key, _) in entries.items():
        close = nearest(name, _KEYS)
        # A key that the module's own rules read is meant.
        if name not in _KEYS and close and f".{name}" not in text:
            message = f"calls.meaning doesn't read the key {name!r}{close}"
            yield _warning(file, place(key).row or row, "call_key_unknown", message, "Correct the key")


def _of_message(
    file: str, row: int, entries: Mapping[str, tuple[Any, Any]], conditional: frozenset[str]
) -> Iterator[PolicyProblem]:
    for name, (_, item) in entries.items():
        rule = item.get("value") if item.get("type") == "var" else None
        if rule in conditional:
            yield _warning(
                file,
                place(item).row or row,
                "value_undefined",
                f"{name} of a message is {rule}, which isn't defined for every call: where it isn't, the text has no meaning "
                "and the call no grant",
                f"Write `default {rule} := …`, or an else",
            )
