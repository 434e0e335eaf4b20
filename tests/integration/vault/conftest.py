"""A real Vault and a real PostgreSQL, set up by the commands of the documentation."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tabard import handles

from tests.support.vault_server import (
    DirectoryServer,
    PostgresServer,
    TokenIssuer,
    VaultServer,
    code_of,
    dev_vault,
    directory_server,
    make_token,
    postgres_server,
)

IDP = "https://idp.example.org"
SIDECAR = "spiffe://example.org/ns/support/sa/support-agent"


@pytest.fixture(scope="session")
def token_issuer() -> Iterator[TokenIssuer]:
    """Signs the sidecars' tokens."""
    issuer = TokenIssuer()
    yield issuer
    issuer.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The database ``orders``, with two orders of Alice and one of Bob."""
    with postgres_server() as server:
        server.psql(
            "INSERT INTO orders (issuer, subject, item) VALUES "
            f"('{IDP}', 'alice', 'a lamp'), ('{IDP}', 'alice', 'a chair'), ('{IDP}', 'bob', 'a desk')"
        )
        yield server


@pytest.fixture(scope="session")
def vault(token_issuer: TokenIssuer, postgres: PostgresServer) -> Iterator[VaultServer]:
    """The Vault of docs/vault.md."""
    with dev_vault() as server:
        server.set_up(token_issuer, postgres)
        yield server


@pytest.fixture(scope="session")
def directory() -> Iterator[DirectoryServer]:
    """The directory of docs/last-mile.md."""
    with directory_server() as server:
        yield server


@pytest.fixture(scope="session")
def engines(vault: VaultServer, directory: DirectoryServer) -> VaultServer:
    """The same Vault with the further engines of docs/vault.md."""
    vault.set_up_engines(directory)
    return vault


Lease = dict[str, Any]


@pytest.fixture
def sidecar(vault: VaultServer, token_issuer: TokenIssuer):
    """A client with the sidecar's login."""
    return vault.login(token_issuer.token("tabard-vault"))


@pytest.fixture
def reaper(vault: VaultServer, token_issuer: TokenIssuer):
    """A client with the reaper's login."""
    return vault.login(token_issuer.token("tabard-reaper-vault"), role="tabard-reaper")


@pytest.fixture
def lease(vault: VaultServer, sidecar) -> Callable[..., Lease]:
    """Gets a login of the database for a person, by the steps of the sidecar; all tokens end with the test."""
    tokens = []

    def get(
        person: str = "alice", *, task: str = "task-1", agent: str = SIDECAR, role: str = "orders-read"
    ) -> Lease:
        name = handles.login_handle(issuer=IDP, subject=person, task_id=task, agent_id=agent)
        token = make_token(sidecar, name)
        tokens.append(token["accessor"])
        client = vault.client(token["client_token"])
        made = client.read(f"database/creds/{role}")
        return made | {"token": token, "client": client}

    yield get
    for accessor in tokens:
        vault.client().adapter.post("/v1/auth/token/revoke-accessor", json={"accessor": accessor})


@pytest.fixture
def page(tmp_path, monkeypatch, postgres):
    """Imports a program of the page; what it opened is closed with the test."""
    names = ["pools", "with_psycopg", "with_sqlalchemy"]
    for block in ("pools", "psycopg", "sqlalchemy"):
        ((language, code),) = code_of("docs/last-mile.md", block)
        assert language == "python"
        (tmp_path / code.splitlines()[0].removeprefix("# ")).write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ORDERS_DATABASE_URL", postgres.url)
    loaded = []

    def load(program):
        module = importlib.import_module(f"with_{program}")
        loaded.append(module.pools if program == "psycopg" else module.engines)
        return module, loaded[-1]

    yield load
    for pools in loaded:
        pools.close()
    for name in names:
        sys.modules.pop(name, None)
