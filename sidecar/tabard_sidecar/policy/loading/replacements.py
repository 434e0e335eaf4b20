"""Refuses ``with`` where it would let a rule decide on what was never verified."""

from __future__ import annotations

from collections.abc import Iterator

from tabard_sidecar.policy.loading.ast import Node, aliases, nodes, place, rules
from tabard_sidecar.policy.loading.program import RULE_ROOTS, Path
from tabard_sidecar.policy.problems import PolicyProblem
from tabard_sidecar.policy.values import Json

_ALLOWED = (("input", "task", "statement"), ("input", "context", "time"))
"""What only changes how the library reads the person's words."""


def check_replacements(file: str, module: Node) -> Iterator[PolicyProblem]:
    """Yield each ``with`` that replaces more than the words of the request, their day, or the policy's own data."""
    names = aliases(module)
    for rule in rules(module):
        for target in _targets(rule.node):
            path = _path(target, names)
            if path in _ALLOWED or (path[0] == "data" and len(path) > 1 and path[1] not in RULE_ROOTS):
                continue
            at = place(target, rule.place)
            message = f"`with` replaces {'.'.join(path)}, so the rule wouldn't decide on what was verified"
            step = (
                "Use `with` in tests (*_test.rego), or only for input.task.statement, input.context.time or "
                "your own data; else write a function that takes the value"
            )
            yield PolicyProblem(file, at.row, at.column, "with_replaces", message, step)


def _targets(node: Json) -> Iterator[Json]:
    """Yield what each ``with`` below a node replaces."""
    for expression in nodes(node):
        replaced = expression.get("with")
        if isinstance(replaced, list):
            yield from (each["target"] for each in replaced)


def _path(target: Json, names: dict[str, Path]) -> Path:
    """Return the path of a target; of a function, its name."""
    parts = target["value"] if isinstance(target.get("value"), list) else [target]
    head, *rest = (str(part.get("value")) for part in parts)
    return (*names.get(head, (head,)), *rest)
