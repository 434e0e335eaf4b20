"""Turns pydantic's validation errors into mistakes with their places."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.problems import SourceProblem
from tabard_sidecar.util.schema_walk import known_keys, nearest_key
from tabard_sidecar.util.yaml_source import Marked

Path = tuple[str | int, ...]
Place = tuple[str, int, int]
"""Source, line and column; line and column are 0 if the source isn't a file."""


class Places(Protocol):
    """Data and where each part of it was written."""

    @property
    def data(self) -> Any:  # noqa: ANN401 - plain data
        """The data that was validated."""

    def place(self, path: Path) -> Place:
        """Return the place of the value at ``path``, or of what surrounds it."""

    def key_place(self, path: Path) -> Place:
        """Return the place of the key that ends ``path``."""


@dataclass(frozen=True, slots=True)
class FilePlaces:
    """Places in one document."""

    document: Marked
    file: str

    @property
    def data(self) -> Any:  # noqa: ANN401 - plain data
        """The document's data."""
        return self.document.value

    def place(self, path: Path) -> Place:
        """Return the place of the value at ``path``, or of what surrounds it."""
        node, reached = self.document.find(path)
        position = (node.position if reached else node.key_position) or node.position
        return self.file, position.line, position.column

    def key_place(self, path: Path) -> Place:
        """Return the place of the key that ends ``path``."""
        node, reached = self.document.find(path)
        if reached and node.key_position is not None:
            return self.file, node.key_position.line, node.key_position.column
        return self.place(path)


def explain(error: ValidationError, places: Places, root: type[BaseModel]) -> Iterable[SourceProblem]:
    """Translate what pydantic found into problems with their places, each place and message once."""
    seen: dict[tuple[str, str], SourceProblem] = {}
    for detail in error.errors(include_url=False):
        path = _real_path(detail["loc"], places.data, missing=detail["type"] == "missing")
        if detail["type"] == "extra_forbidden":
            problem = unknown_key(root, path[:-1], str(path[-1]), places.key_place(path))
        elif detail["type"] == "missing":
            problem = SourceProblem("is required", *places.key_place(path[:-1]), key=dotted(path))
        else:
            problem = SourceProblem(_message(detail), *places.place(path), key=dotted(path))
        seen.setdefault((problem.key, problem.message), problem)
    return seen.values()


def _real_path(location: Path, data: object, *, missing: bool) -> Path:
    """Return the part of an error's location that names keys and indexes, without the names of union members."""
    path: list[str | int] = []
    for index, step in enumerate(location):
        inner = _child(data, step)
        if inner is not _ABSENT:
            data = inner
            path.append(step)
        elif missing and index == len(location) - 1:
            path.append(step)
    return tuple(path)


_ABSENT = object()


def _child(data: object, step: str | int) -> object:
    if isinstance(data, dict):
        return data.get(step, _ABSENT)
    if isinstance(data, list) and isinstance(step, int) and step < len(data):
        return data[step]
    return _ABSENT


def _message(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return "must be a mapping"
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        return f"must match {context['pattern']}"
    if kind == "too_short":
        return f"must hold at least {context['min_length']} item{'s' * (context['min_length'] != 1)}"
    text = str(detail["msg"])
    for wordy, short in (
        ("Input should be ", "must be "),
        ("Input should have ", "must have "),
        ("Value should", "must"),
    ):
        text = text.replace(wordy, short)
    return text[:1].lower() + text[1:]


def unknown_key(root: type[BaseModel], above: Path, key: str, place: Place) -> SourceProblem:
    """Return the problem of a key that nothing reads."""
    near = nearest_key(root, above, key)
    step = f'Did you mean "{near}"?' if near else f"Known here: {', '.join(known_keys(root, above))}."
    return SourceProblem(f'unknown key "{key}"', *place, key=dotted((*above, key)), next_step=step)


def dotted(path: Path) -> str:
    """Return a path as people write it."""
    return ".".join(map(str, path))
