"""Builds a verified grant from a verified macaroon: decodes caveats, checks seals, identifies links."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from tabard import base64url
from tabard.caveats import (
    CAVEATS,
    Branch,
    Budget,
    Caveat,
    CaveatError,
    CaveatRegistry,
    Expiry,
    Hop,
    ThirdParty,
)
from tabard.caveats.types.hop import hop_bytes

from tabard_sidecar.errors import Refused
from tabard_sidecar.grants.index import IndexedGrant
from tabard_sidecar.model import BudgetLimit, Link

if TYPE_CHECKING:
    from collections.abc import Callable

    from tabard.macaroon import RawCaveat, Step, VerifiedMacaroon

    from tabard_sidecar.grants.identifier import RootIdentifier
    from tabard_sidecar.reasons import ReasonCode


MAX_BUDGETS = 64
"""Most budgets of one grant. Each call is stored with all of them, and holders can append them offline."""


def link_id(signature: bytes) -> str:
    """Return the identifier of a link, or of the root: SHA-256 of the chain's signature there, hex."""
    return hashlib.sha256(signature).hexdigest()


def make_seal(key: bytes, before: bytes, holder: str) -> str:
    """Return the seal of a hop: HMAC-SHA256 over the chain's signature before it and the hop's own encoding.

    Every holder of a macaroon can append caveats to it, so a thief could append an unsealed hop to another
    holder. The seal proves that a sidecar of the zone handed the grant on. The signature ties the seal to
    this place of this grant, so a seal copied from elsewhere doesn't hold.
    """
    return base64url.encode(hmac.digest(key, before + hop_bytes(holder), "sha256"))


def seal_holds(key: bytes, before: bytes, holder: str, seal: str) -> bool:
    """Tell whether ``seal`` is the one that :func:`make_seal` makes, in constant time."""
    return hmac.compare_digest(make_seal(key, before, holder), seal)


def build_grant(  # noqa: PLR0913 - one argument per thing that a grant is made of
    digest: str,
    root: RootIdentifier,
    verified: VerifiedMacaroon,
    *,
    hop_key: bytes,
    decode: Callable[[bytes], Caveat],
    registry: CaveatRegistry = CAVEATS,
    accepts_asserted_intent: bool = False,
) -> IndexedGrant:
    """Build the grant that a verified macaroon encodes.

    Args:
        digest: identifies the serialised grant.
        root: its decoded identifier.
        verified: what the signatures cover.
        hop_key: key of the seals.
        decode: decodes one first-party caveat.
        registry: the caveat types that ``decode`` knows; checks the caveats.
        accepts_asserted_intent: whether a purpose counts that the agent asserts.

    Raises:
        Refused: a caveat is unknown or malformed, a hop isn't sealed, or there are too many budgets.
    """
    root_id = link_id(verified.initial)
    chain = _Chain(root.holder, root_id, hop_key)
    caveats = []
    budgets = []
    for number, step in enumerate(verified.steps, 1):
        caveat = decode_step(step.caveat, number, decode)
        chain.add(caveat, step, number)
        caveats.append(caveat)
        if isinstance(caveat, Budget):
            budgets.append(BudgetLimit(link_id(step.after), caveat.name, caveat.limit))
    if len(budgets) > MAX_BUDGETS:
        raise Refused("grant_malformed", f"the grant holds more than {MAX_BUDGETS} budgets")
    root_caveats, links = chain.finish()
    expiries = [caveat.expires_at for caveat in caveats if isinstance(caveat, Expiry)]
    return IndexedGrant(
        digest=digest,
        key_id=root.kid,
        zone=root.zone,
        root_id=root_id,
        root_holder=root.holder,
        subject=root.subject,
        task=root.task,
        root_caveats=root_caveats,
        links=links,
        caveats=tuple(caveats),
        expires_at=min([root.task.expires_at, *expiries]),
        budgets=tuple(budgets),
        registry=registry,
        accepts_asserted_intent=accepts_asserted_intent,
    )


def decode_step(raw: RawCaveat, number: int, decode: Callable[[bytes], Caveat]) -> Caveat:
    """Decode the caveat at a position, counted from 1.

    Raises:
        Refused: it is unknown or malformed.
    """
    if raw.verification_id is not None:
        return ThirdParty(raw.location, base64url.encode(raw.identifier))
    try:
        return decode(raw.identifier)
    except CaveatError as error:
        code: ReasonCode = "caveat_unknown" if error.unknown else "grant_malformed"
        raise Refused(code, f"caveat {number}: {error}") from None


class _Chain:
    """Collects the links and the caveats between them."""

    def __init__(self, holder: str, root_id: str, hop_key: bytes) -> None:
        self._holder = holder
        self._parent = root_id
        self._hop_key = hop_key
        self._links: list[tuple[str, str, str, str, str]] = []
        self._segments: list[list[Caveat]] = [[]]

    def add(self, caveat: Caveat, step: Step, number: int) -> None:
        if isinstance(caveat, Hop):
            if not seal_holds(self._hop_key, step.before, caveat.holder, caveat.seal):
                raise Refused(
                    "hop_unsealed",
                    f"caveat {number}: no sidecar of the zone sealed the hop to {caveat.holder}",
                )
            self._holder = caveat.holder
            self._link(caveat, "", step)
        elif isinstance(caveat, Branch):
            self._link(caveat, caveat.sub_agent, step)
        else:
            self._segments[-1].append(caveat)

    def _link(self, caveat: Caveat, sub_agent: str, step: Step) -> None:
        own = link_id(step.after)
        self._links.append((caveat.tag, self._holder, sub_agent, own, self._parent))
        self._segments.append([])
        self._parent = own

    def finish(self) -> tuple[tuple[Caveat, ...], tuple[Link, ...]]:
        first, *rest = map(tuple, self._segments)
        return first, tuple(Link(*link, caveats) for link, caveats in zip(self._links, rest, strict=True))
