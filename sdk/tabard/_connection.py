"""Channels to a sidecar, and how a call is made over them.

grpc has one API for threads and one for asyncio, with different types and errors. Only this module and
:mod:`tabard._stream` know both; the clients above are written once (see sdk/generate.py).
"""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

import grpc
import grpc.aio

from tabard import _convert, errors
from tabard import _transport as transport
from tabard.address import CHANNEL_OPTIONS
from tabard.authz.v1 import authorization_service_pb2_grpc as authorization_grpc
from tabard.authz.v1 import credential_service_pb2_grpc as credential_grpc
from tabard.authz.v1 import task_service_pb2_grpc as task_grpc

if TYPE_CHECKING:
    from tabard._decision import Decision
    from tabard.authz.v1 import types_pb2

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")

_FORK_SWITCH = "GRPC_ENABLE_FORK_SUPPORT"
_OFF = frozenset({"0", "f", "false", "n", "no"})
_users: set[int] = set()  # this process, and those it was forked from, if they made calls


_open_aio: weakref.WeakSet[_AioStubs] = weakref.WeakSet()


class _Stubs:
    """The services behind a channel for calls that block."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
        self.tasks = task_grpc.TaskServiceStub(self.channel)
        self.authorization = authorization_grpc.AuthorizationServiceStub(self.channel)
        self.credentials = credential_grpc.CredentialServiceStub(self.channel)


class _AioStubs:
    """The services behind a channel of the running event loop."""

    def __init__(self, address: str) -> None:
        _check_aio_fork()
        self.pid = os.getpid()
        self.channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
        _open_aio.add(self)
        self.tasks = task_grpc.TaskServiceStub(self.channel)
        self.authorization = authorization_grpc.AuthorizationServiceStub(self.channel)
        self.credentials = credential_grpc.CredentialServiceStub(self.channel)


_Kind = TypeVar("_Kind", _Stubs, _AioStubs)
_Loop: TypeAlias = asyncio.AbstractEventLoop | None


class _Base(Generic[_Kind]):
    """The part of a connection that makes no call.

    A channel is made with the first call. A forked process makes one of its own, and never touches its parent's: to close
    that one would disturb the parent.
    """

    def __init__(self, options: transport.Options) -> None:
        self.options = options
        self.closed = False
        self._opened: dict[tuple[int, _Loop], _Kind] = {}

    def _stubs(self, loop: _Loop, connect: Callable[[str], _Kind]) -> _Kind:
        key = (os.getpid(), loop)
        found = self._opened.get(key)
        if found is not None and not self.closed:
            return found
        if self.closed:
            raise closed("after close()")
        _check_fork()
        for other in list(self._opened):
            if other[0] == key[0] and other[1] is not None and other[1].is_closed():
                self._opened.pop(other, None)
        return self._opened.setdefault(key, connect(self.options.address))

    def decision(self, message: types_pb2.Decision) -> Decision:
        """Return a decision as this client understands it."""
        return _convert.decision(message, self.options.obligations)

    def _not_ready(self, waited_seconds: float) -> errors.TabardError:
        text = f"waited {waited_seconds} s"
        return errors.from_status("UNAVAILABLE", text, "", address=self.options.address)


class Connection(_Base[_Stubs]):
    """A channel for calls that block.

    Attributes:
        peer: the connection of the same client for asyncio.
    """

    def __init__(self, options: transport.Options, peer: AioConnection | None = None) -> None:
        super().__init__(options)
        self.peer = AioConnection(options, self) if peer is None else peer

    @property
    def tasks(self) -> task_grpc.TaskServiceStub:
        """The service that starts, delegates and ends tasks."""
        return self._stubs(None, _Stubs).tasks

    @property
    def authorization(self) -> authorization_grpc.AuthorizationServiceStub:
        """The service that decides about calls."""
        return self._stubs(None, _Stubs).authorization

    @property
    def credentials(self) -> credential_grpc.CredentialServiceStub:
        """The service of credentials."""
        return self._stubs(None, _Stubs).credentials

    def close(self) -> None:
        """Close the channel; calls in flight fail."""
        self.close_own()
        self.peer.close_soon()

    def close_own(self) -> None:
        """Close this channel and leave the peer's open."""
        self.closed = True
        stubs = self._opened.pop((os.getpid(), None), None)
        if stubs is not None:
            stubs.channel.close()

    def wait_ready(self, timeout_seconds: float) -> None:
        """Wait until the sidecar accepts connections.

        Raises:
            Unavailable: it didn't within ``timeout_seconds``.
        """
        try:
            grpc.channel_ready_future(self._stubs(None, _Stubs).channel).result(timeout=timeout_seconds)
        except grpc.FutureTimeoutError:
            raise self._not_ready(timeout_seconds) from None

    def call(
        self,
        method: grpc.UnaryUnaryMultiCallable[_Request, _Response],
        request: _Request,
        timeout_seconds: float | None,
        *,
        repeatable: bool,
    ) -> _Response:
        """Call ``method``; repeat it where that does no harm.

        Raises:
            TabardError: it failed.
        """
        attempts = transport.Attempts(self.options, timeout_seconds, repeatable=repeatable)
        metadata = transport.metadata(self.options.zone)
        while True:
            try:
                return method(request, timeout=attempts.remaining_seconds, metadata=metadata)
            except grpc.RpcError as error:
                wait = attempts.wait_seconds(error)
            except ValueError as error:
                raise closed(error) from error
            time.sleep(wait)


class AioConnection(_Base[_AioStubs]):
    """Channels for asyncio: one for each event loop that makes calls.

    Attributes:
        peer: the connection of the same client for calls that block.
    """

    def __init__(self, options: transport.Options, peer: Connection | None = None) -> None:
        super().__init__(options)
        self.peer = Connection(options, self) if peer is None else peer

    @property
    def tasks(self) -> task_grpc.TaskServiceAsyncStub:
        """The service that starts, delegates and ends tasks."""
        return self._running().tasks

    @property
    def authorization(self) -> authorization_grpc.AuthorizationServiceAsyncStub:
        """The service that decides about calls."""
        return self._running().authorization

    @property
    def credentials(self) -> credential_grpc.CredentialServiceAsyncStub:
        """The service of credentials."""
        return self._running().credentials

    def _running(self) -> _AioStubs:
        return self._stubs(asyncio.get_running_loop(), _AioStubs)

    async def close(self) -> None:
        """Close the channels; calls in flight fail."""
        own = self._opened.pop((os.getpid(), asyncio.get_running_loop()), None)
        self.close_soon()
        self.peer.close_own()
        if own is not None:
            await own.channel.close()

    def close_soon(self) -> None:
        """Let each event loop that still runs close its channel."""
        self.closed = True
        for key, stubs in list(self._opened.items()):
            pid, loop = key
            if pid == os.getpid():
                self._opened.pop(key, None)
                if loop is not None and loop.is_running():
                    asyncio.run_coroutine_threadsafe(stubs.channel.close(), loop)

    async def wait_ready(self, timeout_seconds: float) -> None:
        """Wait until the sidecar accepts connections.

        Raises:
            Unavailable: it didn't within ``timeout_seconds``.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._running().channel.channel_ready()
        except TimeoutError:
            raise self._not_ready(timeout_seconds) from None

    async def call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[_Request, _Response],
        request: _Request,
        timeout_seconds: float | None,
        *,
        repeatable: bool,
    ) -> _Response:
        """Call ``method``; repeat it where that does no harm.

        Raises:
            TabardError: it failed.
        """
        attempts = transport.Attempts(self.options, timeout_seconds, repeatable=repeatable)
        metadata = transport.metadata(self.options.zone)
        while True:
            try:
                return await method(request, timeout=attempts.remaining_seconds, metadata=metadata)
            except grpc.RpcError as error:
                wait = attempts.wait_seconds(error)
            except grpc.aio.UsageError as error:
                raise closed(error) from error
            await asyncio.sleep(wait)


def closed(error: object) -> errors.Unavailable:
    """Return the error for a call on a closed client."""
    return errors.Unavailable("client_closed", f"the client is closed; connect again ({error})")


def _check_aio_fork() -> None:
    """Refuse to open a channel for asyncio in a process that was forked while its parent had one: calls would hang.

    Raises:
        InvalidRequest: the parent had one.
    """
    if any(stubs.pid != os.getpid() for stubs in _open_aio):
        text = (
            "this process was forked while an asyncio client of its parent was open; "
            "close that client before the fork, start processes with the method spawn, or use tabard.connect() here"
        )
        raise errors.InvalidRequest("forked", text)


def _check_fork() -> None:
    """Refuse to connect in a forked process where grpc can't: its threads aren't there, and calls would hang.

    Raises:
        InvalidRequest: the process was forked from one that made calls, and grpc's support of fork is off.
    """
    _users.add(os.getpid())
    if len(_users) > 1 and os.environ.get(_FORK_SWITCH, "1").lower() in _OFF:
        text = (
            f"this process was forked from one that made calls, and {_FORK_SWITCH} is off; "
            "unset it, start processes with the method spawn, or make the first call after the fork"
        )
        raise errors.InvalidRequest("forked", text)
