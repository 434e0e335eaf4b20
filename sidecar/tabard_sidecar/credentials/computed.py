"""Base class of the issuers that compute credentials in this process, from the zone's keys."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from tabard_sidecar.credentials.claims import check_size
from tabard_sidecar.interfaces import Withdrawal
from tabard_sidecar.model import IssuedCredential

if TYPE_CHECKING:
    from tabard_sidecar.model import CredentialRequest, Introspection


class ComputingIssuer(ABC):
    """Issues credentials of one kind by computing them, without a request to another process."""

    KIND: ClassVar[str]

    @property
    def kind(self) -> str:
        """The kind, as policy names it."""
        return self.KIND

    async def issue(self, request: CredentialRequest) -> IssuedCredential:
        """Issue a credential; see :meth:`compute`."""
        return self.compute(request)

    def compute(self, request: CredentialRequest) -> IssuedCredential:
        """Issue a credential. The same request under the same key gives the same claims.

        Raises:
            NoDecision: no key is active.
            Refused: the claims can't be written or are too large.
        """
        # Whole seconds, rounded down: a credential never outlives what it was clamped to.
        expires_at = int(self._expires_at(request))
        value = self._encode(request, expires_at)
        check_size(value)
        return IssuedCredential(
            kind=self.KIND,
            value=value,
            credential_id=request.credential_id,
            audience=request.audience,
            scopes=request.scopes,
            expires_at=float(expires_at),
            uses=request.uses,
        )

    def commit(self, request: CredentialRequest) -> None:  # noqa: B027 - nothing is to be done
        """Do nothing: the credential leaves with the answer."""

    def give_up(self, request: CredentialRequest) -> None:  # noqa: B027 - nothing is to be done
        """Do nothing: nothing waits."""

    async def withdraw(self, request: CredentialRequest) -> Withdrawal:  # noqa: ARG002
        """Do nothing: the credential never left this process."""
        return Withdrawal.NOTHING_ISSUED

    @abstractmethod
    def inspect(self, value: str) -> Introspection:
        """Verify a credential of this kind and return its description.

        Raises:
            Refused: it isn't one, is forged, or has expired.
        """

    @abstractmethod
    def _expires_at(self, request: CredentialRequest) -> float:
        """Return the end of the credential, in seconds since the epoch."""

    @abstractmethod
    def _encode(self, request: CredentialRequest, expires_at: int) -> str:
        """Return the credential's value."""
