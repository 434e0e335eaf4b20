"""Asking people, and recognising their word: what counts, and what a thief or a confused agent may try."""

import asyncio
from dataclasses import replace

import pytest
from tabard import macaroon
from tabard.caveats import Branch, Call, Expiry, Hop, Limits, ThirdParty, Tools, Uses, encode_caveat
from tabard.delegation import branch
from tabard_sidecar.approvals import ApprovalState
from tabard_sidecar.approvals import call_grant as call_grants
from tabard_sidecar.grants import judge_call
from tabard_sidecar.refusal import Refused
from tabard_sidecar.state import Approval, ApprovalStatus, ReserveState

from tests.support.approvals import ASK, CALL, ISSUER
from tests.support.grants import MALLORY, make_kit, tool_call

OTHER_CALL = tool_call("payments.send", amount=501, to="ACME")
SECOND = replace(ASK, code="new_payee", approvers=("named",))


async def refused(work):
    with pytest.raises(Refused) as caught:
        await work
    return caught.value.code


async def test_asked_approved_and_met(world):
    (pending,) = await world.ask()
    assert (
        await world.parts.desk.status(pending.call_grant, pending.approval_id)
    ).state is ApprovalState.PENDING
    await world.approve(pending)
    answer = await world.parts.desk.status(pending.call_grant, pending.approval_id)
    (met,) = await world.met(pending.call_grant, [answer.discharge])

    assert answer.state is ApprovalState.APPROVED
    assert answer.expires_at == world.clock.now + ASK.ttl_seconds
    assert (met.module, met.code) == ("payments", "large_payment")
    assert (met.approver_issuer, met.approver_id, met.approved_at) == (ISSUER, "cleo", world.clock.now)


async def test_a_call_grant_is_good_for_its_one_call(world):
    grant, discharges = await world.approved()
    verified = world.kit.service.verify(grant, discharges)

    judge_call(verified, CALL, now=world.clock.now, read_only=False)
    with pytest.raises(Refused) as caught:
        judge_call(verified, OTHER_CALL, now=world.clock.now, read_only=False)
    assert caught.value.code == "call_mismatch"
    # The pipeline never gets that far, but the look-up refuses it, too.
    assert (
        await refused(world.parts.approvals.met(verified, OTHER_CALL, now=world.clock.now)) == "call_mismatch"
    )


async def test_a_call_grant_without_its_discharge_is_worth_nothing(world):
    (pending,) = await world.ask()
    assert await refused(world.met(pending.call_grant, [])) == "discharge_missing"
    await world.approve(pending)
    assert await refused(world.met(pending.call_grant, [])) == "discharge_missing"


async def test_asking_again_asks_nobody_twice(world):
    (first,) = await world.ask()
    (second,) = await world.ask()
    assert first.approval_id == second.approval_id
    await world.approve(first)
    (third,) = await world.ask()
    assert third.approval_id == first.approval_id
    # Each call grant has a discharge of its own, since each is bound to one signature.
    for pending in (first, second, third):
        assert len(await world.met(pending.call_grant, [await world.discharge(pending)])) == 1


async def test_swapped_between_two_call_grants_of_one_approval(world):
    (first,) = await world.ask()
    (second,) = await world.ask()
    await world.approve(first)
    discharge = await world.discharge(first)
    assert await refused(world.met(second.call_grant, [discharge])) == "discharge_forged"


async def test_swapped_with_another_calls_discharge(world):
    grant, _ = await world.approved()
    _, others = await world.approved(call=OTHER_CALL)
    assert await refused(world.met(grant, others)) == "discharge_swapped"


async def test_another_grants_discharge(world):
    """The same call under another task of the same person."""
    grant, _ = await world.approved()
    foreign = await world.other_task()
    (pending,) = await world.ask(grant=foreign)
    await world.approve(pending)
    assert await refused(world.met(grant, [await world.discharge(pending)])) == "discharge_swapped"


async def test_forged_with_a_key_of_the_thiefs_own(world):
    (pending,) = await world.ask()
    caveats = [encode_caveat(Expiry(world.clock.now + 60))]
    unbound = macaroon.mint(bytes(32), pending.approval_id.encode(), caveats)
    forged = macaroon.bind(pending.call_grant, unbound)
    assert await refused(world.met(pending.call_grant, [forged])) == "discharge_forged"


async def test_caveat_and_discharge_both_by_the_thief(world):
    """He names a real approval, appends the caveat with a key of his own and discharges it himself."""
    _, _ = await world.approved()
    (pending,) = await world.ask()
    narrowed = macaroon.append(world.grant, [encode_caveat(Call(CALL.digest))])
    own = macaroon.append_third_party(narrowed, call_grants.LOCATION, bytes(32), pending.approval_id.encode())
    discharge = macaroon.bind(own, macaroon.mint(bytes(32), pending.approval_id.encode()))
    assert await refused(world.met(own, [discharge])) == "discharge_forged"


async def test_discharged_before_anybody_approved(world):
    """With the right key and nobody's word: only a sidecar could, and the look-up refuses it all the same."""
    (pending,) = await world.ask()
    key_id = world.kit.verify(world.grant).key_id
    early = call_grants.discharge(world.kit.service, key_id, pending.call_grant, pending.approval_id)
    assert await refused(world.met(pending.call_grant, [early])) == "approval_invalid"


async def test_an_expired_discharge(world):
    grant, discharges = await world.approved()
    world.clock.advance(ASK.ttl_seconds - 0.001)
    assert len(await world.met(grant, discharges)) == 1
    world.clock.advance(0.001)
    assert await refused(world.met(grant, discharges)) == "discharge_expired"


async def test_an_approval_that_the_store_has_forgotten(world):
    grant, discharges = await world.approved()
    world.clock.advance(ASK.ttl_seconds)
    await world.state.expire(now=world.clock.now)
    world.clock.advance(-60)
    assert await refused(world.met(grant, discharges)) == "approval_invalid"


@pytest.mark.parametrize(
    "caveat",
    [Hop(MALLORY, "A" * 43), Branch("x", "A" * 22), Tools(("*",))],
    ids=lambda caveat: caveat.tag,
)
async def test_a_discharge_with_a_hop_inside(world, caveat):
    """Even with the right key."""
    (pending,) = await world.ask()
    await world.approve(pending)
    key_id = world.kit.verify(world.grant).key_id
    odd = call_grants.discharge(
        world.kit.service, key_id, pending.call_grant, pending.approval_id, [encode_caveat(caveat)]
    )
    assert await refused(world.met(pending.call_grant, [odd])) == "discharge_caveat"


@pytest.mark.parametrize(
    ("caveat", "code"),
    [
        (Expiry(1_799_999_999.0), "discharge_expired"),
        (Call("0" * 64), "call_mismatch"),
        (Uses(1), "caveat_not_enforced"),
    ],
    ids=["expiry", "call", "uses"],
)
async def test_what_a_discharge_holds_is_judged(world, caveat, code):
    (pending,) = await world.ask()
    await world.approve(pending)
    key_id = world.kit.verify(world.grant).key_id
    narrow = call_grants.discharge(
        world.kit.service, key_id, pending.call_grant, pending.approval_id, [encode_caveat(caveat)]
    )
    assert await refused(world.met(pending.call_grant, [narrow])) == code


async def test_a_narrowed_call_grant_needs_a_discharge_of_its_own(world):
    grant, discharges = await world.approved()
    narrower = branch(grant, "helper", Limits())
    assert await refused(world.met(narrower, discharges)) == "discharge_forged"


async def test_the_askers_own_branch_may_use_it(world):
    """What a holder may, its parts may: the approval is for the call, and the chain below the asker is narrower."""
    (pending,) = await world.ask()
    await world.approve(pending)
    below = branch(pending.call_grant, "helper", Limits())
    answer = await world.parts.desk.status(below, pending.approval_id)
    assert len(await world.met(below, [answer.discharge])) == 1


async def test_of_another_part_of_the_task(world):
    """Two branches of one grant: what one asked for is nothing to the other, whatever the keys say."""
    one, other = branch(world.grant, "one"), branch(world.grant, "other")
    (pending,) = await world.ask(grant=one)
    await world.approve(pending)
    stolen = call_grants.make_call_grant(
        world.kit.service, other, world.kit.verify(other), CALL.digest, [pending.approval_id]
    )
    key_id = world.kit.verify(other).key_id
    discharge = call_grants.discharge(world.kit.service, key_id, stolen, pending.approval_id)
    assert (await world.parts.desk.status(stolen, pending.approval_id)).state is ApprovalState.EXPIRED
    assert await refused(world.met(stolen, [discharge])) == "approval_invalid"


async def test_an_approval_of_another_call(world):
    """A sidecar's keys in the wrong hands still don't turn one approved call into another."""
    (pending,) = await world.ask()
    await world.approve(pending)
    swapped = call_grants.make_call_grant(
        world.kit.service,
        world.grant,
        world.kit.verify(world.grant),
        OTHER_CALL.digest,
        [pending.approval_id],
    )
    key_id = world.kit.verify(world.grant).key_id
    discharge = call_grants.discharge(world.kit.service, key_id, swapped, pending.approval_id)
    assert await refused(world.met(swapped, [discharge], OTHER_CALL)) == "approval_invalid"


async def test_denied(world):
    (pending,) = await world.ask()
    await world.parts.office.decide(pending.approval_id, world.token(), approve=False)
    answer = await world.parts.desk.status(pending.call_grant, pending.approval_id)
    assert (answer.state, answer.discharge) == (ApprovalState.DENIED, "")
    key_id = world.kit.verify(world.grant).key_id
    made = call_grants.discharge(world.kit.service, key_id, pending.call_grant, pending.approval_id)
    assert await refused(world.met(pending.call_grant, [made])) == "approval_denied"


async def test_who_was_refused_does_not_ask_again_at_once(world):
    (pending,) = await world.ask()
    await world.parts.office.decide(pending.approval_id, world.token(), approve=False)
    (again,) = await world.ask()
    assert again.approval_id == pending.approval_id
    world.clock.advance(world.config.wait_seconds)
    (later,) = await world.ask()
    assert later.approval_id != pending.approval_id


async def test_uses_are_counted_once_each(world):
    (pending,) = await world.ask(replace(ASK, uses=2))
    await world.approve(pending)
    assert (await world.use(pending.approval_id, "d-1")).state is ReserveState.DONE
    assert (await world.use(pending.approval_id, "d-2")).state is ReserveState.DONE
    assert (await world.use(pending.approval_id, "d-3")).state is ReserveState.APPROVAL_USED
    answer = await world.parts.desk.status(pending.call_grant, pending.approval_id)
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
    (pending,) = await world.ask()
    world.clock.advance(world.config.wait_seconds)
    answer = await world.parts.desk.status(pending.call_grant, pending.approval_id)
    assert answer.state is ApprovalState.EXPIRED
    (again,) = await world.ask()
    assert again.approval_id != pending.approval_id


async def test_nobody_could_approve(world):
    nobody = replace(ASK, approvers=("legal", "ceo"))
    assert await refused(world.ask(nobody)) == "approver_unknown"
    await world.ask(replace(ASK, approvers=("legal", "finance")))


async def test_too_much_for_a_person(world):
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
    case = await world.parts.office.case(pending.approval_id)
    assert (case.prompt.approvers, case.prompt.uses, case.prompt.ttl_seconds) == (("named",), 1, 60.0)
    assert await refused(world.ask(ASK, replace(ASK, approvers=("named",)))) == "policy_conflict"


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
    answer = await world.parts.desk.status(pending.call_grant, pending.approval_id)
    assert answer.expires_at == world.clock.now + 120


class TestDesk:
    async def test_of_another_grant_or_none(self, world):
        (pending,) = await world.ask()
        (other,) = await world.ask(call=OTHER_CALL)
        for approval_id in (other.approval_id, "0" * 32, ""):
            answer = await world.parts.desk.status(pending.call_grant, approval_id)
            assert answer == type(answer)(ApprovalState.EXPIRED)

    async def test_with_a_grant_that_is_no_call_grant(self, world):
        (pending,) = await world.ask()
        assert await refused(world.parts.desk.status(world.grant, pending.approval_id)) == "approval_invalid"
        assert await refused(world.parts.desk.status("nonsense", pending.approval_id)) == "grant_malformed"

    async def test_by_another_workload(self, world):
        handed = world.kit.delegate(world.grant, MALLORY)
        (pending,) = await world.ask(grant=handed)
        assert (
            await refused(world.parts.desk.status(pending.call_grant, pending.approval_id))
            == "holder_mismatch"
        )

    async def test_a_call_grant_of_the_thiefs_own_making(self, world):
        (pending,) = await world.ask()
        own = macaroon.append_third_party(
            world.grant, call_grants.LOCATION, bytes(32), pending.approval_id.encode()
        )
        await world.approve(pending)
        assert await refused(world.parts.desk.status(own, pending.approval_id)) == "discharge_forged"

    async def test_of_another_zone(self, world, tmp_path):
        (pending,) = await world.ask()
        other = make_kit(tmp_path / "other", zone="depot", clock=world.clock)
        key_id = other.keyring.active("root").kid
        foreign = other.mint()
        made = macaroon.append_third_party(
            foreign,
            call_grants.LOCATION,
            other.service.approval_key(key_id, pending.approval_id),
            pending.approval_id.encode(),
        )
        assert await refused(world.parts.desk.status(made, pending.approval_id)) == "foreign_key"

    async def test_secrets_stay_out_of_repr(self, world):
        (pending,) = await world.ask()
        await world.approve(pending)
        answer = await world.parts.desk.status(pending.call_grant, pending.approval_id)
        assert answer.discharge
        assert answer.discharge not in repr(answer)
        assert pending.call_grant not in repr(pending)


async def test_what_the_store_keeps_is_unreadable(world):
    call = tool_call("payments.send", note="the-secret-note")
    (pending,) = await world.ask(call=call)
    kept = await world.state.approval(pending.approval_id, now=world.clock.now)
    assert isinstance(kept, Approval)
    assert kept.status is ApprovalStatus.PENDING
    assert b"the-secret-note" not in kept.payload
    files = [path.read_bytes() for path in world.folder.glob("state.db*")]
    assert not any(b"the-secret-note" in content or b"Work off" in content for content in files)
