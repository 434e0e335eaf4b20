"""Checks that each rule stands where it is asked, and that no file adds to the rules of another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tabard_sidecar.policy.loading.ast import Node, Rule, package_path, place, rules
from tabard_sidecar.policy.loading.strays import almost
from tabard_sidecar.policy.problems import PolicyProblem
from tabard_sidecar.policy.resources import ELEMENTS

_TEST_RULES = ("test_", "todo_test_")


def check_owners(modules: Mapping[str, Node]) -> Iterator[PolicyProblem]:
    """Yield a problem for each file that adds to a package that another file has."""
    owners: dict[tuple[str, ...], str] = {}
    for file in sorted(modules):
        package = package_path(modules[file])
        owner = owners.setdefault(package, file)
        if owner != file:
            at = place(modules[file]["package"])
            name = ".".join(package)
            yield PolicyProblem(
                file, at.row, at.column, "package_shared", f"package {name} is the module of {owner}, too",
                "Keep a package in one file: join them, or give this one another name",
            )  # fmt: skip
    for file, module in modules.items():
        yield from _check_heads(file, module, owners)


def _check_heads(file: str, module: Node, owners: Mapping[tuple[str, ...], str]) -> Iterator[PolicyProblem]:
    """Yield the rules whose heads reach into the package of another file, such as ``b.x := 1`` in package lib.a."""
    own = package_path(module)
    for rule in rules(module):
        path = own + rule.path
        for package, owner in owners.items():
            if package != own and len(package) > len(own) and package[: len(path)] == path[: len(package)]:
                name = ".".join(package)
                yield PolicyProblem(
                    file, rule.place.row, rule.place.column, "package_shared",
                    f"the rule belongs to package {name}, the module of {owner}", "Give the rule another name",
                )  # fmt: skip


def check_helpers(file: str, module: Node) -> Iterator[PolicyProblem]:
    """Yield the rules of a module of helpers that have a name of the contract: no operation asks for them."""
    for rule in rules(module):
        if rule.name in ELEMENTS and rule.shape != "a function":
            name = ".".join(package_path(module))
            step = f"Put it into a module with package policy.<name>, or call the helper otherwise than {rule.name}"
            yield _never_asked(file, rule, f"{rule.name} in package {name} is never asked", step)


def check_tests(tests: Mapping[str, Node]) -> Iterator[PolicyProblem]:
    """Yield the rules of files with tests that look like rules to serve: those files are never served."""
    for file, module in tests.items():
        package = package_path(module)
        read = set(_names(module.get("rules") or (), module))
        extends = package[:1] in {("policy",), ("lib",), ("system",)} and not package[-1].endswith("_test")
        for rule in rules(module):
            if rule.name in ELEMENTS and rule.shape != "a function":
                step = f"Rename the file, so that it doesn't end in _test.rego, or the rule {rule.name}"
                yield _never_asked(file, rule, f"{rule.name} in a file with tests is never asked", step)
            elif rule.name not in read and almost(rule.name.partition("_")[0], "test") and "_" in rule.name:
                if not rule.name.startswith(_TEST_RULES):
                    step = f"Call it test_{rule.name.partition('_')[2]}"
                    yield _never_asked(file, rule, f"{rule.name} is never run as a test", step)
            elif extends and not rule.name.startswith(_TEST_RULES):
                name = ".".join(package)
                message = f"{rule.name} adds to package {name} in tests only, so they test another policy than is served"
                yield _never_asked(file, rule, message, f"Write package {name}_test")


def check_used(file: str, module: Node) -> Iterator[PolicyProblem]:
    """Yield the private rules that nothing in their module refers to: a misspelt name, or dead."""
    read = set(_names(module.get("rules") or (), module))
    told: set[str] = set()
    for rule in rules(module):
        if rule.name.startswith("_") and rule.name not in read and rule.name not in told:
            told.add(rule.name)
            step = "Correct its name, or remove it"
            yield _never_asked(
                file, rule, f"nothing in the module refers to {rule.name}", step, "rule_unused"
            )


def _names(nodes: Iterable[object], module: Node) -> Iterator[str]:
    """Yield the names that the bodies, values and elements of rules refer to."""
    own = package_path(module)
    pending: list[object] = list(nodes)
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending += node
        elif isinstance(node, Mapping):
            if node.get("type") == "var":
                yield str(node["value"])
            if node.get("type") == "ref":
                parts = [part.get("value") for part in node["value"]]
                if parts[: len(own) + 1] == ["data", *own] and len(parts) > len(own) + 1:
                    yield str(parts[len(own) + 1])
            pending += [
                child
                for key, child in node.items()
                # A head names its rule in `name` and in the first part of `ref`.
                if key not in {"location", "annotations", "ref"}
            ]
            if isinstance(node.get("ref"), list):
                pending += node["ref"][1:]


def _never_asked(file: str, rule: Rule, message: str, step: str, code: str = "never_asked") -> PolicyProblem:
    return PolicyProblem(file, rule.place.row, rule.place.column, code, message, step)
