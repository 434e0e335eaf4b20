"""A zone whose sidecar is a process of its own, with limits of its own and its log in a pipe."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from testbed.world import World, http_get
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from testbed.world import Sidecar

_START_SECONDS = 60


class Apart(World):
    """Serves one workload, ``orchestrator``. Its log has to fit into the pipe, or has to be read."""

    async def _start(self, process: Sidecar) -> None:
        process.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tabard_sidecar.cli", "serve"),
            *("--config", str(process.folder / "tabard.yaml")),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        await eventually(self.ready, _START_SECONDS)

    async def ready(self) -> bool:
        """Tell whether probes get the answer that it is ready."""
        return (await http_get(self.sidecars["orchestrator"].http, "/readyz"))[0] == 200

    async def details(self) -> dict[str, Any]:
        """Return its health as operators see it."""
        _, body = await http_get(f"{self.folder}/orchestrator/operator/s.health", "/readyz")
        found: dict[str, Any] = json.loads(body)
        return found

    async def not_ready(self) -> bool:
        """Tell whether probes get the answer that it isn't ready."""
        return not await self.ready()

    async def end(self) -> list[str]:
        """Stop the sidecar and return the events of its log."""
        process = self.sidecars["orchestrator"].process
        assert process is not None
        process.terminate()
        log = (await process.communicate())[1].decode()
        return [json.loads(line)["event"] for line in log.splitlines()]
