"""Keeps what this sidecar knows of credentials that are being obtained or that last: tokens, and what ends them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tabard_sidecar.credentials.revoked import REVOKED_CODES
from tabard_sidecar.credentials.vault.tokens import NEWBORN_SECONDS
from tabard_sidecar.errors import Refused
from tabard_sidecar.state.leases import Lease

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tabard_sidecar.credentials.kept import KeptRequest
    from tabard_sidecar.credentials.vault.conf import VaultConfig
    from tabard_sidecar.credentials.vault.replies import Token
    from tabard_sidecar.model import CredentialRequest, IssuedCredential
    from tabard_sidecar.reasons import ReasonCode
    from tabard_sidecar.state import Revocation

_LEAST_SWEPT = 256
# How wrong a clock may be before a credential that lasts is forgotten.
_CLOCK_SECONDS = 900.0


@dataclass(slots=True, eq=False)
class LiveCredential:
    """One credential.

    Attributes:
        kept: what is kept of the call's request.
        vault: configured name of the vault.
        ends_at: when the vault ends it at the latest, in seconds since the epoch.
        asked: whether the vault may have been asked for a token.
        token: its token, once it is known.
        obtained: whether an engine may have given a credential.
        engaged: whether an engine may be at work with its token.
        leased: whether what the engine gave ends with the token.
        issued: the credential, once it is there; without its secrets when it has left.
        journaled: whether the journal may have it.
        doomed: why it may not be given any more.
        given: whether its answer has left.
        given_up: whether its answer isn't given.
        source_id: tells its vault from another one of the same name.
        extended: whether the vault has let its token live longer, which takes a right that ending it doesn't.
        ended: whether the vault has ended it.
    """

    kept: KeptRequest
    vault: str
    ends_at: float
    asked: bool = False
    token: Token | None = field(default=None, repr=False)
    obtained: bool = False
    engaged: bool = False
    leased: bool = False
    issued: IssuedCredential | None = None
    journaled: bool = False
    doomed: ReasonCode | None = None
    given: bool = False
    given_up: bool = False
    source_id: str = ""
    extended: bool = False
    ended: bool = False

    def check(self) -> None:
        """Check that nothing that was revoked meanwhile ends it.

        Raises:
            Refused: something does.
        """
        if self.doomed is not None:
            raise Refused(self.doomed, "it was revoked while its credential was being obtained")


class LiveCredentials:
    """The credentials of this process, by id. Each is forgotten when the vault has ended it by itself."""

    def __init__(self) -> None:
        self._by_id: dict[str, LiveCredential] = {}
        self._sweep_at = _LEAST_SWEPT

    def __len__(self) -> int:
        """How many are known."""
        return len(self._by_id)

    def __iter__(self) -> Iterator[LiveCredential]:
        """Yield each that is known."""
        return iter(tuple(self._by_id.values()))

    def begin(self, live: LiveCredential, *, now: float) -> None:
        """Note a credential before it is obtained, so that a revocation meanwhile reaches it."""
        if len(self._by_id) >= self._sweep_at:
            self._by_id = {
                key: other for key, other in self._by_id.items() if other.ends_at > now - _CLOCK_SECONDS
            }
            self._sweep_at = max(_LEAST_SWEPT, 2 * len(self._by_id))
        self._by_id[live.kept.credential_id] = live

    def check_room(self, vault: str, config: VaultConfig, request: CredentialRequest, *, now: float) -> None:
        """Check that not so many credentials of a vault last that a revocation would take long to end them.

        Raises:
            Refused: the request's holder, or the task, has as many as it may have.
        """
        grant = request.grant
        of_task = [
            live.kept.holder_id
            for live in self._by_id.values()
            if live.ends_at > now and live.vault == vault and live.kept.root_id == grant.root_id
        ]
        for number, most, key in (
            (of_task.count(grant.holder_id), config.max_live_per_holder, "max_live_per_holder"),
            (len(of_task), config.max_live_per_task, "max_live_per_task"),
        ):
            if number >= most:
                raise Refused("credentials_exceeded", f"{number} last already (vault.{vault}.{key})")

    def get(self, credential_id: str) -> LiveCredential | None:
        """Return a credential; ``None`` if it isn't known."""
        return self._by_id.get(credential_id)

    def forget(self, credential_id: str) -> LiveCredential | None:
        """Forget a credential that was ended, and return it; ``None`` if it isn't known."""
        return self._by_id.pop(credential_id, None)

    def ended_by(self, revocation: Revocation) -> list[LiveCredential]:
        """Return all that a revocation ends."""
        return [live for live in self._by_id.values() if live.kept.ended_by(revocation)]

    def doom(self, revocation: Revocation) -> list[LiveCredential]:
        """Let no credential be given that a revocation ends, and return all that it ends."""
        found = self.ended_by(revocation)
        for live in found:
            live.doomed = REVOKED_CODES[revocation.kind]
        return found


def lease_of(live: LiveCredential, request: CredentialRequest, token: Token, now: float) -> Lease:
    """Return what the journal notes of a credential whose token was just made."""
    grant = request.grant
    return Lease(
        lease_id=request.credential_id,
        source=live.vault,
        role=request.role,
        accessor=token.accessor,
        source_id=live.source_id,
        root_id=grant.root_id,
        link_id=grant.holder_id,
        task_id=grant.task.id,
        task_started_at=grant.task.started_at,
        holder=grant.holder,
        subject=live.kept.subject,
        created_at=now,
        expires_at=now + NEWBORN_SECONDS,
        targets=tuple(sorted(live.kept.targets)),
    )
