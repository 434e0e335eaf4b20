"""Starts what credentials are measured at: a sidecar, its vault and its database."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import tabard

from testbed.world import PERSON, World
from tests.support.vault_server import (
    PostgresServer,
    TokenIssuer,
    VaultServer,
    dev_vault,
    postgres_server,
)

AGENT = "orchestrator"
MAX_CONNECTIONS = 16
POLICY = """package policy.last_mile

import data.tabard.lib.credentials

start contains {"code": "a_task", "limits": {
	"tools": ["*"],
	"max_depth": 2,
	"max_children": 200,
	"audiences": ["postgres://orders", "https://orders.example"],
}} if input.operation == "start_task"

grant contains {
	"code": "signed",
	"credential": credentials.jwt("https://orders.example", [], 300),
} if input.tool.name == "orders.signed"

grant contains {
	"code": "held",
	"credential": credentials.vault("held", "postgres://orders", 300),
} if input.tool.name == "orders.held"

grant contains {
	"code": "fresh",
	"credential": credentials.vault("fresh", "postgres://orders", 300),
} if input.tool.name == "orders.fresh"
"""


@dataclass(frozen=True, slots=True)
class Place:
    """What is measured: a sidecar, its vault, its database."""

    world: World
    vault: VaultServer
    postgres: PostgresServer
    tokens: TokenIssuer

    @property
    def address(self) -> str:
        """Where the agent asks."""
        return self.world.sidecars[AGENT].address

    def task(self, client: tabard.Client) -> tabard.Task:
        """Start a person's task."""
        return client.start_task(
            self.world.issuer.access_token(PERSON),
            intent_token=self.world.intent("refunds", "Read the orders."),
        )

    def revoke(self, task_id: str) -> None:
        """Run ``tabard revoke task``, as an operator would."""
        command = [sys.executable, *self.world.program, "revoke", "task", task_id]
        operator = self.world.sidecars[AGENT].operator
        subprocess.run([*command, "--operator", operator], check=True, capture_output=True)


@contextmanager
def vault_place() -> Iterator[Place]:
    """Run a sidecar with its vault and its database for the length of a block."""
    folder = Path(tempfile.mkdtemp(prefix="tbb", dir="/tmp"))
    tokens, loop = TokenIssuer(), asyncio.new_event_loop()
    with postgres_server() as postgres, dev_vault() as vault:
        vault.set_up(tokens, postgres)
        world = World(
            folder, workloads=(AGENT,), policy={"last_mile.rego": POLICY}, overrides=_settings(folder, vault)
        )
        (folder / "token").write_text(tokens.token("tabard-vault", seconds=7200))
        try:
            world.prepare()
            loop.run_until_complete(world.start())
            yield Place(world, vault, postgres, tokens)
        finally:
            loop.run_until_complete(world.stop())
            loop.close()
            tokens.close()
            shutil.rmtree(folder, ignore_errors=True)


def _settings(folder: Path, vault: VaultServer) -> Mapping[str, object]:
    orders = {"engine": "database", "name": "orders-read", "audiences": ["postgres://orders"]}
    section = {
        "address": vault.address,
        "auth": {"method": "jwt", "role": "tabard", "token_file": str(folder / "token")},
        "max_connections": MAX_CONNECTIONS,
        "timeout_seconds": 20,
        "max_live_per_holder": 100_000,
        "max_live_per_task": 100_000,
        "roles": {"held": orders, "fresh": orders | {"reuse": False}},
    }
    # A copy without shared parts, which would become anchors.
    return {
        "vault.main": json.loads(json.dumps(section)),
        "limits.max_in_flight": 512,
        "limits.request_seconds": 30,
    }


def existing_logins(admin: psycopg.Connection, names: Sequence[str]) -> int:
    """Count the logins that the database would still let in."""
    row = admin.execute(
        "SELECT count(*) FROM pg_roles WHERE rolcanlogin AND rolname = ANY(%s)", [list(names)]
    ).fetchone()
    return int(row[0])


def connections_of(place: Place) -> int:
    """Count the connections of the sidecar's process to Vault."""
    process = place.world.sidecars[AGENT].process
    if process is None:
        raise RuntimeError("the sidecar has no process")
    inodes = set()
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    port = f":{urlsplit(place.vault.address).port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return sum(row[2].endswith(port) and row[9] in inodes for row in rows)
