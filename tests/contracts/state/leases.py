"""The journal of leases: noted, extended, ended, found by what ends them."""

from __future__ import annotations

from base64 import b85encode
from dataclasses import replace

import pytest
from tabard_sidecar.state.leases import Lease, LeaseFilter, LeaseTarget
from tabard_sidecar.state.model import Revocation, RevocationKind
from tabard_sidecar.state.store import KEPT_SECONDS

from tests.support.state import LATER, NOW, NewStore, fresh, opened

_TARGETS = {
    RevocationKind.LINK: "link_id",
    RevocationKind.AGENT: "holder",
    RevocationKind.SUBJECT: "subject",
    RevocationKind.CREDENTIAL: "lease_id",
}


def lease(**details: object) -> Lease:
    """Return a lease that shares nothing with another one."""
    made = Lease(
        fresh("lease"),
        "main",
        fresh("role é"),
        fresh("accessor"),
        fresh("cluster"),
        fresh("root"),
        fresh("link"),
        fresh("task"),
        NOW - 60,
        fresh("spiffe://z/agent"),
        f"https://issuer {fresh('sub')}",
        NOW,
        LATER,
        (),
    )
    made = replace(made, **details)
    targets = sorted(LeaseTarget(kind, getattr(made, name)) for kind, name in _TARGETS.items())
    return made if made.targets else replace(made, targets=tuple(targets))


async def _revoked(store) -> list[Lease]:
    found: list[Lease] = []
    after = ""
    while True:
        page = await store.revoked_leases(now=NOW, after=after, limit=7)
        found += page.leases
        after = page.after
        if not after:
            return found


async def _of(store, target: LeaseTarget, *, now: float = NOW, limit: int = 100) -> list[Lease]:
    found: list[Lease] = []
    after = ""
    while True:
        page = await store.leases_of(target, now=now, after=after, limit=limit)
        assert len(page.leases) <= limit
        found += page.leases
        after = page.after
        if not after:
            return found


async def _all(store, wanted: LeaseFilter, limit: int = 100, now: float = NOW) -> list[Lease]:
    found: list[Lease] = []
    after = ""
    while True:
        page = await store.leases(now=now, wanted=wanted, after=after, limit=limit)
        assert len(page.leases) <= limit
        found += page.leases
        after = page.after
        if not after:
            return found


class LeasesContract:
    async def test_a_lease_is_the_same_for_another_sidecar(self, new_store: NewStore):
        made = lease()
        async with opened(new_store) as one, opened(new_store) as other:
            await one.add_lease(made)
            assert await _all(other, LeaseFilter(task_id=made.task_id)) == [made]

    async def test_a_sealed_token_is_kept_as_it_is(self, new_store: NewStore):
        """The largest that an identity provider may send, encrypted and as text, with every character of that."""
        alphabet = b85encode(bytes(range(256))).decode()
        made = lease(source="exchange/main", accessor=(alphabet * 80)[:25_000])
        async with opened(new_store) as one, opened(new_store) as other:
            await one.add_lease(made)
            assert await _of(other, made.targets[0]) == [made]

    async def test_a_lease_that_is_noted_again_replaces_itself(self, store):
        made = lease()
        again = replace(made, accessor="other", targets=made.targets[:1])
        await store.add_lease(made)
        await store.add_lease(again)
        assert await _all(store, LeaseFilter(task_id=made.task_id)) == [again]
        assert await _of(store, made.targets[1]) == []

    async def test_a_list_goes_on_where_it_ended(self, store):
        made = [lease(task_id=(task := fresh("task")))]
        made += [lease(task_id=task) for _ in range(6)]
        for each in made:
            await store.add_lease(each)
        for limit in (1, 2, 3, 7, 8):
            assert await _all(store, LeaseFilter(task_id=task), limit) == sorted(
                made, key=lambda each: each.lease_id
            )

    @pytest.mark.parametrize("name", ["task_id", "source", "holder"])
    async def test_leases_are_filtered(self, store, name):
        one, other = lease(source=fresh("source")), lease(source=fresh("source"))
        await store.add_lease(one)
        await store.add_lease(other)
        assert await _all(store, LeaseFilter(**{name: getattr(one, name)})) == [one]

    async def test_an_extension_never_shortens(self, store):
        made = lease(expires_at=NOW + 30)
        await store.add_lease(made)
        for until, expected in ((NOW + 90, NOW + 90), (NOW + 40, NOW + 90)):
            assert await store.extend_lease(made.lease_id, expires_at=until)
            (found,) = await _all(store, LeaseFilter(task_id=made.task_id))
            assert found == replace(made, expires_at=expected)
        assert not await store.extend_lease(fresh("unknown"), expires_at=LATER)

    async def test_an_ended_lease_is_gone_once(self, store):
        made = lease()
        await store.add_lease(made)
        assert await store.end_lease(made.lease_id)
        assert not await store.end_lease(made.lease_id)
        assert not await _all(store, LeaseFilter(task_id=made.task_id))
        for target in made.targets:
            assert await _of(store, target) == []

    async def test_an_extension_after_the_end_brings_nothing_back(self, store):
        made = lease()
        await store.add_lease(made)
        await store.end_lease(made.lease_id)
        assert not await store.extend_lease(made.lease_id, expires_at=LATER + 60)
        assert not await _all(store, LeaseFilter(task_id=made.task_id))

    async def test_a_lease_is_found_by_each_of_its_targets_until_it_expires(self, store):
        made = lease(expires_at=NOW + 30)
        await store.add_lease(made)
        for target in made.targets:
            assert await _of(store, target) == [made]
            assert await _of(store, target, now=NOW + 31) == []
            assert await _of(store, LeaseTarget(target.kind, fresh("other"))) == []

    async def test_what_a_target_ends_is_listed_to_its_end(self, store):
        first = lease()
        shared = first.targets[0]
        made = [lease(lease_id=fresh(f"many{number}"), targets=(shared,)) for number in range(5)]
        for each in [*made, lease(targets=(shared,), expires_at=NOW - 1)]:
            await store.add_lease(each)
        for limit in (1, 2, 4, 5, 6, 100):
            assert await _of(store, shared, limit=limit) == sorted(made, key=lambda each: each.lease_id)

    @pytest.mark.parametrize("kind", list(_TARGETS))
    async def test_a_revoked_lease_is_found_until_it_is_ended(self, store, kind):
        made = lease()
        await store.add_lease(made)
        target = next(target for target in made.targets if target.kind is kind)
        assert made not in await _revoked(store)
        await store.revoke(Revocation(kind, target.target, NOW, LATER, ("reason",)))
        assert made in await _revoked(store)
        await store.end_lease(made.lease_id)
        assert made not in await _revoked(store)

    async def test_a_person_who_was_revoked_before_the_task_started_keeps_its_lease(self, store):
        made = lease(task_started_at=NOW)
        await store.add_lease(made)
        await store.revoke(Revocation(RevocationKind.SUBJECT, made.subject, NOW - 1, LATER, ("reason",)))
        assert made not in await _revoked(store)

    async def test_a_lifted_or_expired_revocation_ends_no_lease(self, store):
        lifted, expired = lease(), lease()
        for made in (lifted, expired):
            await store.add_lease(made)
        await store.revoke(Revocation(RevocationKind.AGENT, lifted.holder, NOW, LATER, ("reason",)))
        await store.lift(RevocationKind.AGENT, lifted.holder)
        await store.revoke(Revocation(RevocationKind.AGENT, expired.holder, NOW - 9, NOW - 1, ("reason",)))
        found = await _revoked(store)
        assert lifted not in found
        assert expired not in found

    async def test_an_expired_lease_is_forgotten_late(self, store):
        made = lease(created_at=NOW - 2 * KEPT_SECONDS, expires_at=NOW - KEPT_SECONDS - 1)
        await store.add_lease(made)
        assert not await _all(store, LeaseFilter(task_id=made.task_id))
        while await store.expire(now=NOW):
            pass
        assert not await store.end_lease(made.lease_id)
