"""Approvals through a whole zone whose sidecars share a real Redis."""

from __future__ import annotations

import pytest

from tests.contracts.zone.approvals import ZoneApprovalsContract
from tests.support.asking import LARGE, POLICY, ROLES, asked, impatience, poll, terminal


@pytest.fixture
def server(start_server):
    """A Redis of this test's own."""
    return start_server()


@pytest.fixture
async def zone(server, monkeypatch, start_zone):
    """Orchestrator and triage under a policy that asks."""
    impatience(monkeypatch)
    return await start_zone(policy=POLICY, overrides={"approvals.roles": ROLES, "state.url": server.url})


@pytest.fixture
def command(zone, capsys):
    """Runs the command of people who approve."""
    return terminal(zone, capsys)


class TestRedis(ZoneApprovalsContract):
    """Sidecars of many machines."""


async def test_what_redis_keeps_is_unreadable(zone, command, server):
    """Neither arguments nor anything of use to a thief."""
    task = await zone.start_task()
    arguments = LARGE | {"note": "arguments-of-the-call"}
    (pending,) = (await asked(task, arguments)).approvals
    await command("approve", pending.approval_id, token=zone.approver())
    discharge = await poll(zone, pending)
    kept = b"".join(value for value, _ in server.snapshot().values())
    assert pending.approval_id.encode() in kept
    for secret in ("arguments-of-the-call", discharge, pending.call_grant):
        assert secret.encode() not in kept
