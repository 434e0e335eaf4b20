"""Only the approved call is made: arguments that change between question and approval, requests that change when repeated."""

from __future__ import annotations

import dataclasses

import pytest
import tabard

from tests.support.asking import LARGE


@dataclasses.dataclass
class Order:
    to: str
    lines: list[dict[str, int]]


@pytest.fixture
def approving(zone, command):
    """Returns an ``on_approval`` that alters something and lets an approver approve what was asked."""

    def approving(alter):
        async def approve(needed: tabard.ApprovalRequired) -> None:
            alter()
            (pending,) = needed.approvals
            code, _, _ = await command("approve", pending.approval_id, token=zone.approver())
            assert code == 0

        return approve

    return approving


@pytest.mark.parametrize("change", [{"cents": 30_000}, {"cents": 5}, {"to": "Eve"}, {"more": [1]}])
async def test_arguments_that_change_after_the_question_are_refused(zone, approving, change):
    """A smaller payment, too, about which no person would have been asked."""
    task, call = await zone.start_task(), dict(LARGE)
    with pytest.raises(tabard.TabardError) as caught:
        await task.authorize("pay", call, on_approval=approving(lambda: call.update(change)))
    assert caught.value.code in {
        "call_not_granted",
        "caveat_not_met",
        "call_mismatch",
        "argument_not_granted",
    }


async def test_arguments_of_a_guarded_function_that_change_after_the_question_do_not_reach_it(
    zone, approving
):
    task, received = await zone.start_task(), []
    order = Order("ACME", [{"a": 1}])
    details = {"tags": ["x"], "order": order}

    def alter():
        order.to = "Eve"
        order.lines[0]["a"] = 2
        details["tags"].append("y")
        details["new"] = 1

    @tabard.guard("pay", on_approval=approving(alter))
    async def pay(to: str, cents: int, details: dict, lines: list) -> str:
        received.append((to, cents, details, lines))
        return tabard.current_credential().value

    async with task:
        assert await pay("ACME", 20_000, details, order.lines)
    assert received == [("ACME", 20_000, {"tags": ["x"], "order": Order("ACME", [{"a": 1}])}, [{"a": 1}])]


async def test_objects_that_change_after_the_question_are_not_passed_on(zone, approving):
    """A function that gets its own objects, because its guard makes the arguments, gets those that were approved or none."""
    task, received, order = await zone.start_task(), [], Order("ACME", [])

    def guarded(alter):
        @tabard.guard(
            "pay",
            arguments=lambda order, cents: {"to": order.to, "cents": cents},
            on_approval=approving(alter),
        )
        async def pay(order: Order, cents: int) -> str:
            received.append(order.to)
            return tabard.current_credential().value

        return pay

    async with task:
        with pytest.raises(tabard.InvalidRequest, match="changed since it was authorized"):
            await guarded(lambda: setattr(order, "to", "Eve"))(order, 20_000)
        assert received == []
        order.to = "ACME"
        assert await guarded(lambda: order.lines.append({"seen": 0}))(order, 30_000)
    assert received == ["ACME"]


async def test_a_batch_whose_items_change_when_it_is_repeated_gets_nothing_new(zone):
    """Each id is bound to its call: exchanged, changed and doubled ones are conflicts."""
    task = await zone.start_task()
    one = tabard.ToolCall("pay", {"to": "ACME", "cents": 1}, request_id="1")
    two = tabard.ToolCall("pay", {"to": "Bob", "cents": 2}, request_id="2")
    first = await task.batch([one, two])
    assert all(first)
    again = await task.batch([two, one])
    assert [decision.decision_id for decision in again] == [first[1].decision_id, first[0].decision_id]
    swapped = [dataclasses.replace(one, request_id="2"), dataclasses.replace(two, request_id="1")]
    changed = [dataclasses.replace(one, arguments={"to": "ACME", "cents": 3})]
    scoped = [dataclasses.replace(one, scopes=("pay",)), dataclasses.replace(one, server="erp")]
    contexts = [dataclasses.replace(one, context={"a": 1})]
    for item in [*await task.batch([*swapped, *changed, *scoped, *contexts])]:
        assert (bool(item), item.error and item.error.code) == (False, "request_id_conflict")
    doubled = tabard.ToolCall("pay", {"to": "ACME", "cents": 9}, request_id="3")
    other = dataclasses.replace(doubled, arguments={"to": "Eve", "cents": 9})
    answers = await task.batch([doubled, other, doubled])
    allowed = {decision.decision_id for decision in answers if decision}
    assert len(allowed) == 1
    assert {decision.error.code for decision in answers if not decision} <= {
        "request_id_conflict",
        "request_in_progress",
    }
    async for _, answer in task.stream([dataclasses.replace(one, arguments={"to": "Eve", "cents": 1})]):
        assert answer.error.code == "request_id_conflict"


async def test_a_waiting_call_in_a_batch_is_made_alone_and_unchanged(zone, approving, command):
    """Items that need approval are made with their own call grants, which fit no other item."""
    task = await zone.start_task()
    calls = [tabard.ToolCall("pay", {"to": to, "cents": 20_000}) for to in ("ACME", "Bob")]
    waiting = await task.batch(calls)
    for decision in waiting:
        await command("approve", decision.approvals[0].approval_id, token=zone.approver())
    holder = zone.agent("orchestrator").task(waiting[0].approvals[0].call_grant)
    others = await holder.batch([calls[1], dataclasses.replace(calls[0], server="erp"), calls[0]])
    assert not any(others)
