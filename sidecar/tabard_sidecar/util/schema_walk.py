"""Walks the sections' classes: finds the keys that a place may have, and the fields that hold paths."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from operator import is_
from pathlib import Path
from typing import Annotated, TypeGuard, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel

from tabard_sidecar.util.addresses import Anchored, anchored
from tabard_sidecar.util.late_type import type_of
from tabard_sidecar.util.similar import get_close_matches


def models_at(root: type[BaseModel], path: Sequence[str | int]) -> list[type[BaseModel]]:
    """Return the classes that a value at ``path`` may have; steps that aren't keys or indexes are ignored."""
    current: list[object] = [root]
    for step in path:
        following = [inner for kind in current for inner in _descend(kind, step)]
        if following:
            current = following
    return [kind for kind in _flatten(current) if _is_model(kind)]


def nearest_key(root: type[BaseModel], path: Sequence[str | int], key: str) -> str | None:
    """Return the known key at ``path`` that is most similar to ``key``."""
    known = sorted({name for model in models_at(root, path) for name in model.model_fields})
    close = get_close_matches(key, known, n=1, cutoff=0.6) or get_close_matches(
        key.lower().replace("-", "_"), known, n=1, cutoff=0.6
    )
    return close[0] if close else None


def known_keys(root: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """Return the keys that a mapping at ``path`` may have."""
    return sorted({name for model in models_at(root, path) for name in model.model_fields})


_Model = TypeVar("_Model", bound=BaseModel)


def paths_in(value: object, prefix: str = "") -> Iterator[tuple[str, Path]]:
    """Yield dotted key and path of every setting that holds a path."""
    if isinstance(value, Path):
        yield prefix, value
        return
    inner: Iterator[tuple[object, object]] = iter(())
    if isinstance(value, BaseModel):
        inner = ((name, getattr(value, name)) for name in type(value).model_fields)
    elif isinstance(value, Mapping):
        inner = iter(value.items())
    elif isinstance(value, tuple | list):
        inner = iter(enumerate(value))
    for key, found in inner:
        yield from paths_in(found, f"{prefix}.{key}" if prefix else str(key))


class UnanchoredError(ValueError):
    """A relative path can't be used at its place; ``path`` is the setting's."""

    def __init__(self, message: str, path: tuple[str | int, ...]) -> None:
        super().__init__(message)
        self.path = path


def anchor_paths(model: _Model, base: Path) -> _Model:
    """Return ``model`` with every relative path in it made absolute, relative to ``base``.

    Raises:
        UnanchoredError: what results can't be used.
    """
    changes = {}
    for name in type(model).model_fields:
        old = getattr(model, name)
        try:
            changed = _anchor(old, base)
        except UnanchoredError as error:
            raise UnanchoredError(str(error), (name, *error.path)) from None
        except ValueError as error:
            raise UnanchoredError(str(error), (name,)) from None
        if changed is not old:
            changes[name] = changed
    return model.model_copy(update=changes) if changes else model


def _anchor(value: object, base: Path) -> object:
    if isinstance(value, Path):
        return anchored(value, base)
    if isinstance(value, Anchored):
        return value.at(base)
    if isinstance(value, BaseModel):
        return anchor_paths(value, base)
    if isinstance(value, tuple | list):
        items = [_anchor(item, base) for item in value]
        return value if all(map(is_, value, items)) else type(value)(items)
    if isinstance(value, dict):
        values = [_anchor(item, base) for item in value.values()]
        return value if all(map(is_, value.values(), values)) else dict(zip(value, values, strict=True))
    return value


def _descend(kind: object, step: str | int) -> Iterator[object]:
    for candidate in _flatten([kind]):
        if _is_model(candidate):
            if isinstance(step, str) and step in candidate.model_fields:
                yield type_of(candidate.model_fields[step])
            continue
        origin, arguments = get_origin(candidate), get_args(candidate)
        if origin in (list, tuple, set, frozenset, Sequence) and isinstance(step, int) and arguments:
            yield arguments[0]
        elif origin in (dict, Mapping) and len(arguments) > 1:
            yield arguments[1]


def _flatten(kinds: Sequence[object]) -> Iterator[object]:
    for kind in kinds:
        origin = get_origin(kind)
        if origin in (Union, types.UnionType):
            yield from _flatten(get_args(kind))
        elif origin is Annotated:
            yield from _flatten(get_args(kind)[:1])
        else:
            yield kind


def _is_model(kind: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
