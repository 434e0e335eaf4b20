"""Whatever an OPA server answers, at the start or later, denies or is the server's failure, never another exception."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tabard_opa import Engine
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.model import Operation
from tabard_sidecar.policy.conf import PolicyConfig, RemoteConfig
from tabard_sidecar.policy.factory import create_runtime
from tabard_sidecar.policy.lease import mask
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.problems import PolicyBrokenError
from tabard_sidecar.policy.resources import library

from tests.support.policy import GRANT_ALL, call, decide, named, offered

MASKED = (
    'package system.log\n\nmask contains "/input/tool/arguments" if input.input.operation == "authorize"\n'
)
_JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=5),
        st.sampled_from(["result", "queries", "terms", "value", "var", "eq", "code", "deny", "grant", "kind", "jwt"]),
    ),
    lambda below: st.one_of(
        st.lists(below, max_size=4),
        st.dictionaries(
            st.sampled_from(
                ["result", "queries", "terms", "deny", "grant", "ask", "elements", "code", "module", "id", "raw",
                 "charges", "labels", "credential", "errors", "message", "location", "row", "index", "type", "value"]
            ),
            below,
            max_size=5,
        ),
    ),
    max_leaves=20,
)  # fmt: skip
RAW = [
    b"",
    b"[" * 100_000,
    b'{"result":' * 50_000,
    b'{"result": ' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"result": [' + b"{}," * 2_000_000 + b"{}]}",
    b"\xff\xfe",
    b"null",
    b"[]",
    b'{"result": NaN}',
    b'{"result": 1e999}',
    b'{"result": ' + b"9" * 5000 + b"}",
    b'{"result": "\\ud800"}',
    gzip.compress(b'{"result": "' + b"x" * 50_000_000 + b'"}'),
    b"<html>",
]


class Hostile:
    """A server that answers as OPA with one policy does, and then what it is told to.

    Attributes:
        body: what it answers to everything; ``None`` for honest answers.
        head: headers of that answer, and its status.
    """

    def __init__(self) -> None:
        self.body: bytes | None = None
        self.head = "HTTP/1.1 200 OK"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Listen on a port of loopback; gives the URL."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            for line in head.split("\r\n"):
                if line.lower().startswith("content-length:"):
                    await reader.readexactly(int(line.partition(":")[2]))
            body, first = self.body, self.head
            if body is None:
                body, first = honest(head), "HTTP/1.1 200 OK"
            writer.write(
                f"{first}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
            )
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def honest(head: str) -> bytes:
    """Answer as a server does that has one policy."""
    if "/v1/policies" not in head:
        return b"{}"
    modules = {**library(), "g.rego": GRANT_ALL, "m.rego": MASKED}
    return json.dumps({"result": [{"id": name, "raw": raw} for name, raw in modules.items()]}).encode()


@asynccontextmanager
async def runtime(url: str):
    """Give a runtime that has started."""
    config = PolicyConfig(remote=RemoteConfig(url=url), poll_seconds=3600, deadline_seconds=2)
    made = create_runtime(config, CompileOptions(), Engine(), time.time)
    try:
        await made.start()
        yield made
    finally:
        await made.close()


async def attack(made) -> None:
    """Ask everything that is asked while a sidecar runs."""
    failed: list[str] = []
    for operation in (Operation.AUTHORIZE, Operation.START_TASK, Operation.RENEW):
        decision = await failing(decide(made, operation, call()), failed)
        assert decision is None or not decision.allowed
    answers = await failing(offered(made, named("x")), failed)
    assert answers in (None, [True], [False])
    with made.lease() as lease:
        evaluator = lease._policy.evaluator
    await failing(mask(evaluator, b"{}", 1.0), failed)
    assert set(failed) <= {"policy_unavailable", "audit_unavailable"}


async def failing(work: Awaitable[Any], failed: list[str]) -> Any:
    """Return what work gives, or ``None`` after its failure was noted."""
    try:
        return await work
    except NoDecision as error:
        failed.append(error.code)
        return None


HEADS = [
    "HTTP/1.1 200 OK",
    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip",
    "HTTP/1.1 500 X",
    "HTTP/1.1 302 X\r\nLocation: /",
]


@pytest.mark.parametrize("head", HEADS)
async def test_answers_that_nothing_can_read(head):
    """While the sidecar runs: a deny or a failure of the server."""
    server = Hostile()
    async with server.running() as url, runtime(url) as made:
        for body in RAW:
            server.head, server.body = head, body
            await attack(made)
        await made.reload()


async def test_a_start_with_answers_that_nothing_can_read():
    """The policy can't be used, and the message names the server."""
    server = Hostile()
    async with server.running() as url:
        for server.body in RAW:
            with pytest.raises(PolicyBrokenError) as caught:
                async with runtime(url):
                    pass
            assert {problem.code for problem in caught.value.problems} <= {"unreachable", "library"}


@given(
    answers=st.lists(_JSON, min_size=20, max_size=20),
    inside=st.booleans(),
    status=st.sampled_from([200, 500]),
)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_json_of_any_form(answers, inside, status):
    """The same for JSON that no OPA answers; nothing of it is an allow."""

    async def attempt() -> None:
        server = Hostile()
        async with server.running() as url, runtime(url) as made:
            server.head = f"HTTP/1.1 {status} X"
            for answer in answers:
                server.body = json.dumps({"result": answer} if inside else answer).encode()
                await attack(made)
            await made.reload()

    asyncio.run(attempt())


async def test_an_answer_about_one_call_is_small():
    """More bytes or values than a decision can have are the server's failure, before they are parsed."""
    server = Hostile()
    async with server.running() as url, runtime(url) as made:
        for server.body in (b'{"result": [' + b"1," * 100_000 + b"1]}", b'"' + b"x" * 1024 * 1024 + b'"'):
            with pytest.raises(NoDecision) as caught:
                await decide(made, Operation.AUTHORIZE, call())
            assert caught.value.code == "policy_unavailable"


async def test_a_server_with_very_many_modules_or_documents():
    """Few of them are told, and none is used."""
    server = Hostile()
    async with server.running() as url, runtime(url) as made:
        server.body = b'{"result": {' + b",".join(b'"k%d":{}' % number for number in range(20_000)) + b"}}"
        status = await made.reload()
        assert not status.ready
        assert len(status.problems) < 1000
