"""Makes and verifies call grants: grants narrowed to exactly one call and to its approvals."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Protocol

from tabard import base64url, macaroon
from tabard.caveats import Call, Expiry, ThirdParty, encode_caveat

from tabard_sidecar.errors import Refused
from tabard_sidecar.grants.discharges import APPROVAL_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tabard_sidecar.grants import IndexedGrant
    from tabard_sidecar.model import VerifiedGrant
    from tabard_sidecar.state import Approval

LOCATION = "tabard-approval"
"""Location of an approval's third-party caveat: a hint for readers that no signature covers."""

_ID_BYTES = 16


class Grants(Protocol):
    """Verifies grants and derives the keys of discharges."""

    def verify(self, grant: str, discharges: Sequence[str] = ()) -> IndexedGrant:
        """Check signatures, seals and zone."""
        ...

    def approval_key(self, key_id: str, approval_id: str) -> bytes:
        """Return the key that signs an approval's discharge."""
        ...


def new_approval_id() -> str:
    """Return an unguessable identifier."""
    return secrets.token_hex(_ID_BYTES)


def approval_ids(grant: VerifiedGrant) -> tuple[str, ...]:
    """Return the ids of the approvals that a grant demands, in order."""
    return tuple(
        base64url.decode(caveat.id).decode("utf-8", "backslashreplace")
        for caveat in grant.caveats
        if isinstance(caveat, ThirdParty)
    )


def make_call_grant(
    grants: Grants, serialised: str, grant: VerifiedGrant, digest: str, demanded: Iterable[str]
) -> str:
    """Return the grant, narrowed to the call with ``digest`` and to the approvals ``demanded``.

    Caveats that a call grant already has aren't appended again.

    Raises:
        Refused: ``grant_too_large``, it would pass a macaroon's limits.
    """
    known = set(approval_ids(grant))
    fresh = [approval_id for approval_id in dict.fromkeys(demanded) if approval_id not in known]
    if len(known) + len(fresh) > macaroon.MAX_DISCHARGES:
        raise Refused(
            "grant_too_large", f"the call would need more than {macaroon.MAX_DISCHARGES} approvals at once"
        )
    narrowing = [] if Call(digest) in grant.caveats else [encode_caveat(Call(digest))]
    try:
        narrowed = macaroon.append(serialised, narrowing)
        for approval_id in fresh:
            key = grants.approval_key(grant.key_id, approval_id)
            narrowed = macaroon.append_third_party(narrowed, LOCATION, key, approval_id.encode())
    except macaroon.MacaroonError as error:
        raise Refused("grant_too_large", f"the call grant can't be made: {error}") from None
    return narrowed


def verify_waiting(grants: Grants, key_id: str, call_grant: str) -> IndexedGrant:
    """Verify a call grant whose approvals aren't given yet.

    Discharges its third-party caveats here, with keys that only a sidecar of the zone has, so that everything but the
    approvals themselves is checked.

    Args:
        grants: verifies grants and derives the keys of discharges.
        key_id: id of the root key that the grant claims to be made with.
        call_grant: the call grant as presented.

    Raises:
        Refused: it isn't a call grant of this zone.
        NoDecision: the keyring can't be read.
    """
    try:
        raws = [raw for raw in macaroon.parse(call_grant).caveats if raw.verification_id is not None]
    except macaroon.MacaroonError as error:
        raise Refused("grant_malformed", f"the call grant can't be accepted: {error}") from None
    wanted = [raw.identifier.decode("utf-8", "replace") for raw in raws]
    if not 1 <= len(wanted) <= macaroon.MAX_DISCHARGES or not all(map(APPROVAL_ID.fullmatch, wanted)):
        raise Refused("approval_invalid", "this is no call grant: it demands no approval of this zone")
    return grants.verify(call_grant, [discharge(grants, key_id, call_grant, wanting) for wanting in wanted])


def approved_discharge(grants: Grants, grant: VerifiedGrant, call_grant: str, approval: Approval) -> str:
    """Return the discharge of an approval: valid for its one call until it expires, and bound to this call grant."""
    caveats = (Expiry(approval.expires_at), Call(approval.digest))
    return discharge(
        grants, grant.key_id, call_grant, approval.approval_id, tuple(map(encode_caveat, caveats))
    )


def discharge(
    grants: Grants, key_id: str, call_grant: str, approval_id: str, caveats: Iterable[bytes] = ()
) -> str:
    """Return a discharge that is bound to ``call_grant``."""
    key = grants.approval_key(key_id, approval_id)
    return macaroon.bind(call_grant, macaroon.mint(key, approval_id.encode(), caveats))
