"""The whole way of a credential of kind vault: a policy grants it, a real Vault makes it, a real PostgreSQL takes it."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
import tabard
from tabard import handles

from testbed.world import ISSUER, PERSON, spiffe_id
from tests.support.pausing_proxy import Way, pausing_proxy
from tests.support.vault_server import kept_vault, postgres_server
from tests.support.waiting import eventually

ORDERS, COPY, WEATHER = "postgres://orders", "postgres://copy", "https://weather.example"
POLICY = """package policy.last_mile

import data.tabard.lib.credentials

start contains {"code": "a_task", "limits": {
	"tools": ["*"],
	"audiences": ["postgres://orders", "postgres://copy", "https://weather.example"],
	"budgets": {"reads": 5},
}} if input.operation == "start_task"

grant contains {
	"code": "read",
	"credential": credentials.vault("orders-read", "postgres://orders", 300),
	"reuse": true,
} if input.tool.name == "orders.read"

grant contains {
	"code": "counted",
	"charges": {"reads": 1},
	"credential": credentials.vault("orders-read", "postgres://orders", 300),
} if input.tool.name == "orders.count"

grant contains {"code": "page", "labels": ["untrusted"]} if input.tool.name == "page.read"

grant contains {
	"code": "fresh",
	"credential": credentials.vault("orders-fresh", "postgres://orders", 300),
} if input.tool.name == "orders.fresh"

grant contains {
	"code": "weather",
	"credential": credentials.vault("weather", "https://weather.example", 60),
} if input.tool.name == "weather.today"

grant contains {
	"code": "chosen_by_the_call",
	"credential": {
		"kind": "vault",
		"role": input.tool.arguments.role,
		"audience": input.tool.arguments.audience,
		"ttl_seconds": 60,
	},
} if input.tool.name == "odd.call"
"""


def section(vault, **changes):
    """The section of a vault that was set up as docs/vault.md says."""
    orders = {"engine": "database", "name": "orders-read", "audiences": [ORDERS]}
    weather = {"engine": "kv", "name": "tabard/weather", "fields": ["api_key"], "audiences": [WEATHER]}
    return {
        "address": vault.address,
        "auth": {"method": "jwt", "role": "tabard", "token_file": str(vault.folder / "token")},
        "roles": {"orders-read": orders, "orders-fresh": orders | {"reuse": False}, "weather": weather},
    } | changes


@pytest.fixture
def start(start_zone, token_issuer):
    """Starts a zone whose sidecar uses a vault."""

    async def begin(vault, **changes):
        (vault.folder / "token").write_text(token_issuer.token("tabard-vault"))
        overrides = {
            "vault.main": json.loads(json.dumps(section(vault, **changes))),
            "limits.max_in_flight": 512,
            "limits.request_seconds": 30,
        }
        return await start_zone(
            workloads=("orchestrator",), policy={"last_mile.rego": POLICY}, overrides=overrides
        )

    return begin


@pytest.fixture
async def zone(start, vault):
    """A zone whose sidecar uses the Vault of the page."""
    return await start(vault)


@pytest.fixture
async def task(zone, postgres):
    """A task of a person who has an order."""
    postgres.psql(
        f"INSERT INTO orders (issuer, subject, item) SELECT '{ISSUER}', '{PERSON}', 'a bench' "
        f"WHERE NOT EXISTS (SELECT 1 FROM orders WHERE item = 'a bench')"
    )
    return await zone.start_task()


def records(zone):
    """The sidecar's decision log as text."""
    return (zone.folder / "orchestrator" / "decisions.log").read_text()


async def test_an_allowed_call_gets_a_login_by_which_the_database_knows_the_person(zone, task, postgres):
    decision = await task.authorize("orders.read", {"item": "a bench"})
    credential = decision.credential
    assert (credential.kind, credential.audience, credential.value) == ("vault", ORDERS, "")
    assert credential.fields.keys() == {"username", "password"}
    assert 290 <= credential.expires_at - time.time() <= 300
    name = handles.login_handle(
        issuer=ISSUER, subject=PERSON, task_id=task.info.task_id, agent_id=spiffe_id("orchestrator")
    )
    assert credential.fields["username"].startswith(f"token-{name}-")
    assert len(credential.fields["username"]) <= 63
    with postgres.connect(credential.fields) as connection:
        assert connection.execute("SELECT item FROM orders").fetchall() == [("a bench",)]
    assert credential.fields["password"] not in records(zone)
    assert "hvs." not in records(zone)


async def test_its_token_is_extended_and_journaled_for_as_long_as_it_lasts(zone, task, vault):
    decision = await task.authorize("orders.fresh", {})
    [lease] = [
        lease
        for lease in (await zone.store.leases(now=time.time())).leases
        if lease.lease_id == decision.credential.credential_id
    ]
    assert (lease.source, lease.role, lease.holder) == ("main", "orders-fresh", spiffe_id("orchestrator"))

    def life():
        return vault.client().auth.token.lookup_accessor(lease.accessor)["data"]

    await eventually(lambda: life()["ttl"] > 280)
    assert life()["orphan"]
    assert "tabard-credentials" in life()["policies"]
    assert life()["meta"]["tabard_task"] == task.info.task_id
    vault.client().auth.token.revoke_accessor(lease.accessor)


async def test_further_calls_get_the_login_that_is_held(zone, task):
    first = (await task.authorize("orders.read", {"page": 1})).credential
    issuer = zone.parts().vaults
    await eventually(lambda: len(issuer.held))
    again = (await task.authorize("orders.read", {"page": 2})).credential
    assert dict(again.fields) == dict(first.fields)
    assert again.expires_at <= first.expires_at
    fresh = (await task.authorize("orders.fresh", {})).credential
    counted = [(await task.authorize("orders.count", {"n": n})).credential for n in range(2)]
    assert len({one.fields["username"] for one in [first, fresh, *counted]}) == 4


async def test_what_the_task_reads_ends_the_reuse_of_a_login(zone, task):
    first = (await task.authorize("orders.read", {"page": 1})).credential
    await eventually(lambda: len(zone.parts().vaults.held))
    await task.authorize("page.read", {})
    second = (await task.authorize("orders.read", {"page": 2})).credential
    assert first.fields["username"] != second.fields["username"]


async def test_a_static_key_is_one_field_of_the_entry(zone, task):
    credential = (await task.authorize("weather.today", {})).credential
    assert dict(credential.fields) == {"api_key": "key-of-the-weather-service"}
    assert credential.value == "key-of-the-weather-service"
    assert "key-of-the-weather-service" not in records(zone)


@pytest.mark.parametrize(
    ("role", "audience"),
    [("orders-write", ORDERS), ("../../sys/mounts", ORDERS), ("orders-read", WEATHER), ("weather", ORDERS)],
)
async def test_a_role_that_a_call_names_is_never_a_path(zone, task, role, audience):
    with pytest.raises(tabard.Denied) as caught:
        await task.authorize("odd.call", {"role": role, "audience": audience})
    assert caught.value.code == "credential_role_unknown"
    assert role not in caught.value.for_model()


async def test_a_sealed_and_a_dead_vault_are_errors_with_a_reason_and_take_no_charge(start, token_issuer):
    # Its set-up gives the database's administrator a password that only this Vault knows.
    with kept_vault() as vault, postgres_server() as postgres:
        vault.set_up(token_issuer, postgres)
        zone = await start(vault, timeout_seconds=2.0)
        task = await zone.start_task()
        await task.authorize("orders.count", {"n": 0})
        vault.seal()
        for n in range(3):
            with pytest.raises(tabard.Unavailable) as caught:
                await task.authorize("orders.count", {"n": n})
            assert caught.value.code == "vault_unavailable"
        assert "Vault is sealed" in zone.running["orchestrator"].health.snapshot().components["vault"].reason
        vault.kill()
        with pytest.raises(tabard.Unavailable) as caught:
            await task.authorize("orders.count", {"n": 9})
        assert caught.value.code == "vault_unavailable"
        vault.start()
        (vault.folder / "token").write_text(token_issuer.token("tabard-vault"))
        # Of five reads one was charged.
        for n in range(4):
            await task.authorize("orders.count", {"more": n})
        with pytest.raises(tabard.Denied) as denied:
            await task.authorize("orders.count", {"more": 9})
        assert denied.value.code == "budget_exhausted"
        assert zone.running["orchestrator"].health.snapshot().components["vault"].reason == ""


async def test_what_the_vault_refuses_is_named_for_operators_alone(start, vault):
    zone = await start(vault, token_role="none")
    task = await zone.start_task()
    with pytest.raises(tabard.TabardError) as caught:
        await task.authorize("orders.read", {})
    assert caught.value.code == "vault_refused"
    assert "auth/token/create/none" not in str(caught.value)
    reason = zone.running["orchestrator"].health.snapshot().components["vault"].reason
    assert "creating a token (auth/token/create/none)" in reason
    assert "a policy must allow update" in reason


async def test_two_hundred_calls_at_once(zone, task, vault, postgres):
    server = zone.parts().vaults.servers["main"]
    server.config = server.config.model_copy(update={"max_live_per_holder": 200})
    decisions = await asyncio.gather(*(task.authorize("orders.fresh", {"n": n}) for n in range(200)))
    names = {one.credential.fields["username"] for one in decisions}
    assert len(names) == 200
    for one in decisions[::50]:
        postgres.connect(one.credential.fields).close()
    issuer = zone.parts().vaults
    await eventually(lambda: not issuer._background)
    ids = {one.credential.credential_id for one in decisions}
    leases = [live for live in issuer.live if live.kept.credential_id in ids]
    assert len(leases) == 200
    for live in leases:
        vault.client().auth.token.revoke_accessor(live.token.accessor)


async def test_a_caller_who_goes_away_loses_the_login(start, token_issuer, vault, postgres):
    """It is revoked: its token would outlive this test."""
    (vault.folder / "token").write_text(token_issuer.token("tabard-vault"))
    with pausing_proxy(vault.address) as proxy:
        zone = await start(vault, address=proxy.address, timeout_seconds=20)
        task, issuer = await zone.start_task(), zone.parts().vaults
        made = proxy.pause("/creds/orders-read", Way.ANSWERED)
        running = asyncio.create_task(task.authorize("orders.fresh", {}))
        await eventually(made.reached.is_set)
        (live,) = issuer.live
        renewed = vault.client().auth.token.renew_accessor(live.token.accessor, increment="600s")
        assert renewed["auth"]["lease_duration"] > 500
        (login,) = proxy.logins
        postgres.connect(login).close()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await eventually(lambda: live.given_up)
        made.over.set()
        await eventually(lambda: '"withdrawal":"ended"' in records(zone))
        await eventually(lambda: postgres.refuses(login))
        assert not len(issuer.live)
        assert not (await zone.store.leases(now=time.time())).leases


async def test_callers_who_go_away_at_any_moment_lose_their_leases(start, vault, postgres):
    """None waits for its token's own end, which the record would call unclear."""
    zone = await start(vault, timeout_seconds=20)
    task, issuer, calls = await zone.start_task(), zone.parts().vaults, 20
    running = [asyncio.create_task(task.authorize("orders.fresh", {"n": n})) for n in range(calls)]
    await eventually(lambda: any(live.token for live in issuer.live))
    for one in running:
        one.cancel()
    ended = await asyncio.gather(*running, return_exceptions=True)
    assert any(isinstance(one, asyncio.CancelledError) for one in ended)
    # An answer that is on its way to a caller who goes away at this moment was given.
    await eventually(lambda: len(issuer.live) <= answers_given(zone))
    await zone.parts().stages.decisions.settled()
    assert '"withdrawal":"unclear"' not in records(zone)
    await eventually(lambda: logins_of(postgres, task) <= answers_given(zone))
    assert len((await zone.store.leases(now=time.time())).leases) <= answers_given(zone)


def answers_given(zone) -> int:
    """Count the calls of which the record says that they were allowed in the end."""
    found = [json.loads(line) for line in records(zone).splitlines()]
    outcomes = [one for one in found if (one["event"], one["operation"]) == ("outcome", "authorize")]
    return sum(one["result"]["decision"] == "allow" for one in outcomes)


def logins_of(postgres, task) -> int:
    """Count the logins that the database has for a task."""
    name = handles.login_handle(
        issuer=ISSUER, subject=PERSON, task_id=task.info.task_id, agent_id=spiffe_id("orchestrator")
    )
    return int(postgres.psql(f"SELECT count(*) FROM pg_roles WHERE rolname LIKE 'token-{name}-%'"))


async def test_a_login_that_the_database_makes_too_late_ends_by_itself(start, token_issuer):
    """The sidecar has given up by then, and must not revoke the token while the database still works for it."""
    with kept_vault() as vault, postgres_server() as postgres:
        vault.set_up(token_issuer, postgres)
        role = vault.client().read("database/roles/orders-read")["data"]
        slow = ["SELECT pg_sleep(2);", *role["creation_statements"]]
        vault.client().write("database/roles/orders-read", **role | {"creation_statements": slow})
        zone = await start(vault, timeout_seconds=1.0)
        task = await zone.start_task()
        began = time.monotonic()
        calls = [task.authorize("orders.fresh", {"n": n}) for n in range(4)]
        for error in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(error, tabard.Unavailable)
            assert error.code == "vault_unavailable"
        await asyncio.sleep(3)

        def logins():
            return postgres.psql("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'token-%'").strip()

        await eventually(lambda: logins() == "0", seconds=55)
        assert time.monotonic() - began < 55
        assert '"withdrawal":"unclear"' in records(zone)
