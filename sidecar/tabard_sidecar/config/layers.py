"""Merges settings from flags, environment, file and defaults, in this order, and keeps the origin of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from tabard_sidecar.config.fields import section
from tabard_sidecar.util.late_type import type_of
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.model_problems import FilePlaces, Path, Place, unknown_key
from tabard_sidecar.util.problems import SourceProblem
from tabard_sidecar.util.schema_walk import known_keys, models_at
from tabard_sidecar.util.yaml_source import Marked, parse_value

PREFIX = "TABARD_"
_HOST = "_SERVICE_HOST"
_SEPARATOR = "__"


@dataclass(frozen=True, slots=True)
class Override:
    """One setting from the environment or a flag.

    Attributes:
        path: path of the setting.
        text: the value as given.
        source: its origin, for messages.
    """

    path: tuple[str, ...]
    text: str
    source: str


def from_environment(environment: Mapping[str, str], root: type[BaseModel]) -> Iterator[Override]:
    """Yield the settings from the environment.

    A variable is ``TABARD_``, the section, two underscores and the key. One without two underscores is only read if
    it names a setting outside any section; others belong to clients (``TABARD_ADDRESS``) or to Kubernetes, which
    defines ``TABARD_PORT`` and the like for a service of that name. Those who may make services in a namespace choose their
    names, so no variable of a service is a setting, whatever it is called.
    """
    services = _services(environment)
    for name in sorted(environment):
        if not name.startswith(PREFIX) or any(_is_of_service(name, service) for service in services):
            continue
        path = tuple(name.removeprefix(PREFIX).lower().split(_SEPARATOR))
        if len(path) > 1 or (path[0] in root.model_fields and not models_at(root, path[:1])[1:]):
            if len(path) == 1 and _is_section(root, path[0]):
                continue
            yield Override(path, environment[name], f"environment variable {name}")


def _services(environment: Mapping[str, str]) -> list[str]:
    """Return the names of services, as the kubelet writes them in variables of each container."""
    ends = (_HOST, "_SERVICE_PORT", "_PORT")
    found = (
        name.removesuffix(_HOST) for name in environment if name.startswith(PREFIX) and name.endswith(_HOST)
    )
    return [service for service in found if all(f"{service}{end}" in environment for end in ends)]


def _is_of_service(name: str, service: str) -> bool:
    return name == f"{service}_PORT" or name.startswith((f"{service}_SERVICE_", f"{service}_PORT_"))


def from_flags(assignments: Iterable[str]) -> Iterator[Override | SourceProblem]:
    """Yield the settings of ``--set section.key=value`` flags."""
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        source = f"flag --set {key}"
        if not separator or not key:
            yield SourceProblem("has no value", source, next_step="Write --set section.key=value.")
        else:
            yield Override(tuple(key.strip().split(".")), text, source)


@dataclass(slots=True)
class Merged:
    """Merged data of all layers.

    ``origins`` holds the origin of each overridden path; all other values come from ``document``.
    """

    data: dict[str, Any]
    document: Marked | None
    file: FilePath | None
    origins: dict[Path, str]

    def place(self, path: Path) -> Place:
        """Return the place of the value at ``path``, or of the nearest value around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]], 0, 0
        if self.document is None:
            return "settings", 0, 0
        return FilePlaces(self.document, str(self.file)).place(path)

    def key_place(self, path: Path) -> Place:
        """Return the place of the key that ends ``path``."""
        source, line, column = self.place(path)
        if line and self.document is not None:
            return FilePlaces(self.document, str(self.file)).key_place(path)
        return source, line, column


def merge(
    document: Marked | None, file: FilePath | None, overrides: Iterable[Override], root: type[BaseModel]
) -> tuple[Merged, list[SourceProblem]]:
    """Apply overrides, weakest first, to the document."""
    data = _without_empty_sections(document.value if document else {}, root)
    merged = Merged(data, document, file, {})
    problems: list[SourceProblem] = []
    for override in overrides:
        problem = _apply(merged, override, root)
        if problem is not None:
            problems.append(problem)
    return merged, problems


def _apply(merged: Merged, override: Override, root: type[BaseModel]) -> SourceProblem | None:
    *parents, key = override.path
    for depth, step in enumerate(override.path):
        above = override.path[:depth]
        if models_at(root, above) and step not in known_keys(root, above):
            return unknown_key(root, above, step, (override.source, 0, 0))
    try:
        value = _typed(override.text, _annotation(root, override.path))
    except ValueError as error:
        return SourceProblem(f"can't be read: {error}", override.source, key=".".join(override.path))
    place = merged.data
    for step in parents:
        inner = place.get(step)
        if not isinstance(inner, dict):
            inner = place[step] = {}
        place = inner
    place[key] = value
    merged.origins[override.path] = override.source
    return None


def _without_empty_sections(data: Mapping[str, Any], root: type[BaseModel]) -> dict[str, Any]:
    """Copy the data without empty sections (``http:``), which count as absent."""
    return {
        key: _copy(value) for key, value in data.items() if not (value is None and _is_section(root, key))
    }


def _copy(value: object) -> object:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _is_section(root: type[BaseModel], key: str) -> bool:
    """Tell whether a key is that of a section, or of sections by name."""
    field = root.model_fields.get(key)
    return field is not None and section(field) is not None


def _annotation(root: type[BaseModel], path: tuple[str, ...]) -> object:
    for model in models_at(root, path[:-1]):
        if path[-1] in model.model_fields:
            return type_of(model.model_fields[path[-1]])
    return None


def _typed(text: str, annotation: object) -> object:
    """Convert text for a field: keep it for a text field, parse it as YAML for any other."""
    return text if _takes_text(annotation) else parse_value(text)


def _takes_text(annotation: object) -> bool:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _takes_text(get_args(annotation)[0])
    if origin is Literal:
        return True
    if origin is Union or isinstance(annotation, _UNION):
        return any(_takes_text(part) for part in get_args(annotation))
    return isinstance(annotation, type) and issubclass(annotation, str | FilePath)


_UNION = type(int | str)
