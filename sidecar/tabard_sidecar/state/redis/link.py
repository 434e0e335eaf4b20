"""Connection to one Redis server, with deadlines, reconnecting and errors that say what to do."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import orjson
from redis.asyncio import Redis
from redis.asyncio.connection import BlockingConnectionPool
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.state.redis.connections import Connections, Part
from tabard_sidecar.state.redis.durability import weaknesses
from tabard_sidecar.state.redis.options import RedisOptions, create_pool
from tabard_sidecar.state.redis.scripts import Script
from tabard_sidecar.state.store import ConcurrentWork, no_work
from tabard_sidecar.util.malformed import MALFORMED

Answer: TypeAlias = Any
"""A server's answer: bytes, a number, or a list or mapping of them, depending on the command."""
WRITER_SECONDS = 7 * 86_400
"""How long the server keeps the count of a sidecar's writes."""
GRACE_SECONDS = 300.0
"""How long keys are kept after their contents expire, so that a server whose clock is ahead doesn't delete them early."""
_WAIT_SHARE = 0.8
_CHECK_SECONDS = 5.0
_log = logging.getLogger(__name__)

_BY_TYPE: tuple[tuple[type[RedisError], str, str], ...] = (
    (
        AuthenticationError,
        "it refused the credentials",
        "check state.redis.username and state.redis.password_file",
    ),
    (NoPermissionError, "its ACL refused", "grant what docs/guarantees.md lists"),
    (OutOfMemoryError, "it is full", "raise maxmemory or run `tabard state compact`"),
    (ReadOnlyError, "it is a read-only replica", "point state.url at the primary"),
)


class RedisLink:
    """Runs scripts and commands on one server.

    Commands aren't retried, because a command whose answer was lost may have been executed. The next call replaces a
    broken connection.
    """

    def __init__(self, options: RedisOptions, zone: str) -> None:
        self.options = options
        self.prefix = f"tabard:{{{zone}}}:"
        self._meta = f"{self.prefix}meta"
        self._writer = secrets.token_hex(8)
        self._pool: BlockingConnectionPool | None = None
        self._client: Redis | None = None
        self._connections: Connections | None = None
        # Why the server may lose what it acknowledges, how many connections were made, and when that was found out.
        self._weak = ""
        self._checked = 0
        self._checked_at = float("-inf")

    def connect(self) -> None:
        """Create the pools; the first command makes the first connection."""
        self._pool = create_pool(self.options)
        self._client = Redis(connection_pool=self._pool)
        self._connections = Connections(self._pool, most=self.options.max_connections)

    async def close(self) -> None:
        """Close every connection."""
        client, pool, connections = self._client, self._pool, self._connections
        self._client = self._pool = self._connections = None
        if connections is not None:
            await connections.close()
        if client is not None:
            await client.aclose()
        if pool is not None:
            await pool.disconnect()

    @property
    def client(self) -> Redis:
        """The client, for subscriptions and administration.

        Raises:
            NoDecision: the store isn't open.
        """
        if self._client is None:
            raise _not_open()
        return self._client

    async def run(
        self,
        script: Script,
        arguments: Mapping[str, object],
        *binary: bytes,
        durable: bool = False,
        concurrent_work: ConcurrentWork = no_work,
    ) -> Answer:
        """Run a script and return its answer.

        Args:
            script: the script.
            arguments: what the script reads as ``q``.
            binary: what it reads as ``ARGV[2]`` and on.
            durable: wait until as many replicas as are configured have the write.
            concurrent_work: called once the script is sent.

        Raises:
            NoDecision: the server can't be reached, refused, or too few replicas have the write.
        """
        encoded = orjson.dumps({**arguments, "writer": self._writer, "writer_seconds": WRITER_SECONDS})
        argv: tuple[Part, ...] = (1, self._meta, encoded, *binary)
        try:
            return await self._ask(
                ("EVALSHA", script.digest, *argv), durable=durable, concurrent_work=concurrent_work
            )
        except _UnknownScript:
            # Nothing was executed. EVAL also loads the script, so the next EVALSHA finds it.
            return await self._ask(("EVAL", script.text, *argv), durable=durable, concurrent_work=no_work)

    async def _ask(
        self, command: Sequence[Part], *, durable: bool, concurrent_work: ConcurrentWork
    ) -> Answer:
        if not durable or not self.options.replicas:
            (answer,) = await self._send(command, concurrent_work=concurrent_work)
            return answer
        wait = ("WAIT", self.options.replicas, int(self.options.timeout_seconds * 1000 * _WAIT_SHARE))
        answer, reached = await self._send(command, wait, concurrent_work=concurrent_work)
        if reached < self.options.replicas:
            raise self._unavailable(
                f"{reached} of {self.options.replicas} replicas have the write; check replication, or state.redis.replicas"
            )
        return answer

    async def _send(self, *commands: Sequence[Part], concurrent_work: ConcurrentWork) -> list[Any]:
        """Send commands to a server that keeps what it acknowledges; raise the first error."""
        if self._weak:
            raise self._unavailable(self._weak)
        answers = await self._exchange(*commands, concurrent_work=concurrent_work)
        if self._connections is not None and self._connections.made != self._checked:
            await self.check_durable()
        return answers

    async def _exchange(
        self, *commands: Sequence[Part], concurrent_work: ConcurrentWork = no_work
    ) -> list[Any]:
        """Send commands on one connection; raise the first error."""
        if self._connections is None:
            raise _not_open()
        try:
            async with asyncio.timeout(self.options.timeout_seconds):
                answers = await self._connections.ask(*commands, concurrent_work=concurrent_work)
        except (RedisError, OSError, *MALFORMED) as error:
            raise await self.failed(error) from error
        for answer in answers:
            if isinstance(answer, Exception):
                raise await self.failed(answer) from answer
        return answers

    async def _config(self, *command: Part) -> Answer:
        (answer,) = await self._exchange(command)
        return answer

    async def check_durable(self) -> None:
        """Check that the server keeps what it acknowledges, as it has to at the start; it may be another one by now.

        Raises:
            NoDecision: it doesn't, so no operation is done on it.
        """
        made = self._connections.made if self._connections is not None else 0
        if not self.options.accept_weak_durability:
            weak = "; ".join(await weaknesses(self._config))
            text = f"it may lose acknowledged writes: {weak}; change that, or accept it with "
            self._tell_weak(f"{text}state.redis.accept_weak_durability" if weak else "")
        self._checked, self._checked_at = made, asyncio.get_running_loop().time()
        if self._weak:
            raise self._unavailable(self._weak)

    async def keep_durable(self) -> None:
        """Check it every few seconds; see :meth:`check_durable`."""
        if self._weak or asyncio.get_running_loop().time() >= self._checked_at + _CHECK_SECONDS:
            await self.check_durable()

    def _tell_weak(self, weak: str) -> None:
        if weak and not self._weak:
            _log.critical("state store may lose writes", extra={"place": self.options.place, "problem": weak})
        elif self._weak and not weak:
            _log.warning("state store keeps its writes again", extra={"place": self.options.place})
        self._weak = weak

    async def command(self, *command: Part) -> Answer:
        """Send one command and return the answer.

        Raises:
            NoDecision: the server can't be reached or refused.
        """
        client = self.client
        try:
            async with asyncio.timeout(self.options.timeout_seconds):
                return await client.execute_command(*command)  # type: ignore[no-untyped-call]
        except (RedisError, OSError, *MALFORMED) as error:
            raise await self.failed(error) from error

    async def failed(self, error: Exception) -> Exception:
        """Translate an exception of the client; close idle connections if the server may be gone."""
        if isinstance(error, NoScriptError):
            return _UnknownScript(self.options.place)
        if self._pool is not None and (
            isinstance(error, ReadOnlyError) or not isinstance(error, ResponseError)
        ):
            # Drop idle connections too: they lead to the same failed or demoted primary. Reconnecting resolves the
            # address again.
            await self._pool.disconnect(inuse_connections=False)
            if self._connections is not None:
                await self._connections.drop()
        never = self._connections is None or not self._connections.made
        return self._unavailable(_explain(error, self.options, never_connected=never))

    def _unavailable(self, what: str) -> NoDecision:
        return NoDecision("UNAVAILABLE", "state_unavailable", f"the state store {self.options.place}: {what}")


class LinkedPart:
    """A part of the state store that runs scripts over the store's connection."""

    _link: RedisLink

    @property
    def place(self) -> str:
        """Address of the server, for messages."""
        return self._link.options.place

    async def _run_timed(
        self,
        script: Script,
        now: float,
        arguments: Mapping[str, object],
        *binary: bytes,
        durable: bool = False,
        concurrent_work: ConcurrentWork = no_work,
    ) -> Answer:
        """Run a script that compares ``now`` with stored times; fail if the server's clock differs too much."""
        timed = {**arguments, "now": now, "skew": self._link.options.max_clock_skew_seconds}
        return await self._link.run(script, timed, *binary, durable=durable, concurrent_work=concurrent_work)


def _not_open() -> NoDecision:
    return NoDecision("UNAVAILABLE", "state_unavailable", "the state store isn't open")


class _UnknownScript(NoDecision):
    """The server was restarted or replaced since the script was loaded, or says so of everything that it is asked."""

    def __init__(self, place: str) -> None:
        message = f"the state store {place}: it doesn't know a script that it was sent; check the server"
        super().__init__("UNAVAILABLE", "state_unavailable", message)


def _explain(error: Exception, options: RedisOptions, *, never_connected: bool) -> str:
    """Return what went wrong and what to do. The text never holds a secret."""
    if isinstance(error, TimeoutError | RedisTimeoutError):
        # A server without TLS waits for the end of what it takes for a line.
        tls = never_connected and options.url.startswith("rediss:")
        more = ", and whether that port speaks TLS: for one that doesn't, write redis://" if tls else ""
        return f"no answer within {options.timeout_seconds:g} s; check the server and the network{more}"
    # The error for an unknown command repeats its arguments, which may be a password.
    text = str(error).partition(", with args beginning with")[0] or type(error).__name__
    if text.startswith("TABARDCLOCK"):
        return f"its clock and this machine's are {text.split()[1]} s apart; set both clocks"
    for kind, what, remedy in _BY_TYPE:
        if isinstance(error, kind):
            return f"{what} ({text}); {remedy}"
    return f"{text}; check that the server runs and state.url is right"
