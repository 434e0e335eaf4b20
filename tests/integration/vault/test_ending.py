"""The kill switch: what is revoked loses its logins in the database, whichever sidecar obtained them; siblings keep theirs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time

import psycopg
import pytest
import tabard
from tabard_sidecar.credentials.vault.conf import VaultConfig
from tabard_sidecar.credentials.vault.faults import unavailable
from tabard_sidecar.credentials.vault.server import VaultServer
from tabard_sidecar.pipeline.recorder import DecisionRecorder

from testbed.world import ISSUER, PERSON, spiffe_id
from tests.integration.vault.test_issuing import POLICY, section
from tests.support.operators import operators
from tests.support.redis_server import redis_server
from tests.support.vault_server import dev_vault
from tests.support.waiting import eventually

DELEGATE = """
delegate contains {"code": "hand_on", "limits": {}}
"""
ORCHESTRATOR, TRIAGE = spiffe_id("orchestrator"), spiffe_id("triage")
_REAPER_OF_ANOTHER_VAULT = """vault auth enable approle
vault policy write reaper - <<'END'
path "auth/token/revoke-accessor" { capabilities = ["update"] }
END
vault write auth/approle/role/reaper token_policies=reaper
vault read -field=role_id auth/approle/role/reaper/role-id > role-id
(umask 077; vault write -field=secret_id -force auth/approle/role/reaper/secret-id > secret-id)"""


@pytest.fixture
async def zone(start_zone, vault, token_issuer):
    """Two sidecars that use the Vault of the page, each with a reaper's identity."""
    (vault.folder / "token").write_text(token_issuer.token("tabard-vault"))
    (vault.folder / "reaper-token").write_text(token_issuer.token("tabard-reaper-vault"))
    reaper = {
        "method": "jwt",
        "role": "tabard-reaper",
        "token_file": str(vault.folder / "reaper-token"),
    }
    return await start_zone(
        policy={
            "last_mile.rego": POLICY.replace(
                '"tools": ["*"],', '"tools": ["*"], "max_depth": 2, "max_children": 2,'
            )
            + DELEGATE
        },
        # A copy without shared parts, which would become anchors.
        overrides={"vault.main": json.loads(json.dumps(section(vault, reaper=reaper)))},
    )


@pytest.fixture
async def operator(zone):
    """An operator at the orchestrator's sidecar."""
    async with operators(zone.operator()) as connected:
        yield connected


async def login(task, tool="orders.fresh", **arguments):
    """Obtain a login of the database for a call."""
    return (await task.authorize(tool, arguments or {"n": time.time()})).credential


def works(postgres, credential) -> bool:
    """Tell whether the database lets a login in."""
    try:
        postgres.connect(credential.fields).close()
    except psycopg.OperationalError:
        return False
    return True


def ended(session) -> bool:
    """Tell whether the database has ended an open session."""
    try:
        session.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


async def refused(postgres, credential) -> None:
    """Wait until the database refuses a login."""
    await eventually(lambda: not works(postgres, credential))


async def noted(zone) -> set[str]:
    """Return the ids of the leases that the journal has."""
    return {lease.lease_id for lease in (await zone.store.leases(now=time.time(), limit=1000)).leases}


async def gone(zone, credential) -> None:
    """Wait until the journal has forgotten a lease."""

    async def forgotten():
        return credential.credential_id not in await noted(zone)

    await eventually(forgotten)


async def test_the_end_of_a_task_ends_its_logins_and_open_sessions(zone, postgres):
    """Another task of the same person keeps its own."""
    task, other = await zone.start_task(), await zone.start_task()
    mine, theirs = await login(task), await login(other)
    session = postgres.connect(mine.fields)
    await task.end()
    await refused(postgres, mine)
    await eventually(lambda: ended(session))
    assert works(postgres, theirs)
    await gone(zone, mine)
    assert theirs.credential_id in await noted(zone)
    await other.end()


@pytest.mark.parametrize("what", ["task_id", "agent_id", "subject", "credential_id", "link_id"])
async def test_each_kind_of_revocation_ends_what_it_concerns(zone, operator, postgres, what):
    task = await zone.start_task()
    handed = await zone.hand_to(task, "triage")
    above, below = await login(task), await login(handed)
    target = {
        "task_id": task.info.task_id,
        "agent_id": TRIAGE,
        "subject": {"issuer": ISSUER, "id": PERSON},
        "credential_id": below.credential_id,
        "link_id": (await handed.get()).chain[-1].link_id,
    }[what]
    await operator.revoke(**{what: target})
    await refused(postgres, below)
    if what in {"task_id", "subject"}:
        await refused(postgres, above)
    else:
        assert works(postgres, above)
        await task.end()
        await refused(postgres, above)
    if what == "agent_id":
        await operator.lift(agent_id=TRIAGE)
    if what == "subject":
        await operator.lift(subject={"issuer": ISSUER, "id": PERSON})


async def test_a_held_credential_isnt_given_after_its_end(zone, operator, postgres):
    """The next call of a revoked credential's holder gets a new one."""
    task = await zone.start_task()
    first = await login(task, "orders.read", page=1)
    await eventually(lambda: len(zone.parts().vaults.held))
    await operator.revoke(credential_id=first.credential_id)
    await refused(postgres, first)
    second = await login(task, "orders.read", page=2)
    assert second.fields["username"] != first.fields["username"]
    assert works(postgres, second)
    await task.end()


async def test_a_killed_sidecars_logins_are_ended_by_another_one(zone, postgres):
    """By the reaper's identity, which can do nothing else. The sidecar is as good as killed: it learns of nothing any more."""
    task = await zone.start_task()
    mine = await login(task)
    await eventually(lambda: not zone.parts().vaults._background)
    dead = zone.parts().revoking
    await dead.stop()
    async with operators(zone.operator("triage")) as elsewhere:
        await elsewhere.revoke(task_id=task.info.task_id)
        await refused(postgres, mine)
        await gone(zone, mine)


async def test_a_lease_that_was_noted_after_its_revocation_is_swept(zone, postgres, monkeypatch):
    """The hook came too early, and its sidecar was killed: housekeeping finds it."""
    task = await zone.start_task()
    mine = await login(task)
    for workload in ("orchestrator", "triage"):
        for runner in zone.parts(workload).revoking.hooks:
            await runner.stop()
    async with operators(zone.operator("triage")) as elsewhere:
        await elsewhere.revoke(task_id=task.info.task_id)
    assert works(postgres, mine)
    ending = zone.parts("triage").endings[0]
    monkeypatch.setattr(ending._noted, "_clock", lambda: time.time() + 10)
    await ending.sweep()
    await refused(postgres, mine)
    assert mine.credential_id not in await noted(zone)


async def test_without_a_reaper_the_others_cannot_end_it_and_say_so(zone, postgres, caplog):
    """The sidecar that obtained it still does, as soon as it is back."""
    task = await zone.start_task()
    mine = await login(task)
    await zone.parts().revoking.stop()
    zone.parts("triage").vaults.servers["main"]._reaper = None
    async with operators(zone.operator("triage")) as elsewhere:
        await elsewhere.revoke(task_id=task.info.task_id)
    await eventually(lambda: "lease_of_another_sidecar" in caplog.text)
    assert works(postgres, mine)
    await zone.parts().revoking.start()
    await refused(postgres, mine)


async def test_a_login_that_is_being_obtained_while_its_task_is_revoked_is_not_given(
    zone, operator, postgres
):
    """Or it is ended: none works afterwards."""
    before = int(postgres.psql("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'token-%'"))
    task = await zone.start_task()
    running = [asyncio.create_task(login(task, n=n)) for n in range(20)]
    await asyncio.sleep(0.05)
    await operator.revoke(task_id=task.info.task_id)
    await asyncio.gather(*running, return_exceptions=True)
    await eventually(
        lambda: int(postgres.psql("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'token-%'")) <= before
    )


async def lasting(zone, task):
    """Obtain a login whose token was extended."""
    credential = await login(task)
    await eventually(lambda: not zone.parts().vaults._background)
    return credential


def problems(zone, workload="orchestrator") -> str:
    """What health says of revocations and leases."""
    components = zone.running[workload].health.snapshot().components
    return "; ".join(part.reason for part in components.values() if part.reason)


async def test_logins_end_by_memory_if_the_state_file_was_replaced(zone, postgres):
    """The journal that came back doesn't know them."""
    path = zone.folder / "state.db"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("VACUUM INTO ?", (str(zone.folder / "backup.db"),))
    (zone.folder / "backup.db").chmod(0o600)
    task = await zone.start_task()
    mine = await lasting(zone, task)
    (zone.folder / "backup.db").replace(path)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)

    async with operators(zone.operator()) as operator:

        async def revoked() -> bool:
            with contextlib.suppress(tabard.TabardError):
                await operator.revoke(agent_id=ORCHESTRATOR)
                return True
            return False

        await eventually(revoked)
        await refused(postgres, mine)


async def test_logins_end_by_memory_if_redis_was_emptied(start_zone, vault, token_issuer, postgres, tmp_path):
    (vault.folder / "token").write_text(token_issuer.token("tabard-vault"))
    with redis_server(tmp_path / "redis") as redis:
        changes = {"vault.main": json.loads(json.dumps(section(vault))), "state.url": redis.url}
        zone = await start_zone(policy={"last_mile.rego": POLICY}, overrides=changes)
        mine = await lasting(zone, await zone.start_task())
        redis.cli("flushall")
        async with operators(zone.operator()) as operator:
            await operator.revoke(agent_id=ORCHESTRATOR)
        await refused(postgres, mine)
        await zone.stop()


async def test_another_vault_of_the_same_name_doesnt_count_a_login_as_ended(zone, postgres, monkeypatch):
    """It knows no such token. The lease stays noted, health says why, and the right vault ends it as soon as it answers."""
    right = zone.parts().vaults.servers["main"]
    revoke = right.revoke

    async def broken(*_, **__):
        raise unavailable("Vault is sealed")

    with dev_vault() as other:
        other.shell(_REAPER_OF_ANOTHER_VAULT)
        role_id = (other.folder / "role-id").read_text().strip()
        auth = {"method": "approle", "role_id": role_id, "secret_id_file": str(other.folder / "secret-id")}
        wrong = VaultServer("main", VaultConfig(address=other.address, auth=auth, reaper=auth))
        zone.parts("triage").vaults.servers["main"] = wrong
        task = await zone.start_task()
        mine = await lasting(zone, task)
        monkeypatch.setattr(right, "revoke", broken)
        async with operators(zone.operator("triage")) as elsewhere:
            await elsewhere.revoke(task_id=task.info.task_id)
        await eventually(lambda: "isn't the vault that made it" in problems(zone, "triage"))
        assert works(postgres, mine)
        assert mine.credential_id in await noted(zone)
        monkeypatch.setattr(right, "revoke", revoke)
        await refused(postgres, mine)


async def test_a_revocation_just_before_the_vault_is_asked_lets_no_login_be_given(
    zone, postgres, monkeypatch
):
    """Between the record of the intent and the request to the vault, and at another sidecar."""
    intend, reached, revoked = DecisionRecorder.intend, asyncio.Event(), asyncio.Event()

    async def slow(self, request):
        await intend(self, request)
        reached.set()
        await revoked.wait()

    before = postgres.psql("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'token-%'")
    task = await zone.start_task()
    monkeypatch.setattr(DecisionRecorder, "intend", slow)
    asked = asyncio.create_task(login(task))
    await reached.wait()
    async with operators(zone.operator("triage")) as elsewhere:
        await elsewhere.revoke(task_id=task.info.task_id)
    revoked.set()
    with pytest.raises(tabard.Denied) as caught:
        await asked
    assert caught.value.code == "task_ended"
    await eventually(
        lambda: postgres.psql("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'token-%'") <= before
    )


async def test_what_was_acknowledged_as_ended_is_ended_before_the_process(zone, postgres):
    """In an orderly stop. Logins of a task that goes on stay."""
    task, other = await zone.start_task(), await zone.start_task()
    mine = [await lasting(zone, task) for _ in range(8)]
    theirs = await lasting(zone, other)
    await task.end()
    await zone.stop()
    assert not any(works(postgres, credential) for credential in mine)
    assert works(postgres, theirs)


async def test_a_token_that_the_vault_ended_leaves_no_problem(zone, postgres, vault, monkeypatch):
    """Even without a reaper, which could tell."""
    for workload in ("orchestrator", "triage"):
        monkeypatch.setattr(zone.parts(workload).vaults.servers["main"], "_reaper", None)
    task = await zone.start_task()
    mine = await lasting(zone, task)
    [live] = zone.parts().vaults.live
    vault.client().auth.token.revoke_accessor(live.token.accessor)
    await refused(postgres, mine)
    await task.end()
    await eventually(lambda: not len(zone.parts().vaults.live))
    await asyncio.sleep(0.2)
    assert "hasn't handled" not in problems(zone)
    assert mine.credential_id not in await noted(zone)


async def test_a_holder_gets_no_more_logins_than_may_last_at_once(zone, postgres):
    """Until one has ended; the vault isn't asked for one more."""
    server = zone.parts().vaults.servers["main"]
    server.config = server.config.model_copy(update={"max_live_per_holder": 2})
    task = await zone.start_task()
    first, _ = await login(task, n=1), await login(task, n=2)
    before = postgres.psql("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'token-%'")
    with pytest.raises(tabard.Denied) as caught:
        await login(task, n=3)
    assert caught.value.code == "credentials_exceeded"
    assert postgres.psql("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'token-%'") == before
    await task.revoke(first)
    await refused(postgres, first)
    await eventually(lambda: len(zone.parts().vaults.live) == 1)
    assert works(postgres, await login(task, n=4))
    await task.end()
