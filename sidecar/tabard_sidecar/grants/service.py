"""Mints, delegates and verifies grants."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from tabard import macaroon
from tabard.caveats import CAVEATS, Budget, Caveat, CaveatError, CaveatRegistry, Hop, Limits, encode_caveat

from tabard_sidecar.errors import Refused
from tabard_sidecar.grants import identifier as identifiers
from tabard_sidecar.grants.cache import GrantCache
from tabard_sidecar.grants.chain import build_grant, make_seal
from tabard_sidecar.grants.checks import check_delegatee
from tabard_sidecar.grants.discharges import (
    approval_info,
    check_third_parties,
    read_discharges,
    with_discharges,
)
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tabard_sidecar.grants.index import IndexedGrant
    from tabard_sidecar.keys import Key
    from tabard_sidecar.model import Subject, Task, VerifiedGrant
    from tabard_sidecar.reasons import ReasonCode

_USE = "root"
_GRANT_INFO = "grant"
_HOP_INFO = "hop"
_KINDS: Mapping[str, ReasonCode] = {
    "malformed": "grant_malformed",
    "signature": "grant_signature",
    "discharge": "discharge_forged",
}
# Decoded caveats are shared by all grants of a tree. Long ones aren't kept, which bounds the memory that they
# take.
_DECODED_CAVEATS = 2048
_LONGEST_KEPT = 1024


class RootKeys(Protocol):
    """The part of the zone's keyring that grants need."""

    def active(self, use: str) -> Key:
        """Return the key that signs new grants."""
        ...

    def get(self, kid: str, use: str) -> Key | None:
        """Return the key if it is accepted now."""
        ...

    def find(self, kid: str, use: str) -> Key | None:
        """Return the same; an unknown key is no key of the zone."""
        ...

    def derive(self, key: Key, info: str) -> bytes:
        """Derive 32 bytes from a root key."""
        ...


@dataclass(frozen=True, slots=True)
class _Known:
    grant: IndexedGrant
    key: Key


@dataclass(slots=True)
class Verifications:
    """Counts of verifications: computed, answered from the cache, and failed."""

    computed: int = 0
    cached: int = 0
    refused: int = 0


class GrantService:
    """Mints and verifies the grants of one zone.

    Args:
        keyring: the zone's keys.
        zone: its name; a grant of another zone is refused.
        max_entries: most verified grants that are remembered.
        max_bytes: most memory, in bytes and by estimate, that they may take.
        registry: the caveat types that grants may hold.
        accepts_asserted_intent: whether a purpose counts that the agent asserts.
    """

    def __init__(  # noqa: PLR0913 - one argument per setting
        self,
        keyring: RootKeys,
        zone: str,
        *,
        max_entries: int = 4096,
        max_bytes: int = 16 * 2**20,
        registry: CaveatRegistry = CAVEATS,
        accepts_asserted_intent: bool = False,
    ) -> None:
        self._keyring = keyring
        self._zone = zone
        self.verifications = Verifications()
        self._cache: GrantCache[_Known] = GrantCache(max_entries, max_bytes)
        self._registry = registry
        self._accepts_asserted_intent = accepts_asserted_intent
        self._decode_kept = lru_cache(maxsize=_DECODED_CAVEATS)(registry.decode)

    def mint(  # noqa: PLR0913 - one argument per thing that a root grant states
        self,
        *,
        task: Task,
        subject: Subject,
        holder: str,
        offered: Sequence[Limits],
        requested: Sequence[Limits],
        now: float,
        carried: Sequence[Caveat] = (),
    ) -> str:
        """Make a root grant.

        The offered limits define the authority of the grant: tools, audiences, scopes, depth, children and
        budgets that no element states aren't granted. Every element and every request narrows with caveats of
        its own.

        Args:
            task: the task; its ``expires_at`` is the latest end, a ttl of any limits an earlier one.
            subject: the person on whose behalf.
            holder: the workload that may use the grant.
            offered: limits of the policy's start elements.
            requested: limits of the request and of the signed intent.
            now: seconds since the epoch.
            carried: caveats of another zone's grant, which narrow this one; a budget isn't the first.

        Raises:
            Refused: the grant or one of its caveats would be too large.
            NoDecision: no root key is active.
        """
        ttls = [limits.ttl_seconds for limits in (*offered, *requested) if limits.ttl_seconds is not None]
        task = replace(task, expires_at=min([task.expires_at, *(now + ttl for ttl in ttls)]))
        stated = [caveat for limits in offered for caveat in limits.caveats(now)]
        caveats = [
            # First, and always followed by another caveat, so that a later budget can't be mistaken for a
            # granted one.
            *(caveat for caveat in stated if isinstance(caveat, Budget)),
            *self._unstated(offered),
            *(caveat for caveat in stated if not isinstance(caveat, Budget)),
            *(caveat for limits in requested for caveat in limits.caveats(now)),
            *carried,
        ]
        key = self._keyring.active(_USE)
        root = identifiers.RootIdentifier(key.kid, self._zone, holder, subject, task)
        try:
            return macaroon.mint(
                self._keyring.derive(key, _GRANT_INFO), identifiers.encode(root), _encode(caveats)
            )
        except macaroon.MacaroonError as error:
            raise Refused("grant_too_large", f"the grant can't be made: {error}") from None

    def delegate(
        self, serialised: str, grant: VerifiedGrant, *, holder: str, limits: Sequence[Limits], now: float
    ) -> str:
        """Hand a grant to another workload: append a sealed hop, then the caveats that narrow it.

        Args:
            serialised: the grant as its holder presented it.
            grant: the same, verified.
            holder: the workload that is to hold it.
            limits: limits of the policy's delegate elements and of the request.
            now: seconds since the epoch.

        Raises:
            Refused: ``holder`` can't hold it, or it would be too large.
            NoDecision: the keyring can't be read.
        """
        if digest_of(serialised) != grant.digest:
            raise Refused("internal", "the verified grant is not the one to hand on")
        check_delegatee(grant, holder)
        key = self._key(grant.key_id)
        try:
            before = macaroon.parse(serialised).signature
            hop = Hop(holder, make_seal(self._keyring.derive(key, _HOP_INFO), before, holder))
            narrowing = [caveat for item in limits for caveat in item.caveats(now)]
            return macaroon.append(serialised, [encode_caveat(hop), *_encode(narrowing)])
        except macaroon.MacaroonError as error:
            raise Refused("grant_too_large", f"the grant can't be handed on: {error}") from None

    def verify(self, grant: str, discharges: Sequence[str] = ()) -> IndexedGrant:
        """Check signatures, seals and zone; check no caveat.

        A verified grant is cached until its key changes or is removed. Expiry is never cached.

        Raises:
            Refused: the grant is malformed, foreign, forged or unsealed, or a discharge isn't acceptable.
            NoDecision: the keyring can't be read.
        """
        known = None if discharges else self._cache.get(grant)
        if known is not None:
            if self._keyring.get(known.grant.key_id, _USE) is known.key:
                self.verifications.cached += 1
                return known.grant
            self._cache.drop(grant)
        try:
            verified, key = self._verify(grant, discharges)
        except Refused:
            self.verifications.refused += 1
            raise
        self.verifications.computed += 1
        if not discharges:
            self._cache.put(grant, _Known(verified, key))
        return verified

    def forget(self, matches: Callable[[IndexedGrant], bool]) -> int:
        """Remove cached grants, which are then verified again; return the number of removed grants."""
        return self._cache.drop_where(lambda known: matches(known.grant))

    def _verify(self, grant: str, discharges: Sequence[str]) -> tuple[IndexedGrant, Key]:
        if grant.count(".") == 2:  # noqa: PLR2004 - header.claims.signature
            raise Refused("credential_as_grant", "this is a JWT, not a grant")
        try:
            unverified = macaroon.parse(grant)
            root = identifiers.decode(unverified.identifier)
            key = self._key(root.kid)
            answers = read_discharges(unverified, discharges, self._decode)
            verified = macaroon.verify(unverified, self._keyring.derive(key, _GRANT_INFO), discharges)
        except macaroon.MacaroonError as error:
            raise Refused(_KINDS[error.kind], f"the grant can't be accepted: {error}") from None
        if root.zone != self._zone:
            raise Refused(
                "foreign_state", f"the grant is of zone {root.zone[:128]!a}, this is {self._zone!a}"
            )
        hop_key = self._keyring.derive(key, _HOP_INFO)
        built = build_grant(
            digest_of(grant),
            root,
            verified,
            hop_key=hop_key,
            decode=self._decode,
            registry=self._registry,
            accepts_asserted_intent=self._accepts_asserted_intent,
        )
        if answers:
            check_third_parties(verified.steps, lambda name: self._keyring.derive(key, approval_info(name)))
            return with_discharges(built, answers), key
        return built, key

    def approval_key(self, key_id: str, approval_id: str) -> bytes:
        """Return the key with which an approval of a grant made with root key ``key_id`` is discharged.

        Raises:
            Refused: the root key isn't accepted any more.
        """
        return self._keyring.derive(self._key(key_id), approval_info(approval_id))

    def _key(self, kid: str) -> Key:
        key = self._keyring.find(kid, _USE)
        if key is None:
            raise Refused(
                "foreign_key", f"key {kid[:64]!a} is not in this zone's keyring, or it has been retired"
            )
        return key

    def _unstated(self, offered: Sequence[Limits]) -> list[Caveat]:
        """Return a caveat that grants nothing for each required field that no element states."""
        return [
            caveat
            for name, (kind, field) in self._registry.limits.items()
            if field.nothing is not None and all(name not in limits.stated() for limits in offered)
            for caveat in kind.from_limit(field.nothing, 0.0)
        ]

    def _decode(self, data: bytes) -> Caveat:
        return self._decode_kept(data) if len(data) <= _LONGEST_KEPT else self._registry.decode(data)


def digest_of(serialised: str) -> str:
    """Return the grant's digest: the SHA-256 of its text, hex."""
    return hashlib.sha256(serialised.encode("utf-8", "surrogatepass")).hexdigest()


def _encode(caveats: Iterable[Caveat]) -> list[bytes]:
    """Encode caveats in order, without duplicates.

    Raises:
        Refused: one is too large.
    """
    try:
        return list(dict.fromkeys(map(encode_caveat, caveats)))
    except CaveatError as error:
        raise Refused("grant_too_large", f"the limits don't fit into a grant: {error}") from None
