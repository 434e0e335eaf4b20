"""Measures tools for policy authors.

How fast a log is replayed, beside asking an OPA server about the same inputs; what a candidate policy that is tried adds to a
call; what an OPA server as the engine costs; and calls while a bundle with much data is activated.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import grpc
from tabard.authz.v1 import authorization_service_pb2_grpc as authorization_grpc
from tabard.authz.v1 import shadow_service_pb2 as shadow_pb
from tabard.authz.v1 import shadow_service_pb2_grpc as shadow_grpc
from tabard_sidecar.records.completing import completed

from bench.harness import Figure, publish
from bench.opa_server import opa_server
from bench.policy_engines import activation_figures, remote_figures
from bench.setup import MEASURED, Bench, authorize_request, running
from testbed.world import EXAMPLE

_ID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: the log has ``calls`` times ``tasks`` decisions."""

    rounds: int
    calls: int
    tasks: int
    asked: int
    blocks: int
    activations: int
    data_bytes: int
    usual_calls: int


FULL = Size(
    rounds=5,
    calls=500,
    tasks=80,
    asked=2_000,
    blocks=20,
    activations=3,
    data_bytes=50_000_000,
    usual_calls=5_000,
)
QUICK = Size(
    rounds=1, calls=50, tasks=4, asked=50, blocks=2, activations=1, data_bytes=5_000_000, usual_calls=200
)
_BLOCK_CALLS = 150
_PAUSED_SECONDS = 0.004


def run(*, quick: bool) -> bool:
    """Run every measurement and tell whether every goal is met."""
    size = QUICK if quick else FULL
    folder = Path(tempfile.mkdtemp(prefix="tbb", dir="/tmp"))
    try:
        with running() as bench:
            log = _recorded(bench, size, folder)
            figures = [*_replay(bench.world.policy, log, size)]
        figures += _shadow(size)
        figures += _runaway(size)
        figures += remote_figures(blocks=size.blocks, calls=size.calls // 5)
        figures += activation_figures(
            activations=size.activations, data_bytes=size.data_bytes, usual_calls=size.usual_calls
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return True if quick else publish("policy", figures)


def _recorded(bench: Bench, size: Size, folder: Path) -> Path:
    """Have the sidecar decide calls of one task at depth 5; return a log with so many tasks like it."""
    stub = authorization_grpc.AuthorizationServiceStub(grpc.insecure_channel(bench.address))
    grant = bench.grant(5)
    for number in range(size.calls):
        stub.Authorize(authorize_request(grant, number))
    written = (bench.world.sidecars[MEASURED].folder / "decisions.log").read_bytes()
    log = folder / "decisions.jsonl"
    with log.open("wb") as output:
        for task in range(size.tasks):
            output.write(_ID.sub(b"%08x\\1" % task, written))
    return log


def _replay(policy: Path, log: Path, size: Size) -> Iterator[Figure]:
    decisions = size.calls * size.tasks
    inputs = _inputs(log, size.asked)
    rates, asked, most = [], [], 0
    with opa_server(policy) as address, closing(_connected(address)) as connection:
        for _ in range(size.rounds):
            asked.append(len(inputs) / _ask(connection, inputs))
            seconds, peak = _replayed(policy, log)
            rates.append(decisions / seconds)
            most = max(most, peak)
    ratios = [one / other for one, other in zip(rates, asked, strict=True)]
    yield Figure(
        "replay over asking OPA one by one",
        statistics.median(ratios),
        "x",
        ">= 5",
        f"rounds {min(ratios):.2f}-{max(ratios):.2f}",
    )
    yield Figure("replay", statistics.median(rates), "decisions/s")
    yield Figure("an OPA server asked one by one", statistics.median(asked), "decisions/s")
    yield Figure("a million decisions", _MILLION / statistics.median(rates) / 60, "min")
    yield Figure("memory of the largest process of a replay", most / 2**20, "MiB", "<= 300")


def _shadow(size: Size) -> Iterator[Figure]:
    """Compare two sidecars, of which one tries a candidate: callers without a pause, and with one between calls."""
    with running() as plain, running(shadow=True) as tried:
        watch = _Watched(tried)
        watch.start()
        stubs = [_caller(one) for one in (tried, plain)]
        for name, pause, goal in (("", 0.0, "<= 1.15"), (", with pauses", _PAUSED_SECONDS, "")):
            ratios, first = [], []
            for block in range(size.blocks + 1):
                # The candidate catches up before the other sidecar is measured, which would otherwise look slower.
                one = _paced(stubs[0], pause)
                watch.settle()
                other = _paced(stubs[1], pause)
                if block:
                    ratios.append(statistics.median(one) / statistics.median(other))
                    first += one
            spread = f"blocks {min(ratios):.2f}-{max(ratios):.2f}"
            yield Figure(
                f"p50 with a candidate over without{name}", statistics.median(ratios), "x", goal, spread
            )
            yield Figure(f"p50 with a candidate{name}", statistics.median(first) * 1e6, "us")
        found = watch.status()
        # On a busy machine an evaluation of the sidecar may take too long.
        if found.changed > found.decided // 100 or not found.decided:
            raise RuntimeError(f"the same policy decides otherwise: {watch.changes()}")
        yield Figure("records that a candidate didn't get", sum(found.dropped.values()), "records", "<= 0")


_LOOPING = """package policy.more

deny contains {"code": "slow", "message": "never"} if {
	some a in numbers.range(1, 20000)
	some b in numbers.range(1, 20000)
	a * b * input.tool.arguments.amount_cents == -1
}
"""
_GROWING = """package policy.more

deny contains {"code": "large", "message": "never"} if {
	pairs := [[a, b] | some a in numbers.range(1, 20000); some b in numbers.range(1, 20000)]
	count(pairs) == input.tool.arguments.amount_cents
}
"""
"""Neither is ever true, and each takes as much time or memory as the candidate's process may."""


def _runaway(size: Size) -> Iterator[Figure]:
    """Compare calls beside a candidate that loops, or grows, in every decision with those while its process is stopped."""
    least = {"policy.shadow.max_memory_mib": 128}
    for name, more in (("loops", _LOOPING), ("grows", _GROWING)):
        with running(shadow=True, more=more, overrides=least) as bench:
            _Watched(bench).start()
            call, ratios = _caller(bench), []
            for block in range(size.blocks + 1):
                _signal(bench.pid, signal.SIGCONT)
                one = _paced(call, _PAUSED_SECONDS)
                _signal(bench.pid, signal.SIGSTOP)
                other = _paced(call, _PAUSED_SECONDS)
                if block:
                    ratios.append(statistics.median(one) / statistics.median(other))
            _signal(bench.pid, signal.SIGCONT)
        spread = f"blocks {min(ratios):.2f}-{max(ratios):.2f}"
        yield Figure(f"p50 beside a candidate that {name}", statistics.median(ratios), "x", "", spread)


def _signal(sidecar: int, what: signal.Signals) -> None:
    """Send a signal to the process of a sidecar's candidate, if it has one at the moment."""
    for child in Path(f"/proc/{sidecar}/task/{sidecar}/children").read_text(encoding="ascii").split():
        if b"shadow.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(int(child), what)


def _caller(bench: Bench) -> Callable[[int], object]:
    stub = authorization_grpc.AuthorizationServiceStub(grpc.insecure_channel(bench.address))
    grant = bench.grant(5)
    return lambda number: stub.Authorize(authorize_request(grant, number))


def _paced(call: Callable[[int], object], pause: float) -> list[float]:
    """Return the duration of each call of a block, in seconds."""
    taken = []
    for number in range(_BLOCK_CALLS):
        began = time.perf_counter()
        call(number)
        taken.append(time.perf_counter() - began)
        if pause:
            time.sleep(pause)
    return taken


class _Watched:
    """Asks a sidecar how its candidate fares."""

    def __init__(self, bench: Bench) -> None:
        address = bench.world.sidecars[MEASURED].operator
        self._stub = shadow_grpc.ShadowServiceStub(grpc.insecure_channel(address))

    def status(self) -> shadow_pb.GetShadowResponse:
        return self._stub.GetShadow(shadow_pb.GetShadowRequest())

    def changes(self) -> shadow_pb.ListShadowChangesResponse:
        return self._stub.ListShadowChanges(shadow_pb.ListShadowChangesRequest())

    def start(self) -> None:
        """Wait until the candidate is tried."""
        while self.status().state != shadow_pb.SHADOW_STATE_RUNNING:
            time.sleep(0.1)

    def settle(self) -> None:
        """Wait until the candidate has decided everything that it got."""
        before = -1
        while (found := self.status()).waiting or found.decided != before:
            before = found.decided
            time.sleep(0.4)


def _inputs(log: Path, number: int) -> list[bytes]:
    """Return the first inputs of a log, whole."""
    with log.open("rb") as lines:
        records = completed(json.loads(line) for line in lines)
        found = []
        for record in records:
            if "input" in record:
                found.append(json.dumps({"input": record["input"]}).encode())
            if len(found) == number:
                break
    return found


def _connected(address: str) -> http.client.HTTPConnection:
    """Return a connection that is kept open."""
    parts = urlsplit(address)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)


def _ask(connection: http.client.HTTPConnection, inputs: list[bytes]) -> float:
    """Ask about each input, one after the other; return the seconds that took."""
    began = time.perf_counter()
    for one in inputs:
        connection.request("POST", "/v1/data/tabard/decision", one, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        if "result" not in answer:
            raise RuntimeError(f"OPA has no decision: {answer}")
    return time.perf_counter() - began


def _replayed(policy: Path, log: Path) -> tuple[float, int]:
    """Replay a log by the policy that decided; return the seconds that took, start included, and the peak of memory."""
    command = [
        sys.executable,
        "-m",
        "tabard_sidecar.cli",
        "replay",
        str(log),
        "--policy",
        str(policy),
        "--json",
    ]
    command += ["--catalogue", str(EXAMPLE / "catalogue.yaml")]
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *command], stdout=subprocess.PIPE, check=True, cwd=log.parent
    )
    seconds = time.perf_counter() - began
    report, peak = done.stdout.rsplit(b"\n", 2)[0], int(done.stdout.split()[-1])
    found = json.loads(report)
    if found["changed"] or found["not_replayable"]:
        raise RuntimeError(f"the policy that decided decides otherwise: {found['changes']}")
    return seconds, peak


_MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""
