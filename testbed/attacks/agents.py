"""Attacks on availability by agents, thieves and strangers. Each attack goes on until it is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import credential_service_pb2 as credential_pb
from tabard.authz.v1 import credential_service_pb2_grpc as credential_grpc
from tabard.authz.v1 import revocation_service_pb2 as revocation_pb
from tabard.authz.v1 import revocation_service_pb2_grpc as revocation_grpc

from testbed.attacks.stage import Stage

Attack = Callable[[Stage], Any]
"""Starts an attack: an asynchronous context manager, during which it goes on."""
_AT_ONCE = 60
_IDLE = 150
_LETTERS = "".join(random.Random(1).choices("ab", k=240_000))  # noqa: S311 - the same letters each time
_MANY = {"x": [{}] * 60_000}


async def _forever(call: Callable[[], Awaitable[object]]) -> None:
    while True:
        with contextlib.suppress(grpc.aio.AioRpcError, OSError, asyncio.IncompleteReadError):
            await call()
        await asyncio.sleep(0.001)


@asynccontextmanager
async def repeated(call: Callable[[], Awaitable[object]], at_once: int = _AT_ONCE) -> AsyncIterator[None]:
    """Call again and again, so many at once, refused or not."""
    tasks = [asyncio.create_task(_forever(call)) for _ in range(at_once)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def calls(tool: str, arguments: object, *, at_once: int = _AT_ONCE, grant: str | None = None) -> Attack:
    """Return the attack that makes one call again and again."""

    def attack(stage: Stage) -> Any:  # noqa: ANN401 - an asynchronous context manager
        request = stage.call(tool, arguments, grant)
        return repeated(lambda: stage.stub.Authorize(request), at_once)

    return attack


def batches(grant: str | None, arguments: bytes, items: int) -> Attack:
    """Return the attack that sends one batch again and again."""

    def attack(stage: Stage) -> Any:  # noqa: ANN401 - an asynchronous context manager
        item = stage.call("read", arguments, grant)
        batch = authorization_pb.BatchAuthorizeRequest(items=[item] * items)
        return repeated(lambda: stage.stub.BatchAuthorize(batch))

    return attack


def filters(stage: Stage) -> Any:  # noqa: ANN401 - an asynchronous context manager
    """Ask about five hundred tools again and again."""
    tools = [authorization_pb.ToolRef(name=f"tool-{number}") for number in range(500)]
    request = authorization_pb.FilterToolsRequest(grant=stage.task.grant, tools=tools)
    return repeated(lambda: stage.stub.FilterTools(request))


def labels(stage: Stage) -> Any:  # noqa: ANN401 - an asynchronous context manager
    """Report new labels again and again."""

    async def report() -> None:
        reply = await stage.stub.Authorize(stage.call("read", {"x": 1}))
        names = [secrets.token_hex(8) for _ in range(30)]
        await stage.stub.ReportOutcome(
            authorization_pb.ReportOutcomeRequest(
                grant=stage.task.grant, decision_id=reply.decision.decision_id, succeeded=True, labels=names
            )
        )

    return repeated(report)


@asynccontextmanager
async def revocations(stage: Stage) -> AsyncIterator[None]:
    """Revoke again and again, as a holder and as operators do."""
    async with (
        grpc.aio.insecure_channel(stage.sidecar.operator) as operators,
        grpc.aio.insecure_channel(stage.sidecar.address) as agents,
    ):
        revoking = revocation_grpc.RevocationServiceStub(operators)
        holding = credential_grpc.CredentialServiceStub(agents)

        async def by_operator() -> None:
            await revoking.Revoke(
                revocation_pb.RevokeRequest(
                    agent_id=f"spiffe://x.example/{secrets.token_hex(8)}", reason="flood"
                )
            )

        async def by_holder() -> None:
            reply = await stage.stub.Authorize(stage.call("read", {"x": 1}))
            await holding.RevokeCredential(
                credential_pb.RevokeCredentialRequest(
                    grant=stage.task.grant, credential_id=reply.decision.credential.credential_id
                )
            )

        async with repeated(by_operator, 20), repeated(by_holder, 20):
            yield


def idle(*names: str) -> Attack:
    """Return the attack that opens connections to sockets of the stage and says nothing."""

    @asynccontextmanager
    async def attack(stage: Stage) -> AsyncIterator[None]:
        opened = []
        for path in [getattr(stage, name) for name in names] * _IDLE:
            one = socket.socket(socket.AF_UNIX)
            one.settimeout(5)
            with contextlib.suppress(OSError):
                one.connect(str(path))
            opened.append(one)
            await asyncio.sleep(0)
        try:
            yield
        finally:
            for one in opened:
                one.close()

    return attack


def sends(name: str, content: bytes, *, at_once: int = 30) -> Attack:
    """Return the attack that connects to a socket of the stage, sends bytes and reads what comes, again and again."""

    def attack(stage: Stage) -> Any:  # noqa: ANN401 - an asynchronous context manager
        path: Path = getattr(stage, name)

        async def once() -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    reader, writer = await asyncio.open_unix_connection(path)
                    try:
                        writer.write(content)
                        await reader.read()
                    finally:
                        writer.close()

        return repeated(once, at_once)

    return attack


def _nested(depth: int) -> object:
    value: object = "c"
    for _ in range(depth):
        value = {"x": value}
    return value


_INTROSPECTION = b"POST /introspect HTTP/1.1\r\nHost: t\r\nContent-Length: 7\r\nContent-Type: application/x-www-form-urlencoded\r\n%s\r\ntoken=x"
_WITH_KEY = b"Authorization: Bearer " + b"k" * 40 + b"\r\n"
STRANGERS: dict[str, Attack] = {
    "garbage grants with large arguments": calls("read", {"x": "a" * 250_000}, grant="garbage"),
    "batches without a grant": batches("garbage", b"[" * 5_000, 90),
    "idle connections": idle("agent_socket", "http_socket", "introspection_socket"),
    "metrics asked for": sends("http_socket", b"GET /metrics HTTP/1.0\r\n\r\n"),
    "keys asked for": sends("http_socket", b"GET /.well-known/jwks.json HTTP/1.0\r\n\r\n"),
    "introspection without a key": sends("introspection_socket", _INTROSPECTION % b"" * 300),
    "garbage on the agents' socket": sends("agent_socket", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(200_000)),
}  # fmt: skip
"""Attacks that need only a connection, by name."""
HOLDERS: dict[str, Attack] = {
    "small calls": calls("read", {"x": 1}),
    "a costly pattern of the catalogue": calls("pattern", {"x": _LETTERS}),
    "an ordinary pattern on a long text": calls("address", {"x": "a@" * 100_000}),
    "recursive anyOf": calls("recursive", {"x": _nested(40)}),
    "arguments of many values": calls("read", _MANY),
    "a text that begins like a token at every letter": calls("read", {"x": "eyJ" * 80_000}),
    "batches with a grant": batches(None, b'{"x":[' + b"{}," * 1_500 + b"{}]}", 90),
    "filters of 500 names": filters,
    "bits.lsh": calls("shift", {"n": 2**34}),
    "graphql.parse_query": calls("graph", {"x": "{a" * 125_000}),
    "schemas that name files": calls("schema", {"x": 1, "schema": {"$ref": "file:///dev/zero"}}),
    "labels reported": labels,
    "revocations": revocations,
    "introspection with a key": sends("introspection_socket", _INTROSPECTION % _WITH_KEY * 300),
}
"""Attacks by who holds a grant or a backend's key, by name."""
