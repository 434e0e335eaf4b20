"""Finds a sidecar's credential issuers by kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.credentials.claims import ClaimsWriter
from tabard_sidecar.credentials.jwt import JwtIssuer
from tabard_sidecar.credentials.macaroon import MacaroonIssuer
from tabard_sidecar.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tabard_sidecar.credentials.conf import CredentialsConfig
    from tabard_sidecar.interfaces import Clock, CredentialIssuer
    from tabard_sidecar.keys.zone_keys import ZoneKeys
    from tabard_sidecar.model import Introspection

NO_CREDENTIAL = "none"
"""Kind of a decision without a credential; it has no issuer."""

_JWT_DOTS = 2


class Issuers:
    """Finds the issuer of a kind.

    Raises:
        ValueError: two issuers have the same kind.
    """

    def __init__(self, issuers: Iterable[CredentialIssuer]) -> None:
        self._issuers: dict[str, CredentialIssuer] = {}
        for issuer in issuers:
            if issuer.kind in self._issuers or issuer.kind == NO_CREDENTIAL:
                raise ValueError(f"credential kind {issuer.kind!r} is taken")
            self._issuers[issuer.kind] = issuer

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds that can be issued, without ``none``."""
        return tuple(self._issuers)

    def get(self, kind: str) -> CredentialIssuer:
        """Return the issuer of ``kind``.

        Raises:
            Refused: there is none.
        """
        issuer = self._issuers.get(kind)
        if issuer is None:
            raise Refused(
                "credential_kind_unavailable", f"no issuer for credential kind {kind[:64]!r} is configured"
            )
        return issuer

    def inspect(self, value: str) -> Introspection:
        """Verify a credential of any kind, which is recognised by its form.

        Raises:
            Refused: it isn't a credential, is forged, or has expired.
            NoDecision: the key that it names can't be had.
        """
        kind = "jwt" if value.count(".") == _JWT_DOTS else "macaroon"
        issuer = self._issuers.get(kind)
        if issuer is None:
            raise Refused("credential_invalid", "this isn't a credential of a configured kind")
        return issuer.inspect(value)


def zone_issuer(config: CredentialsConfig, zone: str) -> str:
    """Return ``iss`` of the zone's credentials."""
    return config.issuer or f"urn:tabard:zone:{zone}"


def build_issuers(
    config: CredentialsConfig,
    *,
    zone: str,
    keyring: ZoneKeys,
    clock: Clock,
    others: Iterable[CredentialIssuer] = (),
) -> Issuers:
    """Build the issuers of the kinds that the sidecar makes itself, beside ``others``."""
    writer = ClaimsWriter(zone_issuer(config, zone))
    return Issuers(
        (
            JwtIssuer(keyring, writer, clock=clock, max_ttl_seconds=config.max_ttl_seconds),
            MacaroonIssuer(keyring, writer, clock=clock),
            *others,
        )
    )
