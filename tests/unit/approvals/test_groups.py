"""Groups of approvals: which calls of a batch are shown as one list, and how a person decides about it."""

from dataclasses import replace

import pytest
from tabard import delegation
from tabard.caveats import Limits
from tabard_sidecar.approvals.conf import MAX_GROUP
from tabard_sidecar.approvals.listing import Selection
from tabard_sidecar.approvals.requesting import MAX_REASONS_CHARS, MAX_SHOWN_BYTES
from tabard_sidecar.errors import Refused
from tabard_sidecar.server.operator_approvals import approval_message
from tabard_sidecar.state import ApprovalStatus, ReserveState

from tests.support.approvals import ASK, ROLES, ApprovalWorld
from tests.support.grants import tool_call

CALLS = [tool_call("payments.send", amount=number, to="ACME") for number in range(4)]
OWNER = replace(ASK, code="own", approvers=("owner",))
FINANCE = replace(ASK, code="other_rule", reason="another reason")


async def refused(work):
    with pytest.raises(Refused) as caught:
        await work
    return caught.value.code


async def statuses(world, waiting):
    found = [await world.state.approval(one.approval_id, now=world.clock.now) for one in waiting]
    return [approval.status for approval in found]


def verdicts(waiting, *, approve=True):
    return {one.approval_id: approve for one in waiting}


async def test_a_batch_is_approved_at_once_and_each_call_is_made_once(world):
    waiting = await world.ask_together(*CALLS)
    (group,) = {pending.group_id for pending in waiting}
    assert len({pending.approval_id for pending in waiting}) == 4
    views = await world.decide_group(group, **verdicts(waiting))
    assert [view.approval.approval_id for view in views] == [one.approval_id for one in waiting]
    assert {view.approval.expires_at for view in views} == {world.clock.now + ASK.ttl_seconds}
    for call, pending in zip(CALLS, waiting, strict=True):
        discharge = await world.discharge(pending)
        (met,) = await world.met(pending.call_grant, [discharge], call)
        assert (met.approver_id, met.approved_at) == ("cleo", world.clock.now)
        others = [other for other in CALLS if other is not call]
        for other in others:
            assert await refused(world.met(pending.call_grant, [discharge], other)) == "call_mismatch"
        assert (await world.use(pending.approval_id, f"d-{pending.approval_id}")).state is ReserveState.DONE
        assert (
            await world.use(pending.approval_id, f"e-{pending.approval_id}")
        ).state is ReserveState.APPROVAL_USED


async def test_single_calls_of_a_group_are_denied(world):
    waiting = await world.ask_together(*CALLS)
    odd = waiting[2].approval_id
    views = await world.decide_group(
        waiting[0].group_id, **{one.approval_id: one.approval_id != odd for one in waiting}
    )
    said = {view.approval.approval_id: view.approval.status for view in views}
    assert said.pop(odd) is ApprovalStatus.DENIED
    assert set(said.values()) == {ApprovalStatus.APPROVED}
    assert (await world.parts.status_service.status(waiting[2].call_grant, odd)).state.value == "denied"
    # The refusal closes the rule, as that of a single call does; what was approved with it stays.
    assert await refused(world.ask(call=tool_call("payments.send", amount=77))) == "approval_denied"
    assert await world.met(waiting[0].call_grant, [await world.discharge(waiting[0])], CALLS[0])


async def test_one_call_of_a_group_can_be_decided_alone(world):
    waiting = await world.ask_together(*CALLS)
    await world.approve(waiting[0])
    assert await refused(world.decide_group(waiting[0].group_id, **verdicts(waiting))) == (
        "approval_group_changed"
    )
    await world.decide_group(waiting[0].group_id, **verdicts(waiting[1:]))
    assert await statuses(world, waiting) == [ApprovalStatus.APPROVED] * 4


@pytest.mark.parametrize("asked_alike", [True, False])
async def test_different_approvers_are_asked_apart(world, asked_alike):
    """So are other uses and lifetimes; another rule or tool is not."""
    others = (
        [(FINANCE, CALLS[1]), (ASK, tool_call("payments.other", amount=1))]
        if asked_alike
        else [
            (OWNER, CALLS[1]),
            (replace(FINANCE, uses=2), CALLS[2]),
            (replace(FINANCE, ttl_seconds=60.0), CALLS[3]),
        ]
    )
    with world.parts.requester.together() as together:
        waiting = [*await world.ask(call=CALLS[0], together=together)]
        for ask, call in others:
            waiting += await world.ask(ask, call=call, together=together)
    assert len({one.group_id for one in waiting}) == (1 if asked_alike else len(waiting))


async def test_two_rules_about_one_call_are_two_approvals_of_its_group(world):
    waiting = await world.ask_together(*CALLS[:2], asks=(ASK, FINANCE))
    assert len(waiting) == 4
    await world.decide_group(waiting[0].group_id, **verdicts(waiting))
    both = [await world.discharge(one) for one in waiting[:2]]
    assert len(await world.met(waiting[0].call_grant, both, CALLS[0])) == 2


async def test_other_tasks_and_parts_of_a_task_are_asked_apart(world):
    branch = delegation.branch(world.grant, "helper", Limits())
    with world.parts.requester.together() as together:
        groups = {
            (await world.ask(call=CALLS[0], grant=grant, together=together))[0].group_id
            for grant in (world.grant, branch, await world.other_task())
        }
    assert len(groups) == 3


async def test_single_calls_have_no_group(world):
    (pending,) = await world.ask()
    assert pending.group_id == ""
    (case,), _ = await world.parts.decider.list_approvals(Selection())
    assert case.approval.group_id == ""
    assert await refused(world.parts.decider.get_group("group-none")) == "approval_unknown"
    assert await refused(world.parts.decider.get_group("")) == "approval_unknown"


async def test_a_person_is_shown_every_call_of_a_group(world):
    waiting = await world.ask_together(*CALLS)
    views = await world.parts.decider.get_group(waiting[0].group_id)
    assert sorted(view.prompt.arguments_json for view in views) == [
        call.arguments_json.decode() for call in CALLS
    ]
    await world.decide_group(waiting[0].group_id, **verdicts(waiting))
    assert await refused(world.parts.decider.get_group(waiting[0].group_id)) == "approval_unknown"
    assert len(await world.parts.decider.get_group(waiting[0].group_id, decided=True)) == 4


async def test_a_batch_that_is_repeated_asks_no_person_again(world):
    first = await world.ask_together(*CALLS[:2])
    assert [one.approval_id for one in await world.ask_together(*CALLS[:2])] == [
        one.approval_id for one in first
    ]
    longer = await world.ask_together(*reversed(CALLS))
    assert {one.approval_id for one in first} < {one.approval_id for one in longer}
    views = await world.parts.decider.get_group(first[0].group_id)
    assert {view.approval.approval_id for view in views} == {one.approval_id for one in longer}


async def test_what_came_after_it_was_shown_is_not_decided(world):
    """Nothing is, and the token is still good for what is shown next."""
    first = await world.ask_together(*CALLS[:2])
    shown = verdicts(first)
    longer = await world.ask_together(*CALLS[:3])
    token = world.token()
    assert await refused(world.decide_group(first[0].group_id, token, **shown)) == "approval_group_changed"
    assert await statuses(world, longer) == [ApprovalStatus.PENDING] * 3
    await world.decide_group(first[0].group_id, token, **verdicts(longer))


async def test_what_expired_is_not_decided_with_the_others(world):
    first = await world.ask_together(CALLS[0])
    world.clock.advance(10)
    both = await world.ask_together(*CALLS[:2])
    world.clock.advance(world.config.wait_seconds - 10)
    assert await refused(world.decide_group(first[0].group_id, **verdicts(both))) == "approval_group_changed"
    await world.decide_group(first[0].group_id, **verdicts(both[1:]))


async def test_the_same_decision_again_changes_nothing(world):
    """A person whose answer was lost sends it again, with the same token or another one; another decision is refused."""
    waiting = await world.ask_together(*CALLS)
    group, token = waiting[0].group_id, world.token()
    first = await world.decide_group(group, token, **verdicts(waiting))
    world.clock.advance(5)
    for repeated in (token, world.token()):
        assert await world.decide_group(group, repeated, **verdicts(waiting)) == first
    for other in (
        verdicts(waiting, approve=False),
        verdicts(waiting) | {waiting[0].approval_id: False},
    ):
        assert await refused(world.decide_group(group, **other)) == "approval_decided"
    assert (
        await refused(world.decide_group(group, world.token("berta"), **verdicts(waiting)))
        == "approval_decided"
    )
    nobody = world.parts.decider.decide_group(group, "", verdicts(waiting))
    assert await refused(nobody) == "approver_token_missing"


async def test_a_token_decides_about_one_group(world):
    waiting = await world.ask_together(*CALLS)
    token = world.token()
    await world.decide_group(waiting[0].group_id, token, **verdicts(waiting))
    (other,) = await world.ask(FINANCE)
    assert await refused(world.parts.decider.decide(other.approval_id, token, approve=True)) == (
        "approver_token_used"
    )
    more = await world.ask_together(*CALLS, asks=(FINANCE,))
    assert await refused(world.decide_group(more[0].group_id, token, **verdicts(more))) == (
        "approver_token_used"
    )


@pytest.mark.parametrize(
    ("who", "claims", "approve", "code"),
    [
        ("mallory", {"groups": ["staff"]}, True, "approver_not_entitled"),
        ("mallory", {"groups": ["staff"]}, False, "approver_not_entitled"),
        ("cleo", {"act": {"sub": "x"}}, True, "approver_is_agent"),
        ("cleo", {"client_id": "spiffe://example.org/ns/shop/sa/alice"}, True, "approver_is_agent"),
        ("u-1", {"iss": "https://idp.example.org"}, True, "approver_is_subject"),
        ("u-1", {"iss": "https://idp.example.org"}, False, None),
    ],
)  # fmt: skip
async def test_four_eyes_hold_for_groups(world, who, claims, approve, code):
    waiting = await world.ask_together(*CALLS)
    work = world.decide_group(
        waiting[0].group_id, world.token(who, **claims), **verdicts(waiting, approve=approve)
    )
    if code is None:
        await work
    else:
        assert await refused(work) == code
        assert await statuses(world, waiting) == [ApprovalStatus.PENDING] * 4


async def test_the_person_of_the_task_may_deny_all_but_approve_none(world):
    """A group of which one call is to be approved is refused to the person whom four eyes keep from it."""
    waiting = await world.ask_together(*CALLS)
    mixed = verdicts(waiting, approve=False) | {waiting[3].approval_id: True}
    token = world.token("u-1", iss="https://idp.example.org")
    assert await refused(world.decide_group(waiting[0].group_id, token, **mixed)) == "approver_is_subject"


async def test_the_person_for_whom_the_task_runs_approves_where_the_role_says_so(world):
    waiting = await world.ask_together(*CALLS, asks=(OWNER,))
    token = world.token("u-1", iss="https://idp.example.org", groups=[])
    await world.decide_group(waiting[0].group_id, token, **verdicts(waiting))


async def test_a_list_has_an_end(tmp_path):
    async with ApprovalWorld(tmp_path, max_pending_per_group=2, max_pending_per_task=3, roles=ROLES) as world:
        with world.parts.requester.together() as together:
            for call in CALLS[:2]:
                await world.ask(call=call, together=together)
            assert await refused(world.ask(call=CALLS[2], together=together)) == "approvals_exceeded"
        await world.ask_together(*CALLS[2:])
        assert len(await world.ask_together(*CALLS[:1])) == 1


async def test_a_list_is_one_question_of_its_task(world):
    """Of which five may wait; the calls of one person are counted one by one."""
    for number in range(4):
        await world.ask(call=tool_call("mail.send", number=number))
    many = [tool_call("payments.send", amount=number) for number in range(17)]
    with world.parts.requester.together() as together:
        for call in many[:16]:
            await world.ask(call=call, together=together)
        assert await refused(world.ask(call=many[16], together=together)) == "approvals_exceeded"
    assert await refused(world.ask(call=tool_call("mail.send", number=9))) == "approvals_exceeded"


async def test_what_cannot_be_read_is_not_decided(world):
    waiting = await world.ask_together(*CALLS)
    await world.state._file.write(
        lambda c: c.execute(
            "UPDATE approvals SET payload=zeroblob(80) WHERE approval_id=?", (waiting[1].approval_id,)
        ),
        durable=False,
    )
    assert await refused(world.decide_group(waiting[0].group_id, **verdicts(waiting))) == (
        "approval_unreadable"
    )


async def test_the_longest_list_fits_into_one_message(tmp_path):
    """With the longest arguments and reasons; gRPC's clients accept 4 MiB."""
    limits = {"max_pending_per_group": MAX_GROUP, "max_pending_per_person": 100}
    async with ApprovalWorld(tmp_path, **limits) as world:
        long = replace(ASK, reason="\U0001f600" * MAX_REASONS_CHARS)
        calls = [
            tool_call("mail.send", number=number, body="x" * (MAX_SHOWN_BYTES - 40))
            for number in range(MAX_GROUP)
        ]
        waiting = await world.ask_together(*calls, asks=(long,))
        views = await world.parts.decider.get_group(waiting[0].group_id)
        assert len(views) == MAX_GROUP
        assert sum(approval_message(view, arguments=True).ByteSize() for view in views) < 3 * 1024 * 1024


async def test_a_list_that_grows_can_be_decided_call_by_call(world):
    """An agent that adds a call whenever the list was shown keeps no person from deciding."""
    waiting = await world.ask_together(*CALLS[:2])
    group = waiting[0].group_id
    for number in range(2, 20):
        shown = await world.parts.decider.get_group(group)
        more = tool_call("payments.send", amount=100 + number)
        waiting += await world.ask_together(CALLS[0], more)
        stale = {view.approval.approval_id: True for view in shown}
        assert await refused(world.decide_group(group, **stale)) == "approval_group_changed"
    with pytest.raises(Refused, match="approvals_exceeded"):
        await world.ask_together(CALLS[0], tool_call("payments.send", amount=999))
    await world.parts.decider.decide(waiting[0].approval_id, world.token(), approve=False)
    rest = await world.parts.decider.get_group(group)
    assert len(rest) == 19
    await world.decide_group(group, **{view.approval.approval_id: False for view in rest})
