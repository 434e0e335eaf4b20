"""Limits as messages of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from tabard.authz.v1 import types_pb2
from tabard.caveats.errors import CaveatError
from tabard.caveats.vocabulary import Limits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import FieldDescriptor

L = TypeVar("L", bound=Limits)


def limits_to_proto(limits: Limits) -> types_pb2.Limits:
    """Return limits as a message."""
    message = types_pb2.Limits()
    write_limits(limits, message)
    return message


def write_limits(limits: Limits, message: types_pb2.Limits) -> None:
    """Set in an empty message what ``limits`` state."""
    for name, value in limits.stated().items():
        limits.registry.limits[name].field.write(message, value)


def limits_from_proto(message: types_pb2.Limits, kind: type[L] = Limits) -> L:  # type: ignore[assignment] # mypy: a default of a TypeVar
    """Return the limits that a message describes; an unset field is one that isn't limited.

    Args:
        message: the message.
        kind: the class of limits.

    Raises:
        CaveatError: a value is malformed or out of bounds, an operator unknown, an operand not JSON, or the message
            holds a field that this version doesn't know: dropping a limit would widen what was asked for.
    """
    _refuse_unknown_fields(message)
    fields = {name: field for name, (_, field) in kind.registry.limits.items()}
    read = {field.message_field for field in fields.values()}
    for descriptor, _ in message.ListFields():
        if descriptor.name not in read:
            raise CaveatError(f"{message.DESCRIPTOR.name} holds an unknown field", unknown=True)
    values: dict[str, Any] = {name: field.read(message) for name, field in fields.items()}
    return kind(**values)


def _refuse_unknown_fields(message: Message) -> None:
    if len(UnknownFieldSet(message)):
        raise CaveatError(f"{message.DESCRIPTOR.name} holds an unknown field", unknown=True)
    for field, value in message.ListFields():
        for part in _messages(field, value):
            _refuse_unknown_fields(part)


def _messages(field: FieldDescriptor, value: object) -> Iterable[Message]:
    """Return the messages that a field holds; no map of the API holds any."""
    if field.message_type is None or field.message_type.GetOptions().map_entry:
        return ()
    return (value,) if isinstance(value, Message) else value  # type: ignore[return-value] # a repeated field
