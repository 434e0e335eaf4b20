"""A Vault that is half open, silent, or gone in the middle of a call, and a database that is gone.

Each has a stable reason, and charges are given back only where it is proven that nothing was issued.
"""

from __future__ import annotations

import json
import time

import pytest
import tabard

from tests.integration.vault.test_issuing import POLICY, section
from tests.support.pausing_proxy import Way, pausing_proxy
from tests.support.vault_server import dev_vault, postgres_server
from tests.support.waiting import eventually

BUDGET = 5
CREATE, CREDS = "/create/tabard", "/creds/orders-read"
TIMEOUT_SECONDS = 2.0


@pytest.fixture
def proxy(vault):
    """The Vault of the page, behind a proxy that loses requests or answers."""
    with pausing_proxy(vault.address) as before:
        yield before


@pytest.fixture
def start(start_zone, folder, token_issuer):
    """Starts a sidecar that uses a Vault at an address, and a task."""

    async def begin(vault, address):
        (folder / "token").write_text(token_issuer.token("tabard-vault"))
        auth = {"method": "jwt", "role": "tabard", "token_file": str(folder / "token")}
        made = section(vault, address=address, auth=auth, timeout_seconds=TIMEOUT_SECONDS)
        zone = await start_zone(
            workloads=("orchestrator",),
            policy={"last_mile.rego": POLICY},
            overrides={"vault.main": json.loads(json.dumps(made))},
        )
        return zone, await zone.start_task()

    return begin


async def failing(task, *, within=TIMEOUT_SECONDS + 8.0) -> tabard.TabardError:
    """Ask for a login that can't be had; return the error."""
    began = time.monotonic()
    with pytest.raises(tabard.TabardError) as caught:
        await task.authorize("orders.count", {"n": 0})
    assert time.monotonic() - began < within
    return caught.value


async def left(task) -> int:
    """Return how many calls the budget still allows, by using it up."""
    for number in range(BUDGET + 1):
        try:
            await task.authorize("orders.count", {"more": number})
        except tabard.Denied:
            return number
    raise AssertionError("the budget has no end")


@pytest.mark.parametrize(
    ("path", "way"), [(CREATE, Way.ASKED), (CREATE, Way.ANSWERED), (CREDS, Way.ASKED), (CREDS, Way.ANSWERED)]
)
async def test_a_connection_that_ends_before_the_answer_proves_nothing(start, vault, proxy, path, way):
    """The request may have arrived, so the charge stays."""
    _, task = await start(vault, proxy.address)
    proxy.pause(path, way, drops=True).over.set()
    assert (await failing(task)).code == "vault_unavailable"
    assert await left(task) == BUDGET - 1


@pytest.mark.parametrize("path", [CREATE, CREDS])
async def test_a_vault_that_never_answers_is_given_up_in_time(start, vault, proxy, path):
    """It has the request, and the connection stays open."""
    _, task = await start(vault, proxy.address)
    silent = proxy.pause(path, Way.ANSWERED)
    assert (await failing(task)).code == "vault_unavailable"
    silent.over.set()
    assert await left(task) == BUDGET - 1


async def test_a_login_whose_answer_was_lost_ends_with_its_token(start, vault, proxy, postgres):
    _, task = await start(vault, proxy.address)
    proxy.pause(CREDS, Way.ANSWERED, drops=True).over.set()
    await failing(task)
    (login,) = proxy.logins
    await eventually(lambda: postgres.refuses(login), 60)


async def test_a_database_that_is_gone_tells_agents_no_host(start, token_issuer):
    """Vault doesn't prove that the database made no login, so the charge stays. Calls work again when it is back."""
    with dev_vault() as vault, postgres_server() as database:
        vault.set_up(token_issuer, database)
        zone, task = await start(vault, vault.address)
        database.stop()
        error = await failing(task, within=10)
        assert error.code == "vault_unavailable"
        assert f"{database.port}" not in str(error)
        reason = zone.running["orchestrator"].health.snapshot().components["vault"].reason
        assert "database/creds" in reason or "asking the engine database" in reason
        assert "user=vault" not in reason
        database.start()
        assert await left(task) == BUDGET - 1
