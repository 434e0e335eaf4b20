"""A zone of real sidecars on real sockets in the test's own event loop, which starts in a fraction of the time."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import tabard
from tabard_sidecar.config import load
from tabard_sidecar.server.lifecycle import Running, sidecar

from testbed.world import PERSON, World, spiffe_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tabard_sidecar.server.parts import Parts
    from tabard_sidecar.state import StateStore

    from testbed.world import Sidecar


class Zone(World):
    """Sidecars of two workloads, orchestrator and triage, unless a test needs others.

    Tests have one from the fixture ``start_zone``, with the policy and configuration that they are about.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workloads: tuple[str, ...] = ("orchestrator", "triage"),
        policy: Mapping[str, str] | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> None:
        # A busy machine may take the usual quarter of a second for an evaluation; tests of the deadline set their own.
        patient = {"policy.deadline_seconds": 2.0, **(overrides or {})}
        super().__init__(folder, workloads=workloads, policy=policy, overrides=patient)
        self.running: dict[str, Running] = {}

    async def _start(self, process: Sidecar) -> None:
        process.logs = [process.folder / "decisions.log"]
        config = process.folder / "tabard.yaml"
        self.running[process.workload] = await self.stack.enter_async_context(
            sidecar(load(config).settings, config=config)
        )

    async def restart(self) -> None:
        """Stop every sidecar and start it again on the same state."""
        await self.stop()
        self.stack = AsyncExitStack()
        self._clients.clear()
        await self.start()

    def parts(self, workload: str = "orchestrator") -> Parts:
        """Return what a sidecar is made of."""
        return self.running[workload]._parts

    @property
    def store(self) -> StateStore:
        """The zone's store, as one of its sidecars has it open."""
        return self.parts().state

    def operator(self, workload: str = "orchestrator") -> str:
        """Return the address of a sidecar's operator socket."""
        return self.sidecars[workload].operator

    def approver(self, who: str = "cleo", **claims: Any) -> str:
        """Return a fresh approver's token of a person in finance."""
        return self.issuer.access_token(who, **({"aud": "tabard-approval", "groups": ["finance"]} | claims))

    async def start_task(self, workload: str = "orchestrator", **options: Any) -> tabard.aio.Task:
        """Start a task with a signed intent."""
        options.setdefault("intent_token", self.intent("refunds", "Work off the refunds."))
        return await self.agent(workload).start_task(self.issuer.access_token(PERSON), **options)

    async def hand_to(self, task: tabard.aio.Task, workload: str, limits=None) -> tabard.aio.Task:
        """Delegate a task to another workload of the zone."""
        return self.agent(workload).task(await task.delegate(spiffe_id(workload), limits))
