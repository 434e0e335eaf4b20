"""Accepts connections within bounds, so that idle ones keep no other peer away.

At most so many connections are open. One more replaces the oldest one that nothing useful came from, of the peer that has
the most; useful ones are never replaced. Every connection has a deadline.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from time import monotonic

from tabard_sidecar.util.rarely import Rarely

_ACCEPTED_AT_ONCE = 16
_SWEEP_SECONDS = 0.5
_RETRY_SECONDS = 0.2
_log = logging.getLogger(__name__)


class Connection:
    """One accepted connection.

    Attributes:
        socket: its socket.
        descriptor: the socket's number, also after it was closed.
        peer: address of the other side without its port; empty on a unix socket.
        deadline: when it is closed, in seconds of :func:`time.monotonic`.
        useful: True if it isn't closed for the sake of a newer one.
    """

    __slots__ = ("deadline", "descriptor", "peer", "socket", "useful")

    def __init__(self, accepted: socket.socket, deadline: float) -> None:
        self.socket = accepted
        self.descriptor = accepted.fileno()
        self.peer = _peer(accepted)
        self.deadline = deadline
        self.useful = False

    def keep(self, seconds: float) -> None:
        """Note that the peer has proven who it is, and may stay for ``seconds`` from now on."""
        self.useful = True
        self.deadline = monotonic() + seconds

    def close(self) -> None:
        """End the connection; reading and writing then end, too."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


class Acceptor:
    """Accepts the connections of one listening socket.

    Args:
        serve: serves one connection; the connection is open until it returns, at the latest until its deadline.
        most: most connections at once.
        seconds: time from a connection's beginning to its deadline.
    """

    def __init__(self, serve: Callable[[Connection], Awaitable[None]], *, most: int, seconds: float) -> None:
        self._serve = serve
        self._most = most
        self._seconds = seconds
        self._open: dict[int, Connection] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._sweeping: asyncio.TimerHandle | None = None
        self._complaints = Rarely(10.0)

    def start(self, listener: socket.socket) -> None:
        """Accept connections of a listening socket until :meth:`stop`."""
        listener.settimeout(0)
        self._tasks = [asyncio.create_task(self._accept(listener))]

    async def stop(self) -> None:
        """Accept no more and end open connections."""
        tasks = [*self._tasks, *self._serving]
        if self._sweeping is not None:
            self._sweeping.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def of(self, descriptor: int) -> Connection | None:
        """Return the open connection with a file descriptor."""
        return self._open.get(descriptor)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(listener)
                self._admit(accepted)
                for _ in range(min(_ACCEPTED_AT_ONCE, self._most // 2)):
                    self._admit(listener.accept()[0])
            except BlockingIOError:
                pass  # no further connection waits
            except OSError as error:
                # No descriptor is free, or a peer has gone away already.
                if self._complaints.due():
                    _log.warning("connection not accepted", extra={"problem": str(error)})
                await asyncio.sleep(_RETRY_SECONDS)
            # Those that were accepted are served before further ones take their places.
            await asyncio.sleep(0)

    def _admit(self, accepted: socket.socket) -> None:
        if len(self._open) >= self._most:
            replaced = self._replaceable(_peer(accepted))
            if replaced is None:
                accepted.close()
                return
            del self._open[replaced.descriptor]
            replaced.close()
        accepted.settimeout(0)
        connection = Connection(accepted, monotonic() + self._seconds)
        self._open[connection.descriptor] = connection
        if self._sweeping is None:
            self._sweep()
        task = asyncio.create_task(self._run(connection))
        self._serving.add(task)
        # Called also for a task that is cancelled before it runs.
        task.add_done_callback(partial(self._ended, connection))

    def _replaceable(self, newer: str) -> Connection | None:
        """Return the oldest connection of no use, of the peer that has the most of those.

        If all are of use, it is the oldest one of the peer that has the most, if the newer one's would then still have
        fewer: who has proven who it is may not keep others away, either.
        """
        candidates = [connection for connection in self._open.values() if not connection.useful]
        if candidates:
            greediest, _ = Counter(connection.peer for connection in candidates).most_common(1)[0]
        else:
            candidates = list(self._open.values())
            counts = Counter(connection.peer for connection in candidates)
            greediest, most = counts.most_common(1)[0]
            if most <= counts[newer] + 1:
                return None
        return next(connection for connection in candidates if connection.peer == greediest)

    async def _run(self, connection: Connection) -> None:
        # The peer may have gone away, or speak no TLS.
        with suppress(OSError):
            await self._serve(connection)

    def _ended(self, connection: Connection, task: asyncio.Task[None]) -> None:
        self._serving.discard(task)
        # The socket may be closed already, and a newer one may have its number.
        if self._open.get(connection.descriptor) is connection:
            del self._open[connection.descriptor]
        connection.socket.close()

    def _sweep(self) -> None:
        """End connections whose time is over, now and twice a second as long as there are any."""
        now = monotonic()
        for connection in [one for one in self._open.values() if one.deadline <= now]:
            connection.close()
        loop = asyncio.get_running_loop()
        self._sweeping = loop.call_later(_SWEEP_SECONDS, self._sweep) if self._open else None


def _peer(accepted: socket.socket) -> str:
    try:
        name = accepted.getpeername()
    except OSError:
        return ""
    return name[0] if isinstance(name, tuple) else ""
