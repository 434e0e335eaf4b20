"""``tabard leases`` against real sidecars; the journal has leases without a vault behind them."""

from __future__ import annotations

import asyncio
import json
import time
import uuid

import pytest
from tabard_sidecar.cli import main
from tabard_sidecar.state.leases import Lease, LeaseFilter, LeaseTarget
from tabard_sidecar.state.model import RevocationKind

from testbed.world import ISSUER, PERSON, spiffe_id

HOLDER = spiffe_id("orchestrator")
SUBJECT = f"{ISSUER} {PERSON}"


@pytest.fixture
async def zone(start_zone):
    """One sidecar."""
    return await start_zone(workloads=("orchestrator",))


@pytest.fixture
def parts(zone):
    """What the sidecar is made of."""
    return zone.parts()


@pytest.fixture
def tabard(zone, capsys, monkeypatch):
    """Runs the command with the zone's operator socket in the environment."""
    monkeypatch.setenv("TABARD_OPERATOR_ADDRESS", zone.operator())

    async def command(*arguments):
        code = await asyncio.to_thread(main, [str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


async def noted(parts, **details) -> Lease:
    """Note a lease in the zone's journal."""
    lease_id, now = str(uuid.uuid4()), time.time()
    described = {
        "source": "main",
        "source_id": "cluster-1",
        "role": "orders-read",
        "accessor": "acc-1",
        "root_id": "a" * 64,
        "link_id": "b" * 64,
        "task_id": "task-1",
        "task_started_at": now - 60,
        "holder": HOLDER,
        "subject": SUBJECT,
        "created_at": now,
        "expires_at": now + 600,
        "targets": (
            LeaseTarget(RevocationKind.CREDENTIAL, lease_id),
            LeaseTarget(RevocationKind.AGENT, HOLDER),
        ),
    }
    lease = Lease(lease_id=lease_id, **{**described, **details})
    await parts.state.add_lease(lease)
    return lease


async def listed(tabard, *options) -> list[dict]:
    """Return what is listed as JSON."""
    exit_code, out, _ = await tabard("leases", "list", "--json", *options)
    assert exit_code == 0
    return json.loads(out)["leases"]


async def test_nothing_is_told_as_such(tabard):
    """A zone without leases, and a filter that none passes."""
    assert (await tabard("leases", "list"))[:2] == (0, "no lease\n")
    assert (await tabard("leases", "list", "--task", "other"))[:2] == (0, "no such lease\n")


async def test_a_lease_is_listed_with_who_has_it(parts, tabard):
    lease = await noted(parts)
    exit_code, out, _ = await tabard("leases", "list")
    assert exit_code == 0
    for text in (lease.lease_id, "live", "orders-read of main", PERSON, HOLDER, "task-1"):
        assert text in out
    (row,) = await listed(tabard)
    assert row["credential_id"] == lease.lease_id
    assert row["subject"] == {"issuer": ISSUER, "id": PERSON}
    assert row["accessor"] == "acc-1"
    assert row["ending"] is False


async def test_filters_and_limits(parts, tabard):
    leases = [await noted(parts, task_id=f"task-{number}") for number in range(5)]
    everything = [row["credential_id"] for row in await listed(tabard)]
    assert everything == sorted(lease.lease_id for lease in leases)
    assert [row["credential_id"] for row in await listed(tabard, "--limit", "2")] == everything[:2]
    (row,) = await listed(tabard, "--task", "task-3")
    assert row["credential_id"] == leases[3].lease_id
    assert await listed(tabard, "--source", "other") == []
    assert len(await listed(tabard, "--agent", HOLDER)) == 5


async def test_a_revoked_lease_is_ending(parts, tabard):
    """Revoking its credential is what ends it; a vault that doesn't answer leaves it in the list."""
    lease = await noted(parts)
    exit_code, out, _ = await tabard("leases", "revoke", lease.lease_id, "--reason", "left open")
    assert exit_code == 0
    assert "revoked" in out
    (row,) = await listed(tabard)
    assert row["ending"] is True
    assert "ending" in (await tabard("leases", "list"))[1]
    assert "left open" in (await tabard("revoke", "list"))[1]


async def test_revoking_the_workload_ends_its_leases(parts, tabard):
    await noted(parts)
    await tabard("revoke", "agent", HOLDER)
    (row,) = await listed(tabard)
    assert row["ending"] is True


async def test_what_is_no_credential_is_refused(tabard):
    exit_code, _, err = await tabard("leases", "revoke", "42")
    assert exit_code != 0
    assert "whole jti" in err


async def test_more_than_a_page_is_listed(parts, tabard):
    """The command asks until it has as many as it may show."""
    for _ in range(7):
        await noted(parts)
    page = await parts.state.leases(now=time.time(), wanted=LeaseFilter(), limit=3)
    assert page.after
    assert len(await listed(tabard)) == 7


async def test_the_tree_of_a_task_shows_its_leases_with_their_holders(zone, parts, tabard):
    """Also those of a link that isn't shown, and not those of other tasks."""
    task = await zone.start_task()
    info = await task.get()
    (node,) = json.loads((await tabard("tasks", "tree", info.task_id, "--json"))[1])["nodes"]
    mine = await noted(parts, task_id=info.task_id, link_id=node["link_id"])
    elsewhere = await noted(parts, task_id=info.task_id, role="orders-write")
    other = await noted(parts, task_id="task-2")
    exit_code, out, _ = await tabard("tasks", "tree", info.task_id)
    assert exit_code == 0
    rows = out.splitlines()
    (row,) = [index for index, line in enumerate(rows) if mine.lease_id in line]
    assert "orders-read of main" in rows[row]
    assert any(node["link_id"] in line for line in rows[:row])
    assert elsewhere.lease_id in out
    assert other.lease_id not in out
    _, out, _ = await tabard("tasks", "tree", info.task_id, "--json")
    assert {lease["credential_id"] for lease in json.loads(out)["leases"]} == {
        mine.lease_id,
        elsewhere.lease_id,
    }
