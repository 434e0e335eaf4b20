"""A real sidecar answers its probes while it is attacked, and its memory stays bounded."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import pytest
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import authorization_service_pb2_grpc as authorization_grpc
from tabard.authz.v1 import types_pb2
from tabard_sidecar.policy.loading.documents import parse_yaml

from testbed.world import EXAMPLE, PERSON, World

_BOUND_SECONDS = 0.1
_TIMES_CONTROL = 10
_ATTACK_SECONDS = 3.0
_POD_MEGABYTES = 256
_GRANTED_MEGABYTES = 384
"""With a valid grant, arguments of very many values take more than the pod has (a known limit in the threat model)."""
_EVIL = {
    "type": "object",
    "properties": {"ticket_id": {"type": "string"}, "x": {"pattern": "(?:a|b)*a(?:a|b){6000}c"}, "y": True},
}
_LETTERS = "".join(random.Random(1).choices("ab", k=240_000))


@pytest.fixture
async def world(folder):
    """A sidecar as its own process, with a tool whose schema is hostile."""
    catalogue = folder / "catalogue.json"
    tools = parse_yaml((EXAMPLE / "catalogue.yaml").read_bytes())["tools"]
    changed = [tool | {"inputSchema": _EVIL} if tool["name"] == "tickets.read" else tool for tool in tools]
    catalogue.write_text(json.dumps({"tools": changed}))
    overrides = {"catalogue.path": str(catalogue), "http.listen": f"unix:{folder}/orchestrator/h"}
    async with World(folder, workloads=("orchestrator",), overrides=overrides) as world:
        yield world


def probe(path: Path) -> float:
    """Ask for readiness as a probe does and return how long the answer took, in seconds."""
    began = time.perf_counter()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(path))
        connection.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200")
    return time.perf_counter() - began


async def probes(path: Path, seconds: float) -> list[float]:
    """Probe for a while."""
    took, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        took.append(await asyncio.to_thread(probe, path))
        await asyncio.sleep(0.05)
    return took


def request(grant: str, arguments: bytes) -> authorization_pb.AuthorizeRequest:
    """Return a request with arguments as they are."""
    return authorization_pb.AuthorizeRequest(
        grant=grant, tool=types_pb2.ToolCall(name="tickets.read", arguments_json=arguments)
    )


async def forever(call: Callable[[], Awaitable[object]]) -> None:
    """Call again and again, refused or not."""
    while True:
        with contextlib.suppress(grpc.aio.AioRpcError):
            await call()
        await asyncio.sleep(0.001)


def peak_megabytes(pid: int) -> float:
    """Return the most memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


ARGUMENTS = {
    "costly pattern": json.dumps({"ticket_id": "t", "x": _LETTERS}).encode(),
    "many values": json.dumps({"ticket_id": "t", "y": [{}] * 60_000}, separators=(",", ":")).encode(),
    "small": b'{"ticket_id": "t-1"}',
}


@pytest.mark.parametrize("attack", ["batches without a grant", "idle connections", *ARGUMENTS])
async def test_probes_are_answered(world, attack):
    """Half of the answers come within a tenth of a second, or ten times what they take without an attack."""
    sidecar = world.sidecars["orchestrator"]
    health = Path(sidecar.operator.removeprefix("unix:")).with_suffix(".health")
    task = await world.agent("orchestrator").start_task(
        world.issuer.access_token(PERSON), intent_token=world.intent("refunds", "Do it.")
    )
    control = statistics.median(await probes(health, 1.0))
    async with grpc.aio.insecure_channel(sidecar.address) as channel:
        stub = authorization_grpc.AuthorizationServiceStub(channel)
        idle = []
        if attack == "idle connections":
            for path in [Path(sidecar.address.removeprefix("unix:")), Path(sidecar.http)] * 150:
                one = socket.socket(socket.AF_UNIX)
                one.settimeout(5)
                with contextlib.suppress(OSError):
                    one.connect(str(path))
                idle.append(one)
            calls = []
        elif attack in ARGUMENTS:
            asked = request(task.grant, ARGUMENTS[attack])
            calls = [lambda: stub.Authorize(asked)] * 60
        else:
            item = request("garbage", b"[" * 5000)
            batch = authorization_pb.BatchAuthorizeRequest(items=[item] * 90)
            calls = [lambda: stub.BatchAuthorize(batch)] * 60
        attacking = [asyncio.create_task(forever(call)) for call in calls]
        await asyncio.sleep(0.5)
        took = await probes(health, _ATTACK_SECONDS)
        peak = peak_megabytes(sidecar.process.pid)
        for one in attacking:
            one.cancel()
        await asyncio.gather(*attacking, return_exceptions=True)
        for one in idle:
            one.close()
    assert statistics.median(took) < max(_BOUND_SECONDS, _TIMES_CONTROL * control), (control, took)
    assert peak < (_GRANTED_MEGABYTES if attack == "many values" else _POD_MEGABYTES)
