"""Finds the parts of the input that a policy may read, from its references."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tabard_sidecar.policy.loading.ast import InputRef, Node, aliases, package_path, refs, rules

InputPaths = frozenset[tuple[str, ...]]

ALL_PATHS: InputPaths = frozenset({()})
"""The input as a whole."""

_MASK = ("system", "log")
"""Rules of this package read a decision record as their input, and no rule of another package may read them."""


def input_paths(modules: Iterable[Node]) -> InputPaths:
    """Return the paths below ``input`` of every reference in modules. Rules read the input in no other way.

    A path ends where the reference ends, or before its first key that isn't a constant; all below it may be read. The empty
    path is the input as a whole.
    """
    return frozenset(
        path for module in modules if package_path(module) != _MASK for path in _referred_to(module)
    )


def _referred_to(module: Node) -> Iterator[tuple[str, ...]]:
    names = aliases(module)
    for rule in rules(module):
        for ref in refs(rule.node, names, rule.place):
            if isinstance(ref, InputRef):
                yield ref.path
