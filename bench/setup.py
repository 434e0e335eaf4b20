"""Starts one real sidecar process for the benchmarks, and creates grants of any depth for it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tabard
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import types_pb2
from tabard_sidecar.grants import GrantService
from tabard_sidecar.keys import Keyring

from testbed.world import PERSON, WORKLOADS, ZONE, World, spiffe_id

REFUND = b'{"order_id":"o-1001","customer_id":"c-17","amount_cents":4200,"reason":"arrived broken"}'
MEASURED = "worker"


@dataclass(frozen=True, slots=True)
class Bench:
    """A world whose measured sidecar runs."""

    world: World
    pid: int
    root: str

    @property
    def address(self) -> str:
        """Address of the measured sidecar."""
        return self.world.sidecars[MEASURED].address

    def restart_seconds(self) -> float:
        """Start another sidecar like the measured one, alone; return the time until it was ready."""
        folder = Path(tempfile.mkdtemp(prefix="tbr", dir="/tmp"))
        loop = asyncio.new_event_loop()
        twin = World(folder, workloads=(MEASURED,))
        try:
            twin.prepare()
            began = time.perf_counter()
            loop.run_until_complete(twin.start())
            return time.perf_counter() - began
        finally:
            loop.run_until_complete(twin.stop())
            loop.close()
            shutil.rmtree(folder, ignore_errors=True)

    def grant(self, depth: int) -> str:
        """Return a grant of ``depth`` sealed hops whose holder is the measured workload.

        The hops are made with the zone's own keys, as the sidecars of the other workloads would make them.
        """
        service = GrantService(Keyring(self.world.keys), ZONE)
        grant = self.root
        names = [*(name for name in WORKLOADS if name != MEASURED)]
        for step in range(depth):
            verified = service.verify(grant)
            last = step == depth - 1
            # Alternates between the workloads up to the depth; the last holder is the measured one.
            others = [name for name in names if spiffe_id(name) != verified.holder]
            holder = spiffe_id(MEASURED if last else others[step % len(others)])
            grant = service.delegate(grant, verified, holder=holder, limits=(), now=time.time())
        return grant


def authorize_request(grant: str, number: int = 0) -> authorization_pb.AuthorizeRequest:
    """Return an Authorize request whose arguments differ from call to call."""
    arguments = REFUND.replace(b"o-1001", b"o-%d" % (1000 + number % 9000))
    return authorization_pb.AuthorizeRequest(
        grant=grant, tool=types_pb2.ToolCall(name="refunds.create", arguments_json=arguments)
    )


@contextmanager
def running(
    *, shadow: bool = False, more: str = "", overrides: Mapping[str, Any] | None = None
) -> Iterator[Bench]:
    """Start the world with the first workload, which starts the task, and the measured one.

    With ``shadow`` the sidecars try a candidate, which is the same policy and a further module, ``more``. ``overrides`` are
    values of their configuration.
    """
    folder = Path(tempfile.mkdtemp(prefix="tbb", dir="/tmp"))
    loop = asyncio.new_event_loop()
    candidate = folder / "candidate"
    values = dict(overrides or {}) | ({"policy.shadow": {"path": str(candidate)}} if shadow else {})
    world = World(folder, workloads=(WORKLOADS[0], MEASURED), overrides=values)
    try:
        world.prepare()
        allow_depth(world.policy, 12)
        if shadow:
            shutil.copytree(world.policy, candidate)
            if more:
                (candidate / "more.rego").write_text(more, encoding="utf-8")
        loop.run_until_complete(world.start())
        root = loop.run_until_complete(_start(world))
        process = world.sidecars[MEASURED].process
        if process is None:
            raise RuntimeError("the measured sidecar has no process")
        yield Bench(world, process.pid, root)
    finally:
        loop.run_until_complete(world.stop())
        loop.close()
        shutil.rmtree(folder, ignore_errors=True)


def allow_depth(policy: Path, depth: int) -> None:
    """Raise the example's limit of depth to the benchmark's; the rest of the policy is unchanged."""
    module = policy / "refunds" / "refunds.rego"
    text = module.read_text(encoding="utf-8")
    changed = text.replace("_max_depth := 6", f"_max_depth := {depth}")
    if changed == text:
        raise RuntimeError(f"{module} limits the depth in another way now")
    module.write_text(changed, encoding="utf-8")


async def _start(world: World) -> str:
    async with tabard.aio.connect(world.sidecars[WORKLOADS[0]].address) as client:
        task = await client.start_task(
            world.issuer.access_token(PERSON), intent_token=world.intent("refunds", "Work off the refunds.")
        )
        return task.grant


@contextmanager
def echo(reply_bytes: int) -> Iterator[str]:
    """Start the bare echo server; yield its address."""
    folder = tempfile.mkdtemp(prefix="tbe", dir="/tmp")
    socket = f"{folder}/s"
    script = Path(__file__).with_name("echo_server.py")
    process = subprocess.Popen(
        [sys.executable, str(script), socket, str(reply_bytes)], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield f"unix:{socket}"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
