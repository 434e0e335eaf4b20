"""Asking people: who is asked, how often, and what becomes of it."""

import asyncio
from dataclasses import replace

import pytest
from tabard import delegation, macaroon
from tabard.caveats import Limits, ThirdParty, Tools, encode_caveat
from tabard_sidecar.approvals import ApprovalState
from tabard_sidecar.approvals import call_grant as call_grants
from tabard_sidecar.approvals.listing import Selection
from tabard_sidecar.errors import Refused
from tabard_sidecar.state import Approval, ApprovalStatus, ReserveState

from tests.support.approvals import ASK, CALL, ISSUER
from tests.support.grants import tool_call

OTHER_CALL = tool_call("payments.send", amount=501, to="ACME")
SECOND = replace(ASK, code="new_payee", approvers=("named",))


async def refused(work):
    with pytest.raises(Refused) as caught:
        await work
    return caught.value.code


async def test_asked_approved_and_met(world):
    """An approval is pending, then approved with a discharge, and then met for the call."""
    (pending,) = await world.ask()
    assert (
        await world.parts.status_service.status(pending.call_grant, pending.approval_id)
    ).state is ApprovalState.PENDING
    await world.approve(pending)
    answer = await world.parts.status_service.status(pending.call_grant, pending.approval_id)
    (met,) = await world.met(pending.call_grant, [answer.discharge])

    assert answer.state is ApprovalState.APPROVED
    assert answer.expires_at == world.clock.now + ASK.ttl_seconds
    assert (met.module, met.code) == ("payments", "large_payment")
    assert (met.approver_issuer, met.approver_id, met.approved_at) == (ISSUER, "cleo", world.clock.now)


async def test_asking_again_asks_no_person_twice(world):
    (first,) = await world.ask()
    (second,) = await world.ask()
    assert first.approval_id == second.approval_id
    await world.approve(first)
    (third,) = await world.ask()
    assert third.approval_id == first.approval_id
    # Each call grant has a discharge of its own, since each is bound to one signature.
    for pending in (first, second, third):
        assert len(await world.met(pending.call_grant, [await world.discharge(pending)])) == 1


async def test_denied(world):
    """A denied approval has no discharge, and one that was made for it is refused."""
    (pending,) = await world.ask()
    await world.parts.decider.decide(pending.approval_id, world.token(), approve=False)
    answer = await world.parts.status_service.status(pending.call_grant, pending.approval_id)
    assert (answer.state, answer.discharge) == (ApprovalState.DENIED, "")
    key_id = world.kit.verify(world.grant).key_id
    made = call_grants.discharge(world.kit.service, key_id, pending.call_grant, pending.approval_id)
    assert await refused(world.met(pending.call_grant, [made])) == "approval_denied"


async def test_who_was_refused_asks_no_more_in_this_task(world):
    """Not after a pause, with other arguments, from a branch or under a name of a tool that the catalogue lacks."""
    (pending,) = await world.ask()
    await world.parts.decider.decide(pending.approval_id, world.token(), approve=False)
    calls = [tool_call("payments.send", amount=500, to="ACME", i=number) for number in range(8)]
    for call in (CALL, *calls, tool_call("payments.other", amount=500)):
        assert await refused(world.ask(call=call)) == "approval_denied"
    assert (
        await refused(world.ask(grant=delegation.branch(world.grant, "helper", Limits())))
        == "approval_denied"
    )
    world.clock.advance(world.config.wait_seconds)
    assert await refused(world.ask()) == "approval_denied"
    await world.ask(replace(ASK, code="other_rule"))
    await world.ask(grant=await world.other_task())


async def test_a_tool_of_the_catalogue_is_closed_alone(world):
    (pending,) = await world.ask(known_tool=True)
    await world.parts.decider.decide(pending.approval_id, world.token(), approve=False)
    assert await refused(world.ask(call=OTHER_CALL, known_tool=True)) == "approval_denied"
    await world.ask(call=tool_call("payments.other", amount=500), known_tool=True)


async def test_policy_may_ask_again(world):
    """About another call; the refused one stays refused."""
    asking = replace(ASK, ask_again=True)
    (pending,) = await world.ask(asking)
    await world.parts.decider.decide(pending.approval_id, world.token(), approve=False)
    assert await refused(world.ask(asking)) == "approval_denied"
    await world.ask(asking, call=OTHER_CALL)


async def test_a_workload_asks_one_person_so_often_in_all_its_tasks(world):
    grants = [await world.other_task() for _ in range(5)]
    for grant in grants[:4]:
        for number in range(5):
            await world.ask(call=tool_call("payments.send", amount=number), grant=grant)
    assert await refused(world.ask(grant=grants[4])) == "approvals_exceeded"


async def test_uses_are_counted_once_each(world):
    (pending,) = await world.ask(replace(ASK, uses=2))
    await world.approve(pending)
    assert (await world.use(pending.approval_id, "d-1")).state is ReserveState.DONE
    assert (await world.use(pending.approval_id, "d-2")).state is ReserveState.DONE
    assert (await world.use(pending.approval_id, "d-3")).state is ReserveState.APPROVAL_USED
    answer = await world.parts.status_service.status(pending.call_grant, pending.approval_id)
    assert (answer.state, answer.discharge) == (ApprovalState.EXPIRED, "")


async def test_one_use_under_many_callers(world):
    (pending,) = await world.ask()
    await world.approve(pending)
    taken = await asyncio.gather(*(world.use(pending.approval_id, f"d-{number}") for number in range(20)))
    assert [item.state for item in taken].count(ReserveState.DONE) == 1


async def test_what_was_used_up_is_asked_for_anew(world):
    (pending,) = await world.ask()
    await world.approve(pending)
    await world.use(pending.approval_id, "d-1")
    (again,) = await world.ask()
    assert again.approval_id != pending.approval_id


async def test_a_sixth_call_that_would_wait(world):
    calls = [tool_call("payments.send", amount=number) for number in range(6)]
    for call in calls[:5]:
        await world.ask(call=call)
    assert await refused(world.ask(call=calls[5])) == "approvals_exceeded"
    await world.ask(call=calls[0])  # what waits already isn't one more
    (pending,) = await world.ask(call=calls[0])
    await world.approve(pending)
    await world.ask(call=calls[5])


async def test_many_ask_at_once_and_five_wait(world):
    calls = [tool_call("payments.send", amount=number) for number in range(30)]
    answers = await asyncio.gather(*(world.ask(call=call) for call in calls), return_exceptions=True)
    assert sum(isinstance(answer, tuple) for answer in answers) == 5
    assert {answer.code for answer in answers if isinstance(answer, Refused)} == {"approvals_exceeded"}


async def test_pending_stops_waiting(world):
    """An approval that waited too long expires, and the next call asks anew."""
    (pending,) = await world.ask()
    world.clock.advance(world.config.wait_seconds)
    answer = await world.parts.status_service.status(pending.call_grant, pending.approval_id)
    assert answer.state is ApprovalState.EXPIRED
    (again,) = await world.ask()
    assert again.approval_id != pending.approval_id


async def test_an_ask_without_a_known_role_is_refused(world):
    """An ask all of whose roles are unknown is refused; one known role is enough."""
    unknown = replace(ASK, approvers=("legal", "ceo"))
    assert await refused(world.ask(unknown)) == "approver_unknown"
    await world.ask(replace(ASK, approvers=("legal", "finance")))


async def test_too_much_for_a_person(world):
    """A call that a person could not read whole is refused instead of asked about."""
    assert await refused(world.ask(call=tool_call("mail.send", body="x" * 64 * 1024))) == "approval_too_large"
    await world.ask(call=tool_call("mail.send", body="x" * (64 * 1024 - 20)))


async def test_two_asks_need_two_words(world):
    waiting = await world.ask(ASK, SECOND)
    assert len({pending.call_grant for pending in waiting}) == 1
    await world.approve(waiting[0])
    one = await world.discharge(waiting[0])
    assert await refused(world.met(waiting[0].call_grant, [one])) == "discharge_missing"
    await world.approve(waiting[1], world.token("dora"))
    both = [one, await world.discharge(waiting[1])]
    assert [met.code for met in await world.met(waiting[0].call_grant, both)] == [
        "large_payment",
        "new_payee",
    ]


async def test_a_call_grant_is_only_asked_about_for_what_it_lacks(world):
    grant, discharges = await world.approved()
    before = world.kit.service.verify(grant, discharges)
    waiting = await world.ask(SECOND, grant=grant, discharges=tuple(discharges))
    assert [pending.code for pending in waiting] == ["large_payment", "new_payee"]
    await world.approve(waiting[1], world.token("dora"))
    both = [await world.discharge(pending) for pending in waiting]
    after = world.kit.service.verify(waiting[0].call_grant, both)

    assert len(await world.met(waiting[0].call_grant, both)) == 2
    assert after.caveats[: len(before.caveats)] == before.caveats
    added = after.caveats[len(before.caveats) :]
    assert [type(caveat) for caveat in added] == [ThirdParty]


async def test_the_same_again_adds_nothing_to_a_call_grant(world):
    grant, discharges = await world.approved()
    (pending,) = await world.ask(grant=grant, discharges=tuple(discharges))
    assert pending.call_grant == grant


async def test_one_code_with_different_approvers_is_narrowed(world):
    waiting = await world.ask(
        replace(ASK, approvers=("finance", "named"), uses=5),
        replace(ASK, approvers=("named",), ttl_seconds=60.0),
    )
    (pending,) = waiting
    case = await world.parts.decider.get_approval(pending.approval_id)
    assert (case.prompt.approvers, case.prompt.uses, case.prompt.ttl_seconds) == (("named",), 1, 60.0)
    assert await refused(world.ask(ASK, replace(ASK, approvers=("named",)))) == "policy_conflict"


@pytest.mark.parametrize("count", [1, 2, 20, 21, 900])
@pytest.mark.parametrize("size", [20, 2000])
async def test_every_reason_of_one_code_is_shown_or_counted(world, count, size):
    """An agent that chooses which one comes first hides none, and a repeated one isn't shown twice."""
    reasons = [f"{number:04}".ljust(size, "x") for number in range(count)]
    await world.ask(*[replace(ASK, reason=reason) for reason in [*reasons, *reasons]])
    (case,), _ = await world.parts.decider.list_approvals(Selection())
    told = case.prompt.reason
    shown = [reason for reason in reasons if reason in told]
    assert shown == reasons[: len(shown)]
    assert len(shown) == min(count, 20 if size == 20 else 4)
    assert len(told) < 8_500
    if count == 1:
        assert told == reasons[0]
    else:
        assert f"(1 of {count})" in told
        assert (f"({count - len(shown)} more reason(s)" in told) == (len(shown) < count)


async def test_a_grant_too_large_to_be_narrowed_further(world):
    full = world.grant
    for size in (500, 20):
        filler = encode_caveat(Tools(("*", "x" * size)))
        while len(full) + 2 * len(filler) < macaroon.MAX_CHARS:
            full = macaroon.append(full, [filler])
    assert await refused(world.ask(grant=full)) == "grant_too_large"


async def test_ends_with_the_agents_authority(world):
    short = await world.other_task(Limits(ttl_seconds=120.0))
    (pending,) = await world.ask(grant=short)
    assert pending.expires_at == world.clock.now + 120
    await world.approve(pending)
    answer = await world.parts.status_service.status(pending.call_grant, pending.approval_id)
    assert answer.expires_at == world.clock.now + 120


async def test_what_the_store_keeps_is_unreadable(world):
    call = tool_call("payments.send", note="the-secret-note")
    (pending,) = await world.ask(call=call)
    kept = await world.state.approval(pending.approval_id, now=world.clock.now)
    assert isinstance(kept, Approval)
    assert kept.status is ApprovalStatus.PENDING
    assert b"the-secret-note" not in kept.payload
    files = [path.read_bytes() for path in world.folder.glob("state.db*")]
    assert not any(b"the-secret-note" in content or b"Work off" in content for content in files)
