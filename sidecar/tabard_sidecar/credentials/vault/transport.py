"""HTTP to a vault. hvac writes the requests; :mod:`tabard_sidecar.util.bounded_http` bounds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hvac.adapters import RawAdapter

from tabard_sidecar.credentials.vault import faults
from tabard_sidecar.credentials.vault.replies import read_reply
from tabard_sidecar.util.bounded_http import TRANSPORT_ERRORS, BoundedSession, content_of, explained

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class VaultAdapter(RawAdapter):  # type: ignore[misc]  # hvac has no types
    """Sends what hvac's API classes write, and returns replies as objects that were checked to be one."""

    def request(self, method: str, url: str, **options: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Send one request.

        Raises:
            VaultFault: the vault can't be reached, refuses, or its reply isn't acceptable.
        """
        options["raise_exception"] = False
        try:
            response = super().request(method, url, **options)
            content = content_of(response, faults)
        except TRANSPORT_ERRORS as error:
            raise explained(error, faults) from None
        return read_reply(response.status_code, content)


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
        self._address = address
        self._namespace = namespace
        self._session = BoundedSession(address, ca_file=ca_file, connections=connections, faults=faults)

    def adapter(self, token: str = "") -> VaultAdapter:
        """Return an adapter that presents ``token``, for one of hvac's API classes."""
        return self._adapter(token, self._namespace)

    def outside(self) -> VaultAdapter:
        """Return an adapter without token and namespace, for what a vault tells any client."""
        return self._adapter("", "")

    def _adapter(self, token: str, namespace: str) -> VaultAdapter:
        return VaultAdapter(
            base_uri=self._address,
            token=token or None,
            session=self._session,
            namespace=namespace or None,
            allow_redirects=False,
        )

    def close(self) -> None:
        """Close the connections that nothing uses."""
        self._session.close()
