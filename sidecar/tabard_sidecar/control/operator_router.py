"""Stands before the operators' services of all zones: who calls, which zone is meant, and whether the caller may."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import grpc

from tabard_sidecar.control.operator_callers import CALLER
from tabard_sidecar.control.operator_rights import RIGHTS
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.server import errors
from tabard_sidecar.server.zone_gate import ZONE
from tabard_sidecar.util.rarely import PerWindow

if TYPE_CHECKING:
    from tabard_sidecar.control.metrics import ControlMetrics
    from tabard_sidecar.control.operator_callers import Operator, OperatorCallers
    from tabard_sidecar.control.zone_operators import ZoneOperators
    from tabard_sidecar.server.edge import Context

_AUTHORIZATION = "authorization"
_LINES, _WINDOW_SECONDS, _KINDS = 100, 10.0, 64
_MAX_NAMED, _MAX_NAME = 64, 64
_log = logging.getLogger(__name__)


class OperatorRouter(grpc.GenericRpcHandler):
    """Passes on what is authenticated and allowed to the services of the zone that the request names.

    A request isn't parsed before that. Every call is logged: who, what, which zone, and what became of it.

    Args:
        callers: finds out who calls.
        zones: the services by zone.
        metrics: counts calls.
        keep: keeps the connection of a caller who may do what was asked, given gRPC's name of the peer.
        seconds: longest time to find out who calls.
    """

    def __init__(
        self,
        callers: OperatorCallers,
        zones: Mapping[str, ZoneOperators],
        metrics: ControlMetrics,
        keep: Callable[[str], None],
        *,
        seconds: float,
    ) -> None:
        self._callers = callers
        self._zones = zones
        self._metrics = metrics
        self._keep = keep
        self._seconds = seconds
        self._lines = PerWindow(_LINES, _WINDOW_SECONDS, _KINDS)

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the handler of a method; ``None`` if no zone serves it."""
        if handler_call_details.method.rpartition("/")[2] not in RIGHTS:
            return None
        # Neither read nor written here: requests and answers are bytes.
        answer: Any = partial(self._answer, handler_call_details)
        return grpc.unary_unary_rpc_method_handler(answer)

    async def _answer(self, details: grpc.HandlerCallDetails, raw: bytes, context: Context) -> bytes:
        method = details.method.rpartition("/")[2]
        caller: Operator | None = None
        named = ""
        try:
            async with asyncio.timeout(self._seconds):
                caller = await self._callers.caller(_only(context, _AUTHORIZATION))
                named = _only(context, ZONE)
                zone = self._allowed(caller, named, method)
                await zone.check(caller)
                # Not before: each ServiceAccount of the cluster can show who it is, and places for connections are few.
                self._keep(context.peer())
        except TimeoutError:
            error = NoDecision("DEADLINE_EXCEEDED", "overloaded", "who calls couldn't be found out in time")
            await self._refuse(error, caller, named, method, context)
        except Refused as refusal:
            await self._refuse(errors.as_error(refusal), caller, named, method, context)
        except NoDecision as error:
            await self._refuse(error, caller, named, method, context)
        except Exception as error:  # noqa: BLE001 - whatever fails before a call is allowed refuses it
            await self._refuse(errors.unexpected(error), caller, named, method, context)
        await context.send_initial_metadata(zone.told)
        CALLER.set(caller)
        found = zone.handler(details)
        if found is None or found.unary_unary is None or found.request_deserializer is None:
            raise TypeError(f"{details.method} isn't unary")
        inner: Callable[[Any, Context], Awaitable[Any]] = found.unary_unary  # type: ignore[assignment]
        ended = "failed"
        try:
            reply = await inner(found.request_deserializer(raw), context)
            ended = "answered"
        finally:
            self._say(logging.INFO, ended, caller, named, method)
        return found.response_serializer(reply) if found.response_serializer else reply

    def _allowed(self, caller: Operator, named: str, method: str) -> ZoneOperators:
        """Return the zone's services.

        Raises:
            NoDecision: no zone is named, or the caller may not do this in it.
        """
        if not named:
            theirs = sorted(name for name, zone in self._zones.items() if zone.roles(caller))
            listed = ", ".join(theirs[:_MAX_NAMED]) or "none"
            raise NoDecision(
                "INVALID_ARGUMENT",
                "request_invalid",
                f"name the zone (--zone, metadata {ZONE}); you have a role in: {listed}",
            )
        zone = self._zones.get(named)
        held = frozenset() if zone is None else zone.roles(caller)
        if zone is None or not held:
            # The same for a zone that isn't there: who has no right in a zone learns nothing about it.
            raise _not_entitled("you have no role in a zone of this name")
        if not held & RIGHTS[method]:
            needed = " or ".join(sorted(RIGHTS[method]))
            raise _not_entitled(
                f"{method} needs the role {needed}, and yours here is {', '.join(sorted(held))}"
            )
        return zone

    async def _refuse(
        self, error: NoDecision, caller: Operator | None, named: str, method: str, context: Context
    ) -> None:
        self._say(logging.WARNING, "refused", caller, named, method, error)
        await context.abort_with_status(errors.grpc_status(error, details=True))

    def _say(  # noqa: PLR0913, PLR0917 - one argument per part of the line
        self,
        level: int,
        result: str,
        caller: Operator | None,
        zone: str,
        method: str,
        error: NoDecision | None = None,
    ) -> None:
        self._metrics.operator_calls.labels(result if caller is not None else "unauthenticated").inc()
        details: dict[str, Any] = {"method": method, "result": result}
        if caller is None:
            # Strangers may call as often as they like.
            said, left_out = self._lines.take(f"{method}", monotonic())
            if not said:
                return
            details |= {"left_out": str(left_out)} if left_out else {}
        else:
            details |= {"zone": zone[:_MAX_NAME], "operator": caller.told()}
        if error is not None:
            details |= {"reason_code": error.code, "reason": error.message}
        _log.log(level, "operator call", extra=details)


def _only(context: Context, name: str) -> str:
    """Return the one value of a request's metadata; empty if there is none.

    Raises:
        NoDecision: there are several.
    """
    found = [value for key, value in context.invocation_metadata() or () if key == name]
    if len(found) > 1:
        raise NoDecision("INVALID_ARGUMENT", "request_invalid", f"send {name} once")
    return str(found[0]) if found else ""


def _not_entitled(message: str) -> NoDecision:
    return NoDecision("PERMISSION_DENIED", "operator_not_entitled", message)
