"""The recipes of the cookbook, and calls as a hostile agent would change them."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import yaml
from tabard_sidecar.policy.authoring.case_files import Case, read_cases

from tests.support.policy import REPOSITORY

COOKBOOK = REPOSITORY / "rego" / "cookbook"
CATALOGUE = COOKBOOK / "catalogue.yaml"
NAMES = sorted(path.name for path in COOKBOOK.iterdir() if path.is_dir())

# A Cyrillic letter, a fullwidth digit or another hyphen in place of an ASCII character.
_LOOK_ALIKES = str.maketrans("aceopOC1-", "\u0430\u0441\u0435\u043e\u0440\u041e\u0421\uff11\u2010")

_HIDDEN = ("\n", "\r\n", "\t", "\0", "\u200b", "\u2028", "\u202e", "\ufeff")


def recipe(name: str) -> dict[str, Any]:
    """Return what ``recipe.yaml`` says."""
    return yaml.safe_load((COOKBOOK / name / "recipe.yaml").read_text("utf-8"))


def cases(name: str) -> list[Case]:
    """Return the decision cases of a recipe."""
    return list(read_cases(COOKBOOK / name / "policy"))


def hostile(case: Case, texts: Mapping[str, str], optional: Collection[str] = ()) -> Iterator[Case]:
    """Yield the request of a case with one thing changed, as an agent that works for an attacker would.

    Args:
        case: a request that is allowed.
        texts: arguments that may hold other texts: ``free``, of which only type and length are changed, or ``line``,
            which has no hidden characters either.
        optional: arguments that may be left out.
    """
    keys = case.keys
    is_call = keys.operation == "authorize"
    changes = [
        *(
            (f"{path} {what}", {"arguments": changed})
            for path, what, changed in _arguments(keys.arguments, texts, optional)
            if is_call
        ),
        *((f"tool {name!r}", {"tool": name}) for name in _texts(keys.tool) if is_call),
        *((f"holder {name!r}", {"holder": name}) for name in _texts(keys.holder) if keys.holder),
        *(
            [("another server", {"server": f"{keys.server}x"}), ("no server", {"server": ""})]
            if keys.server and is_call
            else ()
        ),
        ("an asserted intent", {"intent_source": "asserted"}),
        ("another purpose", {"purpose": f"{keys.purpose}x"}),
        ("no purpose", {"purpose": ""}),
    ]
    for number, (what, update) in enumerate(changes):
        yield replace(
            case,
            name=f"{case.name}, {what}, {number}",
            keys=keys.model_copy(update=update),
            approved=None,
            outcome=None,
        )


def _arguments(
    arguments: dict[str, Any], texts: Mapping[str, str], optional: Collection[str]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for extra in ("x", "bcc", "__proto__", "Amount_Cents"):
        yield "an argument more:", extra, {**arguments, extra: "1"}
    for path in _paths(arguments):
        value = _at(arguments, path)
        shown = ".".join(map(str, path))
        if isinstance(path[-1], str) and path[-1] not in optional:
            yield shown, "left out", _changed(arguments, path, None, drop=True)
        for wrong in _wrong(value, texts.get(str(path[0]), "")):
            yield shown, repr(wrong)[:60], _changed(arguments, path, wrong)


def _paths(node: Any, before: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*before, key)
        yield from _paths(value, (*before, key))


def _at(node: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        node = node[key]
    return node


def _changed(
    arguments: dict[str, Any], path: tuple[str | int, ...], value: Any, *, drop: bool = False
) -> dict[str, Any]:
    changed = copy.deepcopy(arguments)
    holder = _at(changed, path[:-1])
    if drop:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return changed


def _wrong(value: Any, kind: str) -> Iterator[Any]:
    """Yield values of other types, and of the same type beyond what is meant."""
    yield from (None, {}, {"value": value}, [[value]], "")
    if value is not True:
        yield True
    if value is not False:
        yield False
    if not isinstance(value, list):
        yield from ([], [value], [value, value])
    if isinstance(value, str):
        yield from (0, 1, f"{value} " * (200_000 // len(value)))
        if kind != "free":
            yield from (value + end for end in _HIDDEN)
        if not kind:
            yield from _texts(value)
    elif isinstance(value, list):
        yield from ([*value, "x"], [*value, None], [*value, *value], value * 2_000, value[0])
        yield {str(number): item for number, item in enumerate(value)}
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from (
            -value,
            -1,
            0,
            value + 0.5,
            0.1,
            1e308,
            2**53 + 1,
            2**63,
            str(value),
            f"{value}e1",
            "NaN",
            "Infinity",
        )


def _texts(value: str) -> Iterator[str]:
    """Yield texts that look like a value, or that some program takes for it."""
    others = {value.upper(), value.lower(), value.swapcase(), value.translate(_LOOK_ALIKES)} - {value}
    yield from sorted(others)
    for end in (*_HIDDEN, " ", ".", "/", "/../x", "%00", "%20", ";x", ",x", "'--", "*", "\\"):
        yield value + end
    for beginning in (" ", "\n", "\u200b", "\u202e", "/", "../", "x", "-"):
        yield beginning + value
    yield "NaN"
    yield "*"
