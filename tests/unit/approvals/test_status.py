"""The status that agents get when they poll an approval."""

from dataclasses import replace

import pytest
from tabard import macaroon
from tabard_sidecar.approvals import ApprovalState
from tabard_sidecar.approvals import call_grant as call_grants
from tabard_sidecar.errors import Refused

from tests.support.approvals import ASK
from tests.support.grants import MALLORY, make_kit, tool_call

OTHER_CALL = tool_call("payments.send", amount=501, to="ACME")
SECOND = replace(ASK, code="new_payee", approvers=("named",))


async def refused(work):
    with pytest.raises(Refused) as caught:
        await work
    return caught.value.code


class TestDesk:
    async def test_of_another_grant_or_none(self, world):
        (pending,) = await world.ask()
        (other,) = await world.ask(call=OTHER_CALL)
        for approval_id in (other.approval_id, "0" * 32, ""):
            answer = await world.parts.status_service.status(pending.call_grant, approval_id)
            assert answer == type(answer)(ApprovalState.EXPIRED)

    async def test_with_a_grant_that_is_no_call_grant(self, world):
        (pending,) = await world.ask()
        assert (
            await refused(world.parts.status_service.status(world.grant, pending.approval_id))
            == "approval_invalid"
        )
        assert (
            await refused(world.parts.status_service.status("nonsense", pending.approval_id))
            == "grant_malformed"
        )

    async def test_by_another_workload(self, world):
        """The status is told to the holder of the grant only."""
        handed = world.kit.delegate(world.grant, MALLORY)
        (pending,) = await world.ask(grant=handed)
        assert (
            await refused(world.parts.status_service.status(pending.call_grant, pending.approval_id))
            == "holder_mismatch"
        )

    async def test_a_call_grant_of_the_thiefs_own_making(self, world):
        (pending,) = await world.ask()
        own = macaroon.append_third_party(
            world.grant, call_grants.LOCATION, bytes(32), pending.approval_id.encode()
        )
        await world.approve(pending)
        assert (
            await refused(world.parts.status_service.status(own, pending.approval_id)) == "discharge_forged"
        )

    async def test_of_another_zone(self, world, tmp_path):
        """A call grant of another zone's key is refused."""
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
        assert await refused(world.parts.status_service.status(made, pending.approval_id)) == "foreign_key"

    async def test_secrets_stay_out_of_repr(self, world):
        (pending,) = await world.ask()
        await world.approve(pending)
        answer = await world.parts.status_service.status(pending.call_grant, pending.approval_id)
        assert answer.discharge
        assert answer.discharge not in repr(answer)
        assert pending.call_grant not in repr(pending)
