"""The sealed subject tokens of tasks: kept when a task is opened, until they expire or the root is revoked."""

from __future__ import annotations

import pytest
from tabard_sidecar.state.model import KeptToken, Revocation, RevocationKind
from tabard_sidecar.state.store import StateStore

from tests.support.state import LATER, NOW, NewStore, opened, task

SEALED = b"\x00sealed\xff" * 2_000


async def _opened_task(store: StateStore, sealed: bytes = SEALED, expires_at: float = LATER) -> str:
    made = task()
    await store.open_task(made, labels_since=NOW, token=KeptToken(sealed, expires_at))
    return made.root_id


class TokensContract:
    async def test_a_task_keeps_the_token_that_started_it(self, new_store: NewStore):
        """Every sidecar of the zone reads the same bytes, and each task has its own."""
        async with opened(new_store) as one, opened(new_store) as other:
            first, second = await _opened_task(one), await _opened_task(one, b"other")
            assert await other.subject_token(first, now=NOW) == SEALED
            assert await other.subject_token(second, now=NOW) == b"other"

    async def test_most_tasks_keep_none(self, store):
        made = task()
        await store.open_task(made, labels_since=NOW)
        assert await store.subject_token(made.root_id, now=NOW) is None
        assert await store.subject_token("unknown", now=NOW) is None

    async def test_a_task_that_is_opened_again_keeps_its_token(self, store):
        made = task()
        await store.open_task(made, labels_since=NOW, token=KeptToken(b"first", LATER))
        await store.open_task(made, labels_since=NOW, token=KeptToken(b"second", LATER))
        await store.open_task(made, labels_since=NOW)
        assert await store.subject_token(made.root_id, now=NOW) == b"first"

    async def test_a_token_that_expired_is_gone_and_deleted(self, store):
        root = await _opened_task(store, expires_at=NOW + 60)
        assert await store.subject_token(root, now=NOW + 59) == SEALED
        assert await store.subject_token(root, now=NOW + 60) is None
        expired = await _opened_task(store, expires_at=NOW - 400)
        while await store.expire(now=NOW):
            pass
        # The look-up takes any time, so this one would find what is still there.
        assert await store.subject_token(expired, now=0.0) is None
        assert await store.subject_token(root, now=NOW) == SEALED

    async def test_the_end_of_the_task_deletes_its_token(self, store):
        """At once, in the same transaction; another task and the end of a child change nothing."""
        root, other = await _opened_task(store), await _opened_task(store, b"other")
        await store.revoke(Revocation(RevocationKind.LINK, f"{root}.child", NOW, LATER))
        assert await store.subject_token(root, now=NOW) == SEALED
        for _ in range(2):
            await store.revoke(Revocation(RevocationKind.LINK, root, NOW, LATER))
            assert await store.subject_token(root, now=0.0) is None
        assert await store.subject_token(other, now=NOW) == b"other"

    @pytest.mark.parametrize("kind", [RevocationKind.AGENT, RevocationKind.CREDENTIAL])
    async def test_what_can_be_lifted_deletes_no_token(self, store, kind):
        root = await _opened_task(store)
        await store.revoke(Revocation(kind, root, NOW, LATER))
        assert await store.subject_token(root, now=NOW) == SEALED
