"""Revokes exchanged tokens (RFC 7009) when something that they depend on is revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tabard_sidecar.credentials.exchange.issuer import ExchangeIssuer
    from tabard_sidecar.state import Revocation


class NotRevokedError(Exception):
    """Some tokens could not be revoked; the message says how many."""


class ExchangeEnding:
    """Revokes the tokens that this process gave (:class:`~tabard_sidecar.revocation.LeaseHook`).

    The journal holds no secret, and a token is revoked with itself only. So those of a sidecar that was killed end by
    themselves, and so do those of an identity provider without a revocation endpoint.

    Args:
        issuer: knows the tokens of this process.
    """

    name = "exchange"

    def __init__(self, issuer: ExchangeIssuer) -> None:
        self._issuer = issuer

    def take(self, revocation: Revocation) -> None:
        """Let no token be given any more that a revocation ends. Called at once, before :meth:`revoked`."""
        if revocation.expires_at > 0:
            self._issuer.doom(revocation)
        else:
            self._issuer.live.lift(revocation)

    async def revoked(self, revocation: Revocation) -> None:
        """Revoke every token that depends on the revoked target; see :class:`~tabard_sidecar.revocation.LeaseHook`.

        Raises:
            NotRevokedError: some couldn't be revoked.
        """
        failed = await self._issuer.end(revocation)
        if failed:
            raise NotRevokedError(f"{failed} token(s) couldn't be revoked")
