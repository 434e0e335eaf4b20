"""HTTP to a vault. hvac writes the requests; :mod:`tabard_sidecar.util.bounded_http` bounds them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hvac.adapters import Adapter

from tabard_sidecar.credentials.vault import faults
from tabard_sidecar.credentials.vault.replies import read_reply
from tabard_sidecar.util.bounded_http import BoundedSession

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class VaultAdapter(Adapter):  # type: ignore[misc]  # hvac has no types
    """Sends what hvac's API classes write, and returns replies as objects that were checked to be one.

    Args:
        session: sends it.
        headers: whose token it presents, and for which namespace.
    """

    def __init__(self, session: BoundedSession, headers: Mapping[str, str]) -> None:
        # hvac's own would look for what requests needs.
        self._session = session
        self._headers = headers

    def request(
        self,
        method: str,
        url: str,
        *,
        wrap_ttl: str = "",
        **options: Any,  # noqa: ANN401 - as the base class
    ) -> Mapping[str, Any]:
        """Send one request.

        Args:
            method: GET or another.
            url: path, with the version of Vault's API.
            wrap_ttl: how long what wraps the reply holds; empty for a reply that isn't wrapped.
            options: ``json`` is the body.

        Raises:
            VaultFault: the vault can't be reached, refuses, or its reply isn't acceptable.
        """
        body, headers = None, dict(self._headers)
        if wrap_ttl:
            headers["X-Vault-Wrap-TTL"] = wrap_ttl
        if options.get("json") is not None:
            body = json.dumps(options["json"]).encode()
            headers["Content-Type"] = "application/json"
        reply = self._session.request(method.upper(), url, headers=headers, body=body)
        return read_reply(reply.status, reply.content)

    def get_login_token(self, response: Mapping[str, Any]) -> str:
        """Refuse: :mod:`.login` reads replies to logins."""
        raise NotImplementedError


class VaultTransport:
    """Makes hvac adapters that share connections.

    Args:
        address: scheme, host and port.
        ca_file: certificates to trust instead of the system's.
        namespace: namespace; empty for none.
        connections: most connections at once.

    Raises:
        ValueError: ``ca_file`` can't be used.
    """

    def __init__(self, address: str, *, ca_file: Path | None, namespace: str, connections: int) -> None:
        self._namespace = namespace
        self._session = BoundedSession(address, ca_file=ca_file, connections=connections, faults=faults)

    def adapter(self, token: str = "") -> VaultAdapter:
        """Return an adapter that presents ``token``, for one of hvac's API classes."""
        return self._adapter(token, self._namespace)

    def outside(self) -> VaultAdapter:
        """Return an adapter without token and namespace, for what a vault tells any client."""
        return self._adapter("", "")

    def _adapter(self, token: str, namespace: str) -> VaultAdapter:
        headers = {"X-Vault-Request": "true"}
        if token:
            headers["X-Vault-Token"] = token
        if namespace:
            headers["X-Vault-Namespace"] = namespace
        return VaultAdapter(self._session, headers)

    def close(self) -> None:
        """Close the connections that nothing uses."""
        self._session.close()
