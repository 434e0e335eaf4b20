"""Approvals of people and reports of agents go through a replay with the calls that it belongs to."""

from __future__ import annotations

import grpc
import pytest
import tabard
from tabard.authz.v1 import approval_service_pb2 as approval_pb
from tabard.authz.v1 import approval_service_pb2_grpc as approval_grpc

from tests.support.asking import poll
from tests.unit.replay.conftest import zone_at
from tests.unit.replay.test_against_the_real_thing import read, replayed

_START = """package policy.desk

start contains {"code": "task", "limits": {"tools": ["*"], "budgets": {"money": 10}}}
"""
PAYS = (
    _START
    + """
grant contains {"code": "pay", "charges": {"money": input.tool.arguments.n}} if input.tool.name == "pay"
"""
)
SMALL_ONLY = (
    _START
    + """
grant contains {"code": "pay", "charges": {"money": input.tool.arguments.n}} if {
	input.tool.name == "pay"
	input.tool.arguments.n != 3
}
"""
)
ASKS = (
    PAYS
    + """
ask contains {"code": "large", "approvers": ["finance"], "reason": "much", "uses": 1, "ttl_seconds": 300} if {
	input.tool.name == "pay"
	input.tool.arguments.n > %d
}
"""
)
DENIES_ONCE = (
    ASKS % 4
    + """
deny contains {"code": "first", "message": "not before something else"} if {
	input.tool.arguments.n == 5
	count(input.history.calls) < 1
}
"""
)


def written(folder, source):
    """Write a policy beside the zone's own."""
    path = folder / "new"
    path.mkdir()
    (path / "desk.rego").write_text(source)
    return path


def effects(items, verdicts, tool="pay"):
    """Effects of the calls in their order, and their codes."""
    return [
        (verdicts[item.decision_id].effect, verdicts[item.decision_id].codes)
        for item in items
        if item.outcome is None and item.about.tool == tool
    ]


async def test_what_a_call_cost_in_the_end_goes_with_the_call(folder):
    """Of 10, a call takes 3 and its outcome 4 more, so the next one with 5 is refused; without the first it isn't."""
    zone = zone_at(folder / "old", PAYS)
    async with zone:
        task = await zone.start_task()
        first = await task.authorize("pay", {"n": 3})
        await task.report_outcome(first, charges={"money": 4}, labels=["seen"])
        with pytest.raises(tabard.Denied):
            await task.authorize("pay", {"n": 5})
        items = read([zone.sidecars["orchestrator"].logs[0]])
    assert effects(items, await replayed(items, zone.policy)) == [
        ("allow", ("desk.pay",)),
        ("deny", ("budget_exhausted",)),
    ]
    assert effects(items, await replayed(items, written(folder, SMALL_ONLY))) == [
        ("deny", ("no_grant",)),
        ("allow", ("desk.pay",)),
    ]


async def approved(zone, task, arguments):
    """Ask for a call, have it approved, and make it."""
    with pytest.raises(tabard.ApprovalRequired) as caught:
        await task.authorize("pay", arguments)
    (pending,) = caught.value.approvals
    async with grpc.aio.insecure_channel(zone.operator()) as channel:
        await approval_grpc.ApprovalServiceStub(channel).DecideApproval(
            approval_pb.DecideApprovalRequest(
                approval_id=pending.approval_id, approver_token=zone.approver(), approve=True
            )
        )
    discharge = await poll(zone, pending)
    again = zone.agent("orchestrator").task(pending.call_grant)
    return await again.authorize("pay", arguments, discharges=[discharge])


@pytest.mark.parametrize(
    ("limit", "wanted"),
    [
        (4, [("ask", ("desk.large",)), ("allow", ("desk.pay",))]),
        (9, [("allow", ("desk.pay",)), ("deny", ("budget_exhausted",))]),
    ],
)
async def test_an_approved_call_stays_approved(folder, limit, wanted):
    """By the policy that asked. One that doesn't ask has made the call at once, and its budget is spent when it comes again."""
    zone = zone_at(folder / "old", ASKS % 4)
    async with zone:
        await approved(zone, await zone.start_task(), {"n": 6})
        items = read([zone.sidecars["orchestrator"].logs[0]])
    assert effects(items, await replayed(items, written(folder, ASKS % limit))) == wanted


async def test_an_approval_that_no_call_used_is_there_for_the_next_one(folder):
    """The approved call is denied now, and made when it comes again; as recorded, a person had to be asked again."""
    zone = zone_at(folder / "old", ASKS % 4)
    async with zone:
        task = await zone.start_task()
        await approved(zone, task, {"n": 5})
        await task.authorize("pay", {"n": 0})
        with pytest.raises(tabard.ApprovalRequired):
            await task.authorize("pay", {"n": 5})
        items = read([zone.sidecars["orchestrator"].logs[0]])
    now = effects(items, await replayed(items, written(folder, DENIES_ONCE)))
    # The first time that it is asked about, nobody has approved it. Approved, it is too early.
    assert [effect for effect, _ in now] == ["deny", "deny", "allow", "allow"]
