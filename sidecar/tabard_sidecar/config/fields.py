"""Says of the fields of configuration classes and case files which keys, types and defaults they have."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from tabard_sidecar.util.late_type import type_of


def flatten(prefix: str, fields: dict[str, FieldInfo]) -> Iterator[tuple[str, FieldInfo]]:
    """Yield the dotted key of every field and of the fields inside it; `[]` and `.NAME` stand for list and mapping."""
    for name, field in fields.items():
        yield f"{prefix}{name}", field
        for model, suffix in _models(type_of(field)):
            yield from flatten(f"{prefix}{name}{suffix}.", model.model_fields)


def _models(annotation: object) -> Iterator[tuple[type[BaseModel], str]]:
    """Yield the section classes inside an annotation, with the form of their keys."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, ""
    elif origin in {Union, types.UnionType, Annotated}:
        for argument in arguments:
            yield from _models(argument)
    elif origin in {tuple, list}:
        yield from ((model, "[]") for model, _ in _models(arguments[0]))
    elif origin is dict:
        yield from ((model, ".NAME") for model, _ in _models(arguments[1]))


def section(field: FieldInfo) -> tuple[type[BaseModel], str] | None:
    """Return the class of a field that is a section, or holds sections by name, and the form of their keys."""
    return next(_models(type_of(field)), None)


def type_text(field: FieldInfo) -> str:
    """Return a field's type and bounds in words."""
    text = _type_name(field.annotation)
    bounds = [_bound(rule) for rule in field.metadata]
    return ", ".join([text, *(bound for bound in bounds if bound)])


_TYPE_NAMES = {int: "integer", float: "number", bool: "true or false", Path: "path", type(None): "null"}


def _type_name(annotation: object) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_name(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in {Union, types.UnionType}:
        return " or ".join(map(_type_name, arguments))
    if origin in {tuple, list}:
        return f"list of {_type_name(arguments[0])}"
    if origin is dict or (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return "mapping"
    return next((name for kind, name in _TYPE_NAMES.items() if kind is annotation), "text")


def _bound(rule: object) -> str:
    match rule:
        case annotated_types.Ge(ge=bound):
            return f"≥ {bound}"
        case annotated_types.Gt(gt=bound):
            return f"> {bound}"
        case annotated_types.Le(le=bound):
            return f"≤ {bound}"
        case annotated_types.Lt(lt=bound):
            return f"< {bound}"
    return ""


def default_text(field: FieldInfo) -> str:
    """Return a field's default, or that it has none."""
    if field.is_required():
        return "required"
    value = field.default
    if value is PydanticUndefined:
        return "empty" if isinstance(field.default_factory, type) else "see meaning"
    if value is None:
        return "none"
    if isinstance(value, BaseModel) or value in ((), "", {}, []):
        return "empty"
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
