"""Annotations of a guarded function: evaluated, and whether values of them can be arguments at all."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any

from tabard import _values
from tabard._model import Credential


def evaluated(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the function's annotations by name, ``"return"`` included.

    Text (of ``from __future__ import annotations``) is evaluated, because frameworks read annotations of the wrapper in
    another module. What can't be evaluated stays text.
    """
    inner = inspect.unwrap(function)
    inner = getattr(inner, "func", inner)  # of a partial
    found = dict(getattr(inner, "__annotations__", {}))
    try:
        hints = typing.get_type_hints(inner, include_extras=True)
    except Exception:  # noqa: BLE001  # an annotation may name what only a type checker can see
        hints = {name: _one(inner, name, value) for name, value in found.items()}
    return {name: None if found[name] in {None, "None"} else hints.get(name, found[name]) for name in found}


def _one(function: Callable[..., Any], name: str, annotation: object) -> object:
    if not isinstance(annotation, str):
        return annotation
    holder = types.SimpleNamespace(__annotations__={name: annotation})
    spaces = {**getattr(function, "__globals__", {})}
    try:
        return typing.get_type_hints(holder, spaces, _closure(function), include_extras=True)[name]
    except Exception:  # noqa: BLE001  # see above
        return annotation


def _closure(function: Callable[..., Any]) -> dict[str, Any]:
    if not isinstance(function, types.FunctionType):
        return {}
    return dict(inspect.getclosurevars(function).nonlocals)


def takes_credential(annotation: object) -> tuple[bool, bool]:
    """Tell whether an annotation is that of the parameter for the credential, and whether it may be ``None``."""
    if isinstance(annotation, str):
        parts = {part.strip() for part in annotation.split("|")}
        names = {"Credential", "tabard.Credential"}
        return bool(parts & names) and parts <= names | {"None"}, "None" in parts
    if annotation is Credential:
        return True, False
    members = typing.get_args(annotation) if _is_union(annotation) else ()
    return Credential in members, type(None) in members


def impossible(annotation: object) -> type | None:
    """Return the class in an annotation whose values have no JSON form; ``None`` if they may have one."""
    if typing.get_origin(annotation) is typing.Annotated:
        return impossible(typing.get_args(annotation)[0])
    if _is_union(annotation):
        found = [impossible(member) for member in typing.get_args(annotation) if member is not type(None)]
        return found[0] if found and all(found) else None
    if typing.get_origin(annotation) in {list, tuple, dict}:
        found = [impossible(member) for member in typing.get_args(annotation)]
        return next((kind for kind in found if kind is not None), None)
    if annotation is Any or not isinstance(annotation, type) or typing.get_origin(annotation) is not None:
        return None
    return None if _may_be_json(annotation) else annotation


def _may_be_json(kind: type) -> bool:
    """Tell whether some value of the class may have a JSON form: the class has one, or one that has is below it."""
    if getattr(kind, "_is_protocol", False) or inspect.isabstract(kind) or kind is type(None):
        return True
    if issubclass(kind, _values.KNOWN) or dataclasses.is_dataclass(kind) or _values.is_model(kind):
        return True
    return any(issubclass(known, kind) for known in _values.KNOWN)


def _is_union(annotation: object) -> bool:
    return typing.get_origin(annotation) in {typing.Union, types.UnionType}
