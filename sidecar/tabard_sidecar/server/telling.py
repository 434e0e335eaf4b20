"""Says to agents why something was refused: with texts of the table of reasons, never with an internal message.

Internal messages may quote data, policy files, caveats or other workloads; they are in the decision log and in the
application log. A policy author's own ``message`` is told as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard.authz.v1 import types_pb2 as types_pb

from tabard_sidecar.reasons import describe

if TYPE_CHECKING:
    from tabard_sidecar.errors import NoDecision
    from tabard_sidecar.model import Reason

_LONGEST_ARGUMENT = 128


def write_reason(message: types_pb.Reason, reason: Reason) -> None:
    """Write a reason as agents get it."""
    message.code = reason.code
    known = describe(reason.code)
    if known is None:  # a policy's own code
        message.message = message.model_message = reason.message
        message.module = reason.module
        return
    where = f" Argument: {reason.argument[:_LONGEST_ARGUMENT]!a}." if reason.argument else ""
    message.message = known.title + (f".{where}" if where else "")
    message.model_message = known.model + where
    message.next_step = known.next_step


def error_message(error: NoDecision) -> str:
    """Return the text of an error as agents get it."""
    known = describe(error.code)
    return error.told or (known.title if known is not None else "No decision could be made")
