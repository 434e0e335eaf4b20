"""A zone whose policy asks people."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
import tabard
from tabard import _approvals
from tabard.authz.v1 import authorization_service_pb2 as pb
from tabard_sidecar.cli import main

from demo.world import ISSUER
from tests.support.zone import Zone

if TYPE_CHECKING:
    from demo.world import Sidecar

LARGE = {"to": "ACME", "cents": 20_000}
HUGE = {"to": "ACME", "cents": 200_000}
POLICY = """
package policy.bank

start contains {"code": "bank", "limits": {
	"tools": ["*"],
	"audiences": ["bank"],
	"scopes": ["pay"],
	"max_depth": 3,
	"max_children": 20,
	"ttl_seconds": 600,
}}

delegate contains {"code": "bank", "limits": {}}

grant contains {
	"code": "pay",
	"credential": {"kind": "jwt", "audience": "bank", "scopes": ["pay"], "ttl_seconds": 60},
} if {
	input.tool.name == "pay"
}

ask contains {
	"code": "large",
	"approvers": ["finance"],
	"reason": "payments over 100 need a second person",
	"uses": 1,
	"ttl_seconds": 300,
} if {
	input.tool.name == "pay"
	input.tool.arguments.cents > 10000
}

ask contains {
	"code": "very_large",
	"approvers": ["board"],
	"reason": "payments over 1000 need the board",
	"uses": 2,
	"ttl_seconds": 300,
} if {
	input.tool.name == "pay"
	input.tool.arguments.cents > 100000
}

ask contains {"code": "odd", "approvers": ["nobody"], "reason": "odd", "uses": 1, "ttl_seconds": 60} if {
	input.tool.name == "pay"
	input.tool.arguments.cents == 13
}

deny contains {"code": "closed", "message": "the account is closed"} if input.tool.arguments.to == "closed"
"""


class AskingZone(Zone):
    """The demo's sidecars under :data:`POLICY`, with people who may approve."""

    def prepare(self) -> None:
        """Lay out the world with this policy in the place of the example's."""
        super().prepare()
        for path in sorted(self.policy.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        (self.policy / "bank").mkdir()
        (self.policy / "bank" / "bank.rego").write_text(POLICY)

    def config(self, sidecar: Sidecar) -> dict[str, Any]:
        """Return a configuration with roles and without a catalogue."""
        config = super().config(sidecar)
        config.pop("catalogue")
        config["approvals"] = {
            "roles": {
                "finance": {"claim": "groups", "value": "finance"},
                "board": {"ids": [{"issuer": ISSUER, "id": "berta"}]},
            }
        }
        return config

    def operator(self, workload: str = "orchestrator") -> str:
        """Return the address of a sidecar's operator socket."""
        return self.sidecars[workload].operator

    def approver(self, who: str = "cleo", **claims: Any) -> str:
        """Return a fresh token of somebody in finance."""
        return self.issuer.access_token(who, **({"aud": "tabard-approval", "groups": ["finance"]} | claims))


async def asked(task, arguments=LARGE, **options):
    with pytest.raises(tabard.ApprovalRequired) as caught:
        await task.authorize("pay", arguments, **options)
    return caught.value


async def waiting(command):
    _, out, _ = await command("list", "--json")
    return json.loads(out)["approvals"]


async def until_waiting(command, count=1):
    """Return what waits for people as soon as that are so many."""
    async with asyncio.timeout(10):
        while len(rows := await waiting(command)) < count:  # noqa: ASYNC110 - as a person would look
            await asyncio.sleep(0.01)
    return rows


async def poll(zone, pending):
    client = zone.agent("orchestrator")
    request = pb.GetApprovalRequest(call_grant=pending.call_grant, approval_id=pending.approval_id)
    return (await client._connection.authorization.GetApproval(request)).discharge


def impatience(monkeypatch):
    """Have clients poll often, and commands find nothing in the environment."""
    for name in list(os.environ):
        if name.startswith("TABARD_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(_approvals, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(_approvals, "LONGEST_PAUSE_SECONDS", 0.05)


def terminal(zone, capsys):
    """Return what runs ``tabard approvals …`` against a sidecar, with a token if one is given."""

    async def run(*arguments, token=None, workload="orchestrator"):
        given = ["approvals", *arguments, "--operator", zone.operator(workload)]
        if token is not None:
            (zone.folder / "token").write_text(token + "\n")
            given += ["--token-file", str(zone.folder / "token"), "--yes"]
        capsys.readouterr()
        code = await asyncio.to_thread(main, given)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
