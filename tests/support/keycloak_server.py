"""A real Keycloak with the realm of docs/identity.md and two people, Alice and Bob."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.components.ports import free_port
from tests.support.components import component
from tests.support.folders import short_folder
from tests.support.markdown import code_of

PAGE = "docs/identity.md"
PEOPLE = ("alice", "bob")
_SECONDS = 30.0
_HEAP = "384m"


@dataclass
class Keycloak:
    """A running server.

    Attributes:
        issuer: the realm's issuer.
        realm: the realm, as it was imported.
    """

    issuer: str
    realm: dict[str, Any]
    _admin: dict[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return self.issuer.partition("/realms/")[0]

    def secret(self, client: str) -> str:
        """Return a client's secret."""
        return next(str(one["secret"]) for one in self.realm["clients"] if one["clientId"] == client)

    def sign_in(self, person: str) -> dict[str, Any]:
        """Sign a person in at the front end; return the reply with ``access_token`` and ``refresh_token``."""
        return self._post("token", "front-end", grant_type="password", username=person, password=person)

    def sign_out(self, session: dict[str, Any]) -> None:
        """End a person's session."""
        self._post("logout", "front-end", refresh_token=session["refresh_token"])

    def active(self, token: str) -> bool:
        """Tell whether the server takes a token for ``orders`` as valid; it tells that to who stands in ``aud``."""
        return bool(self._post("token/introspect", "orders", token=token)["active"])

    def _post(self, endpoint: str, client: str, **form: str) -> dict[str, Any]:
        url = f"{self.issuer}/protocol/openid-connect/{endpoint}"
        answer = requests.post(url, data=form, auth=(client, self.secret(client)), timeout=_SECONDS)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found

    def admin(self, method: str, path: str, **options: Any) -> Any:
        """Ask the administration API for a path below the realm."""
        login = {"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": "admin"}
        url = f"{self.origin}/realms/master/protocol/openid-connect/token"
        token = requests.post(url, data=login, timeout=_SECONDS).json()["access_token"]
        answer = requests.request(
            method,
            f"{self.origin}/admin/realms/{self.realm['realm']}/{path}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=_SECONDS,
            **options,
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def client(self, name: str) -> dict[str, Any]:
        """Return a client as the administration API describes it."""
        found: dict[str, Any] = self.admin("GET", "clients", params={"clientId": name})[0]
        return found

    @contextmanager
    def changed(self, client: str, **changes: Any) -> Iterator[None]:
        """Change a client for the block; attributes are added."""
        before = self.client(client)
        attributes = before["attributes"] | changes.pop("attributes", {})
        path = f"clients/{before['id']}"
        self.admin("PUT", path, json=before | changes | {"attributes": attributes})
        try:
            yield
        finally:
            gone = {name: "" for name in attributes if name not in before["attributes"]}
            self.admin("PUT", path, json=before | {"attributes": gone | before["attributes"]})

    @contextmanager
    def default_scope(self, client: str, scope: str) -> Iterator[None]:
        """Give every token of a client a scope for the block, whether it was asked for or not."""
        scopes = {one["name"]: one["id"] for one in self.admin("GET", "client-scopes")}
        path = f"clients/{self.client(client)['id']}"
        self.admin("DELETE", f"{path}/optional-client-scopes/{scopes[scope]}")
        self.admin("PUT", f"{path}/default-client-scopes/{scopes[scope]}")
        try:
            yield
        finally:
            self.admin("DELETE", f"{path}/default-client-scopes/{scopes[scope]}")
            self.admin("PUT", f"{path}/optional-client-scopes/{scopes[scope]}")

    def configuration(self, secret_file: Path) -> dict[str, Any]:
        """Return the sections ``identity`` and ``exchange`` of the page, for this server."""
        [(_, code)] = code_of(PAGE, "keycloak-config")
        code = code.replace("https://login.example.org/realms/staff", self.issuer)
        found: dict[str, Any] = yaml.safe_load(code.replace("/etc/tabard/client-secret", str(secret_file)))
        return found


@contextmanager
def keycloak(
    more: Mapping[str, list[dict[str, Any]]] | None = None, groups: Mapping[str, str] | None = None
) -> Iterator[Keycloak]:
    """Run Keycloak for the block. It takes some 550 MB, and up to a minute to start.

    Args:
        more: further items of the realm's lists, such as ``clients``.
        groups: the group of each of :data:`PEOPLE` that has one.
    """
    [(_, code)] = code_of(PAGE, "keycloak-realm")
    realm = json.loads(code)
    people = [
        {
            "username": name,
            "enabled": True,
            "email": f"{name}@example.org",
            "emailVerified": True,
            "firstName": name,
            "lastName": name,
            "groups": [group for person, group in (groups or {}).items() if person == name],
            "credentials": [{"type": "password", "value": name, "temporary": False}],
        }
        for name in PEOPLE
    ]
    for name, items in (more or {}).items():
        realm[name] = [*realm.get(name, []), *items]
    # A backend that introspects needs a secret.
    realm["clients"] = [
        one
        if one["clientId"] != "orders"
        else one | {"bearerOnly": False, "secret": "secret-of-orders", "standardFlowEnabled": False}
        for one in realm["clients"]
    ]
    with short_folder("keycloak") as folder:
        (folder / "realm.json").write_text(json.dumps(realm | {"users": people, "sslRequired": "none"}))
        environment = {"KEYCLOAK_REALM": str(folder / "realm.json"), "KEYCLOAK_HEAP": _HEAP}
        before = {name: os.environ.get(name) for name in environment}
        os.environ |= environment
        try:
            issuer = component("keycloak.sh", "start", folder / "run", str(free_port()))
            yield Keycloak(issuer, realm)
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
            component("keycloak.sh", "stop", folder / "run")
