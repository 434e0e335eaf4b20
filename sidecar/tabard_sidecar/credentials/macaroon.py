"""Credentials of kind ``macaroon``: their holder can narrow them offline; verified with a key of one audience."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tabard import credential_caveats, macaroon
from tabard.arguments import ArgumentsError, parse_json
from tabard.credential_caveats import CredentialCaveatError
from tabard.macaroon import MacaroonError

from tabard_sidecar.credentials.claims import introspection
from tabard_sidecar.credentials.computed import ComputingIssuer
from tabard_sidecar.errors import Refused
from tabard_sidecar.keys.model import ROOT
from tabard_sidecar.keys.zone_keys import credential_info
from tabard_sidecar.util.jsontext import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tabard.credential_caveats import CredentialCaveat

    from tabard_sidecar.credentials.claims import ClaimsWriter
    from tabard_sidecar.interfaces import Clock
    from tabard_sidecar.keys.zone_keys import ZoneKeys
    from tabard_sidecar.model import CredentialRequest, Introspection

IDENTIFIER_TYPE = "credential"
IDENTIFIER_VERSION = 1

_FIELDS = frozenset({"type", "version", "kid", "claims"})


class MacaroonIssuer(ComputingIssuer):
    """Issues and verifies macaroon credentials.

    Args:
        keyring: holds the root keys.
        writer: writes the claims.
        clock: time in seconds since the epoch.
    """

    KIND = "macaroon"

    def __init__(self, keyring: ZoneKeys, writer: ClaimsWriter, *, clock: Clock) -> None:
        self._keyring = keyring
        self._writer = writer
        self._clock = clock

    def inspect(self, value: str) -> Introspection:
        """Verify a macaroon credential of this zone and describe what it still allows.

        Raises:
            Refused: it isn't one, is forged, has expired, or carries a caveat that isn't met or that
                credentials can't have.
            NoDecision: the key that it names can't be had.
        """
        try:
            identifier = _identifier(macaroon.parse(value).identifier)
            claims = identifier["claims"]
            key = self._keyring.find(str(identifier["kid"]), ROOT)
            if key is None or not isinstance(claims.get("aud"), str):
                raise Refused("credential_invalid", "no accepted key of this zone made the credential")
            verified = macaroon.verify(value, self._keyring.derive(key, credential_info(claims["aud"])))
            caveats = credential_caveats.read(step.caveat for step in verified.steps)
            found = _narrowed(introspection(self.KIND, claims), caveats)
        except (MacaroonError, CredentialCaveatError, ArgumentsError) as error:
            raise Refused("credential_invalid", f"the credential isn't acceptable: {error}") from None
        if claims.get("iss") != self._writer.issuer:
            raise Refused("credential_invalid", "another zone issued the credential")
        if self._clock() >= found.expires_at:
            raise Refused("credential_invalid", "the credential has expired")
        return found

    def _expires_at(self, request: CredentialRequest) -> float:
        return min(request.expires_at, request.grant.expires_at)

    def _encode(self, request: CredentialRequest, expires_at: int) -> str:
        key = self._keyring.active(ROOT)
        head = encode({"type": IDENTIFIER_TYPE, "version": IDENTIFIER_VERSION, "kid": key.kid})
        identifier = b'%b,"claims":%b}' % (head[:-1], self._writer.write(request, expires_at))
        try:
            return macaroon.mint(self._keyring.derive(key, credential_info(request.audience)), identifier)
        except MacaroonError as error:
            raise Refused("depth_exceeded", f"the chain doesn't fit into a credential: {error}") from None


def _identifier(content: bytes) -> dict[str, Any]:
    document = parse_json(content)
    if not isinstance(document, dict) or document.get("type") != IDENTIFIER_TYPE:
        raise Refused("credential_invalid", "the macaroon isn't a credential")
    if (
        document.keys() != _FIELDS
        or document["version"] != IDENTIFIER_VERSION
        or not isinstance(document["claims"], dict)
    ):
        raise Refused("credential_invalid", "the credential is of another version")
    return document


def _narrowed(found: Introspection, caveats: Sequence[CredentialCaveat]) -> Introspection:
    narrowed = credential_caveats.narrow(
        caveats, audience=found.audience, scopes=found.scopes, expires_at=found.expires_at
    )
    if any(digest != found.call_digest for digest in narrowed.call_digests):
        raise CredentialCaveatError("a call caveat isn't met")
    return replace(found, scopes=narrowed.scopes, expires_at=narrowed.expires_at)
