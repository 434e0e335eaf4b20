"""Checks the SVIDs that a SPIFFE Workload API gives (X.509-SVID; JWT-SVID)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeVar

from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from spiffe import JwtSvid, SpiffeId, TrustDomain

from tabard_sidecar.identity import spiffe
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from spiffe import WorkloadApiClient
    from spiffe.workloadapi.x509_context import X509Context


@dataclass(frozen=True, slots=True)
class WorkloadApiTerms:
    """How this workload's SVID is obtained, and on which terms it is accepted.

    ``socket`` is the Workload API's. ``svid`` is the kind of document, ``audience`` that of a JWT-SVID. ``spiffe_id`` chooses
    among several identities; if it is empty there must be one. The first pause after a failure takes ``pause_seconds``.
    """

    socket: Path
    trust_domain: str
    svid: Literal["x509", "jwt"] = "x509"
    audience: str = "tabard"
    spiffe_id: str = ""
    pause_seconds: float = 1.0


class SvidError(Exception):
    """An SVID isn't acceptable; says why."""


class Identified(NamedTuple):
    """The identity that an SVID proves, until ``expires_at`` in seconds since the epoch."""

    spiffe_id: str
    expires_at: float


class _Svid(Protocol):
    @property
    def spiffe_id(self) -> SpiffeId: ...


_S = TypeVar("_S", bound=_Svid)


def x509_identity(context: X509Context, terms: WorkloadApiTerms, now: datetime) -> Identified:
    """Return the identity of the X.509-SVID.

    Raises:
        SvidError: there is none, or it isn't acceptable at ``now``.
    """
    svid = _chosen(context.x509_svids, terms)
    spiffe_id = _checked_id(svid, terms)
    bundle = context.x509_bundle_set.get_bundle_for_trust_domain(TrustDomain(terms.trust_domain))
    if bundle is None or not bundle.x509_authorities:
        raise SvidError(f"it gives no trust bundle of {terms.trust_domain}")
    try:
        verifier = (
            PolicyBuilder().store(Store(list(bundle.x509_authorities))).time(now).build_client_verifier()
        )
        verifier.verify(svid.leaf, svid.cert_chain[1:])
    except VerificationError as error:
        raise SvidError(f"the certificate of {spiffe_id} isn't of its trust bundle: {error}") from None
    return Identified(spiffe_id, svid.leaf.not_valid_after_utc.timestamp())


def jwt_identity(client: WorkloadApiClient, terms: WorkloadApiTerms) -> Identified:
    """Ask for the JWT-SVID of the configured audience, and return its identity.

    Raises:
        SvidError: there is none, or it isn't acceptable.
        PySpiffeError: the API can't be reached or refuses, or the token isn't valid.
    """
    wanted = SpiffeId(terms.spiffe_id) if terms.spiffe_id else None
    given = _chosen(client.fetch_jwt_svids({terms.audience}, wanted), terms)
    bundle = client.fetch_jwt_bundles().get_bundle_for_trust_domain(TrustDomain(terms.trust_domain))
    if bundle is None:
        raise SvidError(f"it gives no trust bundle of {terms.trust_domain}")
    svid = JwtSvid.parse_and_validate(given.token, bundle, {terms.audience})
    if svid.audience != {terms.audience}:
        raise SvidError(f"the token of {svid.spiffe_id} is for further audiences than {terms.audience}")
    return Identified(_checked_id(svid, terms), float(svid.expiry))


def _chosen(svids: Sequence[_S], terms: WorkloadApiTerms) -> _S:
    found = [one for one in svids if not terms.spiffe_id or str(one.spiffe_id) == terms.spiffe_id]
    if len(found) == 1:
        return found[0]
    names = ", ".join(sorted({str(one.spiffe_id) for one in svids})[:5]) or "none"
    if terms.spiffe_id:
        raise SvidError(f"it gives no identity {terms.spiffe_id}, but {names}")
    raise SvidError(
        f"it must give one identity, and gives {names}; choose one: identity.agent.spiffe.spiffe_id"
    )


def _checked_id(svid: _Svid, terms: WorkloadApiTerms) -> str:
    spiffe_id = str(svid.spiffe_id)
    if not spiffe.is_spiffe_id(spiffe_id):
        raise SvidError("it gives an identity that names no workload")
    if str(svid.spiffe_id.trust_domain) != terms.trust_domain:
        raise SvidError(f"{spiffe_id} isn't of the trust domain {terms.trust_domain}")
    return spiffe_id
