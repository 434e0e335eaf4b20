"""Bounds what a server may reply, and turns replies that no state store gives into its failure."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from redis._parsers import _AsyncRESP3Parser
from redis.exceptions import InvalidResponse

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.util.malformed import MALFORMED
from tabard_sidecar.util.rarely import Rarely

MAX_REPLY_BYTES = 64 * 1024 * 1024
_log = logging.getLogger(__name__)
_complaints = Rarely(10.0)
_P = ParamSpec("_P")
_Answer = TypeVar("_Answer")
_Store = TypeVar("_Store", bound="Placed")


class BoundedParser(_AsyncRESP3Parser):
    """Reads replies of at most 64 MiB. A server may claim any length, and send as fast as it likes."""

    def __init__(self, socket_read_size: int) -> None:
        super().__init__(socket_read_size)  # type: ignore[no-untyped-call]
        self._left = MAX_REPLY_BYTES

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any reply
        """Read one reply."""
        self._left = MAX_REPLY_BYTES
        return await super().read_response(*args, **kwargs)

    async def _read(self, length: int) -> bytes:
        self._take(length)
        return await super()._read(length)

    async def _readline(self) -> bytes:
        line = await super()._readline()
        # An element takes more memory than its bytes.
        self._take(len(line) + 32)
        return line

    def _take(self, size: int) -> None:
        self._left -= size
        if size < 0 or self._left < 0:
            raise InvalidResponse(f"a reply has more than {MAX_REPLY_BYTES} bytes")


class Placed(Protocol):
    """A store."""

    @property
    def place(self) -> str:
        """The server's address for messages."""
        ...


def understood(
    operation: Callable[Concatenate[_Store, _P], Coroutine[Any, Any, _Answer]],
) -> Callable[Concatenate[_Store, _P], Coroutine[Any, Any, _Answer]]:
    """Return an operation of a store for which a reply that it can't read is a failure of the store."""

    @functools.wraps(operation)
    async def checked(self: _Store, *args: _P.args, **kwargs: _P.kwargs) -> _Answer:
        try:
            return await operation(self, *args, **kwargs)
        except MALFORMED as error:
            raise not_understood(self.place, error) from error

    return checked  # type: ignore[return-value]  # mypy names the first argument


def not_understood(place: str, error: BaseException) -> NoDecision:
    """Return the failure for a reply that can't be read; the reply itself isn't told."""
    if _complaints.due():
        _log.warning("reply of the state store not understood", exc_info=error)
    return NoDecision(
        "UNAVAILABLE",
        "state_unavailable",
        f"the state store {place} replies what no state of Tabard's replies ({type(error).__name__}); "
        "check that state.url is right and what else writes there",
    )
