"""Approvals through a whole zone whose sidecars share a SQLite file."""

from tests.contracts.zone.approvals import ZoneApprovalsContract
from tests.support.asking import LARGE, asked, poll


class TestSQLite(ZoneApprovalsContract):
    """Sidecars of one machine."""


async def test_no_secret_in_any_log(zone, command, folder):
    """Tokens, grants, discharges and arguments are in no file in the clear."""
    task = await zone.start_task()
    token = zone.approver()
    (pending,) = (await asked(task, LARGE | {"note": "arguments-of-the-call"})).approvals
    await command("approve", pending.approval_id, token=token)
    discharge = await poll(zone, pending)
    approved = zone.agent("orchestrator").task(pending.call_grant)
    await approved.authorize("pay", LARGE | {"note": "arguments-of-the-call"}, discharges=[discharge])
    written = b"".join(
        path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "token"
    )
    for secret in (token, discharge, pending.call_grant, task.grant):
        assert secret.encode() not in written
    (store,) = folder.glob("state.db")
    kept = store.read_bytes() + b"".join(path.read_bytes() for path in folder.glob("state.db-*"))
    assert b"arguments-of-the-call" not in kept
