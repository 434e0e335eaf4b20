"""Leases while Vault or the database is down: none is forgotten."""

from __future__ import annotations

import time

import pytest
from hvac.exceptions import InternalServerError, VaultDown
from tabard import handles

from tests.integration.vault.conftest import IDP, SIDECAR
from tests.support.vault_server import kept_vault, make_token, postgres_server
from tests.support.waiting import eventually_blocking

NAME = handles.login_handle(issuer=IDP, subject="alice", task_id="t", agent_id=SIDECAR)
RETRY_SECONDS = 60.0


@pytest.fixture(scope="module")
def database():
    """A database that tests stop."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="module")
def kept(token_issuer, database):
    """A Vault with storage, of the same set-up, that tests seal and kill."""
    with kept_vault() as server:
        server.set_up(token_issuer, database)
        yield server


def lease(vault, ttl="30s"):
    """A login and the token that it belongs to. By the root's token, since the sidecar can't choose the ttl."""
    token = make_token(vault.client(), NAME, ttl=ttl)
    return token, vault.client(token["client_token"]).read("database/creds/orders-read")["data"]


def test_a_sealed_vault_answers_503_and_goes_on_where_it_was(kept, database, token_issuer):
    sidecar = kept.login(token_issuer.token("tabard-vault"))
    token, login = lease(kept)
    kept.seal()
    with pytest.raises(VaultDown, match="Vault is sealed"):
        make_token(sidecar, NAME)
    with pytest.raises(VaultDown, match="Vault is sealed"):
        kept.login(token_issuer.token("tabard-vault"))
    assert not database.refuses(login)
    kept.unseal()
    assert make_token(sidecar, NAME)["orphan"]
    kept.client(token["client_token"]).auth.token.revoke_self()
    eventually_blocking(lambda: database.refuses(login))


def test_a_token_that_expired_while_vault_was_down_takes_its_login_along_when_vault_is_back(kept, database):
    _, login = lease(kept, ttl="2s")
    kept.kill()
    time.sleep(3)
    assert not database.refuses(login)
    kept.start()
    eventually_blocking(lambda: database.refuses(login))


def test_a_login_that_couldnt_be_taken_back_is_taken_back_later(kept, database):
    """Vault answers that it revoked, and tries again while the database is down."""
    token, login = lease(kept)
    database.psql("CHECKPOINT")  # durability is off in tests
    database.stop()
    with pytest.raises(InternalServerError):
        lease(kept)
    kept.client().adapter.post("/v1/auth/token/revoke-accessor", json={"accessor": token["accessor"]})
    database.start()
    closed = f"SELECT closed_at IS NOT NULL FROM tabard.logins WHERE login = '{login['username']}'"
    eventually_blocking(lambda: database.psql(closed).strip() == "t", RETRY_SECONDS)
    assert database.refuses(login)
