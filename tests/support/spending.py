"""A zone whose policy charges, labels and looks back."""

from __future__ import annotations

import contextlib
import sqlite3
from contextlib import AsyncExitStack

import pytest
import tabard
from tabard_sidecar.state import StateStore

from tests.support.zone import Zone

POLICY = """
package policy.desk

import data.tabard.lib.labels

start contains {"code": "desk", "limits": {
	"tools": ["*"],
	"audiences": ["bank"],
	"scopes": ["pay"],
	"budgets": {"cents": 1000, "calls": 50},
	"max_depth": 3,
	"max_children": 20,
	"ttl_seconds": 600,
}}

delegate contains {"code": "desk", "limits": {"budgets": {"cents": 300}}}

grant contains {
	"code": "pay",
	"charges": {"cents": input.tool.arguments.cents, "calls": 1},
	"credential": {"kind": "jwt", "audience": "bank", "scopes": ["pay"], "ttl_seconds": 60},
} if {
	input.tool.name == "pay"
}

grant contains {"code": "read", "labels": ["untrusted"]} if input.tool.name == "web.read"

grant contains {"code": "note", "labels": ["noted"], "label_scope": "branch"} if input.tool.name == "note"

grant contains {"code": "send"} if input.tool.name == "send"

grant contains {"code": "gamble", "charges": {"chips": 1}} if input.tool.name == "gamble"

deny contains {"code": "tainted", "message": "the task has read what others write"} if {
	input.tool.name == "send"
	labels.untrusted
}

deny contains {"code": "noted", "message": "somebody noted something"} if {
	input.tool.name == "send"
	"noted" in input.history.labels
}

deny contains {"code": "paid_before", "message": "sending after paying twice"} if {
	input.tool.name == "send"
	count([1 | some call in input.history.calls; call.tool == "pay"]) > 1
}
"""


class SpendingZone(Zone):
    """The demo's sidecars under :data:`POLICY`; every tool is known to nobody and allowed by its name."""

    def prepare(self):
        """Lay out the world with this policy in the place of the example's."""
        super().prepare()
        for path in sorted(self.policy.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        (self.policy / "desk").mkdir()
        (self.policy / "desk" / "desk.rego").write_text(POLICY)

    def config(self, sidecar):
        """Return a configuration without a catalogue."""
        config = super().config(sidecar)
        config.pop("catalogue")
        return config

    async def restart(self) -> None:
        """Stop every sidecar and start it again on the same state."""
        await self.stop()
        self.stack = AsyncExitStack()
        self._clients.clear()
        await self.start()

    @property
    def store(self) -> StateStore:
        """The zone's store, as one of its sidecars has it open."""
        return self.running["orchestrator"]._parts.state

    async def empty(self) -> None:
        """Take everything out of the store behind the sidecars' backs."""
        self._execute("DELETE FROM tasks")

    async def go_back(self) -> None:
        """Let the store lose what it acknowledged last."""
        self._execute("UPDATE epoch SET value = value - 2", "DELETE FROM spent")

    def _execute(self, *statements: str) -> None:
        with contextlib.closing(sqlite3.connect(self.folder / "state.db")) as connection, connection:
            for statement in statements:
                connection.execute(statement)


async def refused(attempt) -> tabard.Denied:
    """Return the refusal of an attempt."""
    with pytest.raises(tabard.Denied) as caught:
        await attempt
    return caught.value


async def spent(zone, task) -> dict[str, int]:
    """Return what every budget of a task has spent, by id."""
    found = await zone.store.tree((await task.get()).task_id)
    return dict(found.spent)


async def pay(task, cents, **options):
    """Ask for one payment."""
    return await task.authorize("pay", {"cents": cents}, **options)
