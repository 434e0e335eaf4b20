"""Requests that are repeated after their caller went away."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from tabard_sidecar.model import Decision
from tabard_sidecar.pipeline.idempotency import IdempotencyStore
from tabard_sidecar.pipeline.recorder import Answer
from tabard_sidecar.state import ClaimState
from tabard_sidecar.state.sqlite import SQLiteStateStore

from tests.support.state import opened

NOW = 1_800_000_000.0
KEY, BODY = b"key", b"body"


@pytest.fixture
async def store(tmp_path):
    """A store whose claims can be held up, before and after they are made, as a server's are."""
    async with opened(lambda: SQLiteStateStore(tmp_path / "state.db", zone="z")) as store:
        yield store


def held_up(store, reached, go_on):
    """Return the store's operations, of which a claim is made and then not answered."""

    async def claim_request(*args, **kwargs):
        claim = await store.claim_request(*args, **kwargs)
        reached.set()
        await go_on.wait()
        return claim

    async def abandon_request(key):
        await asyncio.sleep(0.01)
        await store.abandon_request(key)

    return SimpleNamespace(claim_request=claim_request, abandon_request=abandon_request)


async def never():
    """Stand for a decision, which isn't reached."""
    raise AssertionError


async def cancelled_while_claiming(store, times=1):
    """Begin a request and cancel it when the store has its claim."""
    reached, go_on = asyncio.Event(), asyncio.Event()
    requests = IdempotencyStore(held_up(store, reached, go_on), None, lambda: NOW, ttl_seconds=60.0)
    asked = asyncio.create_task(requests.once(KEY, BODY, never))
    await reached.wait()
    for _ in range(times):
        asked.cancel()
        await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await asked


@pytest.mark.parametrize("times", [1, 3])
async def test_a_caller_that_goes_while_it_claims_leaves_no_claim(store, times):
    """It asks again at once, and isn't told for half a minute that its request is being decided."""
    await cancelled_while_claiming(store, times)
    claim = await store.claim_request(KEY, BODY, now=NOW, expires_at=NOW + 60)
    assert claim.state is ClaimState.NEW


async def test_the_claim_of_another_call_stays(store):
    """A request that is being decided can't be decided a second time because a third caller goes away."""
    await store.claim_request(KEY, BODY, now=NOW, expires_at=NOW + 60)
    await cancelled_while_claiming(store)
    claim = await store.claim_request(KEY, BODY, now=NOW, expires_at=NOW + 60)
    assert claim.state is ClaimState.PENDING


@pytest.mark.parametrize("times", [1, 3])
async def test_a_caller_that_goes_while_it_waits_for_a_decision_leaves_no_claim(store, times):
    """However often it is cancelled."""
    reached, go_on = asyncio.Event(), asyncio.Event()
    go_on.set()
    requests = IdempotencyStore(held_up(store, reached, go_on), None, lambda: NOW, ttl_seconds=60.0)
    deciding = asyncio.Event()

    async def decide():
        deciding.set()
        await asyncio.sleep(60)
        return Answer(Decision("id", allowed=False))

    asked = asyncio.create_task(requests.once(KEY, BODY, decide))
    await deciding.wait()
    for _ in range(times):
        asked.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await asked
    claim = await store.claim_request(KEY, BODY, now=NOW, expires_at=NOW + 60)
    assert claim.state is ClaimState.NEW
