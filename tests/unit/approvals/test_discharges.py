"""Discharges and call grants: what a thief, or a sidecar's keys in the wrong hands, may try."""

from dataclasses import replace

import pytest
from tabard import macaroon
from tabard.caveats import Branch, Call, Expiry, Hop, Limits, Tools, Uses, encode_caveat
from tabard.delegation import branch
from tabard_sidecar.approvals import ApprovalState
from tabard_sidecar.approvals import call_grant as call_grants
from tabard_sidecar.errors import Refused
from tabard_sidecar.grants import check_call

from tests.support.approvals import ASK, CALL
from tests.support.grants import MALLORY, tool_call

OTHER_CALL = tool_call("payments.send", amount=501, to="ACME")
SECOND = replace(ASK, code="new_payee", approvers=("named",))


async def refused(work):
    with pytest.raises(Refused) as caught:
        await work
    return caught.value.code


async def test_a_call_grant_is_good_for_its_one_call(world):
    grant, discharges = await world.approved()
    verified = world.kit.service.verify(grant, discharges)

    check_call(verified, CALL, now=world.clock.now, read_only=False)
    with pytest.raises(Refused) as caught:
        check_call(verified, OTHER_CALL, now=world.clock.now, read_only=False)
    assert caught.value.code == "call_mismatch"
    # The pipeline never gets that far, but the look-up refuses it, too.
    assert (
        await refused(world.parts.requester.met(verified, OTHER_CALL, now=world.clock.now)) == "call_mismatch"
    )


async def test_a_call_grant_without_its_discharge_is_worth_nothing(world):
    (pending,) = await world.ask()
    assert await refused(world.met(pending.call_grant, [])) == "discharge_missing"
    await world.approve(pending)
    assert await refused(world.met(pending.call_grant, [])) == "discharge_missing"


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
    """A discharge that was signed with another key is refused."""
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
    """With the right key, without a decision: only a sidecar could make it, and the look-up refuses it all the same."""
    (pending,) = await world.ask()
    key_id = world.kit.verify(world.grant).key_id
    early = call_grants.discharge(world.kit.service, key_id, pending.call_grant, pending.approval_id)
    assert await refused(world.met(pending.call_grant, [early])) == "approval_invalid"


async def test_an_expired_discharge(world):
    """A discharge is good for the time that the policy's ask says."""
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
async def test_what_a_discharge_holds_is_checked(world, caveat, code):
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
    answer = await world.parts.status_service.status(below, pending.approval_id)
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
    assert (
        await world.parts.status_service.status(stolen, pending.approval_id)
    ).state is ApprovalState.EXPIRED
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
