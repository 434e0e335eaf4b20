"""The person, end to end: the database's view of calls that a real sidecar authorized, beside the sidecar's own log."""

from __future__ import annotations

import asyncio
import json
import re

import psycopg
import pytest
import tabard
from tabard import handles

from testbed.world import ISSUER, PERSON, spiffe_id
from tests.support.vault_server import code_of
from tests.support.waiting import eventually

OTHER = "warehouse-manager-3"
ITEMS = {PERSON: ["a bench"], OTHER: ["a ladder", "a crate"]}
POLICY = """package policy.seen

import data.tabard.lib.credentials

start contains {"code": "a_task", "limits": {"tools": ["orders.list"], "audiences": ["postgres://orders"], "max_depth": 1, "max_children": 4}} if {
	input.operation == "start_task"
}

delegate contains {"code": "to_triage"} if input.operation == "delegate"

grant contains {
	"code": "list_orders",
	"credential": credentials.vault("orders-read", "postgres://orders", 300),
	"reuse": true,
} if input.tool.name == "orders.list"
"""


@pytest.fixture
async def zone(start_zone, vault, token_issuer, postgres):
    """Two workloads with sidecars, and orders of two people."""
    rows = ", ".join(f"('{ISSUER}', '{who}', '{item}')" for who, items in ITEMS.items() for item in items)
    people = "', '".join(ITEMS)
    postgres.psql(f"DELETE FROM orders WHERE subject IN ('{people}')")
    postgres.psql(f"INSERT INTO orders (issuer, subject, item) VALUES {rows}")
    (vault.folder / "token").write_text(token_issuer.token("tabard-vault"))
    (vault.folder / "reaper-token").write_text(token_issuer.token("tabard-reaper-vault"))
    main = {
        "address": vault.address,
        "auth": {"method": "jwt", "role": "tabard", "token_file": str(vault.folder / "token")},
        "reaper": {
            "method": "jwt",
            "role": "tabard-reaper",
            "token_file": str(vault.folder / "reaper-token"),
        },
        "roles": {
            "orders-read": {"engine": "database", "name": "orders-read", "audiences": ["postgres://orders"]}
        },
    }
    yield await start_zone(policy={"seen.rego": POLICY}, overrides={"vault.main": main})
    postgres.psql(f"DELETE FROM orders WHERE subject IN ('{people}')")


@pytest.fixture
async def tasks(zone):
    """A task of each person, and the part of one that was handed to another agent."""
    started = {}
    for person in ITEMS:
        started[person, "orchestrator"] = await zone.agent("orchestrator").start_task(
            zone.issuer.access_token(person), intent_token=zone.intent("orders", "List my orders.", person)
        )
    started[PERSON, "triage"] = await zone.hand_to(started[PERSON, "orchestrator"], "triage")
    return started


def name_of(person, workload, tasks):
    """The name that the database shows, without its random end."""
    handle = handles.login_handle(
        issuer=ISSUER,
        subject=person,
        task_id=tasks[person, "orchestrator"].info.task_id,
        agent_id=spiffe_id(workload),
    )
    return f"token-{handle}"


def ask(module, address, grant):
    """Run the page's guarded function a few times, as the agent does."""
    with tabard.connect(address, timeout_seconds=30) as client, client.task(grant):
        return [module.list_orders() for _ in range(3)]


async def test_the_log_of_the_database_and_the_log_of_the_sidecar_name_the_same(zone, tasks, page, postgres):
    module, _ = page("psycopg")
    before = len(postgres.log())
    calls = [
        asyncio.to_thread(ask, module, zone.sidecars[workload].address, task.grant)
        for (_, workload), task in tasks.items()
        for _ in range(4)
    ]
    found = await asyncio.gather(*calls)
    for (person, _), lists in zip([key for key in tasks for _ in range(4)], found, strict=True):
        assert lists == [ITEMS[person]] * 3

    connected = re.findall(r"connection authorized: user=(token-\S+)-\w{8} ", postgres.log()[before:])
    assert set(connected) == {name_of(person, workload, tasks) for person, workload in tasks}
    assert set(connected) == {
        f"token-{handle}" for workload in zone.sidecars for handle in handles_in_the_log(zone, workload)
    }


def handles_in_the_log(zone, workload):
    """The handles of every call that a sidecar's log says was allowed."""
    lines = (zone.folder / workload / "decisions.log").read_text().splitlines()
    inputs = [record["input"] for record in map(json.loads, lines) if "tool" in record.get("input", {})]
    return {
        handles.login_handle(
            issuer=made["subject"]["issuer"],
            subject=made["subject"]["id"],
            task_id=made["task"]["id"],
            agent_id=made["agent"]["id"],
        )
        for made in inputs
    }


async def test_who_is_connected_is_resolved_while_they_are(zone, tasks, page, postgres):
    module, _ = page("sqlalchemy")
    for (_, workload), task in tasks.items():
        await asyncio.to_thread(ask, module, zone.sidecars[workload].address, task.grant)
    ((_, who),) = code_of("docs/last-mile.md", "who")
    with postgres.admin() as admin:
        shown = {"token-" + "-".join(row[2:5]) for row in admin.execute(who)}
    assert {name_of(person, workload, tasks) for person, workload in tasks} <= shown


async def test_what_ends_with_a_part_of_a_task_is_that_parts_login_alone(zone, tasks, postgres):
    credentials = {key: (await task.authorize("orders.list", {})).credential for key, task in tasks.items()}
    sessions = {key: postgres.connect(one.fields) for key, one in credentials.items()}
    await tasks[PERSON, "triage"].end()
    await eventually(lambda: postgres.refuses(credentials[PERSON, "triage"].fields))
    with pytest.raises(psycopg.errors.AdminShutdown):
        sessions.pop((PERSON, "triage")).execute("SELECT 1")
    for (person, _), session in sessions.items():
        assert [item for (item,) in session.execute("SELECT item FROM orders")] == ITEMS[person]
    await tasks[PERSON, "orchestrator"].end()
    await eventually(lambda: postgres.refuses(credentials[PERSON, "orchestrator"].fields))
    assert not postgres.refuses(credentials[OTHER, "orchestrator"].fields)
    for session in sessions.values():
        session.close()
