"""Reads what a module's METADATA says to Tabard, and refuses what would weaken a check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field

from tabard_sidecar.policy.loading.ast import Node, Place, place
from tabard_sidecar.policy.loading.literals import nearest
from tabard_sidecar.policy.problems import PolicyProblem
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

_OURS = ("labels", "optional_data", "tools")
_ALLOWED = frozenset(
    {"authors", "custom", "description", "entrypoint", "location", "organizations", "related_resources", "scope", "title"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Declared:
    """What a module declares under ``custom.tabard``.

    Attributes:
        optional_data: paths below ``data`` that may be missing; ``*`` stands for any one key.
        labels: labels that come from elsewhere than the policy's grants and the catalogue.
        tools: names of tools that another catalogue has, for a policy that serves several.
        at: the place to name in messages.
    """

    optional_data: tuple[tuple[str, ...], ...] = ()
    labels: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    at: Place = field(default=Place(1, 1))


def declared(module: Node) -> Declared:
    """Return what the annotations of a module declare; malformed ones are left out."""
    optional: list[tuple[str, ...]] = []
    labels: list[str] = []
    tools: list[str] = []
    for annotation in _annotations(module):
        ours = _tabard(annotation)
        if isinstance(ours, Mapping):
            optional += [path for item in _texts(ours, "optional_data") if (path := _data_path(item))]
            labels += _texts(ours, "labels")
            tools += _texts(ours, "tools")
    return Declared(tuple(optional), tuple(labels), tuple(tools), place(module["package"]))


def check_metadata(file: str, module: Node) -> Iterator[PolicyProblem]:
    """Yield every problem of a module's annotations."""
    for annotation in _annotations(module):
        at = place(annotation, place(module["package"]))
        if annotation.get("schemas"):
            yield _problem(
                file, at, "metadata_schemas",
                "METADATA schemas would replace the schema that rules are checked against",
                "Remove schemas; rego/schemas/input.json always counts",
            )  # fmt: skip
        unknown = sorted(annotation.keys() - _ALLOWED - {"schemas"})
        if unknown:
            yield _problem(
                file, at, "metadata",
                f"METADATA {unknown[0]} has no meaning here",
                f"Use {', '.join(sorted(_ALLOWED - {'location'}))}",
            )  # fmt: skip
        for name in _misspelt(annotation):
            yield _problem(
                file, at, "metadata", f"custom.{name} must mean custom.tabard", "Write custom.tabard"
            )
        yield from _check_ours(file, at, _tabard(annotation))


def _check_ours(file: str, at: Place, ours: Json) -> Iterator[PolicyProblem]:
    if ours is None:
        return
    if not isinstance(ours, Mapping):
        yield _problem(
            file, at, "metadata", "custom.tabard must be an object", f"Write {' or '.join(_OURS)} below it"
        )
        return
    for key, value in ours.items():
        if key not in _OURS:
            yield _problem(
                file, at, "metadata", f"custom.tabard.{key} is not a known name{nearest(key, _OURS)}",
                f"Use one of {', '.join(_OURS)}",
            )  # fmt: skip
        elif not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            yield _problem(
                file, at, "metadata", f"custom.tabard.{key} must be a list of strings", "Write a list"
            )
        elif key == "optional_data" and not all(map(_data_path, value)):
            yield _problem(
                file, at, "metadata", "custom.tabard.optional_data must list paths such as data.lists.blocked",
                "Write data, and the keys after dots; * stands for any one key",
            )  # fmt: skip


def _annotations(module: Node) -> Iterator[Node]:
    yield from module.get("annotations") or ()
    for rule in module.get("rules") or ():
        yield from rule.get("annotations") or ()


def _tabard(annotation: Node) -> Json:
    custom = annotation.get("custom")
    return custom.get("tabard") if isinstance(custom, Mapping) else None


def _misspelt(annotation: Node) -> list[str]:
    """Return the names under ``custom`` that are almost ``tabard``."""
    custom = annotation.get("custom")
    names = [name for name in custom if name != "tabard"] if isinstance(custom, Mapping) else []
    return [name for name in names if nearest(name.lower(), ["tabard"])]


def _texts(ours: Mapping[str, Json], key: str) -> list[str]:
    value = ours.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _data_path(text: str) -> tuple[str, ...]:
    """Return the path below ``data``; empty if the text is none."""
    head, *path = text.split(".")
    return tuple(path) if head == "data" and path and all(path) else ()


def _problem(file: str, at: Place, code: str, message: str, step: str) -> PolicyProblem:
    return PolicyProblem(file, at.row, at.column, code, message, step)
