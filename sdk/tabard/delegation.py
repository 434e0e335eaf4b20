"""Narrows grants offline, without a call to the sidecar.

The holder of a grant can append restrictions; none can be removed again. Handing the grant to another workload needs the
sidecar: only ``DelegateTask`` makes the sealed hop. Otherwise a thief could append a hop to his own workload.

Example:
    >>> narrower = narrow(grant, Limits(tools=("search",), ttl_seconds=60))  # doctest: +SKIP
    >>> helper = branch(grant, "researcher", Limits(read_only=True))  # doctest: +SKIP
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

from tabard import base64url, macaroon
from tabard._lean import dataclass
from tabard.arguments import ArgumentsError, parse_json
from tabard.caveats import (
    Branch,
    Caveat,
    CaveatError,
    Expiry,
    Hop,
    Limits,
    ThirdParty,
    decode_caveat,
    encode_caveat,
)

if TYPE_CHECKING:
    from tabard.macaroon import RawCaveat

_NONCE_BYTES = 16


@dataclass(frozen=True, slots=True)
class UnverifiedGrant:
    """The content of a grant, unverified. Show it to people, and never decide by it.

    ``identifier`` is what the root grant states, ``holder`` the workload it names last, ``sub_agent`` the branch it
    names last. ``caveats`` leaves out those that this version doesn't know; ``unknown`` counts them. ``expires_at`` is
    the earliest end that is stated, in seconds since the epoch.
    """

    identifier: dict[str, Any]
    caveats: tuple[Caveat, ...]
    unknown: int
    holder: str
    sub_agent: str
    depth: int
    expires_at: float | None


def narrow(grant: str, limits: Limits, *, now: float | None = None) -> str:
    """Return ``grant`` with ``limits`` appended; its holder stays the same.

    Args:
        grant: a serialised grant.
        limits: restrictions to add; earlier ones stay in force.
        now: the moment from which ``ttl_seconds`` counts, in seconds since the epoch; the current time if not given.

    Raises:
        MacaroonError: the grant is malformed or would become too large.
    """
    return macaroon.append(grant, _encoded(limits, now))


def branch(grant: str, sub_agent: str, limits: Limits | None = None, *, now: float | None = None) -> str:
    """Return ``grant`` for a named part of the same workload, narrowed by ``limits``.

    Two branches are two children, also under the same name. The sidecar counts them when they are first used.

    Args:
        grant: a serialised grant.
        sub_agent: name of the part, at most 128 characters; policies see it marked as asserted.
        limits: restrictions to add.
        now: see :func:`narrow`.

    Raises:
        MacaroonError: the grant is malformed or would become too large.
        CaveatError: the name is malformed.
    """
    fork = Branch(sub_agent, base64url.encode(secrets.token_bytes(_NONCE_BYTES)))
    return macaroon.append(grant, [encode_caveat(fork), *_encoded(limits or Limits(), now)])


def describe_unverified(grant: str) -> UnverifiedGrant:
    """Return the content of a grant, for display. Nothing of it is verified.

    Raises:
        MacaroonError: it is malformed.
    """
    parsed = macaroon.parse(grant)
    identifier = _identifier(parsed.identifier)
    decoded = [_decoded(raw) for raw in parsed.caveats]
    caveats = tuple(caveat for caveat in decoded if caveat is not None)
    holder, sub_agent, depth = str(identifier.get("holder", "")), "", 0
    for caveat in caveats:
        if isinstance(caveat, Hop):
            holder, sub_agent, depth = caveat.holder, "", depth + 1
        elif isinstance(caveat, Branch):
            sub_agent, depth = caveat.sub_agent, depth + 1
    ends = [caveat.expires_at for caveat in caveats if isinstance(caveat, Expiry)]
    stated = identifier.get("expires_at")
    if isinstance(stated, int | float):
        ends.append(float(stated))
    unknown = len(decoded) - len(caveats)
    return UnverifiedGrant(
        identifier, caveats, unknown, holder, sub_agent, depth, min(ends) if ends else None
    )


def _encoded(limits: Limits, now: float | None) -> list[bytes]:
    return [encode_caveat(caveat) for caveat in limits.caveats(time.time() if now is None else now)]


def _identifier(data: bytes) -> dict[str, Any]:
    try:
        found = parse_json(data, max_bytes=macaroon.MAX_CHARS)
    except ArgumentsError:
        found = None
    return found if isinstance(found, dict) else {}


def _decoded(raw: RawCaveat) -> Caveat | None:
    if raw.verification_id is not None:
        return ThirdParty(raw.location, base64url.encode(raw.identifier))
    try:
        return decode_caveat(raw.identifier)
    except CaveatError:
        return None
