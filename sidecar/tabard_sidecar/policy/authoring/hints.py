"""Warns about tools and arguments in a policy that the tool catalogue doesn't have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tabard_sidecar.policy.catalogue import Catalogue, ToolSpec
from tabard_sidecar.policy.loading.ast import InputRef, Node, Place, aliases, place, refs, rules
from tabard_sidecar.policy.loading.literals import nearest
from tabard_sidecar.policy.problems import PolicyProblem, Severity
from tabard_sidecar.policy.values import Json

_ARGUMENTS = ("tool", "arguments")
_NAME = ("tool", "name")


def argument_hints(parsed: Mapping[str, Node], catalogue: Catalogue) -> Iterator[PolicyProblem]:
    """Yield a warning for each argument or tool name in a rule that no tool of the catalogue has.

    A rule that compares ``input.tool.name`` with constants is held against those tools, any other rule against all.
    Nothing is said about tools whose schema accepts further arguments.
    """
    specs = list(catalogue)
    if not specs:
        return
    for file, module in parsed.items():
        names = aliases(module)
        for rule in rules(module):
            named = {text for text, _ in _compared_names(rule.node)}
            for text, at in _compared_names(rule.node):
                if not any(spec.name == text for spec in specs):
                    yield _unknown_tool(file, at, text, specs)
            matching = [spec for spec in specs if spec.name in named] or ([] if named else specs)
            yield from _unknown_arguments(file, rule.node, names, matching)


def _unknown_tool(file: str, at: Place, text: str, specs: list[ToolSpec]) -> PolicyProblem:
    hint = nearest(text, {spec.name for spec in specs})
    return PolicyProblem(
        file, at.row, at.column, "tool_unknown", f"the catalogue has no tool {text!r}{hint}",
        "Correct the name, or add the tool to the catalogue", Severity.WARNING,
    )  # fmt: skip


def _unknown_arguments(
    file: str, node: Node, names: Mapping[str, tuple[str, ...]], specs: list[ToolSpec]
) -> Iterator[PolicyProblem]:
    known: set[str] = set()
    for spec in specs:
        if spec.arguments is None:
            return
        known |= spec.arguments
    if not specs:
        return
    for ref in refs(node, names, Place(0, 0)):
        if isinstance(ref, InputRef) and ref.path[:2] == _ARGUMENTS and len(ref.path) > len(_ARGUMENTS):
            argument = ref.path[2]
            if argument not in known:
                yield _unknown_argument(file, ref.place, argument, known)
    for argument, at in _helper_arguments(node):
        if argument not in known:
            yield _unknown_argument(file, at, argument, known)


def _unknown_argument(file: str, at: Place, argument: str, known: set[str]) -> PolicyProblem:
    return PolicyProblem(
        file, at.row, at.column, "argument_unknown",
        f"no tool that the rule is about has an argument {argument!r}{nearest(argument, known)}",
        "Correct the name; a rule about an absent argument never matches", Severity.WARNING,
    )  # fmt: skip


def _compared_names(node: Json) -> Iterator[tuple[str, Place]]:
    """Yield constants that ``input.tool.name`` is compared with by ``==``."""
    for call in _calls(node):
        if _callee(call) not in {("equal",), ("eq",), ("unify",)}:
            continue
        for left, right in ((call[1], call[2]), (call[2], call[1])):
            if _is_input(left, _NAME) and right.get("type") == "string":
                yield right["value"], place(right)


_HELPERS = frozenset(
    {
        "all_in",
        "all_mentioned",
        "in_range",
        "length_at_most",
        "number",
        "number_mentioned",
        "text",
        "texts",
        "values_not_in",
    }
)


def _helper_arguments(node: Json) -> Iterator[tuple[str, Place]]:
    """Yield the names that are given to the helpers of ``data.tabard.lib.arguments``."""
    for call in _calls(node):
        callee = _callee(call)
        if len(callee) > 1 and callee[-2] == "arguments" and callee[-1] in _HELPERS and len(call) > 1:
            first = call[1]
            if first.get("type") == "string":
                yield first["value"], place(first)


def _calls(node: Json) -> Iterator[list[Json]]:
    if isinstance(node, list):
        for child in node:
            yield from _calls(child)
    elif isinstance(node, dict):
        terms = node.get("terms") if isinstance(node.get("terms"), list) else None
        value = node.get("value") if node.get("type") == "call" else None
        for call in (terms, value):
            if (
                isinstance(call, list)
                and len(call) > 1
                and isinstance(call[0], dict)
                and call[0].get("type") == "ref"
            ):
                yield call
        for key, child in node.items():
            if key != "location":
                yield from _calls(child)


def _callee(call: list[Json]) -> tuple[str, ...]:
    return tuple(str(part.get("value")) for part in call[0]["value"])


def _is_input(term: Json, path: tuple[str, ...]) -> bool:
    if term.get("type") != "ref":
        return False
    return tuple(part.get("value") for part in term["value"]) == ("input", *path)
