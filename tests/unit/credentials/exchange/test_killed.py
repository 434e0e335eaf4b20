"""A sidecar is killed (SIGKILL) around the moment at which a token's answer leaves; another one of the zone revokes the token."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing, suppress

import pytest
import tabard

from testbed.world import PERSON, World
from tests.support.fake_idp import fake_idp
from tests.support.operators import operators
from tests.support.tokens import SigningKey
from tests.support.waiting import eventually
from tests.unit.credentials.exchange.conftest import settings_of
from tests.unit.credentials.exchange.test_zone import POLICY


@pytest.fixture
async def zone(folder):
    """Two sidecars, each a process of its own, and the identity provider."""
    with fake_idp() as idp:
        exchange = settings_of(idp, folder)
        world = World(
            folder, workloads=("orchestrator", "triage"), policy=POLICY, overrides={"exchange.main": exchange}
        )
        async with world:
            world.idp = idp
            idp.key = SigningKey("k1", "ES256", world.issuer.key)
            yield world


async def kill(world):
    """End the sidecar that obtains tokens at once."""
    process = world.sidecars["orchestrator"].process
    process.kill()
    await process.wait()


def journal(world):
    """The credentials that the journal has."""
    with closing(sqlite3.connect(f"file:{world.folder}/state.db?mode=ro", uri=True)) as database:
        return [found for (found,) in database.execute("SELECT lease_id FROM leases")]


async def revoked(world, task):
    """Revoke the task at the sidecar that is left."""
    async with operators(world.sidecars["triage"].operator) as operator:
        await operator.revoke(task_id=task)
    await eventually(lambda: not journal(world))


async def test_a_token_that_a_killed_sidecar_gave_ends_with_its_task(zone):
    client = zone.agent("orchestrator")
    task = await client.start_task(zone.issuer.access_token(PERSON), intent_token=zone.intent("refunds", "x"))
    given = (await task.authorize("orders.read")).credential.value
    task_id = (await task.get()).task_id
    await kill(zone)
    assert len(journal(zone)) == 1
    await revoked(zone, task_id)
    assert zone.idp.revoked == [given]


async def test_a_token_whose_answer_never_left_is_revoked_once_it_was_noted(zone):
    """Killed as soon as the journal has it: before, while or after the answer leaves."""
    client = zone.agent("orchestrator")
    task = await client.start_task(zone.issuer.access_token(PERSON), intent_token=zone.intent("refunds", "x"))
    task_id = (await task.get()).task_id
    call = asyncio.create_task(task.authorize("orders.read"))
    await eventually(lambda: journal(zone))
    await kill(zone)
    with suppress(tabard.TabardError):
        await call
    await revoked(zone, task_id)
    assert len(zone.idp.revoked) == len(zone.idp.exchanges) == 1
