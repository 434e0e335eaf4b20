"""Tells operators which sidecar answers them, and refuses requests that are meant for another zone.

A client names the zone that it means in the metadata ``tabard-zone``. The check is made with the request, so that no
command changes another zone than the one that its user has in mind. Every answer names zone, configuration and process.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import grpc

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.health import About
from tabard_sidecar.server import errors
from tabard_sidecar.server.edge import Context

ZONE = "tabard-zone"
"""Metadata of a request: the zone that it is meant for. Of an answer: the zone of the sidecar that gives it."""
CONFIG = "tabard-config-bin"
PID = "tabard-pid"

_Continue = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]


def told(about: About) -> tuple[tuple[str, str | bytes], ...]:
    """Return the metadata that tells operators who answers."""
    config = (CONFIG, about.config.encode("utf-8", "surrogateescape"))
    return ((ZONE, about.zone), (PID, str(about.pid)), config)


def require_zone(context: Context, zone: str) -> None:
    """Check that a request that names a zone names this one.

    Raises:
        NoDecision: it names another one.
    """
    for key, value in context.invocation_metadata() or ():
        if key == ZONE and value != zone:
            text = (
                f"this sidecar serves zone {zone}, and the request is meant for another one; nothing was done"
            )
            raise NoDecision("FAILED_PRECONDITION", "zone_mismatch", text)


class ZoneGate(grpc.aio.ServerInterceptor):
    """Stands before every method of the operators' socket."""

    def __init__(self, about: About) -> None:
        self._zone = about.zone
        self._told = told(about)

    async def intercept_service(
        self, continuation: _Continue, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:  # noqa: ANN401 - grpc's handlers have no type
        """Return the method's handler with the check before it."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        if handler.unary_unary is None:
            raise TypeError(f"{handler_call_details.method} isn't unary, so its zone wouldn't be checked")
        inner = cast("Callable[[Any, Context], Awaitable[Any]]", handler.unary_unary)

        async def checked(request: object, context: Context) -> object:
            await context.send_initial_metadata(self._told)
            try:
                require_zone(context, self._zone)
            except NoDecision as error:
                await context.abort_with_status(errors.grpc_status(error, details=True))
            return await inner(request, context)

        return handler._replace(unary_unary=checked)
