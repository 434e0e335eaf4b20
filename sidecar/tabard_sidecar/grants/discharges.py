"""Reads, matches and checks discharges of third-party caveats.

The only other party is the approval service, whose keys are derived from the zone's. Every holder can append
a third-party caveat with its own key and discharge that caveat itself; such caveats are refused.
"""

from __future__ import annotations

import re
from dataclasses import field, fields
from typing import TYPE_CHECKING

from tabard import base64url, macaroon
from tabard.caveats import (
    Call,
    CallFacts,
    Caveat,
    CaveatError,
    Expiry,
    Facts,
    ThirdParty,
    Uses,
    decode_caveat,
)

from tabard_sidecar.errors import Refused
from tabard_sidecar.grants.index import IndexedGrant
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tabard.macaroon import Step, UnverifiedMacaroon

    from tabard_sidecar.model import ToolCall, VerifiedGrant
    from tabard_sidecar.reasons import ReasonCode

_ALLOWED = (Expiry, Call, Uses)
APPROVAL_ID = re.compile(r"[0-9a-f]{32}")
"""Form of an approval's identifier; no other third-party caveat is accepted."""


@dataclass(frozen=True, slots=True)
class DischargedGrant(IndexedGrant):
    """A verified grant that came with a verified discharge for each of its third-party caveats.

    ``discharges`` holds their caveats by identifier. None of them is checked yet: :func:`check_discharges` does that.
    """

    discharges: Mapping[str, tuple[Caveat, ...]] = field(default_factory=dict)


def approval_info(approval_id: str) -> str:
    """Return the derivation info of the key with which an approval is discharged."""
    return f"approval:{approval_id}"


def read_discharges(
    grant: UnverifiedMacaroon,
    discharges: Sequence[str],
    decode: Callable[[bytes], Caveat] = decode_caveat,
) -> dict[str, tuple[Caveat, ...]]:
    """Read discharges and match them with the third-party caveats of a grant; no signature is checked yet.

    They may hold nothing but expiry, call and uses caveats: a hop, a tools caveat or another discharge's caveat in there
    would never reach the chain and must not seem to count.

    Raises:
        Refused: one is malformed, holds another caveat, is missing or answers nothing.
    """
    if len(discharges) > macaroon.MAX_DISCHARGES:
        raise Refused("discharge_invalid", f"there are more than {macaroon.MAX_DISCHARGES} discharges")
    wanted = [_text(raw.identifier) for raw in grant.caveats if raw.verification_id is not None]
    found: dict[str, tuple[Caveat, ...]] = {}
    for number, discharge in enumerate(discharges, 1):
        try:
            parsed = macaroon.parse(discharge)
            caveats = tuple(_allowed(raw, number, decode) for raw in parsed.caveats)
        except (macaroon.MacaroonError, CaveatError) as error:
            raise Refused("discharge_invalid", f"discharge {number}: {error}") from None
        name = _text(parsed.identifier)
        if name in found:
            raise Refused("discharge_invalid", f"discharge {number} answers the same as an earlier one")
        if name not in wanted:
            raise Refused("discharge_swapped", f"discharge {number} answers no caveat of this grant")
        found[name] = caveats
    missing = next((name for name in wanted if name not in found), None)
    if missing is not None:
        raise Refused("discharge_missing", f"no discharge answers the third-party caveat {missing[:64]!a}")
    if len(set(wanted)) != len(wanted):
        raise Refused("discharge_invalid", "two third-party caveats of the grant have the same identifier")
    return found


def check_third_parties(steps: Iterable[Step], key_of: Callable[[str], bytes]) -> None:
    """Check that every third-party caveat of a verified chain is one that a sidecar of the zone appended.

    Raises:
        Refused: one isn't, so the holder who appended it may also have discharged it.
    """
    for number, step in enumerate(steps, 1):
        if step.caveat.verification_id is None:
            continue
        name = _text(step.caveat.identifier)
        if not APPROVAL_ID.fullmatch(name) or not macaroon.demands(step, key_of(name)):
            raise Refused(
                "discharge_forged",
                f"caveat {number}: the third-party caveat was not made by a sidecar of this zone",
            )


def with_discharges(grant: IndexedGrant, discharges: Mapping[str, tuple[Caveat, ...]]) -> DischargedGrant:
    """Return ``grant`` with the caveats of its verified discharges."""
    stated = {item.name: getattr(grant, item.name) for item in fields(grant) if item.init}
    return DischargedGrant(**stated, discharges=discharges)


def check_discharges(grant: VerifiedGrant, call: ToolCall, *, now: float) -> tuple[str, ...]:
    """Check every caveat of every discharge and return the identifiers of the third-party caveats, in order.

    Raises:
        Refused: one isn't met, or a third-party caveat has no verified discharge.
    """
    names = tuple(
        _text(base64url.decode(caveat.id)) for caveat in grant.caveats if isinstance(caveat, ThirdParty)
    )
    for name in names:
        if not isinstance(grant, DischargedGrant):
            raise Refused("discharge_missing", f"no discharge answers the third-party caveat {name[:64]!a}")
        _check_discharge(grant, name, call, now)
    return names


def _check_discharge(grant: DischargedGrant, name: str, call: ToolCall, now: float) -> None:
    if name not in grant.discharges:
        raise Refused("discharge_missing", f"no discharge answers the third-party caveat {name[:64]!a}")
    made = CallFacts(call.name, call.arguments, call.digest)
    facts = Facts(now=now, purpose=grant.task.purpose, depth=len(grant.links), call=made)
    for caveat in grant.discharges[name]:
        failure = grant.registry.check(caveat, facts)
        if failure is not None:
            code: ReasonCode = "discharge_expired" if isinstance(caveat, Expiry) else failure.code
            raise Refused(code, f"the discharge of {name[:64]!a} ({caveat.tag}): {failure.message}")


def _allowed(raw: macaroon.RawCaveat, number: int, decode: Callable[[bytes], Caveat]) -> Caveat:
    caveat = None if raw.verification_id is not None else decode(raw.identifier)
    if not isinstance(caveat, _ALLOWED):
        tag = "third_party" if caveat is None else caveat.tag
        raise Refused("discharge_caveat", f"discharge {number} holds a {tag} caveat")
    return caveat


def _text(identifier: bytes) -> str:
    return identifier.decode("utf-8", "backslashreplace")
