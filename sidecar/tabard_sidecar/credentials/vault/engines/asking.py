"""Holds what an engine is asked with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from tabard_sidecar.credentials.vault.conf import VaultRoleConfig
from tabard_sidecar.credentials.vault.replies import Obtained, wrapped
from tabard_sidecar.credentials.vault.transport import VaultAdapter
from tabard_sidecar.model import CredentialRequest
from tabard_sidecar.util.lean import dataclass

Right = Literal["read", "update"]
"""What a token needs to obtain a credential: ``read`` or, where something is written, ``update``."""

WRAPPED_FIELD = "wrapping_token"
"""Field of a credential that is to be unwrapped."""


@dataclass(frozen=True, slots=True)
class Asking:
    """One credential that an engine is asked for.

    Attributes:
        adapter: presents the credential's own token.
        role: the configured role.
        seconds: how long the credential is to last.
        request: the call's request.
    """

    adapter: VaultAdapter
    role: VaultRoleConfig
    seconds: int
    request: CredentialRequest

    @property
    def wraps(self) -> bool:
        """Whether the agent is to unwrap the credential itself."""
        return self.role.wrap_seconds > 0

    def read(self, path: str) -> Mapping[str, Any]:
        """Read a path below the engine's mount: made of configured words only.

        Raises:
            VaultFault: the vault can't be reached, refuses, or its reply isn't acceptable.
        """
        options = {"wrap_ttl": f"{self.role.wrap_seconds}s"} if self.wraps else {}
        return self.adapter.request("get", f"/v1/{path}", **options)

    def write(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Write to a path, as :meth:`read` reads.

        Raises:
            VaultFault: as :meth:`read`.
        """
        options = {"wrap_ttl": f"{self.role.wrap_seconds}s"} if self.wraps else {}
        return self.adapter.request("post", f"/v1/{path}", json=dict(body), **options)

    def unread(self, reply: Mapping[str, Any], path: str) -> Obtained:
        """Return the wrapping token of a reply that the sidecar doesn't see."""
        return Obtained({WRAPPED_FIELD: wrapped(reply, path)})
