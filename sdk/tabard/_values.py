"""Values of a program that have an evident, exact JSON form, and the way back.

The way back makes what a guarded function receives from the JSON that was authorized, so that nothing reaches the
function which policy couldn't see. A value that the way back doesn't restore is refused.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import inspect
import json
import pathlib
import sys
import types
import uuid
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from tabard.errors import InvalidRequest

_TIMES = (dt.date, dt.time, dt.datetime)
_PATHS = (pathlib.PurePath,)
_OWN_PATHS = frozenset(
    {
        pathlib.PurePath,
        pathlib.PurePosixPath,
        pathlib.PureWindowsPath,
        pathlib.Path,
        pathlib.PosixPath,
        pathlib.WindowsPath,
    }
)
_HEAP_TYPE = 1 << 9  # of a class's __flags__: it isn't one of the interpreter's own
_READING = ("__iter__", "__getitem__", "__len__", "__contains__", "__eq__", "index", "count")
KNOWN: tuple[type, ...] = (str, int, float, list, tuple, dict, Mapping, Enum, uuid.UUID, *_TIMES, *_PATHS)
"""Types whose values have a JSON form, beside dataclasses and pydantic models."""


def is_model(kind: type) -> bool:
    """Tell whether a class is a pydantic model (version 2)."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(kind, pydantic.BaseModel)


Read = Callable[[Any, str], tuple[Any, Any]]
"""Reads a part of a value, which has a name for messages: :func:`tabard._json.read`."""


def rebuilt(value: Any, where: str, read: Read) -> tuple[Any, Any]:  # noqa: ANN401  # any values
    """Return the JSON form of a value that isn't JSON itself, and a value of its type made from this form alone.

    Raises:
        InvalidRequest: it has no form that is exact and evident, or differs from what is made of it.
    """
    kind = type(value)
    if isinstance(value, Enum):
        require_own_reading(kind, where)
        return _member(value, where)
    if isinstance(value, str | int | float):
        plain = exact(value)
        return plain, plain
    if kind in _TIMES:
        form = value.isoformat()
        return form, kind.fromisoformat(form)
    if kind is uuid.UUID or isinstance(value, _PATHS):
        return _from_text(value, where)
    require_own_reading(kind, where)
    if is_model(kind):
        form = _model(value, where)
        return form, _restored_model(value, form, where)
    if dataclasses.is_dataclass(kind):
        return _fields(value, where, read)
    raise refused(where, kind)


def _from_text(value: Any, where: str) -> tuple[str, Any]:  # noqa: ANN401  # a path or UUID
    """Return the text of a path or UUID, and one of the library's own class made from it: a subclass may say another."""
    kind: Any = next(one for one in type(value).__mro__ if one in _OWN_PATHS or one is uuid.UUID)
    form = str.__str__(kind.__str__(value))
    return form, _same(kind(form), form, where)


def exact(value: str | float) -> str | int | float:
    """Return the text or number of a value whose class may be a subclass, without asking that class."""
    if isinstance(value, str):
        return str.__str__(value)
    return int.__int__(value) if isinstance(value, int) else float.__float__(value)


def require_own_reading(kind: type, where: str) -> None:
    """Refuse a class that decides at each reading what an attribute is: the function could read another one than policy.

    Raises:
        InvalidRequest: as told.
    """
    if any("__getattribute__" in vars(one) for one in kind.__mro__ if one.__flags__ & _HEAP_TYPE):
        raise _unclear(where, kind, "decides at each reading what its attributes are")


def named_tuple(kind: type, parts: Sequence[Any], where: str) -> Any:  # noqa: ANN401  # the tuple
    """Return a named tuple of these parts, without asking its class, which must show each part as it is.

    Raises:
        InvalidRequest: the class may show others: it has its own methods to read a tuple, or another attribute for a field.
    """
    require_own_reading(kind, where)
    names = inspect.getattr_static(kind, "_fields", ())
    getters = [inspect.getattr_static(kind, name, None) for name in names if isinstance(name, str)]
    places = [one.__reduce__()[1][0] if type(one) is _GETTER else None for one in getters]
    changed = [name for name in _READING if inspect.getattr_static(kind, name) is not vars(tuple)[name]]
    if changed or places != list(range(len(parts))):
        raise _unclear(where, kind, "reads a tuple in its own way")
    return tuple.__new__(kind, parts)


class _One(NamedTuple):
    part: Any


_GETTER: Any = type(vars(_One)["part"])


def _unclear(where: str, kind: type, why: str) -> InvalidRequest:
    text = f"{where}: the class {kind.__qualname__} {why}, so the function may see another value than policy"
    return InvalidRequest("arguments_invalid", f"{text}. {_SAY}")


def _member(value: Enum, where: str) -> tuple[Any, Enum]:
    """Read a member once, by its value. It must be the one that its class has for this value, also as text or number."""
    kind = type(value)
    if inspect.getattr_static(kind, "value") is not vars(Enum)["value"]:
        raise _unclear(where, kind, "has its own way to tell a member's value")
    inner = value.value
    if not isinstance(inner, str | int | float | None):
        raise refused(where, kind)
    form = inner if inner is None else exact(inner)
    try:
        known = kind(form)
    except ValueError:
        known = None
    if known is not value or (isinstance(value, str | int | float) and not _alike(exact(value), form)):
        text = f"{where}: a member of {kind.__qualname__} isn't the one that its value names"
        raise InvalidRequest("arguments_invalid", f"{text}. {_SAY}")
    return form, value


def _alike(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def _same(made: Any, form: object, where: str) -> Any:  # noqa: ANN401  # a path or UUID
    if str(made) != form:
        text = f"{where}: the {type(made).__qualname__} isn't the same after its text was read again"
        raise InvalidRequest("arguments_invalid", f"{text}. {_SAY}")
    return made


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
        # As pydantic does it, whatever the class has under this name.
        dump = sys.modules["pydantic"].BaseModel.model_dump
        return dump(value, mode="json", by_alias=True, round_trip=True, warnings="error")
    except ValueError as error:  # pydantic's errors are
        text = f"{where}: the model {type(value).__qualname__} has no exact JSON form: {type(error).__name__}"
        raise InvalidRequest("arguments_invalid", f"{text}. {_SAY}") from error


def _restored_model(value: Any, form: Any, where: str) -> Any:  # noqa: ANN401  # a pydantic model
    kind: Any = type(value)
    try:
        restored = sys.modules["pydantic"].BaseModel.model_validate_json.__func__(kind, json.dumps(form))
    except ValueError:
        restored = None
    if type(restored) is not kind or not _equal(restored, value):
        text = f"{where}: the model {kind.__qualname__} isn't the same after its JSON form was read again"
        raise InvalidRequest("arguments_invalid", f"{text}. {_SAY}")
    return restored


def _equal(one: Any, other: Any) -> bool:  # noqa: ANN401  # pydantic models
    """Compare two models by all of their fields, also if their class compares fewer."""
    return one == other and sys.modules["pydantic"].BaseModel.__eq__(one, other) is True


def _fields(value: Any, where: str, read: Read) -> tuple[dict[str, Any], Any]:  # noqa: ANN401  # a dataclass
    kind = type(value)
    fields = dataclasses.fields(value)
    cached = {name for name in dir(kind) if _is_cached(kind, name)}
    beside = (
        vars(value).keys() - {field.name for field in fields} - cached if hasattr(value, "__dict__") else ()
    )
    if beside:
        text = f"{where}: {kind.__qualname__} has attributes beside its fields: {', '.join(sorted(beside))}"
        raise InvalidRequest("arguments_invalid", f"{text}. {_SAY}")
    forms: dict[str, Any] = {}
    try:
        restored = object.__new__(kind)
    except TypeError:  # it inherits from a class of the interpreter's that holds more than attributes
        raise refused(where, kind) from None
    for field in fields:
        if _is_computed(inspect.getattr_static(kind, field.name, None)):
            raise _unclear(where, kind, f"computes its field {field.name}")
        forms[field.name], made = read(getattr(value, field.name), f"{where}.{field.name}")
        object.__setattr__(restored, field.name, made)
    return forms, restored


def _is_computed(attribute: object) -> bool:
    """Tell whether a class has a descriptor that takes precedence over what an instance holds, a slot's excepted."""
    kind = type(attribute)
    return kind is not types.MemberDescriptorType and (
        hasattr(kind, "__set__") or hasattr(kind, "__delete__")
    )


def _is_cached(kind: type, name: str) -> bool:
    return isinstance(getattr(kind, name, None), functools.cached_property)


_SAY = "Let guard(arguments=...) return the arguments of the tool call"
