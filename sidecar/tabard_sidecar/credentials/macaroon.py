"""Credentials of kind ``macaroon``: their holder can narrow them offline; verified with a key of one audience."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tabard import macaroon
from tabard.arguments import ArgumentsError, parse_json
from tabard.caveats import Audiences, Call, Caveat, CaveatError, Expiry, Scopes, decode_caveat
from tabard.macaroon import MacaroonError

from tabard_sidecar.credentials.claims import check_size, introspection
from tabard_sidecar.errors import Refused
from tabard_sidecar.keys.keyring import credential_info
from tabard_sidecar.keys.model import ROOT
from tabard_sidecar.model import IssuedCredential
from tabard_sidecar.util.jsontext import encode

if TYPE_CHECKING:
    from tabard.macaroon import VerifiedMacaroon

    from tabard_sidecar.credentials.claims import ClaimsWriter
    from tabard_sidecar.interfaces import Clock
    from tabard_sidecar.keys.keyring import Keyring
    from tabard_sidecar.model import CredentialRequest, Introspection

KIND = "macaroon"
IDENTIFIER_TYPE = "credential"
IDENTIFIER_VERSION = 1

_FIELDS = frozenset({"type", "version", "kid", "claims"})


class MacaroonIssuer:
    """Issues and verifies macaroon credentials.

    Args:
        keyring: holds the root keys.
        writer: writes the claims.
        clock: time in seconds since the epoch.
    """

    def __init__(self, keyring: Keyring, writer: ClaimsWriter, *, clock: Clock) -> None:
        self._keyring = keyring
        self._writer = writer
        self._clock = clock

    @property
    def kind(self) -> str:
        """The kind, as policy names it."""
        return KIND

    async def issue(self, request: CredentialRequest) -> IssuedCredential:
        """Issue a credential; see :meth:`compute`."""
        return self.compute(request)

    def compute(self, request: CredentialRequest) -> IssuedCredential:
        """Mint a credential. The same request under the same key gives the same bytes.

        Raises:
            NoDecision: no root key is active.
            Refused: the claims can't be written or are too large.
        """
        key = self._keyring.active(ROOT)
        expires_at = int(min(request.expires_at, request.grant.expires_at))
        claims = self._writer.write(request, expires_at)
        head = encode({"type": IDENTIFIER_TYPE, "version": IDENTIFIER_VERSION, "kid": key.kid})
        identifier = b'%b,"claims":%b}' % (head[:-1], claims)
        try:
            value = macaroon.mint(self._keyring.derive(key, credential_info(request.audience)), identifier)
        except MacaroonError as error:
            raise Refused("depth_exceeded", f"the chain doesn't fit into a credential: {error}") from None
        check_size(value)
        return IssuedCredential(
            kind=KIND,
            value=value,
            credential_id=request.credential_id,
            audience=request.audience,
            scopes=request.scopes,
            expires_at=float(expires_at),
            single_use=request.single_use,
        )

    def inspect(self, value: str) -> Introspection:
        """Verify a macaroon credential of this zone and say what it still allows.

        Raises:
            Refused: it isn't one, is forged, has expired, or carries a caveat that isn't met or isn't one for
                credentials.
        """
        try:
            identifier = _identifier(macaroon.parse(value).identifier)
            claims = identifier["claims"]
            key = self._keyring.get(str(identifier["kid"]), ROOT)
            if key is None or not isinstance(claims.get("aud"), str):
                raise Refused("credential_invalid", "no accepted key of this zone made the credential")
            verified = macaroon.verify(value, self._keyring.derive(key, credential_info(claims["aud"])))
            caveats = _caveats(verified)
        except (MacaroonError, CaveatError, ArgumentsError) as error:
            raise Refused("credential_invalid", f"the credential isn't acceptable: {error}") from None
        found = introspection(KIND, claims)
        if claims.get("iss") != self._writer.issuer:
            raise Refused("credential_invalid", "another zone issued the credential")
        for caveat in caveats:
            found = _narrowed(found, caveat)
        if self._clock() >= found.expires_at:
            raise Refused("credential_invalid", "the credential has expired")
        return found


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


def _caveats(verified: VerifiedMacaroon) -> list[Caveat]:
    caveats = []
    for step in verified.steps:
        if step.caveat.verification_id is not None:
            raise Refused("credential_invalid", "the credential carries a third-party caveat")
        caveats.append(decode_caveat(step.caveat.identifier))
    return caveats


def _narrowed(found: Introspection, caveat: Caveat) -> Introspection:
    """Apply one caveat alone; the order makes no difference."""
    if isinstance(caveat, Expiry):
        return replace(found, expires_at=min(found.expires_at, caveat.expires_at))
    if isinstance(caveat, Scopes):
        return replace(found, scopes=tuple(scope for scope in found.scopes if scope in caveat.scopes))
    if isinstance(caveat, Audiences) and found.audience in caveat.audiences:
        return found
    if isinstance(caveat, Call) and found.call_digest == caveat.digest:
        return found
    raise Refused(
        "credential_invalid",
        f"a {caveat.tag} caveat of the credential isn't met or isn't one for credentials",
    )
