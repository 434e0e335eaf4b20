"""Answering the same request once: request_id makes a call idempotent.

A reply may hold a grant or a credential, so it is encrypted before it is stored (AES-256-GCM, key derived from the
zone's root key, bound to the request it answers).
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.interfaces import Clock
from tabard_sidecar.state import ClaimState, StateStore
from tabard_sidecar.util.sealing import SealError, SealingKeys, seal, unseal


class IdempotencyStore:
    """Remembers replies by request."""

    def __init__(self, state: StateStore, keys: SealingKeys, clock: Clock, *, ttl_seconds: float) -> None:
        self._state = state
        self._keys = keys
        self._clock = clock
        self._ttl_seconds = ttl_seconds

    @staticmethod
    def key(operation: str, workload: str, credential: str, request_id: str) -> bytes:
        """Return the digest under which a request is known.

        ``credential`` is what the caller presents (a grant's digest, a token's id), so that nobody else's request_id
        can ever be hit.
        """
        digest = hashlib.sha256()
        for part in (operation, workload, credential, request_id):
            raw = part.encode()
            digest.update(len(raw).to_bytes(4, "big") + raw)
        return digest.digest()

    async def once(
        self, key: bytes, body: bytes, decide: Callable[[], Awaitable[tuple[bytes, float | None]]]
    ) -> tuple[bytes, bool]:
        """Return the reply to a request, deciding it only if it is new.

        ``decide`` returns the reply and the time (seconds since the epoch) until which it is useful, or ``None`` for
        the configured time. The result's second part is True if the reply was remembered.

        Raises:
            NoDecision: the request_id was used with another body (ABORTED), is being decided right now
                (UNAVAILABLE), or the store is out of reach.
        """
        now = self._clock()
        claim = await self._state.claim_request(key, body, now=now, expires_at=now + self._ttl_seconds)
        if claim.state is ClaimState.CONFLICT:
            raise NoDecision("ABORTED", "request_id_conflict", "this request_id was used with another body")
        if claim.state is ClaimState.PENDING:
            raise NoDecision(
                "UNAVAILABLE", "request_in_progress", "the same request is being decided right now"
            )
        if claim.state is ClaimState.DONE:
            return self._open(key, claim.response), True
        try:
            reply, useful_until = await decide()
            until = self._clock() + self._ttl_seconds
            if useful_until is not None:
                until = min(until, useful_until)
            await self._state.complete_request(key, seal(self._keys, reply, key), expires_at=until)
        except BaseException:
            await self._state.abandon_request(key)
            raise
        return reply, False

    def _open(self, key: bytes, stored: bytes) -> bytes:
        try:
            return unseal(self._keys, stored, key)
        except SealError as error:
            if error.retired:
                message = "the reply's key is retired; use a new request_id"
                raise NoDecision("ABORTED", "request_id_conflict", message) from None
            raise NoDecision("UNAVAILABLE", "state_unavailable", "a stored reply does not decrypt") from error
