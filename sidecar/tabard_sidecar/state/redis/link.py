"""The connections to one Redis server: deadlines, reconnecting, errors that say what to do."""

from __future__ import annotations

import asyncio
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
from tabard_sidecar.state.redis.options import RedisOptions, create_pool
from tabard_sidecar.state.redis.scripts import Script
from tabard_sidecar.state.store import Meanwhile, nothing

Answer: TypeAlias = Any
"""What a server answers: bytes, a number, or a list or mapping of them, as the command has it."""
WRITER_SECONDS = 7 * 86_400
"""How long the server remembers how many writes a sidecar made."""
_WAIT_SHARE = 0.8

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

    Nothing is tried twice, since a lost answer may have been a yes. A connection that broke is replaced by the next call.
    """

    def __init__(self, options: RedisOptions, zone: str) -> None:
        self.options = options
        self.prefix = f"tabard:{{{zone}}}:"
        self._meta = f"{self.prefix}meta"
        self._writer = secrets.token_hex(8)
        self._pool: BlockingConnectionPool | None = None
        self._client: Redis | None = None
        self._connections: Connections | None = None

    def connect(self) -> None:
        """Set the connections up; the first is made by the first command."""
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
        """The client, for subscriptions and what administers the server.

        Raises:
            NoDecision: the store isn't open.
        """
        if self._client is None:
            raise _not_open()
        return self._client

    async def run(
        self,
        script: Script,
        question: Mapping[str, object],
        *binary: bytes,
        durable: bool = False,
        meanwhile: Meanwhile = nothing,
    ) -> Answer:
        """Run a script and return its answer.

        Args:
            script: the script.
            question: what the script reads as ``q``.
            binary: what it reads as ``ARGV[2]`` and on.
            durable: wait until as many replicas as are configured have the write.
            meanwhile: called once the script was sent.

        Raises:
            NoDecision: the server can't be reached, refused, or too few replicas have it.
        """
        asked = {**question, "writer": self._writer, "writer_seconds": WRITER_SECONDS}
        arguments: tuple[Part, ...] = (1, self._meta, orjson.dumps(asked), *binary)
        try:
            return await self._ask(
                ("EVALSHA", script.digest, *arguments), durable=durable, meanwhile=meanwhile
            )
        except _UnknownScript:
            # Nothing was done. With its whole text it is known from then on.
            return await self._ask(("EVAL", script.text, *arguments), durable=durable, meanwhile=nothing)

    async def _ask(self, command: Sequence[Part], *, durable: bool, meanwhile: Meanwhile) -> Answer:
        if not durable or not self.options.replicas:
            (answer,) = await self._send(command, meanwhile=meanwhile)
            return answer
        wait = ("WAIT", self.options.replicas, int(self.options.timeout_seconds * 1000 * _WAIT_SHARE))
        answer, reached = await self._send(command, wait, meanwhile=meanwhile)
        if reached < self.options.replicas:
            raise self._unavailable(
                f"{reached} of {self.options.replicas} replicas have the write; check replication, or state.redis.replicas"
            )
        return answer

    async def _send(self, *commands: Sequence[Part], meanwhile: Meanwhile) -> list[Any]:
        """Send commands on one connection; the first error counts."""
        if self._connections is None:
            raise _not_open()
        try:
            async with asyncio.timeout(self.options.timeout_seconds):
                answers = await self._connections.ask(*commands, meanwhile=meanwhile)
        except (RedisError, OSError, TimeoutError, ValueError) as error:
            raise await self.failed(error) from error
        for answer in answers:
            if isinstance(answer, Exception):
                raise await self.failed(answer) from answer
        return answers

    async def command(self, *command: Part) -> Answer:
        """Send one command and return the answer.

        Raises:
            NoDecision: the server can't be reached or refused.
        """
        client = self.client
        try:
            async with asyncio.timeout(self.options.timeout_seconds):
                return await client.execute_command(*command)  # type: ignore[no-untyped-call]
        except (RedisError, OSError, TimeoutError, ValueError) as error:
            raise await self.failed(error) from error

    async def failed(self, error: Exception) -> Exception:
        """Turn what the client raised into what callers know."""
        if isinstance(error, NoScriptError):
            return _UnknownScript()
        if self._pool is not None and (
            isinstance(error, ReadOnlyError) or not isinstance(error, ResponseError)
        ):
            # The other connections go to the same server: who waits for each of them to time out waits for long, and one
            # that was demoted stays it. A new connection asks anew where the server is.
            await self._pool.disconnect(inuse_connections=False)
            if self._connections is not None:
                await self._connections.drop()
        return self._unavailable(_explain(error, self.options))

    def _unavailable(self, what: str) -> NoDecision:
        return NoDecision("UNAVAILABLE", "state_unavailable", f"the state store {self.options.place}: {what}")


def _not_open() -> NoDecision:
    return NoDecision("UNAVAILABLE", "state_unavailable", "the state store isn't open")


class _UnknownScript(Exception):
    """The server was restarted or replaced since the script was loaded."""


def _explain(error: Exception, options: RedisOptions) -> str:
    """Say what went wrong and what to do; never holds a secret."""
    if isinstance(error, TimeoutError | RedisTimeoutError):
        return f"no answer within {options.timeout_seconds:g} s; check the server and the network"
    # A server that doesn't know a command repeats its arguments, which may be a password.
    text = str(error).partition(", with args beginning with")[0] or type(error).__name__
    if text.startswith("TABARDCLOCK"):
        return f"its clock and this machine's are {text.split()[1]} s apart; set both clocks"
    for kind, what, remedy in _BY_TYPE:
        if isinstance(error, kind):
            return f"{what} ({text}); {remedy}"
    return f"{text}; check that the server runs and state.url is right"
