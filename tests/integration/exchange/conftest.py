"""Real identity providers, set up as docs/identity.md says, and sidecars that exchange tokens there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.keycloak_server import Keycloak, keycloak
from tests.support.spring_server import SpringServer, spring_server

POLICY = """package policy.desk

import data.tabard.lib.credentials

start contains {"code": "start", "limits": {
	"tools": ["**"],
	"audiences": ["orders", "bills"],
	"scopes": ["orders:read", "orders:write", "bills:read", "orders:admin"],
	"max_depth": 3,
	"max_children": 5,
}} if input.subject.id != ""

delegate contains {"code": "handed"} if input.request.holder != ""

grant contains {
	"code": "read",
	"credential": credentials.exchange("orders", ["orders:read"], 120),
} if input.tool.name == "orders.read"

grant contains {
	"code": "write",
	"credential": credentials.exchange("orders", ["orders:read", "orders:write"], 120),
} if input.tool.name == "orders.write"

grant contains {
	"code": "bills",
	"credential": credentials.exchange("bills", ["bills:read"], 120),
} if input.tool.name == "bills.read"

grant contains {
	"code": "admin",
	"credential": credentials.exchange("orders", ["orders:admin"], 120),
} if input.tool.name == "orders.admin"

grant contains {
	"code": "crossed",
	"credential": credentials.exchange("bills", ["orders:read"], 120),
} if input.tool.name == "bills.crossed"
"""


@pytest.fixture(scope="module")
def idp() -> Iterator[Keycloak]:
    """The Keycloak of docs/identity.md. It takes half a gigabyte, so it ends with the module."""
    with keycloak() as server:
        yield server


@pytest.fixture
def begin(start_zone, folder, idp: Keycloak):
    """Start a zone whose sidecars exchange there; ``changes`` are those of the section."""

    async def begin(changes: dict[str, Any] | None = None, **overrides: Any):
        secret = folder / "client-secret"
        write_secret(secret, idp.secret("tabard"))
        found = idp.configuration(secret)
        # What the identity provider doesn't have: policy would be refused otherwise.
        server = found["exchange"]["staff"] | (changes or {})
        server = {name: value for name, value in server.items() if value is not None}
        server["audiences"]["orders"]["scopes"].append("orders:admin")
        server["audiences"]["bills"]["scopes"].append("orders:read")
        sections = {"identity.issuers": found["identity"]["issuers"], "exchange.staff": server}
        return await start_zone(policy={"desk.rego": POLICY}, overrides=sections | overrides)

    return begin


@pytest.fixture
async def zone(begin):
    """Two sidecars."""
    return await begin()


@pytest.fixture(scope="module")
def spring() -> Iterator[SpringServer]:
    """The Spring Authorization Server of docs/identity.md."""
    with spring_server() as server:
        yield server


@pytest.fixture
def delegating(start_zone, folder, spring: SpringServer):
    """Start a zone whose sidecars exchange there, with the actor token of a workload in ``folder / "actor"``.

    With ``granted`` they obtain it themselves, as on the page; without a workload there is none.
    """

    async def delegating(
        *, client: str = "tabard", actor: str | None = "orders-agent", granted: bool = False
    ) -> Any:
        write_secret(folder / "client-secret", spring.secret(client))
        found = spring.configuration(folder)
        server = found["exchange"]["staff"] | {"client_id": client}
        # What the identity provider doesn't have: policy would be refused otherwise.
        server["audiences"]["orders"]["scopes"].append("orders:admin")
        server["audiences"]["bills"]["scopes"].append("orders:read")
        if not granted:
            del server["actor_token_grant"]
        if not granted and actor is not None:
            write_secret(folder / "actor", spring.actor_token(actor))
            server["actor_token_file"] = str(folder / "actor")
        sections = {"identity.issuers": found["identity"]["issuers"], "exchange.staff": server}
        return await start_zone(policy={"desk.rego": POLICY}, overrides=sections)

    return delegating


def write_secret(path: Path, content: str) -> None:
    """Write a file that only this user reads."""
    path.write_text(content)
    path.chmod(0o600)
