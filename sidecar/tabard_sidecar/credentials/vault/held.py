"""Holds credentials that further allowed calls of the same holder may get, so that the vault isn't asked for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tabard_sidecar.credentials.vault.live import LiveCredential
from tabard_sidecar.model import CredentialRequest, IssuedCredential
from tabard_sidecar.util.fifo import FifoDict

_MOST = 4096
_LEAST_SECONDS = 5.0

_Key = tuple[str, str, str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Held:
    credential: IssuedCredential
    live: LiveCredential
    until: float


class HeldCredentials:
    """Credentials by holder, role, audience and scopes. The oldest is forgotten if there are too many."""

    def __init__(self) -> None:
        self._held: FifoDict[_Key, _Held] = FifoDict(_MOST)

    def __len__(self) -> int:
        """How many are held."""
        return len(self._held)

    def find(self, request: CredentialRequest) -> IssuedCredential | None:
        """Return a credential that fits a request; ``None`` if there is none.

        It has half of its life left, doesn't last longer than the request wants, and wasn't revoked.
        """
        key = _key(request)
        held = self._held.get(key)
        if held is None:
            return None
        if request.issued_at >= held.until or held.live.doomed is not None:
            del self._held[key]
            return None
        return held.credential if held.credential.expires_at <= request.expires_at else None

    def keep(self, credential: IssuedCredential, live: LiveCredential) -> None:
        """Hold a credential whose answer was given."""
        request = live.request
        half = (credential.expires_at - request.issued_at) / 2
        if half >= _LEAST_SECONDS:
            self._held[_key(request)] = _Held(credential, live, request.issued_at + half)

    def drop(self, unwanted: Callable[[LiveCredential], bool]) -> None:
        """Forget the credentials for which ``unwanted`` holds."""
        for key in [key for key, held in self._held.items() if unwanted(held.live)]:
            del self._held[key]


def _key(request: CredentialRequest) -> _Key:
    return request.grant.holder_id, request.role, request.audience, request.scopes
