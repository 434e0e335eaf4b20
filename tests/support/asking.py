"""A policy with asks, the approvers' roles, and helpers that request and approve."""

from __future__ import annotations

import asyncio
import json
import os

import grpc
import pytest
import tabard
from tabard import _approvals
from tabard.authz.v1 import authorization_service_pb2 as pb
from tabard.authz.v1 import authorization_service_pb2_grpc as pb_grpc
from tabard_sidecar.cli import main

from testbed.world import ISSUER
from tests.support.waiting import eventually

LARGE = {"to": "ACME", "cents": 20_000}
HUGE = {"to": "ACME", "cents": 200_000}
_SOURCE = """
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

# Nobody has this role, which the loader would see if the name were written out.
ask contains {"code": "odd", "approvers": [lower("NOBODY")], "reason": "odd", "uses": 1, "ttl_seconds": 60} if {
	input.tool.name == "pay"
	input.tool.arguments.cents == 13
}

deny contains {"code": "closed", "message": "the account is closed"} if input.tool.arguments.to == "closed"
"""
POLICY = {"bank/bank.rego": _SOURCE}
ROLES = {
    "finance": {"claim": "groups", "value": "finance"},
    "board": {"ids": [{"issuer": ISSUER, "id": "berta"}]},
}


async def asked(task, arguments=LARGE, **options) -> tabard.ApprovalRequired:
    """Ask for a payment that needs approval; return what the agent is told."""
    with pytest.raises(tabard.ApprovalRequired) as caught:
        await task.authorize("pay", arguments, **options)
    return caught.value


async def waiting(command) -> list[dict[str, object]]:
    """Return the approvals that wait for a decision."""
    _, out, _ = await command("list", "--json")
    return json.loads(out)["approvals"]


async def until_waiting(command, count=1) -> list[dict[str, object]]:
    """Return the waiting approvals as soon as there are so many."""

    async def enough():
        rows = await waiting(command)
        return rows if len(rows) >= count else None

    return await eventually(enough)


async def poll(zone, pending, workload="orchestrator") -> str:
    """Ask a sidecar for an approval's discharge, as the SDK does."""
    request = pb.GetApprovalRequest(call_grant=pending.call_grant, approval_id=pending.approval_id)
    async with grpc.aio.insecure_channel(zone.sidecars[workload].address) as channel:
        return (await pb_grpc.AuthorizationServiceStub(channel).GetApproval(request)).discharge


def impatience(monkeypatch):
    """Make clients poll often, and clear the environment of commands."""
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
