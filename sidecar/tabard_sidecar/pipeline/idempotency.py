"""Returns the stored answer to a repeated request: request_id makes a request idempotent.

An answer may hold a grant or a credential, so it is encrypted before it is stored (AES-256-GCM, key derived from the
zone's root key, bound to the request it answers).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.interfaces import Clock
from tabard_sidecar.model import Decision, IssuedCredential, Obligation, PendingApproval, Reason
from tabard_sidecar.pipeline.recorder import Answer
from tabard_sidecar.state import Claim, ClaimState, StateStore
from tabard_sidecar.util.sealing import SealError, SealingKeys, seal, unseal
from tabard_sidecar.util.whole import whole


class IdempotencyStore:
    """Stores answers by request.

    Args:
        state: the zone's state store.
        keys: encrypt what is stored.
        clock: time in seconds since the epoch.
        ttl_seconds: how long an answer is kept, unless what it grants expires earlier.
    """

    def __init__(self, state: StateStore, keys: SealingKeys, clock: Clock, *, ttl_seconds: float) -> None:
        self._state = state
        self._keys = keys
        self._clock = clock
        self._ttl_seconds = ttl_seconds

    async def once(
        self,
        key: bytes,
        body: bytes,
        decide: Callable[[], Awaitable[Answer]],
        keep: Callable[[Answer], object] = lambda _: None,
    ) -> Answer:
        """Return the answer to a request, deciding only if it is new.

        ``key`` is its :func:`request_key`, ``body`` the digest of the rest of the request. ``keep`` is called with an answer
        that a repeated request may get: it was stored, or it is unknown whether it was.

        Raises:
            NoDecision: the request_id was used with another body (ABORTED), is being decided right now
                (UNAVAILABLE), or the store is out of reach.
        """
        now = self._clock()
        claim = await self._claim(key, body, now)
        if claim.state is ClaimState.CONFLICT:
            raise NoDecision("ABORTED", "request_id_conflict", "this request_id was used with another body")
        if claim.state is ClaimState.PENDING:
            raise NoDecision(
                "UNAVAILABLE", "request_in_progress", "the same request is being decided right now"
            )
        if claim.state is ClaimState.DONE:
            return decode_answer(self._open(key, claim.response))
        try:
            answer = await decide()
            sealed = seal(self._keys, encode_answer(answer), key)
        except BaseException:
            await whole(self._state.abandon_request(key))
            raise
        await whole(self._store(key, body, sealed, answer, keep))
        return answer

    async def _store(
        self, key: bytes, body: bytes, sealed: bytes, answer: Answer, keep: Callable[[Answer], object]
    ) -> None:
        """Store an answer, and then keep it; not if it is certain that it wasn't stored."""
        try:
            await self._state.complete_request(key, sealed, expires_at=self._until(answer))
        except Exception:
            if await self._may_be_stored(key, body):
                keep(answer)
            raise
        keep(answer)

    async def _may_be_stored(self, key: bytes, body: bytes) -> bool:
        """Tell whether a repeated request may get an answer that couldn't be stored: its confirmation may have been lost."""
        try:
            await self._state.abandon_request(key)
            now = self._clock()
            claim = await self._state.claim_request(key, body, now=now, expires_at=now + self._ttl_seconds)
            if claim.state is not ClaimState.NEW:
                return True
            await self._state.abandon_request(key)
        except NoDecision:
            return True
        return False

    async def _claim(self, key: bytes, body: bytes, now: float) -> Claim:
        """Claim a request; a caller that goes away meanwhile leaves no claim, so that it can ask again at once."""
        made: list[Claim] = []

        async def claim() -> None:
            made.append(
                await self._state.claim_request(key, body, now=now, expires_at=now + self._ttl_seconds)
            )

        try:
            await whole(claim())
        except asyncio.CancelledError:
            # Only what was claimed here: another call may be deciding the same request.
            if made and made[0].state is ClaimState.NEW:
                await whole(self._state.abandon_request(key))
            raise
        return made[0]

    def _until(self, answer: Answer) -> float:
        ends = [self._clock() + self._ttl_seconds]
        if answer.verified is not None:
            ends.append(answer.verified.expires_at)
        if answer.decision.credential is not None:
            ends.append(answer.decision.credential.expires_at)
        return min(ends)

    def _open(self, key: bytes, stored: bytes) -> bytes:
        try:
            return unseal(self._keys, stored, key)
        except SealError as error:
            if error.retired:
                message = "the reply's key is retired; use a new request_id"
                raise NoDecision("ABORTED", "request_id_conflict", message) from None
            raise NoDecision("UNAVAILABLE", "state_unavailable", "a stored reply does not decrypt") from error


def request_key(operation: str, workload: str, credential: str, request_id: str) -> bytes:
    """Return the digest under which a request is known.

    ``credential`` is what the caller presents (a grant's digest, a token's id), so that no other caller's request_id
    can be hit.
    """
    digest = hashlib.sha256()
    for part in (operation, workload, credential, request_id):
        raw = part.encode()
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.digest()


def encode_answer(answer: Answer) -> bytes:
    """Encode an answer as JSON. It holds the credential and the grant: encrypt it before it is stored."""
    decision, credential = answer.decision, answer.decision.credential
    return json.dumps(
        {
            "grant": answer.grant,
            "decision_id": decision.decision_id,
            "allowed": decision.allowed,
            "reasons": [[r.code, r.message, r.module, r.argument] for r in decision.reasons],
            "policy_revision": decision.policy_revision,
            "obligations": [[o.id, dict(o.properties)] for o in decision.obligations],
            "reusable": decision.reusable,
            "approvals": [
                # Without a group as sidecars of an earlier version read it.
                [p.approval_id, p.module, p.code, p.call_grant, p.expires_at, *filter(None, [p.group_id])]
                for p in decision.approvals
            ],
            "credential": None
            if credential is None
            else {
                "kind": credential.kind,
                "value": credential.value,
                "credential_id": credential.credential_id,
                "audience": credential.audience,
                "scopes": list(credential.scopes),
                "expires_at": credential.expires_at,
                "uses": credential.uses,
                "fields": dict(credential.fields),
            },
        },
        separators=(",", ":"),
    ).encode()


def decode_answer(raw: bytes) -> Answer:
    """Decode what :func:`encode_answer` made. Its grant, if there is one, isn't verified."""
    value: dict[str, Any] = json.loads(raw)
    credential = value["credential"]
    decision = Decision(
        decision_id=value["decision_id"],
        allowed=value["allowed"],
        reasons=tuple(Reason(*reason) for reason in value["reasons"]),
        policy_revision=value["policy_revision"],
        credential=None
        if credential is None
        else IssuedCredential(**{**credential, "scopes": tuple(credential["scopes"])}),
        obligations=tuple(Obligation(*obligation) for obligation in value["obligations"]),
        reusable=value["reusable"],
        approvals=tuple(PendingApproval(*pending) for pending in value["approvals"]),
    )
    return Answer(decision, value["grant"], replayed=True)
