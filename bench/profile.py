"""Measures the time of each stage of one Authorize call, under load and after idle pauses.

Run as ``python -m bench.profile``; writes bench/results/authorize-profile.txt. The sidecar runs in this
process, without gRPC, so that nothing but the stages is measured. For the second column there is a pause of
two milliseconds between two calls: caches are cold then, as for a single caller.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard_opa import Policy
from tabard_sidecar.config import load
from tabard_sidecar.credentials.jwt import JwtIssuer
from tabard_sidecar.pipeline import authorize as pipeline
from tabard_sidecar.pipeline import stages
from tabard_sidecar.pipeline.issuing import CredentialIssuance
from tabard_sidecar.pipeline.policy_input import PolicyInput
from tabard_sidecar.pipeline.reservations import Reservations
from tabard_sidecar.pipeline.task_states import TaskStates
from tabard_sidecar.policy.lease import PolicyLease
from tabard_sidecar.records.decision_log import SinkDecisionLog
from tabard_sidecar.server import building, convert
from tabard_sidecar.server.lifecycle import sidecar
from tabard_sidecar.server.parts import Parts
from tabard_sidecar.server.revisions import ShownRevisions

from bench.harness import RESULTS, commit, machine
from bench.setup import authorize_request
from testbed.world import PERSON, WORKLOADS, World, spiffe_id
from testbed.world import Sidecar as Process

CALLS = 1_000
# Timed functions with their depth: a stage contains the deeper ones below it.
TIMED: tuple[tuple[Any, str, str, int], ...] = (
    (convert, "authorize_request", "parse the request", 0),
    (pipeline.Authorizer, "authorize", "authorize", 0),
    (stages, "check_call", "check caveats", 1),
    (TaskStates, "look_up", "task state: look up in SQLite, revoked, children", 1),
    (PolicyInput, "authorize", "assemble input", 1),
    (PolicyLease, "decide", "evaluate and compose", 1),
    (Policy, "_begin", "OPA", 2),
    (CredentialIssuance, "prepare", "clamp", 1),
    (Reservations, "reserve", "reserve (nothing to take here)", 1),
    (JwtIssuer, "compute", "sign the JWT", 1),
    (SinkDecisionLog, "record", "decision log", 1),
    (convert, "write_decision", "build the response", 0),
)


class InProcess(World):
    """The test bed's world with its sidecars in this process."""

    async def _start(self, process: Process) -> None:
        await self.stack.enter_async_context(sidecar(load(process.folder / "tabard.yaml").settings))


@contextmanager
def timing(spent: dict[str, float]) -> Iterator[None]:
    """Time every stage while the context lasts."""
    originals = [(owner, name, getattr(owner, name)) for owner, name, _, _ in TIMED]
    for owner, name, label, _ in TIMED:
        setattr(owner, name, _timed(getattr(owner, name), label, spent))
    try:
        yield
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


def _timed(function: Callable[..., Any], label: str, spent: dict[str, float]) -> Callable[..., Any]:
    if asyncio.iscoroutinefunction(function):

        @functools.wraps(function)
        async def waits(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return await function(*args, **kwargs)
            finally:
                spent[label] += time.perf_counter() - began

        return waits

    @functools.wraps(function)
    def runs(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            spent[label] += time.perf_counter() - began

    return runs


async def _chain(world: World) -> str:
    """Return a grant that was delegated to every workload."""
    task = await world.agent(WORKLOADS[0]).start_task(
        world.issuer.access_token(PERSON), intent_token=world.intent("refunds", "Work off the refunds.")
    )
    for workload in WORKLOADS[1:]:
        task = world.agent(workload).task(await task.delegate(spiffe_id(workload)))
    return task.grant


async def measure() -> str:
    """Return the table."""
    built: list[Parts] = []

    def remember(*args: Any) -> Parts:
        built.append(Parts(*args))
        return built[-1]

    building.Parts = remember  # type: ignore[assignment, misc]
    with tempfile.TemporaryDirectory(prefix="tbp", dir="/tmp") as folder:
        async with InProcess(Path(folder)) as world:
            grant = await _chain(world)
            own = next(p for p in built if p.settings.insecure.agent_id == spiffe_id(WORKLOADS[-1]))
            authorizer = pipeline.Authorizer(own.stages)
            shown = ShownRevisions(own.keyring)
            columns = [await _column(authorizer, shown, grant, gap) for gap in (0.0, 0.002)]
    lines = [f"{machine()}, commit {commit()}", f"microseconds a call, mean of {CALLS:,}; depth 5, jwt", ""]
    lines.append(f"{'':34}{'busy':>8}{'after 2 ms idle':>18}")
    for _, _, label, depth in TIMED:
        lines.append(f"{'  ' * depth + label:34}" + f"{columns[0][label]:8.0f}{columns[1][label]:18.0f}")
    return "\n".join(lines) + "\n"


async def _column(
    authorizer: pipeline.Authorizer, shown: ShownRevisions, grant: str, gap_seconds: float
) -> dict[str, float]:
    spent: dict[str, float] = defaultdict(float)

    async def one(number: int) -> None:
        decision = await authorizer.authorize(convert.authorize_request(authorize_request(grant, number)))
        if not decision.allowed:
            raise RuntimeError(decision.reasons)
        convert.write_decision(authorization_pb.AuthorizeResponse().decision, decision, shown)

    for number in range(300):
        await one(number)
    with timing(spent):
        for number in range(CALLS):
            if gap_seconds:
                await asyncio.sleep(gap_seconds)
            await one(number)
    return {label: spent[label] / CALLS * 1e6 for _, _, label, _ in TIMED}


def main() -> None:
    """Measure, print and write."""
    table = asyncio.run(measure())
    sys.stdout.write(table)
    (RESULTS / "authorize-profile.txt").write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
