"""Makes data classes at a quarter of their usual cost: a sidecar has two hundred, and each start makes them anew.

:mod:`dataclasses` writes and compiles six functions for each frozen class, 11 KB and half a millisecond. Only the
constructor differs in more than the names of fields, so it alone is compiled here; all classes share the other functions.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:
    import types
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - type checkers know it by this name
else:

    def dataclass(*, frozen: bool = False, slots: bool = False) -> Callable[[type[_T]], type[_T]]:
        """Return a decorator that does what :func:`dataclasses.dataclass` does for these options.

        One thing differs: a frozen class refuses what isn't a field as well, also in classes that inherit from it.
        """

        def decorate(cls: type[_T]) -> type[_T]:
            own = set(vars(cls))
            # To freeze it, dataclasses would compile two functions more; it asks that heirs of a frozen class are frozen.
            heir = any(vars(base)[_PARAMS].frozen for base in cls.__mro__ if _PARAMS in vars(base))
            made = dataclasses.dataclass(
                frozen=heir and frozen, slots=slots, init=False, eq=False, repr=False
            )(cls)
            if "__init__" not in own:
                made.__init__ = _constructor(made, frozen=frozen)
            equal, hashed = _comparison(made)
            for name, shared in (
                ("__repr__", _represent),
                ("__eq__", equal),
                ("__hash__", hashed if frozen else None),
            ):
                if name not in own:
                    setattr(made, name, shared)
            if frozen:
                vars(made)[_PARAMS].frozen = True
                made.__setattr__, made.__delattr__ = _refuse_set, _refuse_delete
                if slots:
                    made.__getstate__, made.__setstate__ = _state, _restore
            return made

        return decorate


_T = TypeVar("_T")
_PARAMS = "__dataclass_params__"


def _constructor(cls: type, *, frozen: bool) -> Callable[..., None]:
    """Return ``__init__`` of a data class, which sets the fields in their order and then calls ``__post_init__``."""
    names: dict[str, object] = {"_set": object.__setattr__, "_ABSENT": dataclasses.MISSING}
    positional: list[str] = ["self"]
    keywords: list[str] = []
    body: list[str] = []
    fields = dataclasses.fields(cls)
    for field in fields:
        name = value = field.name
        default, factory = f"_default_{name}", field.default_factory is not dataclasses.MISSING
        has_default = factory or field.default is not dataclasses.MISSING
        names[default] = field.default_factory if factory else field.default
        if field.init:
            absent = "_ABSENT" if factory else default
            (keywords if field.kw_only else positional).append(f"{name}={absent}" if has_default else name)
            if factory:
                value = f"{default}() if {name} is _ABSENT else {name}"
        elif has_default:
            value = f"{default}()" if factory else default
        else:
            continue
        body.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    parameters = ", ".join([*positional, "*", *keywords] if keywords else positional)
    made = _compiled(f"__init__({parameters})", body or ["pass"], names, cls)
    made.__annotations__ = {field.name: field.type for field in fields if field.init} | {"return": None}
    return made


def _compiled(head: str, body: list[str], names: dict[str, object], cls: type) -> types.FunctionType:
    """Compile a method in its class's module, where its annotations mean something; ``names`` are known to it besides."""
    lines = "\n  ".join(body)
    text = f"def make({', '.join(names)}):\n def {head}:\n  {lines}\n return {head.partition('(')[0]}"
    found: dict[str, Callable[..., types.FunctionType]] = {}
    exec(text, vars(sys.modules[cls.__module__]), found)  # noqa: S102 - of names of fields, as dataclasses does
    made = found["make"](**names)
    made.__qualname__ = f"{cls.__qualname__}.{made.__name__}"
    return made


def _comparison(cls: type) -> tuple[Callable[[Any, Any], bool], Callable[[Any], int]]:
    """Return ``__eq__`` and ``__hash__`` over the fields that are compared."""
    compared = [field.name for field in dataclasses.fields(cls) if field.compare]
    values: Callable[[Any], object] = attrgetter(*compared) if compared else lambda _one: ()

    def equal(one: object, other: object) -> bool:
        return values(one) == values(other) if one.__class__ is other.__class__ else NotImplemented

    def hashed(one: object) -> int:
        return hash(values(one))

    return equal, hashed


@recursive_repr()
def _represent(self: Any) -> str:  # noqa: ANN401 - an instance of any data class
    shown = (
        f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr
    )
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse_set(_self: object, name: str, _value: object) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(_self: object, name: str) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:  # noqa: ANN401 - an instance of any data class
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _restore(self: Any, state: list[Any]) -> None:  # noqa: ANN401 - an instance of any data class
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)
