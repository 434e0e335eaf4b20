"""Limits as messages of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration
from google.protobuf.unknown_fields import UnknownFieldSet

from tabard.arguments import ArgumentsError, parse_json
from tabard.authz.v1 import types_pb2
from tabard.caveats.constraints import MAX_OPERAND_BYTES, Constraint
from tabard.caveats.errors import CaveatError
from tabard.caveats.limits import Limits
from tabard.caveats.types import Arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

_NANOS = 1_000_000_000


def limits_to_proto(limits: Limits) -> types_pb2.Limits:
    """Return limits as a message."""
    message = types_pb2.Limits(
        tools=_list(limits.tools),
        audiences=_list(limits.audiences),
        scopes=_list(limits.scopes),
        purposes=_list(limits.purposes),
        arguments=[_rule_to_proto(rule) for rule in limits.arguments],
        max_depth=limits.max_depth,
        max_children=limits.max_children,
        read_only=limits.read_only,
        budgets=dict(limits.budgets or {}),
    )
    if limits.ttl_seconds is not None:
        seconds, nanos = divmod(round(limits.ttl_seconds * _NANOS), _NANOS)
        message.ttl.CopyFrom(Duration(seconds=seconds, nanos=nanos))
    return message


def limits_from_proto(message: types_pb2.Limits) -> Limits:
    """Return the limits that a message describes; an unset field is one that isn't limited.

    Raises:
        CaveatError: a value is malformed or out of bounds, an operator unknown, an operand not JSON, or the message
            holds a field that this version doesn't know: dropping a limit would widen what was asked for.
    """
    lists = (message.tools, message.audiences, message.scopes, message.purposes)
    for part in (message, message.ttl, *lists):
        _refuse_unknown_fields(part)
    return Limits(
        tools=tuple(message.tools.values) if message.HasField("tools") else None,
        audiences=tuple(message.audiences.values) if message.HasField("audiences") else None,
        scopes=tuple(message.scopes.values) if message.HasField("scopes") else None,
        purposes=tuple(message.purposes.values) if message.HasField("purposes") else None,
        arguments=tuple(map(_rule_from_proto, message.arguments)),
        max_depth=message.max_depth if message.HasField("max_depth") else None,
        max_children=message.max_children if message.HasField("max_children") else None,
        ttl_seconds=_seconds(message.ttl) if message.HasField("ttl") else None,
        read_only=message.read_only,
        budgets=dict(message.budgets) if message.budgets else None,
    )


def _refuse_unknown_fields(message: Message) -> None:
    if len(UnknownFieldSet(message)):
        raise CaveatError(f"{message.DESCRIPTOR.name} holds an unknown field", unknown=True)


def _list(values: Sequence[str] | None) -> types_pb2.StringList | None:
    return None if values is None else types_pb2.StringList(values=values)


def _seconds(duration: Duration) -> float:
    return (duration.seconds * _NANOS + duration.nanos) / _NANOS


def _rule_to_proto(rule: Arguments) -> types_pb2.ArgumentRule:
    return types_pb2.ArgumentRule(
        tool=rule.tool,
        constraints=[
            types_pb2.ArgumentConstraint(
                path=item.path, operator=item.operator, operand_json=item.operand_json
            )
            for item in rule.constraints
        ],
        open=rule.open,
    )


def _rule_from_proto(rule: types_pb2.ArgumentRule) -> Arguments:
    _refuse_unknown_fields(rule)
    constraints = []
    for item in rule.constraints:
        _refuse_unknown_fields(item)
        try:
            operand = parse_json(item.operand_json, max_bytes=MAX_OPERAND_BYTES)
        except ArgumentsError as error:
            raise CaveatError(f"operand of {item.operator[:64]!r} at {item.path[:64]!r}: {error}") from None
        constraints.append(Constraint(item.path, item.operator, operand))
    return Arguments(rule.tool, tuple(constraints), rule.open)
