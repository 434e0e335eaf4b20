"""Whatever a Redis server replies, at the start or later, is an answer of the store or its failure, never another exception."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.state.approval import Verdict
from tabard_sidecar.state.model import Revocation, RevocationKind
from tabard_sidecar.state.redis import RedisOptions, RedisStateStore
from tabard_sidecar.state.redis.opening import SCHEMA

from tests.contracts.state.leases import lease
from tests.support.state import LATER, NOW, approval, at_most, chain, outcome, person, steps, task, wanted

TASK = task()
CHAIN = chain(TASK.root_id, "l", budgets={"a": 5})
OPERATIONS: dict[str, Callable[[RedisStateStore], Awaitable[object]]] = {
    "claim_request": lambda s: s.claim_request(b"k", b"b", now=NOW, expires_at=LATER),
    "complete_request": lambda s: s.complete_request(b"k", b"r", expires_at=LATER),
    "consume": lambda s: s.consume("n", limit=1, now=NOW, expires_at=LATER),
    "open_task": lambda s: s.open_task(TASK, labels_since=NOW),
    "subject_token": lambda s: s.subject_token("r", now=NOW),
    "look_up": lambda s: s.look_up(CHAIN),
    "reserve": lambda s: s.reserve(wanted(CHAIN)),
    "release": lambda s: s.release("d", "r"),
    "report": lambda s: s.report(outcome(wanted(CHAIN))),
    "register_children": lambda s: s.register_children(steps(CHAIN), now=NOW, expires_at=LATER),
    "revoke": lambda s: s.revoke(Revocation(RevocationKind.AGENT, "a", NOW, LATER, ("why",))),
    "revocations": lambda s: s.revocations(),
    "watch": lambda s: s.watch(0, timeout_seconds=0.1),
    "ask": lambda s: s.ask(approval("r"), limits=at_most(5)),
    "approval": lambda s: s.approval("a", now=NOW),
    "approvals": lambda s: s.approvals(now=NOW),
    "approval_group": lambda s: s.approval_group("group-a", now=NOW),
    "decide_approvals": lambda s: s.decide_approvals(
        "group-a", [Verdict("a", approved=True, expires_at=LATER)], approver=person("a"), now=NOW
    ),
    "tasks": lambda s: s.tasks(now=NOW),
    "tree": lambda s: s.tree("t"),
    "expire": lambda s: s.expire(now=NOW),
    "add_lease": lambda s: s.add_lease(lease()),
    "extend_lease": lambda s: s.extend_lease("l", expires_at=LATER),
    "end_lease": lambda s: s.end_lease("l"),
    "leases": lambda s: s.leases(now=NOW),
    "leases_of": lambda s: s.leases_of(lease().targets[0], now=NOW),
    "revoked_leases": lambda s: s.revoked_leases(now=NOW),
}


def bulk(content: bytes) -> bytes:
    """Return a bulk string."""
    return b"$%d\r\n%b\r\n" % (len(content), content)


def written(value: object) -> bytes:
    """Return a value as a server replies it."""
    match value:
        case None:
            return b"_\r\n"
        case bool():
            return b"#t\r\n" if value else b"#f\r\n"
        case int():
            return b":%d\r\n" % value
        case float():
            return b",%b\r\n" % repr(value).encode()
        case bytes():
            return bulk(value)
        case list():
            return b"*%d\r\n" % len(value) + b"".join(map(written, value))
    raise TypeError


_JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-5, 2**70), st.floats(allow_nan=False), st.text(max_size=5)
    ),
    lambda below: st.one_of(
        st.lists(below, max_size=14), st.dictionaries(st.text(max_size=3), below, max_size=3)
    ),
    max_leaves=25,
)
_ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2**70),
    st.floats(),
    st.binary(max_size=20),
    _JSON.map(lambda value: json.dumps(value).encode()),
    st.sampled_from([b"done", b"new", b"changed", b"exhausted", b"[]", b"{}", b"null"]),
)
VALUES = st.recursive(_ATOMS, lambda below: st.lists(below, max_size=8), max_leaves=20)
RAW = [
    b"*1\r\n" * 50_000,
    b"%1\r\n" * 20_000,
    b"*-1\r\n",
    b"$-1\r\n",
    b"$99999999999\r\nx",
    b"*999999999999\r\n:1\r\n",
    b"$5\r\nab",
    b"(" + b"9" * 5000 + b"\r\n",
    b":\r\n",
    b":x\r\n",
    b"$x\r\n",
    b"$-7\r\n",
    b"\r\n",
    b"?\r\n",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"\x00\xff" * 100,
    b"x" * 200_000,
    b"%1\r\n*1\r\n:1\r\n:1\r\n",
    b"~2\r\n:1\r\n:1\r\n",
    b">2\r\n+message\r\n:1\r\n" * 3_000,
    b"=15\r\ntxt:Some string\r\n",
    b"!21\r\nSYNTAX invalid syntax\r\n",
    b"-\r\n",
    b"-ERR \xff\r\n",
    b"-NOSCRIPT No matching script\r\n" * 2,
    b"-TABARDCLOCK\r\n",
    b"-LOADING x\r\n",
    b"-MOVED x\r\n",
    b"+" + b"\xff" * 10 + b"\r\n",
]


class Hostile:
    """A server that replies as Redis does when a store is opened, and then what it is told to.

    Attributes:
        reply: what it replies to everything that is asked; empty for honest replies.
    """

    def __init__(self) -> None:
        self.reply = b""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """Listen on a port of loopback."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                count = int((await reader.readline())[1:])
                command = []
                for _ in range(count):
                    size = int((await reader.readline())[1:])
                    command.append((await reader.readexactly(size + 2))[:-2])
                if self.reply and command[0] not in {b"HELLO", b"CLIENT"}:
                    writer.write(self.reply)
                    await writer.drain()
                    return
                writer.write(honest(command))
        except (OSError, ValueError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def honest(command: list[bytes]) -> bytes:
    """Reply as Redis does when a store is opened."""
    match command[0]:
        case b"HELLO":
            return b"%2\r\n+server\r\n+redis\r\n+proto\r\n:3\r\n"
        case b"INFO":
            return bulk(b"# Server\r\nredis_version:7.4.0\r\n")
        case b"CONFIG":
            wanted_ = {b"maxmemory-policy": b"noeviction", b"appendonly": b"yes", b"appendfsync": b"always"}
            return b"%3\r\n" + b"".join(bulk(name) + bulk(value) for name, value in wanted_.items())
        case b"EVALSHA":
            return b"*2\r\n" + bulk(b"z") + bulk(b"%d" % SCHEMA)
    return b"+OK\r\n"


async def opened(port: int) -> RedisStateStore:
    """Open a store. No reply here needs its deadline, which a busy machine must not reach."""
    store = RedisStateStore(RedisOptions(f"redis://127.0.0.1:{port}/0", timeout_seconds=30), zone="z")
    await store.open()
    return store


async def fails_as_a_store(operation: Awaitable[object]) -> None:
    """Allow an answer, or the failure of the store, and nothing else."""
    failed = []
    try:
        await operation
    except NoDecision as error:
        failed.append(error.code)
    assert failed in ([], ["state_unavailable"])


@pytest.mark.parametrize("reply", RAW, ids=range(len(RAW)))
async def test_replies_that_nothing_can_read(reply):
    """While the sidecar runs: every operation fails as one whose server can't be reached."""
    server = Hostile()
    async with server.running() as port:
        store = await opened(port)
        for operation in OPERATIONS.values():
            server.reply = reply
            await fails_as_a_store(operation(store))
        server.reply = b""
        await store.close()


@pytest.mark.parametrize("reply", RAW, ids=range(len(RAW)))
async def test_a_start_fails_as_if_the_server_could_not_be_reached(reply):
    """``NoDecision`` is exit code 6; an unhandled exception would be 1."""
    server = Hostile()
    server.reply = reply
    async with server.running() as port:
        with pytest.raises(NoDecision) as caught:
            await opened(port)
        assert caught.value.code == "state_unavailable"


@given(value=VALUES, name=st.sampled_from(sorted(OPERATIONS)))
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_values_of_any_type(value, name):
    """Well-formed replies of a form that no script has are failures of the store, too."""

    async def attempt() -> None:
        server = Hostile()
        async with server.running() as port:
            store = await opened(port)
            server.reply = written(value)
            await fails_as_a_store(OPERATIONS[name](store))
            server.reply = b""
            await store.close()

    asyncio.run(attempt())


async def test_an_endless_reply_ends():
    """A server that sends as fast as it can is cut off by the reply's size or the deadline."""
    server = Hostile()
    async with server.running() as port:
        store = await opened(port)
        server.reply = b"$90000000\r\n" + b"x" * 60_000_000
        await fails_as_a_store(store.look_up(CHAIN))
        await store.close()
