"""A real SPIRE server and agent. The agent attests processes by their unix user."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.components import component

TRUST_DOMAIN = "tabard.test"


@dataclass(frozen=True)
class Spire:
    """A running SPIRE.

    Attributes:
        folder: its folder.
        socket: the Workload API's.
    """

    folder: Path
    socket: Path

    def server(self, *arguments: str) -> str:
        """Run a command of spire-server; return what it printed."""
        command = [str(self.folder / "bin" / "spire-server"), *arguments]
        answer = subprocess.run(
            [*command, "-socketPath", str(self.folder / "server.sock")],
            capture_output=True,
            text=True,
            check=True,
        )
        return answer.stdout

    def register(self, path: str, *options: str, user: int | None = None) -> str:
        """Give a user's processes, by default this one's, the identity with that path; return the entry's id.

        The agent knows it seconds later.
        """
        parent = (self.folder / "agent.id").read_text().strip()
        told = self.server(
            "entry",
            "create",
            "-parentID",
            parent,
            "-spiffeID",
            f"spiffe://{TRUST_DOMAIN}{path}",
            "-selector",
            f"unix:uid:{os.geteuid() if user is None else user}",
            *options,
        )
        (line,) = [line for line in told.splitlines() if line.startswith("Entry ID")]
        return line.split(":")[1].strip()

    def remove(self, entry: str) -> None:
        """Take the identity of an entry back."""
        self.server("entry", "delete", "-entryID", entry)

    def stop(self) -> None:
        """Stop server and agent."""
        component("spire.sh", "stop", self.folder)


@contextmanager
def spire_server() -> Iterator[Spire]:
    """Run a SPIRE for the length of a block."""
    folder = Path(tempfile.mkdtemp(prefix="tbs", dir="/tmp"))
    try:
        address = component("spire.sh", "start", folder)
        yield Spire(folder, Path(address.removeprefix("unix://")))
    finally:
        component("spire.sh", "stop", folder)
        shutil.rmtree(folder, ignore_errors=True)
