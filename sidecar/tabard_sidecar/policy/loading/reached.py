"""Finds the modules of Tabard's library that a policy reaches: no other is parsed, checked or compiled with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from tabard_sidecar.policy.loading.ast import DataRef, Node, aliases, place, refs

_LIBRARY = ("tabard", "lib")


def reached(
    modules: Iterable[Node], library: Mapping[str, str], parse: Callable[[str, str], Node | None]
) -> dict[str, Node]:
    """Return the modules of the library, by file, that modules reach directly or through each other.

    A reference that may mean any of them, or one that doesn't exist, reaches them all; the checks then name the nearest.

    Args:
        modules: the policy's.
        library: sources of the library by file, each package in a folder of its name.
        parse: parses a file; ``None`` if it can't.
    """
    files = {file.rsplit("/", 2)[-2]: file for file in library}
    found: dict[str, Node] = {}
    pending = list(modules)
    while pending:
        wanted = _packages(pending.pop())
        if not wanted <= files.keys():
            wanted = set(files)
        for package in sorted(wanted):
            file = files[package]
            module = parse(file, library[file]) if file not in found else None
            if module is not None:
                found[file] = module
                pending.append(module)
    return found


def _packages(module: Node) -> set[str]:
    """Return the packages below ``tabard.lib`` that a module refers to; an empty name for one that isn't constant."""
    names, at = aliases(module), place(module["package"])
    found = set()
    for node, known in ((module.get("imports") or [], {}), (module.get("rules") or [], names)):
        for ref in refs(node, known, at):
            if isinstance(ref, DataRef) and ref.path[: len(_LIBRARY)] == _LIBRARY[: len(ref.path)]:
                found.add(ref.path[len(_LIBRARY)] if len(ref.path) > len(_LIBRARY) else "")
    return found
