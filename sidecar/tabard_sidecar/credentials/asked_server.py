"""Bounds what is asked of a server that issues credentials: places, connections, and time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tabard_sidecar.util.lanes import Lane

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from tabard_sidecar.model import CredentialRequest
    from tabard_sidecar.util.bounded_http import Faults
    from tabard_sidecar.util.lanes import Turn

_ENDING_PART = 4


class AskedServer:
    """A server with places for obtaining credentials, and a quarter of all for ending them.

    Args:
        name: name of its threads.
        connections: most connections at once.
        timeout_seconds: longest time for one credential, or for one that is ended.
        faults: makes the errors.
    """

    def __init__(self, name: str, *, connections: int, timeout_seconds: float, faults: Faults) -> None:
        self.ending_places = connections // _ENDING_PART
        self.issuing_places = connections - self.ending_places
        self.timeout_seconds = timeout_seconds
        self._issuing = Lane(name, self.issuing_places, faults)
        self._ending = Lane(f"{name}-end", self.ending_places, faults)

    def deadline(self) -> float:
        """Return until when what begins now may take, in the loop's time."""
        return asyncio.get_running_loop().time() + self.timeout_seconds

    def turn(self, request: CredentialRequest) -> AbstractAsyncContextManager[Turn]:
        """Return the turn of a request for a credential; entering it waits until it has come, or :meth:`give_up`."""
        return self._issuing.turn(request.credential_id)

    def give_up(self, request: CredentialRequest) -> None:
        """Let a request wait for its turn no longer."""
        self._issuing.give_up(request.credential_id)
