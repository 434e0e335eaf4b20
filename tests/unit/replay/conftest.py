"""Logs that real sidecars wrote, once for all tests that only read them."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.zone import Zone
from tests.unit.replay.scripts import play, policy, script

ROLES = {"finance": {"claim": "groups", "value": "finance"}}


def zone_at(folder: Path, source: str) -> Zone:
    """Prepare a zone with a policy."""
    folder.mkdir()
    return Zone(folder, policy={"desk.rego": source}, overrides={"approvals.roles": ROLES})


@dataclass(frozen=True)
class Played:
    """A folder with ``old`` and ``new``, two policies, and the logs of two sidecars that decided by the old one."""

    folder: Path
    logs: list[Path]

    @property
    def old(self) -> str:
        """The policy that decided."""
        return str(self.folder / "old" / "policy")

    @property
    def new(self) -> str:
        """Another one."""
        return str(self.folder / "new")


@pytest.fixture(scope="session")
def desk():
    """Six tasks of 40 calls each."""
    folder = Path(tempfile.mkdtemp(prefix="tb", dir="/tmp"))
    rng = random.Random(3)
    zone = zone_at(folder / "old", policy(rng))

    async def play_all() -> list[Path]:
        async with zone:
            for _ in range(6):
                await play(zone, script(rng, 40))
            return [log for sidecar in zone.sidecars.values() for log in sidecar.logs]

    logs = asyncio.run(play_all())
    (folder / "new").mkdir()
    (folder / "new" / "desk.rego").write_text(policy(rng))
    yield Played(folder, logs)
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def checked(checked_once):
    """Check each policy once: replays of the same logs load the same two."""
    with checked_once.used():
        yield
