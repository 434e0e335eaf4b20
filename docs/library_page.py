"""Generates docs/reference/library.md from the METADATA of the library's modules and their tests."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tabard_opa import Engine

LIBRARY = Path(__file__).resolve().parent.parent / "rego" / "tabard" / "lib"
_WIDTH = 100
_MAX_EXAMPLE = 160
_LITERAL = re.compile(r"[\"`{\[0-9]")
_INTRO = """\
# Library for policies

Policies import these packages: `import data.tabard.lib.clock`, then `clock.weekday("UTC")`. The
[policy guide](../policy-guide.md) shows when to use which. A **condition** is true or undefined; it
has no other value. Examples are taken from the library's own tests.
"""


def library_page() -> str:
    """Return the page about every function and value of the library.

    Raises:
        ValueError: one has no description.
    """
    lines = [_INTRO]
    with Engine() as engine:
        for folder in sorted(LIBRARY.iterdir()):
            source = (folder / f"{folder.name}.rego").read_text(encoding="utf-8")
            tests = (folder / f"{folder.name}_test.rego").read_text(encoding="utf-8")
            lines += _package(folder.name, engine.parse(folder.name, source), source, tests)
    return "\n".join(lines).rstrip() + "\n"


def _package(name: str, module: Mapping[str, Any], source: str, tests: str) -> Iterator[str]:
    own = next(one for one in module["annotations"] if one["scope"] == "package")
    yield f"## {name}\n"
    yield f"`data.tabard.lib.{name}`: {own['title']}.\n"
    yield from _prose(own.get("description", ""))
    heads: dict[str, Mapping[str, Any]] = {}
    for rule in module["rules"]:
        heads.setdefault(str(rule["head"]["name"]), rule)
    described = {
        one["location"]["row"]: one["description"]
        for one in module["annotations"]
        if one["scope"] in {"rule", "document"} and "description" in one
    }
    for function, rule in heads.items():
        if function.startswith("_"):
            continue
        texts = [described[one["location"]["row"]] for one in rule.get("annotations", ())]
        if not texts:
            raise ValueError(f"data.tabard.lib.{name}.{function} has no description")
        yield f"### {name}.{_signature(function, rule, source)}\n"
        yield from _prose(f"*{_kind(rule)}* {texts[0]}")
        example = _example(name, function, tests) if rule["head"].get("args") else ""
        if example:
            yield f"```rego\n{example}\n```\n"


def _signature(function: str, rule: Mapping[str, Any], source: str) -> str:
    arguments = [str(one["value"]) for one in rule["head"].get("args", ()) if one["type"] == "var"]
    if len(arguments) != len(rule["head"].get("args", ())):  # a pattern in the head: as it is written
        found = re.search(rf"^{re.escape(function)}\(.*?\)", source, re.MULTILINE)
        return found[0] if found else function
    return f"{function}({', '.join(arguments)})" if arguments else function


def _kind(rule: Mapping[str, Any]) -> str:
    head = rule["head"]
    if "key" in head and "value" not in head:
        return "Set."
    value = head.get("value", {})
    if value.get("type") == "boolean" and value.get("value") is True:
        return "Condition."
    return "Function with a value." if head.get("args") else "Value."


def _example(name: str, function: str, tests: str) -> str:
    """Return the first call with a literal in the tests that fits into a line; empty if there is none."""
    for found in re.finditer(rf"\b{name}\.{function}\(", tests):
        depth, end = 0, found.end() - 1
        for end in range(found.end() - 1, min(len(tests), found.start() + _MAX_EXAMPLE)):
            depth += {"(": 1, ")": -1}.get(tests[end], 0)
            if depth == 0:
                break
        call = tests[found.start() : end + 1]
        if depth == 0 and "\n" not in call and _LITERAL.search(call, found.end() - found.start()):
            return call
    return ""


def _prose(text: str) -> Iterator[str]:
    if text:
        yield (
            textwrap.fill(" ".join(text.split()), _WIDTH, break_long_words=False, break_on_hyphens=False)
            + "\n"
        )
