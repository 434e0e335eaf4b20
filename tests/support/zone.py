"""The demo's world with every sidecar in the test's own event loop, which starts in a fraction of the time."""

from __future__ import annotations

from typing import Any

import tabard
from tabard_sidecar.config import load
from tabard_sidecar.server.lifecycle import Running, sidecar

from demo.world import PERSON, World, spiffe_id
from demo.world import Sidecar as Process


class Zone(World):
    """Real sidecars on real sockets; ``overrides`` go into every configuration, by dotted key."""

    def __init__(
        self, folder, *, workloads=("orchestrator", "triage"), overrides: dict[str, Any] | None = None
    ):
        super().__init__(folder, workloads=workloads)
        self.overrides = overrides or {}
        self.running: dict[str, Running] = {}

    def config(self, sidecar: Process) -> dict[str, Any]:
        """Return a configuration with the overrides in it."""
        config = super().config(sidecar)
        for key, value in self.overrides.items():
            *sections, last = key.split(".")
            place = config
            for section in sections:
                place = place.setdefault(section, {})
            place[last] = value
        return config

    async def _start(self, process: Process) -> None:
        process.logs = [process.folder / "decisions.log"]
        settings = load(process.folder / "tabard.yaml").settings
        self.running[process.workload] = await self.stack.enter_async_context(sidecar(settings))

    async def start_task(self, workload: str = "orchestrator", **options: Any) -> tabard.aio.Task:
        """Start a task with a signed intent."""
        options.setdefault("intent_token", self.intent("refunds", "Work off the refunds."))
        return await self.agent(workload).start_task(self.issuer.access_token(PERSON), **options)

    async def hand_to(self, task: tabard.aio.Task, workload: str, limits=None) -> tabard.aio.Task:
        """Delegate a task to another workload of the zone."""
        return self.agent(workload).task(await task.delegate(spiffe_id(workload), limits))
