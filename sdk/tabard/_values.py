"""Values of a program that have an evident, exact JSON form, and the way back.

The way back makes what a guarded function receives from the JSON that was authorized, so that nothing reaches the
function which policy couldn't see. A value that the way back doesn't restore is refused.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import json
import pathlib
import sys
import uuid
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from tabard.errors import InvalidRequest

_TIMES = (dt.date, dt.time, dt.datetime)
_PATHS = (pathlib.PurePath,)
KNOWN: tuple[type, ...] = (str, int, float, list, tuple, dict, Mapping, Enum, uuid.UUID, *_TIMES, *_PATHS)
"""Types whose values have a JSON form, beside dataclasses and pydantic models."""


def is_model(kind: type) -> bool:
    """Tell whether a class is a pydantic model (version 2)."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(kind, pydantic.BaseModel)


def plain(value: Any, where: str, write: Callable[..., Any]) -> Any:  # noqa: ANN401  # any value
    """Return the JSON form of a value that isn't JSON itself; ``write`` returns that of a part of it, named ``where``.

    Raises:
        InvalidRequest: it has none that is exact and evident.
    """
    kind = type(value)
    if isinstance(value, Enum) and isinstance(value.value, str | int | float | None):
        return value.value
    if kind in _TIMES:
        return value.isoformat()
    if kind is uuid.UUID or isinstance(value, _PATHS):
        return str(value)
    if is_model(kind):
        return _model(value, where)
    if dataclasses.is_dataclass(kind):
        return _fields(value, where, write)
    raise refused(where, kind)


def restore(value: Any, form: Any, where: str) -> Any:  # noqa: ANN401  # any value
    """Return a value like ``value``, made from its JSON form alone.

    Raises:
        InvalidRequest: it differs from ``value``.
    """
    kind = type(value)
    if isinstance(value, Enum):
        return value
    if kind in _TIMES:
        return kind.fromisoformat(form)
    if kind is uuid.UUID or isinstance(value, _PATHS):
        return kind(form)
    if is_model(kind):
        return _restored_model(value, form, where)
    if dataclasses.is_dataclass(kind):
        return _restored_fields(value, form, where)
    return _restored_container(value, form, where)


def _restored_container(value: Any, form: Any, where: str) -> Any:  # noqa: ANN401  # any value
    if isinstance(form, list | tuple):
        items = [
            restore(item, known, f"{where}[{place}]")
            for place, (item, known) in enumerate(zip(value, form, strict=True))
        ]
        if hasattr(value, "_make"):
            return value._make(items)
        return items if isinstance(form, list) else tuple(items)
    if isinstance(form, dict):
        return {key: restore(value[key], known, f"{where}.{key}") for key, known in form.items()}
    return form


def refused(where: str, kind: type) -> InvalidRequest:
    """Return the error for a value of a type that has no JSON form."""
    return InvalidRequest("arguments_invalid", advice(where, kind))


def advice(where: str, kind: type) -> str:
    """Return what to do about a parameter of a type that has no JSON form."""
    first = where.partition(".")[0].partition("[")[0]
    return (
        f"{where}: a value of the type {kind.__qualname__} has no exact JSON form. Pass a plain value, a dataclass or a "
        f"pydantic model; or let guard(arguments=...) return the arguments of the tool call; or, if no model fills it in, "
        f"leave it out with guard(ignore=[{first!r}])"
    )


def _model(value: Any, where: str) -> Any:  # noqa: ANN401  # a pydantic model
    try:
        return value.model_dump(mode="json", by_alias=True, round_trip=True, warnings="error")
    except ValueError as error:  # pydantic's errors are
        text = f"{where}: the model {type(value).__qualname__} has no exact JSON form: {type(error).__name__}"
        raise InvalidRequest("arguments_invalid", f"{text}. {_SAY}") from error


def _restored_model(value: Any, form: Any, where: str) -> Any:  # noqa: ANN401  # a pydantic model
    kind: Any = type(value)
    try:
        restored = kind.model_validate_json(json.dumps(form))
    except ValueError:
        restored = None
    if restored is None or restored != value:
        text = f"{where}: the model {kind.__qualname__} isn't the same after its JSON form was read again"
        raise InvalidRequest("arguments_invalid", f"{text}. {_SAY}")
    return restored


def _fields(value: Any, where: str, write: Callable[..., Any]) -> dict[str, Any]:  # noqa: ANN401  # a dataclass
    fields = dataclasses.fields(value)
    cached = {name for name in dir(type(value)) if _is_cached(type(value), name)}
    beside = (
        vars(value).keys() - {field.name for field in fields} - cached if hasattr(value, "__dict__") else ()
    )
    if beside:
        text = f"{where}: {type(value).__qualname__} has attributes beside its fields: {', '.join(sorted(beside))}"
        raise InvalidRequest("arguments_invalid", f"{text}. {_SAY}")
    return {field.name: write(getattr(value, field.name), where=f"{where}.{field.name}") for field in fields}


def _restored_fields(value: Any, form: dict[str, Any], where: str) -> Any:  # noqa: ANN401  # a dataclass
    restored = object.__new__(type(value))
    for field in dataclasses.fields(value):
        item = restore(getattr(value, field.name), form[field.name], f"{where}.{field.name}")
        object.__setattr__(restored, field.name, item)
    return restored


def _is_cached(kind: type, name: str) -> bool:
    return isinstance(getattr(kind, name, None), functools.cached_property)


_SAY = "Let guard(arguments=...) return the arguments of the tool call"
