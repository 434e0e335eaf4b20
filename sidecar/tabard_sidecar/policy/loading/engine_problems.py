"""Words the engine's problems: in one line each, with the next step."""

from __future__ import annotations

import re

from tabard_opa import EngineError

from tabard_sidecar.policy.loading.withheld import WITHHELD, WITHHELD_REMOTE
from tabard_sidecar.policy.problems import PolicyProblem
from tabard_sidecar.policy.resources import library


def problems_of(error: EngineError) -> list[PolicyProblem]:
    """Return the problems of a policy that the engine refuses."""
    return [
        PolicyProblem(
            one.file,
            one.row,
            one.column,
            one.code,
            _in_one_line(one.code, one.message),
            _next_step(one.message),
        )
        for one in error.errors
    ]


def _in_one_line(code: str, message: str) -> str:
    """Return OPA's message without the source line that it quotes and the mark below that."""
    first, *more = (line.strip() for line in message.splitlines() or [""])
    if code == "rego_parse_error":
        return first
    return "; ".join((first, *(line for line in more if line not in first and line.strip("^"))))


_UNIMPORTED = re.compile(r"undefined function (\w+)\.|var (\w+) is unsafe")
"""A name that OPA doesn't know; it may be a package of the library that isn't imported."""


_STEPS = {
    "undefined ref: input": "Correct the name; rego/schemas/input.json lists every field",
    "nested more than": "Name parts of it as variables, or use sum, concat or data; each operator of a chain nests one level",
    "unexpected with keyword": "Write it in a line of its own in the body: `value := _name with input.task.statement as text`",
    "keyword is required": "Write Rego v1: `grant contains {…} if {…}`, and `_helper if {…}`",
    "yaml: ": "In METADATA, put quotes around a text with `: ` in it, or write it below `description: |`",
}
"""What to do about an error of OPA's or the engine's, by words of its message."""


def _next_step(message: str) -> str:
    for name in (*WITHHELD, *WITHHELD_REMOTE):
        if f"undefined function {name}" in message:
            replacement = "Use input.context.time" if name == "time.now_ns" else "Decide without it"
            return f"{replacement}, or list {name} under insecure.capabilities"
    for words, step in _STEPS.items():
        if words in message:
            return step
    named = _UNIMPORTED.search(message)
    name = (named[1] or named[2]) if named else ""
    if name and f"tabard/lib/{name}/{name}.rego" in library():
        return f"Add `import data.tabard.lib.{name}`, or correct the name"
    return ""
