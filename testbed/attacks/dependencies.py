"""Attacks by what a sidecar depends on; each needs a configuration of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from tabard.authz.v1 import task_service_pb2 as task_pb
from tabard.authz.v1 import task_service_pb2_grpc as task_grpc
from tabard_sidecar.policy.resources import library

from testbed.attacks.agents import Attack, calls, repeated
from testbed.attacks.stage import POLICY, Stage

Make = Callable[[], AbstractAsyncContextManager[Mapping[str, Any]]]
"""Starts what the sidecar depends on, and gives the configuration for it."""
_HOSTILE_ISSUER = "https://login.hostile.example"
_HONEST_LOADS = 3
_KEY = ec.generate_private_key(ec.SECP256R1())


@asynccontextmanager
async def unread_log() -> AsyncIterator[Mapping[str, Any]]:
    """Write the decision log to standard output, which no process reads."""
    yield {"audit": {"sink": "stdout"}, "stage.stalled": True}


@asynccontextmanager
async def _answering(body_for: Callable[[bytes], bytes]) -> AsyncIterator[int]:
    """Answer HTTP requests by their heads, one per connection; yields the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            body = body_for(await reader.readuntil(b"\r\n\r\n"))
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
            writer.write(head + b"Connection: close\r\n\r\n" + body)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def hostile_keys() -> AsyncIterator[Mapping[str, Any]]:
    """Serve an issuer's keys honestly once, and then as many as a reply may hold."""
    public = jwt.algorithms.ECAlgorithm.to_jwk(_KEY.public_key(), as_dict=True)
    replies = 0

    def keys(_head: bytes) -> bytes:
        nonlocal replies
        number = 1 if replies == 0 else 4_000
        replies += 1
        return json.dumps({"keys": [public | {"kid": f"k{n}", "use": "sig"} for n in range(number)]}).encode()

    async with _answering(keys) as port:
        yield {
            "insecure.allow_http": True,
            "stage.issuer": {
                "issuer": _HOSTILE_ISSUER,
                "audiences": ["tabard"],
                "algorithms": ["ES256"],
                "jwks_url": f"http://127.0.0.1:{port}/keys",
                "min_refetch_seconds": 1,
            },
        }


@asynccontextmanager
async def unknown_keys(stage: Stage) -> AsyncIterator[None]:
    """Start tasks with tokens of keys that the issuer hasn't shown."""
    number = 0
    async with grpc.aio.insecure_channel(stage.sidecar.address) as channel:
        stub = task_grpc.TaskServiceStub(channel)

        async def start() -> None:
            nonlocal number
            number += 1
            token = jwt.encode(
                {"iss": _HOSTILE_ISSUER, "aud": "tabard", "sub": "p"},
                _KEY,
                algorithm="ES256",
                headers={"typ": "at+jwt", "kid": f"x{number}"},
            )
            await stub.StartTask(task_pb.StartTaskRequest(subject_token=token))

        async with repeated(start, 20):
            yield


@asynccontextmanager
async def hostile_opa() -> AsyncIterator[Mapping[str, Any]]:
    """Answer as an OPA server with one policy does, a few times, and then with as much as an answer may hold."""
    modules = {**library(), "desk.rego": POLICY.partition("deny")[0]}
    honest = json.dumps({"result": [{"id": name, "raw": raw} for name, raw in modules.items()]}).encode()
    large = b'{"result": {' + b",".join(b'"k%d":{}' % number for number in range(490_000)) + b"}}"
    asked = 0

    def answer(head: bytes) -> bytes:
        nonlocal asked
        policies = b"/v1/policies" in head
        asked += policies
        return honest if policies else b"{}" if asked <= _HONEST_LOADS else large

    async with _answering(answer) as port:
        url = f"http://127.0.0.1:{port}"
        yield {"policy": {"remote": {"url": url}, "poll_seconds": 0.1}, "stage.task": False}


@asynccontextmanager
async def no_more(_: Stage) -> AsyncIterator[None]:
    """Do nothing more: the sidecar asks by itself."""
    yield


STAGES: dict[str, tuple[Make, Attack]] = {
    "a log that is not read": (unread_log, calls("read", {"x": "a" * 2_000})),
    "a hostile key server": (hostile_keys, unknown_keys),
    "a hostile OPA server": (hostile_opa, no_more),
}
"""Attacks by dependencies, by name."""
