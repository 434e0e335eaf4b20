"""Credentials of allowed calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Protocol

from tabard_sidecar.model import (
    CredentialRequest,
    Introspection,
    IssuedCredential,
)

Introspect = Callable[[str], Awaitable[Introspection | None]]
"""Describes a credential that is active now; ``None`` for every other string."""


class Withdrawal(StrEnum):
    """What became of a credential whose answer isn't given."""

    NOTHING_ISSUED = "nothing_issued"  # proven, so what was reserved for it is released
    ENDED = "ended"  # it was issued, and is of no use any more
    UNCLEAR = "unclear"  # it may have been issued, and ends by itself


class CredentialIssuer(Protocol):
    """Issues, verifies and describes credentials of one kind."""

    @property
    def kind(self) -> str:
        """The kind, as policy names it."""
        ...

    def compute(self, request: CredentialRequest) -> IssuedCredential | None:
        """Return the credential if issuing only needs computation; otherwise do nothing and return ``None``.

        A computed credential leaves the process with the reply only, so it needs no intent in the decision log.

        The caller may discard it. Raises what :meth:`issue` would raise.
        """
        ...

    async def issue(self, request: CredentialRequest) -> IssuedCredential:
        """Issue a credential, within a time that the issuer bounds. Whatever this raises, :meth:`withdraw` follows.

        Raises:
            NoDecision: the issuer's backend or key can't be reached.
            Refused: the issuer offers no such credential.
        """
        ...

    def commit(self, request: CredentialRequest) -> None:
        """Note that the decision is recorded and its answer leaves now. Returns at once and never raises."""
        ...

    def give_up(self, request: CredentialRequest) -> None:
        """Note that :meth:`withdraw` follows: a request that waits for its turn fails now. Returns at once, never raises."""
        ...

    async def withdraw(self, request: CredentialRequest) -> Withdrawal:
        """End the credential of a request whose answer isn't given, and tell whether there was one. Never raises."""
        ...

    def inspect(self, value: str) -> Introspection:
        """Verify a credential of this kind and return its description.

        Raises:
            Refused: it isn't one, is forged, or has expired.
        """
        ...
