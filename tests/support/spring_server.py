"""Runs Spring Authorization Server, an identity provider that honours ``actor_token`` and ``may_act`` (RFC 8693).

Its clients and people stand in ``tests/components/springauth/Server.java``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
import yaml

from tests.components.ports import free_port
from tests.support.components import component
from tests.support.folders import short_folder
from tests.support.markdown import code_of

PAGE = "docs/identity.md"
PROGRAM = Path(__file__).parent.parent / "components/springauth/Server.java"
_SECONDS = 30.0
_CALLBACK = "https://front-end.example.org/callback"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


@dataclass(frozen=True)
class SpringServer:
    """A running server.

    Attributes:
        issuer: its issuer.
        folder: where its log is.
    """

    issuer: str
    folder: Path

    @staticmethod
    def secret(name: str) -> str:
        """Return the secret of a client, or the password of a person."""
        return f"{name}-secret-for-tests-only-0123456789"

    def sign_in(self, person: str, client: str = "front-end") -> str:
        """Sign a person in at a client, with the authorization code flow; return the access token."""
        with requests.Session() as browser:
            browser.get(f"{self.issuer}/", auth=(person, self.secret(person)), timeout=_SECONDS)
            asked = browser.get(
                f"{self.issuer}/oauth2/authorize",
                params={
                    "response_type": "code",
                    "client_id": client,
                    "scope": "agents",
                    "redirect_uri": _CALLBACK,
                },
                allow_redirects=False,
                timeout=_SECONDS,
            )
        [code] = parse_qs(urlsplit(asked.headers["Location"]).query)["code"]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": _CALLBACK}
        return str(self._asked("token", client, form)["access_token"])

    def actor_token(self, client: str) -> str:
        """Return a token of a workload, about itself."""
        return str(self._asked("token", client, {"grant_type": "client_credentials"})["access_token"])

    def acted(self, subject_token: str, client: str) -> str:
        """Return the token that a client gets for ``tabard`` as the first that acts for a person."""
        return self.exchanged(subject_token, client, client, "tabard", "agents")

    def exchanged(self, subject_token: str, client: str, actor: str, audience: str, scope: str) -> str:
        """Exchange a person's token as a client, with the actor token of a workload."""
        form = {
            "grant_type": _EXCHANGE,
            "subject_token": subject_token,
            "subject_token_type": _ACCESS_TOKEN,
            "actor_token": self.actor_token(actor),
            "actor_token_type": _ACCESS_TOKEN,
            "audience": audience,
            "scope": scope,
        }
        return str(self._asked("token", client, form)["access_token"])

    def revoke(self, token: str, client: str) -> None:
        """Revoke a token of a client's."""
        self._asked("revoke", client, {"token": token})

    def active(self, token: str) -> bool:
        """Tell whether the server takes a token as valid."""
        return bool(self._asked("introspect", "orders-agent", {"token": token})["active"])

    def configuration(self, folder: Path) -> dict[str, Any]:
        """Return the sections ``identity`` and ``exchange`` of the page, for this server and a folder of secrets."""
        [(_, code)] = code_of(PAGE, "spring-config")
        code = code.replace("https://login.example.org", self.issuer).replace("/etc/tabard/", f"{folder}/")
        found: dict[str, Any] = yaml.safe_load(code)
        return found

    def _asked(self, endpoint: str, client: str, form: dict[str, str]) -> dict[str, Any]:
        answer = requests.post(
            f"{self.issuer}/oauth2/{endpoint}",
            data=form,
            auth=(client, self.secret(client)),
            timeout=_SECONDS,
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found


@contextmanager
def spring_server() -> Iterator[SpringServer]:
    """Run the server for the block. It takes some 110 MB, and a few seconds to start."""
    with short_folder("springauth") as folder:
        try:
            issuer = component("springauth.sh", "start", folder, str(free_port()))
            yield SpringServer(issuer, folder)
        finally:
            component("springauth.sh", "stop", folder)
