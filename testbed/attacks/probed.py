"""Runs a sidecar that is to be attacked, with its twin, both probed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from testbed.attacks.stage import Stage, stage
from testbed.probing import Probes, probing, twin


@asynccontextmanager
async def probed(overrides: Mapping[str, object] | None = None) -> AsyncIterator[tuple[Stage, Probes]]:
    """Run a stage and its twin, in a folder of their own; the answers of the stage come first."""
    folder = Path(tempfile.mkdtemp(prefix="tb", dir="/tmp"))
    try:
        async with (
            twin(folder / "twin"),
            stage(folder, overrides) as made,
            probing([made.health_socket, folder / "twin"]) as probes,
        ):
            yield made, probes
    finally:
        shutil.rmtree(folder, ignore_errors=True)
