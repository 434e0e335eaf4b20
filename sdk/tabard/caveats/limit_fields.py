"""Fields of limits: check their values and convert them to JSON and to messages of the API.

Each field also has a JSON Schema. A caveat type that can be asked for has one as its ``limit``. This module
has the fields that several types share; a type with a special one defines it in its own module.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tabard.caveats import validation

if TYPE_CHECKING:
    from tabard.authz.v1 import types_pb2

T = TypeVar("T")

_MAX_ELEMENT_ITEMS = 100


class LimitField(ABC, Generic[T]):
    """One field of :class:`~tabard.caveats.vocabulary.Limits`.

    Args:
        name: the field's name in limits and in JSON.
        description: of the field, for JSON Schemas.
        unset: the value that limits nothing.
        nothing: the value that grants nothing. A root grant gets it if no start element of the policy states the
            field; without it such a grant isn't limited in this respect.
    """

    def __init__(
        self, *, name: str, description: str, unset: T | None = None, nothing: T | None = None
    ) -> None:
        self.name = name
        self.description = description
        self.unset = unset
        self.nothing = nothing

    @property
    def message_field(self) -> str:
        """Name of the field in the message ``Limits``."""
        return self.name

    def checked(self, value: object) -> object:
        """Return ``value`` as limits keep it.

        Raises:
            CaveatError: it has the wrong shape. Checks of the caveat itself aren't repeated.
        """
        return value

    def to_json(self, value: T) -> object:
        """Return a value that is set as JSON."""
        return value

    def from_json(self, value: object) -> object:
        """Return what a value in JSON means; limits check it.

        Raises:
            CaveatError: it is malformed.
        """
        return value

    def write(self, message: types_pb2.Limits, value: T) -> None:
        """Set the field in a message to a value that is set."""
        setattr(message, self.name, value)

    @abstractmethod
    def read(self, message: types_pb2.Limits) -> T | None:
        """Return the value in a message, or ``unset``; limits check it.

        Raises:
            CaveatError: it is malformed.
        """

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the field where policies read it, in ``input.request``."""

    @abstractmethod
    def element_schema(self) -> dict[str, Any] | None:
        """Return the JSON Schema of the field where policies write it; ``None`` if they can't."""


class TextsLimit(LimitField["tuple[str, ...]"]):
    """A list of strings: an absent list limits nothing, an empty one allows nothing."""

    def checked(self, value: object) -> tuple[str, ...]:
        """See :meth:`LimitField.checked`."""
        return validation.texts(value, self.name)

    def to_json(self, value: tuple[str, ...]) -> list[str]:
        """See :meth:`LimitField.to_json`."""
        return list(value)

    def write(self, message: types_pb2.Limits, value: tuple[str, ...]) -> None:
        """See :meth:`LimitField.write`."""
        part = getattr(message, self.name)
        part.SetInParent()  # an empty list is present, too
        part.values.extend(value)

    def read(self, message: types_pb2.Limits) -> tuple[str, ...] | None:
        """See :meth:`LimitField.read`."""
        return tuple(getattr(message, self.name).values) if message.HasField(self.name) else None  # type: ignore[arg-type] # one of its fields

    def schema(self) -> dict[str, Any]:
        """See :meth:`LimitField.schema`."""
        return {"type": "array", "description": self.description, "items": {"type": "string"}}

    def element_schema(self) -> dict[str, Any]:
        """See :meth:`LimitField.element_schema`."""
        items = {"type": "string", "minLength": 1, "maxLength": validation.MAX_TEXT}
        return {**self.schema(), "items": items, "uniqueItems": True, "maxItems": _MAX_ELEMENT_ITEMS}


class CountLimit(LimitField[int]):
    """An integer from 0 to ``maximum``; see :class:`LimitField`."""

    def __init__(self, *, name: str, description: str, maximum: int, nothing: int | None = None) -> None:
        super().__init__(name=name, description=description, nothing=nothing)
        self.maximum = maximum

    def read(self, message: types_pb2.Limits) -> int | None:
        """See :meth:`LimitField.read`."""
        return getattr(message, self.name) if message.HasField(self.name) else None  # type: ignore[arg-type] # one of its fields

    def schema(self) -> dict[str, Any]:
        """See :meth:`LimitField.schema`."""
        return {"type": "integer", "description": self.description}

    def element_schema(self) -> dict[str, Any]:
        """See :meth:`LimitField.element_schema`."""
        return {**self.schema(), "minimum": 0, "maximum": self.maximum}


class FlagLimit(LimitField[bool]):
    """A boolean: false limits nothing."""

    def __init__(self, *, name: str, description: str) -> None:
        super().__init__(name=name, description=description, unset=False)

    def checked(self, value: object) -> bool:
        """See :meth:`LimitField.checked`."""
        return validation.boolean(value, self.name)

    def read(self, message: types_pb2.Limits) -> bool:
        """See :meth:`LimitField.read`."""
        return bool(getattr(message, self.name))

    def schema(self) -> dict[str, Any]:
        """See :meth:`LimitField.schema`."""
        return {"type": "boolean", "description": self.description}

    def element_schema(self) -> None:
        """See :meth:`LimitField.element_schema`."""
        return
