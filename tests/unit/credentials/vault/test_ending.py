"""The kill switch in front of a fake vault: what is lost, wrong, late or slow. Real servers are in tests/integration/vault."""

import asyncio
import time
from dataclasses import replace

import pytest
from tabard_sidecar.credentials.vault import build_vaults
from tabard_sidecar.credentials.vault.conf import VaultConfig
from tabard_sidecar.credentials.vault.ending import LeaseEnding, NotEndedError
from tabard_sidecar.credentials.vault.tokens import NEWBORN_SECONDS
from tabard_sidecar.interfaces import Withdrawal
from tabard_sidecar.revocation import lease_targets
from tabard_sidecar.state import Revocation, RevocationKind
from tabard_sidecar.state.leases import LeaseTarget
from tabard_sidecar.state.rollback import rollback

from tests.support.credentials import HOP
from tests.support.fake_vault import HEALTH, REAP, RENEW, REVOKE, Answer, fake_vault
from tests.support.waiting import eventually
from tests.unit.credentials.vault.test_issuer import ROLES, World

FORBIDDEN = Answer(403, {"errors": ["permission denied"]})
UNKNOWN = Answer(body={"data": None, "warnings": ["No token found with this accessor"]})


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr("tabard_sidecar.credentials.noted.OWNER_SECONDS", 0.01)


@pytest.fixture
def make(vault, store, secret_id):
    """Makes sidecars with one journal. By default each has a reaper."""

    def one(*, reaper=True, **changes):
        approle = {"method": "approle", "role_id": "reaper", "secret_id_file": secret_id}
        world = World(vault, store, secret_id, **({"reaper": approle} if reaper else {}) | changes)
        world.ending = LeaseEnding(world.issuer, store, clock=world.clock)
        return world

    return one


def of_task(world, *, seconds=600.0):
    """The revocation of the task's link, as EndTask makes it."""
    now = world.clock()
    return Revocation(RevocationKind.LINK, HOP.link_id, now, now + seconds)


async def lasting(world, **changes):
    """Give a credential whose token is extended."""
    request = world.request("orders-once", **changes)
    await world.given(request)
    await eventually(lambda: not world.issuer._background)
    return request


async def end(world, revocation):
    """Handle a revocation as the sidecar does."""
    world.ending.take(revocation)
    await world.ending.revoked(revocation)


@pytest.mark.parametrize("kind", ["link", "state"])
async def test_what_the_journal_lost_is_ended_from_memory(make, kind):
    world = make(reaper=False)
    request = await lasting(world)
    await world.store.end_lease(request.credential_id)
    await end(world, of_task(world) if kind == "link" else rollback(world.clock(), "lost"))
    assert world.vault.paths()[-1] == REVOKE
    assert len(world.issuer.live) == 0


async def test_a_failed_end_isnt_done_because_the_journal_is_empty(make):
    """The hook is called again, and ends it then."""
    world = make(reaper=False)
    request = await lasting(world)
    await world.store.end_lease(request.credential_id)
    world.vault.answers[REVOKE] = Answer(503, {"errors": ["Vault is sealed"]})
    revocation = of_task(world)
    with pytest.raises(NotEndedError, match="sealed"):
        await end(world, revocation)
    world.vault.answers[REVOKE] = Answer(204)
    await end(world, revocation)
    assert len(world.issuer.live) == 0


async def test_a_lease_that_the_journal_lost_before_its_extension_is_ended(make):
    """Else another sidecar could not end it."""
    world = make(reaper=False)
    request = world.request("orders-once")
    await world.issuer.issue(request)
    await world.store.end_lease(request.credential_id)
    world.issuer.commit(request)
    await eventually(lambda: REVOKE in world.vault.paths())
    assert RENEW not in world.vault.paths()
    await eventually(lambda: any("the state store lost" in problem for problem in world.problems))


async def test_what_a_revocation_ended_before_its_answer_left_was_issued(make):
    """So its charges stay."""
    world = make(reaper=False)
    request = world.request("orders-once")
    await world.issuer.issue(request)
    await end(world, of_task(world))
    assert world.vault.paths()[-1] == REVOKE
    assert await world.issuer.withdraw(request) is Withdrawal.ENDED
    assert world.vault.paths().count(REVOKE) == 1
    assert len(world.issuer.live) == 0
    assert await world.leases() == ()


async def test_what_a_revocation_ended_is_not_extended_when_its_answer_leaves(make):
    world = make(reaper=False)
    request = world.request("orders-once")
    await world.issuer.issue(request)
    await end(world, of_task(world))
    world.issuer.commit(request)
    await eventually(lambda: not world.issuer._background)
    assert RENEW not in world.vault.paths()
    assert len(world.issuer.live) == 0


async def test_a_revocation_during_the_extension_is_no_problem_of_the_vault(make):
    world = make(reaper=False)
    world.vault.answers[RENEW] = Answer(steps=[0.3, *FORBIDDEN.sent()])
    await world.given(world.request("orders-once"))
    await eventually(lambda: RENEW in world.vault.paths())
    await end(world, of_task(world))
    await eventually(lambda: not world.issuer._background)
    assert set(world.problems) == {""}
    assert world.vault.paths().count(REVOKE) == 1


async def test_an_answer_that_leaves_after_the_token_has_ended_is_told(make):
    world = make(reaper=False)
    request = world.request("orders-once")
    await world.issuer.issue(request)
    world.offset += NEWBORN_SECONDS + 1
    world.issuer.commit(request)
    await eventually(lambda: any("ended before it could be extended" in told for told in world.problems))
    assert RENEW not in world.vault.paths()


async def test_another_vault_of_the_same_name_ends_nothing(make):
    """It knows no such accessor, which proves nothing: the lease stays noted, and the hook says why."""
    world, other = make(), make()
    request = await lasting(world)
    world.vault.answers[REAP] = UNKNOWN
    world.vault.answers[HEALTH] = Answer(body={"cluster_id": "cluster-2"})
    with pytest.raises(NotEndedError, match="isn't the vault that made it"):
        await end(other, of_task(other))
    assert [lease.lease_id for lease in await world.leases()] == [request.credential_id]


async def test_the_vault_itself_that_knows_no_accessor_has_ended_the_token(make):
    world, other = make(), make()
    await lasting(world)
    world.vault.answers[REAP] = UNKNOWN
    await end(other, of_task(other))
    assert await world.leases() == ()


async def test_a_vault_is_told_by_cluster_and_namespace_not_by_its_address(make, vault):
    async def identity(**changes):
        world = make(**changes)
        await lasting(world)
        source_id = world.issuer.servers["main"].source_id
        assert source_id in {lease.source_id for lease in await world.leases()}
        return source_id

    first = await identity()
    assert first == await identity(address=vault.address.replace("127.0.0.1", "localhost"))
    assert first != await identity(namespace="team")
    assert all("X-Vault-Namespace" not in asked.headers for asked in vault.identified)
    vault.answers[HEALTH] = Answer(404, {"errors": []})
    unnamed = await identity()
    assert unnamed != first
    assert unnamed != await identity(address=vault.address.replace("127.0.0.1", "localhost"))


async def test_a_token_that_ended_is_no_failure_without_a_reaper(make):
    """It could renew itself, and can't any more."""
    world = make(reaper=False)
    await lasting(world)
    world.vault.answers[REVOKE] = world.vault.answers[RENEW] = FORBIDDEN
    await end(world, of_task(world))
    assert len(world.issuer.live) == 0
    assert await world.leases() == ()


async def test_a_missing_right_to_end_tokens_is_told(make):
    world = make(reaper=False)
    await lasting(world)
    world.vault.answers[REVOKE] = FORBIDDEN
    revocation = of_task(world, seconds=6000)
    with pytest.raises(NotEndedError, match="a policy must allow update on auth/token/revoke-self"):
        await end(world, revocation)
    world.offset += 400
    await end(world, revocation)
    assert len(world.issuer.live) == 0


@pytest.mark.parametrize("own", [True, False])
async def test_a_clock_that_is_ahead_keeps_nothing_from_its_end(make, own):
    world, other = make(), make()
    await lasting(world)
    ending = world if own else other
    revocation = of_task(world, seconds=60)
    ending.offset += 400
    await end(ending, revocation)
    assert (REVOKE if own else REAP) in world.vault.paths()
    assert await world.leases() == ()


async def test_a_revocation_ends_all_its_leases(make, store):
    """However many the journal holds."""
    world = make()
    await lasting(world)
    [lease] = await world.leases()
    for number in range(250):
        await store.add_lease(replace(lease, lease_id=f"more-{number:03}"))
    await end(make(), of_task(world))
    assert await world.leases() == ()


async def test_revocations_take_turns(make, store):
    """One with few leases doesn't wait for one with many."""
    world, other = make(), make()
    await lasting(world)
    [lease] = await world.leases()
    mine = LeaseTarget(RevocationKind.LINK, "mine")
    for number in range(60):
        await store.add_lease(replace(lease, lease_id=f"more-{number:03}"))
    await store.add_lease(replace(lease, lease_id="mine", targets=(mine,)))
    world.vault.answers[REAP] = Answer(steps=[0.05, *Answer(204).sent()])
    many = asyncio.create_task(other.ending.revoked(of_task(world)))
    await eventually(lambda: REAP in world.vault.paths())
    now = world.clock()
    await other.ending.revoked(Revocation(*mine, now, now + 600))
    running = not many.done()
    await many
    assert running


async def test_a_lift_ends_nothing(make):
    world = make()
    await lasting(world)
    world.ending.take(Revocation(RevocationKind.LINK, HOP.link_id, world.clock(), 0.0))
    assert [live.doomed for live in world.issuer.live] == [None]


async def test_a_vault_that_hangs_keeps_no_other_from_ending(vault, store, secret_id):
    """What this sidecar obtained at one hangs; what a killed one obtained at the other is ended."""
    with fake_vault() as other:
        login = {"method": "approle", "role_id": "r", "secret_id_file": secret_id}

        def sidecar():
            def section(address, role):
                roles = {role: ROLES["orders-once"]}
                return VaultConfig.model_validate(
                    {"address": address, "auth": login, "reaper": login, "timeout_seconds": 2, "roles": roles}
                )

            return build_vaults(
                {"main": section(vault.address, "orders-once"), "other": section(other.address, "b")},
                store,
                targets=lease_targets,
                clock=time.time,
                allow_http=True,
                report=lambda _: None,
            )

        here, killed = sidecar(), sidecar()
        world = World(vault, store, secret_id)
        for issuer, role, count in ((here, "orders-once", 40), (killed, "b", 5)):
            for _ in range(count):
                request = world.request(role)
                await issuer.issue(request)
                issuer.commit(request)
        await eventually(lambda: not here._background and not killed._background)
        vault.answers[REVOKE] = vault.answers[REAP] = Answer(steps=[30.0])
        revocation = of_task(world)
        await store.revoke(revocation)
        ending = LeaseEnding(here, store, clock=lambda: time.time() + 10)
        began = time.monotonic()
        ending.take(revocation)
        for work in (ending.revoked(revocation), ending.sweep()):
            with pytest.raises(NotEndedError, match=r"40 credential.*vault\.main: .*answer"):
                await work
        assert other.paths().count(REAP) == 5
        assert time.monotonic() - began < 6


async def test_what_a_sidecar_cannot_end_it_says(make):
    """Health tells it of what is revoked and stays."""
    first, heir, reaper = make(reaper=False), make(reaper=False), make()
    await lasting(first)
    [lease] = await first.leases()
    assert first.ending.obstacle(lease) == ""
    assert heir.ending.obstacle(lease) == "this one has no vault.main.reaper"
    assert reaper.ending.obstacle(lease) == ""
    assert heir.ending.obstacle(replace(lease, expires_at=lease.created_at + NEWBORN_SECONDS)) == ""
    assert reaper.ending.obstacle(replace(lease, source="other")) is None
