"""Reads JSON-RPC 2.0 requests so that no other reader can take one for something else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabard._lean import dataclass
from tabard.verify.errors import Rejected

_MEMBERS = frozenset({"jsonrpc", "id", "method", "params"})


@dataclass(frozen=True, slots=True)
class JsonRpcRequest:
    """A request, or a notification.

    Attributes:
        method: name of the method.
        params: its parameters, by name.
        id: the request's identifier; ``None`` if it is a notification.
    """

    method: str
    params: Mapping[str, Any]
    id: str | int | None


def read_json_rpc(message: Mapping[str, Any]) -> JsonRpcRequest:
    """Return the request or notification that a JSON object is (https://www.jsonrpc.org/specification, section 4).

    An object that also has ``result`` or ``error`` is a response to some readers; parameters in an array have no names. Neither
    is accepted.

    Raises:
        Rejected: the object has other members, or one of the wrong type.
    """
    if unknown := message.keys() - _MEMBERS:
        raise Rejected("call_unreadable", f"a JSON-RPC request has no member {min(unknown)[:100]!r}")
    method, params, identifier = message.get("method"), message.get("params", {}), message.get("id")
    if message.get("jsonrpc") != "2.0" or not isinstance(method, str) or not isinstance(params, dict):
        raise Rejected("call_unreadable", "no JSON-RPC 2.0 request with parameters by name")
    if "id" in message and (isinstance(identifier, bool) or not isinstance(identifier, str | int)):
        raise Rejected("call_unreadable", "the id of a JSON-RPC request is text or an integer")
    return JsonRpcRequest(method, params, identifier)
