"""Checks a policy's modules for mistakes that plain OPA accepts.

With each of these mistakes OPA evaluates the policy as if a rule didn't exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from tabard_sidecar.policy.loading.ast import (
    DataRef,
    InputRef,
    Node,
    Rule,
    aliases,
    constant,
    package_path,
    place,
    refs,
    rules,
)
from tabard_sidecar.policy.loading.constants import check_constants
from tabard_sidecar.policy.loading.inlining import Functions, inline, simple_functions
from tabard_sidecar.policy.loading.literals import check_literal, nearest
from tabard_sidecar.policy.loading.negations import check_negations
from tabard_sidecar.policy.loading.placement import check_helpers, check_used
from tabard_sidecar.policy.loading.prices import check_price
from tabard_sidecar.policy.loading.replacements import check_replacements
from tabard_sidecar.policy.loading.rules import RuleIndex, RuleSite
from tabard_sidecar.policy.problems import PolicyProblem
from tabard_sidecar.policy.resources import ELEMENTS, schema
from tabard_sidecar.util.lean import dataclass

_SYSTEM_RULES = frozenset({"mask"})
_POLICY_DEPTH = 2


@dataclass(frozen=True, slots=True)
class World:
    """The targets that references may have.

    Attributes:
        rule_paths: paths of every rule in ``lib`` and ``tabard.lib``.
        functions: simple functions that elements may be made with.
        required: names of arguments that every tool which has them requires.
    """

    rule_paths: frozenset[tuple[str, ...]]
    functions: Functions
    required: frozenset[str]

    def defines(self, path: tuple[str, ...]) -> bool:
        """Tell whether a path is a rule, contains one or lies within one."""
        return any(path[: len(rule)] == rule or rule[: len(path)] == path for rule in self.rule_paths)


def library_paths(modules: Iterable[Node]) -> frozenset[tuple[str, ...]]:
    """Return the full path of every rule of modules under ``lib`` and ``tabard``."""
    return frozenset(
        package_path(module) + rule.path
        for module in modules
        if package_path(module)[:1] in {("lib",), ("tabard",)}
        for rule in rules(module)
    )


def check_module(file: str, module: Node, world: World) -> Iterator[PolicyProblem]:
    """Yield every problem of one module of the policy."""
    package = package_path(module)
    yield from check_used(file, module)
    yield from check_constants(file, module)
    yield from check_replacements(file, module)
    if package[:1] == ("policy",) and len(package) == _POLICY_DEPTH:
        yield from _check_policy(file, module, package[1], world)
        yield from check_negations(file, module, world.required)
    elif package[:1] == ("lib",) and len(package) > 1:
        yield from check_helpers(file, module)
        yield from _check_refs(file, module, world, own=None)
    elif package == ("system", "log"):
        yield from _check_system(file, module, world)
    else:
        yield _wrong_package(file, module, package)


def _wrong_package(file: str, module: Node, package: tuple[str, ...]) -> PolicyProblem:
    at = place(module["package"])
    name = ".".join(package)
    if package[:1] == ("tabard",):
        return PolicyProblem(
            file, at.row, at.column, "package_reserved", f"package {name} belongs to Tabard",
            "Put helpers into package lib.<name>",
        )  # fmt: skip
    if package[:1] == ("policy",):
        message = f"package {name} is never evaluated: a policy module's package has exactly two parts"
        step = f"Write `package policy.{package[1] if len(package) > 1 else '<name>'}`"
    else:
        message = f"package {name} is never evaluated"
        step = f"Write `package policy.{package[-1]}`, or `package lib.{package[-1]}` for helpers"
    return PolicyProblem(file, at.row, at.column, "package", message, step)


def _check_policy(file: str, module: Node, name: str, world: World) -> Iterator[PolicyProblem]:
    for rule in rules(module):
        if rule.name.startswith("_"):
            continue
        if rule.name not in ELEMENTS:
            yield _public_rule(file, rule)
        elif rule.shape != "set":
            yield PolicyProblem(
                file, rule.place.row, rule.place.column, "rule_shape",
                f"{rule.name} is {rule.shape}, and only `{rule.name} contains …` is ever evaluated",
                f'Write `{rule.name} contains {{"code": …}} if …`',
            )  # fmt: skip
        elif rule.element is not None:
            element = inline(rule.element, module, world.functions)
            findings = [*check_literal(element, schema(rule.name))]
            findings += check_price(element) if rule.name == "grant" else ()
            for at, message, step in findings:
                yield PolicyProblem(file, at.row, at.column, "element", f"{rule.name}: {message}", step)
    yield from _check_refs(file, module, world, own=name)


def _public_rule(file: str, rule: Rule) -> PolicyProblem:
    message = f"{rule.name} is no rule of the contract{nearest(rule.name, ELEMENTS)}"
    step = f"Use one of {', '.join(ELEMENTS)}, or name the helper _{rule.name}"
    return PolicyProblem(file, rule.place.row, rule.place.column, "public_rule", message, step)


def _check_system(file: str, module: Node, world: World) -> Iterator[PolicyProblem]:
    for rule in rules(module):
        if rule.name.startswith("_") or rule.name in _SYSTEM_RULES:
            continue
        message = f"system.log.{rule.name} is ignored: only system.log.mask is evaluated"
        yield PolicyProblem(
            file, rule.place.row, rule.place.column, "system_rule", message, "Remove the rule"
        )
    yield from _check_refs(file, module, world, own=None)


def _check_refs(file: str, module: Node, world: World, *, own: str | None) -> Iterator[PolicyProblem]:
    names = aliases(module)
    at = place(module["package"])
    for node in (module.get("imports") or [], module.get("rules") or []):
        for ref in refs(node, names if node is not module.get("imports") else {}, at):
            if isinstance(ref, DataRef):
                problem = _check_ref(file, ref, world, own)
                if problem is not None:
                    yield problem


def _check_ref(file: str, ref: DataRef, world: World, own: str | None) -> PolicyProblem | None:
    path = ref.path
    shown = ".".join(("data", *path))
    if path[:1] == ("policy",) and own is not None and path[1:2] == (own,):
        return None
    if not path:
        code, message = "data_whole", "reads data as a whole, and with it other modules"
        step = "Name what you read: data.<name>"
    elif path[0] == "policy":
        code, message = "reads_policy", f"reads {shown}, the rules of another module"
        step = "Share what both need in package lib.<name>"
    elif path[0] == "system" or (path[0] == "tabard" and path[1:2] != ("lib",)):
        code, message = "reads_reserved", f"reads {shown}, which belongs to Tabard"
        step = "Use data.tabard.lib.<name>"
    elif path[0] in {"lib", "tabard"}:
        if world.defines(path):
            return None
        known = {".".join(("data", *rule)) for rule in world.rule_paths if rule[0] == path[0]}
        code, message, step = (
            "rule_unknown",
            f"{shown} doesn't exist{nearest(shown, known)}",
            "Correct the name",
        )
    else:
        return None  # data: see reach
    return PolicyProblem(file, ref.place.row, ref.place.column, code, message, step)


def index_rules(modules: Mapping[str, Node], library: Mapping[str, Node]) -> RuleIndex:
    """Return the contract rules of every policy module, and the parts of the input that they read.

    Args:
        modules: the policy's modules by file.
        library: Tabard's own.
    """
    found: dict[str, dict[str, list[RuleSite]]] = {}
    functions = simple_functions([*modules.values(), *library.values()])
    for file, module in modules.items():
        package = package_path(module)
        if package[:1] != ("policy",) or len(package) != _POLICY_DEPTH:
            continue
        for rule in rules(module):
            if rule.name in ELEMENTS and rule.shape == "set":
                site = RuleSite(file, rule.place.row, _stated_code(rule, module, functions))
                found.setdefault(package[1], {}).setdefault(rule.name, []).append(site)
    read = (
        [_Read.of(module) for module in library.values()],
        [_Read.of(module) for module in modules.values()],
    )
    return RuleIndex(
        {name: {rule: tuple(sites) for rule, sites in by_rule.items()} for name, by_rule in found.items()},
        reads_history=_reads(*read, _is_history),
        reads_calls=_reads(*read, _is_calls),
    )


_Paths = frozenset[tuple[str, ...]]
_Concerns = Callable[[tuple[str, ...]], bool]


@dataclass(frozen=True, slots=True)
class _Read:
    """What the rules of a module refer to, below ``input`` and below ``data``."""

    package: tuple[str, ...]
    input: _Paths
    data: _Paths

    @classmethod
    def of(cls, module: Node) -> _Read:
        names = aliases(module)
        found = [ref for rule in rules(module) for ref in refs(rule.node, names, rule.place)]
        return cls(
            package_path(module),
            frozenset(ref.path for ref in found if isinstance(ref, InputRef)),
            frozenset(ref.path for ref in found if isinstance(ref, DataRef)),
        )

    def looks(self, readers: _Paths, concerns: _Concerns) -> bool:
        """Tell whether the module reads what concerns, itself or as it refers into a reader or to what contains one."""
        # A package that contains a reader: data.tabard.lib[name], lib := data.tabard.lib.
        return any(map(concerns, self.input)) or any(
            path[: len(package)] == package or package[: len(path)] == path
            for path in self.data
            for package in readers
        )


def _is_history(path: tuple[str, ...]) -> bool:
    return path[:1] in {(), ("history",)}


def _is_calls(path: tuple[str, ...]) -> bool:
    return path == () or (path[:1] == ("history",) and path[:2] != ("history", "labels"))


def _reads(library: list[_Read], modules: list[_Read], concerns: _Concerns) -> bool:
    """Tell whether a module may read a part of the input, itself or through the library."""
    readers: _Paths = frozenset()
    while True:  # the library's modules use each other
        found = frozenset(module.package for module in library if module.looks(readers, concerns))
        if found == readers:
            return any(module.looks(readers, concerns) for module in modules)
        readers = found


def _stated_code(rule: Rule, module: Node, functions: Functions) -> str | None:
    element = inline(rule.element, module, functions) if rule.element is not None else None
    if element is None or element.get("type") != "object":
        return None
    for key, item in element["value"]:
        if key.get("value") == "code":
            ground, value = constant(item)
            return value if ground and isinstance(value, str) else None
    return None
