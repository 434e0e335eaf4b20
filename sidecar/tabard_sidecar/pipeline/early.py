"""Computing a credential while the state store is still asked whether there may be one."""

from __future__ import annotations

from tabard_sidecar.credentials import Issuers
from tabard_sidecar.model import CredentialRequest, IssuedCredential


class EarlyCredential:
    """A credential that may be there before it is issued, if computing it is all that issuing takes.

    Signing takes about as long as a store elsewhere takes to answer. What was computed is handed out by :meth:`issue`
    only, so after the reservation was made and the intent recorded, or else thrown away.
    """

    def __init__(self, issuers: Issuers, request: CredentialRequest) -> None:
        self.request = request
        self._issuer = issuers.get(request.kind)
        self._computed: IssuedCredential | None = None

    def compute(self) -> None:
        """Compute it if that can be done early; what goes wrong here goes wrong again, and counts, in :meth:`issue`."""
        try:
            self._computed = self._issuer.compute(self.request)
        except Exception:  # noqa: BLE001 - the store's answer is under way, and nothing may come between
            self._computed = None

    async def issue(self) -> IssuedCredential:
        """Issue it.

        Raises:
            NoDecision: the issuer's backend or key can't be reached.
            Refused: it can't be written or is too large.
        """
        return self._computed or await self._issuer.issue(self.request)
