"""Credentials of kind ``jwt``: signed, verified by backends with the zone's published keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard.jwk import VerificationKey

from tabard_sidecar.credentials.claims import MAX_CREDENTIAL_BYTES, introspection
from tabard_sidecar.credentials.computed import ComputingIssuer
from tabard_sidecar.errors import Refused
from tabard_sidecar.identity import claims as checks
from tabard_sidecar.identity import jose
from tabard_sidecar.identity.jose import TokenError, TokenProblem
from tabard_sidecar.keys.model import SIGNING

if TYPE_CHECKING:
    from tabard_sidecar.credentials.claims import ClaimsWriter
    from tabard_sidecar.interfaces import Clock
    from tabard_sidecar.keys.zone_keys import ZoneKeys
    from tabard_sidecar.model import CredentialRequest, Introspection

CREDENTIAL_TYPE = "tabard+jwt"
"""Media type of a JWT credential, as its ``typ`` carries it."""

# The sidecars of a zone read their clocks from different machines.
_SKEW_SECONDS = 5.0


class JwtIssuer(ComputingIssuer):
    """Issues and verifies JWT credentials.

    Args:
        keyring: holds the signing keys.
        writer: writes the claims.
        clock: time in seconds since the epoch.
        max_ttl_seconds: longest life of a credential; a longer requested life is cut.
    """

    KIND = "jwt"

    def __init__(
        self, keyring: ZoneKeys, writer: ClaimsWriter, *, clock: Clock, max_ttl_seconds: float
    ) -> None:
        self._keyring = keyring
        self._writer = writer
        self._clock = clock
        self._max_ttl_seconds = max_ttl_seconds
        self._header_of = ("", "")

    def inspect(self, value: str) -> Introspection:
        """Verify a JWT credential of this zone and return its description.

        Raises:
            Refused: it isn't one, is forged, or has expired.
            NoDecision: the key that it names can't be had.
        """
        try:
            token = jose.parse(value, max_bytes=MAX_CREDENTIAL_BYTES)
            checks.check_type(token.type, {CREDENTIAL_TYPE})
            key = self._keyring.find(token.key_id or "", SIGNING)
            if key is None or key.private_key is None:
                raise TokenError(TokenProblem.UNKNOWN_KEY, "no accepted key of this zone signed it")
            public = VerificationKey(key.kid, key.algorithm, key.private_key.public_key())
            jose.verify_signature(token, public)
            if token.claims.get("iss") != self._writer.issuer:
                raise TokenError(TokenProblem.CLAIMS, "another zone issued it")
            checks.check_period(token.claims, now=self._clock(), skew=_SKEW_SECONDS)
            found = introspection(self.KIND, token.claims)
        except TokenError as error:
            raise Refused("credential_invalid", f"the credential isn't acceptable: {error.message}") from None
        if self._clock() >= found.expires_at:
            raise Refused("credential_invalid", "the credential has expired")
        return found

    def _expires_at(self, request: CredentialRequest) -> float:
        return min(request.expires_at, int(request.issued_at) + self._max_ttl_seconds)

    def _encode(self, request: CredentialRequest, expires_at: int) -> str:
        key = self._keyring.active(SIGNING)
        if key.private_key is None:
            raise TypeError("a signing key has a private key")
        kid, header = self._header_of
        if kid != key.kid:
            header = jose.encode_header(key.private_key, key.kid, CREDENTIAL_TYPE)
            self._header_of = (key.kid, header)
        return jose.sign(key.private_key, header, self._writer.write(request, expires_at))
