"""Requests and single use."""

from __future__ import annotations

import asyncio

from tabard_sidecar.state.model import Chain, ClaimState
from tabard_sidecar.state.store import CLAIM_SECONDS

from tests.support.state import LATER, NOW, chain, fresh, opened


def _key() -> bytes:
    return fresh("request").encode()


class RecordsContract:
    async def test_a_request_is_claimed_once(self, store):
        """The same request is pending, then done; another body is a conflict."""
        key = _key()
        claims = [await store.claim_request(key, b"body", now=NOW, expires_at=LATER) for _ in range(2)]
        assert [claim.state for claim in claims] == [ClaimState.NEW, ClaimState.PENDING]
        other = await store.claim_request(key, b"other", now=NOW, expires_at=LATER)
        assert (other.state, other.response) == (ClaimState.CONFLICT, b"")
        await store.complete_request(key, b"\x00reply\xff", expires_at=LATER)
        done = await store.claim_request(key, b"body", now=NOW, expires_at=LATER)
        assert (done.state, done.response) == (ClaimState.DONE, b"\x00reply\xff")
        assert (
            await store.claim_request(key, b"other", now=NOW, expires_at=LATER)
        ).state is ClaimState.CONFLICT

    async def test_an_abandoned_claim_is_free_and_a_reply_cant_be_abandoned(self, store):
        key = _key()
        await store.claim_request(key, b"body", now=NOW, expires_at=LATER)
        await store.abandon_request(key)
        assert (await store.claim_request(key, b"other", now=NOW, expires_at=LATER)).state is ClaimState.NEW
        await store.complete_request(key, b"reply", expires_at=LATER)
        await store.abandon_request(key)
        assert (await store.claim_request(key, b"other", now=NOW, expires_at=LATER)).response == b"reply"

    async def test_an_empty_reply_is_a_reply(self, store):
        key = _key()
        await store.claim_request(key, b"body", now=NOW, expires_at=LATER)
        await store.complete_request(key, b"", expires_at=LATER)
        assert (await store.claim_request(key, b"body", now=NOW, expires_at=LATER)).state is ClaimState.DONE

    async def test_a_claim_outlives_its_owner_only_briefly(self, store):
        """What a crashed owner claimed can be claimed anew, by one."""
        key = _key()
        await store.claim_request(key, b"body", now=NOW, expires_at=LATER)
        early, late = NOW + CLAIM_SECONDS - 1, NOW + CLAIM_SECONDS + 1
        assert (
            await store.claim_request(key, b"body", now=early, expires_at=LATER)
        ).state is ClaimState.PENDING
        assert (await store.claim_request(key, b"body", now=late, expires_at=LATER)).state is ClaimState.NEW
        assert (
            await store.claim_request(key, b"body", now=late, expires_at=LATER)
        ).state is ClaimState.PENDING

    async def test_a_reply_is_forgotten_at_its_expiry(self, store):
        """Completing sets the expiry anew; after it the request is as good as new, whatever its body."""
        key = _key()
        await store.claim_request(key, b"body", now=NOW, expires_at=LATER)
        await store.complete_request(key, b"reply", expires_at=NOW + 10)
        before = await store.claim_request(key, b"body", now=NOW + 9, expires_at=LATER)
        after = await store.claim_request(key, b"other", now=NOW + 11, expires_at=LATER)
        assert (before.state, after.state) == (ClaimState.DONE, ClaimState.NEW)
        again = await store.claim_request(key, b"other", now=NOW + 11, expires_at=LATER)
        assert (again.state, again.response) == (ClaimState.PENDING, b"")

    async def test_completing_what_was_not_claimed_changes_nothing(self, store):
        key = _key()
        await store.complete_request(key, b"reply", expires_at=LATER)
        assert (await store.claim_request(key, b"body", now=NOW, expires_at=LATER)).state is ClaimState.NEW

    async def test_one_of_many_claims_wins(self, new_store):
        """Two sidecars with sixteen claims each: one is new."""
        key = _key()
        async with opened(new_store) as one, opened(new_store) as other:
            claims = await asyncio.gather(
                *(
                    s.claim_request(key, b"body", now=NOW, expires_at=LATER)
                    for s in (one, other)
                    for _ in range(16)
                )
            )
        assert sorted(claim.state for claim in claims) == [ClaimState.NEW] + [ClaimState.PENDING] * 31

    async def test_a_name_is_used_no_more_often_than_allowed(self, store):
        name = fresh("token")
        uses = [await store.consume(name, limit=3, now=NOW, expires_at=LATER) for _ in range(5)]
        assert uses == [True, True, True, False, False]
        assert await store.consume(name, limit=4, now=NOW, expires_at=LATER)

    async def test_a_use_is_forgotten_after_its_expiry(self, store):
        name = fresh("intent")
        assert await store.consume(name, limit=1, now=NOW, expires_at=NOW + 10)
        assert not await store.consume(name, limit=1, now=NOW + 9, expires_at=NOW + 10)
        assert await store.consume(name, limit=1, now=NOW + 11, expires_at=NOW + 20)

    async def test_names_are_told_apart_whatever_they_hold(self, store):
        """No name is another's, however they are put together."""
        base = fresh("n")
        for name in (f"{base}a b", f"{base}a", f"{base}a b:", f"{base}é", f"{base}\n", base + "x" * 5_000):
            assert await store.consume(name, limit=1, now=NOW, expires_at=LATER)

    async def test_sidecars_together_never_use_more_than_the_limit(self, new_store):
        name = fresh("shared")
        async with opened(new_store) as one, opened(new_store) as other:
            got = await asyncio.gather(
                *(
                    s.consume(name, limit=25, now=NOW, expires_at=LATER)
                    for s in (one, other)
                    for _ in range(32)
                )
            )
        assert sum(got) == 25

    async def test_another_instance_sees_it(self, new_store):
        """What was consumed is known to a sidecar that starts later."""
        name = fresh("once")
        async with opened(new_store) as one:
            assert await one.consume(name, limit=1, now=NOW, expires_at=LATER)
        async with opened(new_store) as later:
            assert not await later.consume(name, limit=1, now=NOW, expires_at=LATER)

    async def test_the_epoch_grows_with_single_use(self, store):
        unknown: Chain = chain(fresh("unknown"))
        before = (await store.look_up(unknown)).epoch
        await store.consume(fresh("n"), limit=1, now=NOW, expires_at=LATER)
        assert (await store.look_up(unknown)).epoch > before
