"""Sidecars whose workload a real SPIRE identifies."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tabard_sidecar.identity.svid import WorkloadApiTerms
from tabard_sidecar.identity.workload_api import WorkloadApiAgent

from tests.support.spire_server import TRUST_DOMAIN, Spire, spire_server
from tests.support.waiting import eventually
from tests.support.zone import Zone

ORDERS = f"spiffe://{TRUST_DOMAIN}/ns/shop/sa/orders"
POLICY = f"""package policy.shop

start contains {{"code": "a_task", "limits": {{"tools": ["tickets.read"]}}}} if input.operation == "start_task"

grant contains {{"code": "orders"}} if {{
	input.tool.name == "tickets.read"
	input.agent.id == "{ORDERS}"
}}
"""


@pytest.fixture
def spire() -> Iterator[Spire]:
    """A SPIRE without registrations."""
    with spire_server() as running:
        yield running


@asynccontextmanager
async def served(spire: Spire, **terms: Any) -> AsyncIterator[Zone]:
    """A sidecar that asks the SPIRE who it is."""
    agent = {"spiffe": {"socket": str(spire.socket), "trust_domain": TRUST_DOMAIN, **terms}}
    with tempfile.TemporaryDirectory(prefix="tbz", dir="/tmp") as folder:
        zone = Zone(
            Path(folder),
            workloads=("orchestrator",),
            policy={"shop/shop.rego": POLICY},
            overrides={"identity.agent": agent, "insecure.agent_id": None},
        )
        zone.prepare()
        await zone.start()
        try:
            yield zone
        finally:
            await zone.stop()


def ready(zone: Zone) -> bool:
    return zone.running["orchestrator"].health.snapshot().ready


@pytest.mark.parametrize("svid", ["x509", "jwt"])
async def test_a_sidecar_is_ready_when_spire_knows_it_and_records_who_it_is(spire: Spire, svid: str):
    async with served(spire, svid=svid) as zone:
        assert not ready(zone)
        spire.register("/ns/shop/sa/orders")
        await eventually(lambda: ready(zone))
        task = await zone.start_task()
        assert (await task.authorize("tickets.read", {"ticket_id": "t-1"})).allowed
        log = (zone.folder / "orchestrator" / "decisions.log").read_text().splitlines()
        assert json.loads(log[-1])["input"]["agent"]["id"] == ORDERS


async def test_an_identity_that_is_taken_back_ends_the_sidecars_decisions(spire: Spire):
    """Nothing is restarted, and a new registration brings it back."""
    entry = spire.register("/ns/shop/sa/orders")
    async with served(spire) as zone:
        await eventually(lambda: ready(zone))
        spire.remove(entry)
        await eventually(lambda: not ready(zone))
        problems = json.dumps(zone.running["orchestrator"].health.snapshot().reasons)
        assert "gives this process no identity" in problems
        spire.register("/ns/shop/sa/orders")
        await eventually(lambda: ready(zone))


async def test_svids_are_renewed_without_a_restart(spire: Spire):
    """This one lives for 20 s; without SPIRE the last one counts to its end."""
    spire.register("/ns/shop/sa/orders", "-x509SVIDTTL", "20")
    agent = WorkloadApiAgent(WorkloadApiTerms(spire.socket, TRUST_DOMAIN), clock=time.time)
    await agent.start()
    try:
        await eventually(lambda: agent.problem == "")
        first = agent._expires_at
        while time.time() < first + 5:
            assert agent.current().id == ORDERS
            await asyncio.sleep(0.2)
        assert agent._expires_at > first
        spire.stop()
        await eventually(lambda: agent.problem != "")
        assert agent.current().id == ORDERS
    finally:
        await agent.close()


async def test_several_identities_need_a_choice(spire: Spire):
    spire.register("/ns/shop/sa/orders")
    spire.register("/ns/shop/sa/others")
    terms = WorkloadApiTerms(spire.socket, TRUST_DOMAIN)
    undecided, decided = (
        WorkloadApiAgent(terms, clock=time.time),
        WorkloadApiAgent(WorkloadApiTerms(spire.socket, TRUST_DOMAIN, spiffe_id=ORDERS), clock=time.time),
    )
    await asyncio.gather(undecided.start(), decided.start())
    try:
        await eventually(lambda: "choose one" in undecided.problem)
        await eventually(lambda: decided.problem == "")
        assert decided.current().id == ORDERS
    finally:
        await asyncio.gather(undecided.close(), decided.close())
