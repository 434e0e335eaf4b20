"""Holds credentials that further allowed calls of the same holder may get, so that no other system is asked for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

from tabard_sidecar.model import CredentialRequest, IssuedCredential
from tabard_sidecar.util.fifo import FifoDict
from tabard_sidecar.util.lean import dataclass

_MOST = 4096
_LEAST_SECONDS = 5.0
_LEAST_SWEPT = 64


class Place(NamedTuple):
    """For which calls a credential is held: those with the same of all these."""

    holder_id: str
    role: str
    audience: str
    scopes: tuple[str, ...]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, request: CredentialRequest) -> Place:
        """Return the place of a request."""
        return cls(request.grant.holder_id, request.role, request.audience, request.scopes, request.labels)


class Live(Protocol):
    """What an issuer knows of a credential that lasts."""

    @property
    def doomed(self) -> object:
        """Why it may not be given any more, or ``None``."""
        ...


_Live = TypeVar("_Live", bound=Live)


@dataclass(frozen=True, slots=True)
class _Held(Generic[_Live]):
    credential: IssuedCredential
    live: _Live
    until: float


class HeldCredentials(Generic[_Live]):
    """Credentials by holder, role, audience, scopes and the task's labels, so that what is read ends their reuse. The oldest is forgotten if there are too many."""

    def __init__(self) -> None:
        self._held: FifoDict[Place, _Held[_Live]] = FifoDict(_MOST)
        self._sweep_at = _LEAST_SWEPT

    def __len__(self) -> int:
        """How many are held."""
        return len(self._held)

    def find(self, request: CredentialRequest) -> IssuedCredential | None:
        """Return a credential that fits a request; ``None`` if there is none.

        It has half of its life left, doesn't last longer than the request wants, and wasn't revoked.
        """
        key = Place.of(request)
        held = self._held.get(key)
        if held is None:
            return None
        if request.issued_at >= held.until or held.live.doomed is not None:
            del self._held[key]
            return None
        return held.credential if held.credential.expires_at <= request.expires_at else None

    def keep(self, credential: IssuedCredential, live: _Live, place: Place, *, since: float) -> None:
        """Hold a credential whose answer was given, and whose life began at ``since``."""
        half = (credential.expires_at - since) / 2
        if len(self._held) >= self._sweep_at:
            # So that no secret stays in memory for long after its time.
            for key in [key for key, held in self._held.items() if held.until <= since]:
                del self._held[key]
            self._sweep_at = max(_LEAST_SWEPT, 2 * len(self._held))
        if half >= _LEAST_SECONDS:
            self._held[place] = _Held(credential, live, since + half)

    def drop(self, unwanted: Callable[[_Live], bool]) -> None:
        """Forget the credentials for which ``unwanted`` holds."""
        for key in [key for key, held in self._held.items() if unwanted(held.live)]:
            del self._held[key]
