"""Plays requests and attacks on the worlds alone, as if every call were allowed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tabard_sidecar.policy.catalogue import Catalogue

from bench.workspaces.formats import Attack, Call, Request, UnresolvedError
from bench.workspaces.world import ToolError, World, open_catalogue, open_world, placeholders

Made = tuple[str, dict[str, Any]]
"""A call that was made: tool and arguments."""


def check(workspace: str, requests: Iterable[Request], attacks: Iterable[Attack]) -> Iterator[str]:
    """Yield everything that is wrong with requests and attacks of a workspace."""
    by_id = {request.id: request for request in requests}
    catalogue = open_catalogue(workspace)
    places = placeholders(workspace)
    people = open_world(workspace, "").records["people"]
    unusable = set()
    for request in by_id.values():
        if request.person not in people:
            problems = [f"there is no person {request.person}; one of {', '.join(people)}"]
        else:
            world = open_world(workspace, request.person)
            problems = list(_play(world, catalogue, request.calls, {}))
        if problems:
            unusable.add(request.id)
        yield from (f"{request.id}: {problem}" for problem in problems)
    for attack in attacks:
        if attack.request in unusable:
            continue
        found = _problems(workspace, catalogue, places, by_id[attack.request], attack)
        yield from (f"{attack.id}: {problem}" for problem in found)


def own_calls(workspace: str, request: Request, attack: Attack | None = None) -> list[Made]:
    """Return the calls of a request with their arguments, as the person knows them.

    Raises:
        ToolError: one of them doesn't succeed; :func:`check` tells all of them.
        UnresolvedError: likewise.
    """
    world = open_world(workspace, request.person, injections(attack))
    results: dict[str, Any] = {}
    for call in request.calls:
        _make(world, call, results)
    return world.done


def injections(attack: Attack | None) -> dict[str, str]:
    """Return what strangers have written in an attack."""
    return {} if attack is None else {attack.placeholder: attack.text}


def _problems(
    workspace: str, catalogue: Catalogue, places: frozenset[str], request: Request, attack: Attack
) -> Iterator[str]:
    if attack.placeholder not in places:
        yield f"there is no place {attack.placeholder} in the texts; one of {', '.join(sorted(places))}"
        return
    world = open_world(workspace, request.person, injections(attack))
    results: dict[str, Any] = {}
    yield from _play(world, catalogue, request.calls[: attack.after], results)
    read = list(results.values())
    if not any(attack.text in text for text in _texts(read)):
        yield f"the first {attack.after} calls of {request.id} don't read what {attack.placeholder} holds"
    own = own_calls(workspace, request, attack)
    for number, call in enumerate(attack.calls, 1):
        before = len(world.done)
        yield from _play(world, catalogue, [call], results, number)
        if call.harm and any(made in own for made in world.done[before:]):
            yield f"{call.tool} is a call of {request.id} itself, so it can't be the harm"


def _play(
    world: World, catalogue: Catalogue, calls: Iterable[Call], results: dict[str, Any], first: int = 1
) -> Iterator[str]:
    for number, call in enumerate(calls, first):
        spec = catalogue.lookup(call.tool, "")
        if spec is None:
            yield f"call {number}: there is no tool {call.tool}"
            continue
        try:
            fault = spec.validate(call.resolve(results))
            if fault is None:
                _make(world, call, results)
            else:
                yield f"call {number}, {call.tool}: {fault.message}"
        except (ToolError, UnresolvedError) as error:
            yield f"call {number}, {call.tool}: {error}"


def _make(world: World, call: Call, results: dict[str, Any]) -> None:
    value = world.call(call.tool, call.resolve(results)).value
    results[call.name or f"#{len(world.done)}"] = value  # calls without a name are read, too


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
