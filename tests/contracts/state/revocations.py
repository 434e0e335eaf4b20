"""Revoking, lifting, and the news of both at other sidecars."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_sidecar.state.model import (
    REASONS_KEPT,
    Child,
    ReserveState,
    Revocation,
    RevocationKind,
    RevocationOrigin,
)

from tests.support.state import LATER, NOW, SUPPRESSED, NewStore, chain, fresh, new_task, opened, wanted


def revoked(
    kind: RevocationKind, target: str = "", *, at: float = NOW, expires_at: float = LATER
) -> Revocation:
    """Return a revocation of something that no other test has."""
    return Revocation(kind, target or fresh(f"{kind.value} é"), at, expires_at, ('rea"son',))


def _merged(old: Revocation | None, new: Revocation, seq: int) -> Revocation:
    """Return what a revocation makes of one that holds; the number is new if and only if anything is."""
    if old is None:
        return replace(new, seq=seq)
    operators = old.origin is not RevocationOrigin.HOLDER
    merged = Revocation(
        old.kind,
        old.target,
        max(old.at, new.at),
        max(old.expires_at, new.expires_at),
        tuple(dict.fromkeys((*old.reasons, *new.reasons))),
        old.origin if operators else new.origin,
        old.seq,
    )
    assert (seq > old.seq) == (merged != old)
    return replace(merged, seq=seq)


async def _newest(store) -> int:
    return (await store.look_up(chain(fresh("unknown")))).revocations


_PROGRAMS = st.lists(
    st.tuples(
        st.sampled_from(["revoke", "revoke", "revoke", "lift"]),
        st.sampled_from([RevocationKind.AGENT, RevocationKind.LINK, RevocationKind.CREDENTIAL]),
        st.integers(0, 1),
        st.sampled_from(list(RevocationOrigin)),
        st.lists(
            st.sampled_from(["", "ended by its holder", "lifted", "a", "b", "c"]), max_size=2, unique=True
        ),
        st.integers(-2, 2),
        st.integers(-2, 2),
    ),
    max_size=16,
)


class RevocationsContract:
    @settings(max_examples=60, suppress_health_check=SUPPRESSED)
    @given(program=_PROGRAMS)
    def test_every_program_of_revocations_ends_as_in_the_model(self, new_store: NewStore, program):
        """Times only grow, reasons are only added, an operator's stays an operator's; what is lifted begins anew."""

        async def work() -> None:
            async with opened(new_store) as one, opened(new_store) as other:
                name, model = fresh("t"), dict[tuple[RevocationKind, str], Revocation]()
                began = await _newest(one)
                for number, (what, kind, target, origin, reasons, at, until) in enumerate(program):
                    store = (one, other)[number % 2]
                    key = (kind, f"{name} {target}")
                    if what == "lift":
                        lifted = await store.lift(*key)
                        assert lifted == (key in model and kind is not RevocationKind.LINK)
                        if lifted:
                            del model[key]
                        continue
                    wanted_one = Revocation(*key, NOW + at, LATER + until, tuple(reasons), origin)
                    seq = await store.revoke(wanted_one)
                    model[key] = _merged(model.get(key), wanted_one, seq)
                    found = {
                        (entry.kind, entry.target): entry
                        for entry in await (other, one)[number % 2].revocations(after=began)
                        if entry.expires_at
                    }
                    assert found == model

        asyncio.run(work())

    async def test_an_ended_link_ends_what_is_below_it(self, store):
        root = (await new_task(store)).root_id
        link = fresh("link")
        of, below, beside = chain(root, link), chain(root, link, "c"), chain(root, "other")
        await store.revoke(revoked(RevocationKind.LINK, link))
        assert (await store.look_up(of)).ended == (await store.look_up(below)).ended == link
        assert not (await store.look_up(beside)).ended
        answer = await store.reserve(wanted(below))
        assert (answer.state, answer.what) == (ReserveState.ENDED, link)
        assert (await store.reserve(wanted(beside))).state is ReserveState.DONE

    async def test_an_ended_task_takes_nothing(self, store):
        root = (await new_task(store)).root_id
        of = chain(root, "l", budgets={"calls": 5})
        await store.revoke(revoked(RevocationKind.LINK, root))
        answer = await store.reserve(wanted(of, charges={"calls": 1}, task_labels=("x",)))
        assert (answer.state, answer.what) == (ReserveState.ENDED, root)
        state = await store.look_up(of)
        assert (state.ended, state.calls, state.labels) == (root, (), ())
        assert not any(state.spent.values())

    async def test_other_kinds_end_no_link(self, store):
        """An agent whose name is a link's id is no link."""
        root = (await new_task(store)).root_id
        for kind in (RevocationKind.AGENT, RevocationKind.SUBJECT, RevocationKind.CREDENTIAL):
            await store.revoke(revoked(kind, root))
        assert not (await store.look_up(chain(root))).ended

    async def test_an_end_reaches_what_was_counted_below_it(self, store):
        top, middle, low = fresh("t"), fresh("m"), fresh("l")
        steps = [Child(top, middle, None), Child(middle, low, None)]
        await store.register_children(steps, now=NOW, expires_at=LATER)
        assert not await store.ended_at_or_above(low)
        await store.revoke(revoked(RevocationKind.LINK, middle))
        assert await store.ended_at_or_above(low)
        assert await store.ended_at_or_above(middle)
        assert not await store.ended_at_or_above(top)
        assert not await store.ended_at_or_above(fresh("unheard"))

    async def test_revocations_come_in_order(self, store):
        before = await _newest(store)
        made = [revoked(kind) for kind in RevocationKind]
        numbers = [await store.revoke(one) for one in made]
        assert numbers == sorted(set(numbers))
        assert numbers[0] > before
        found = await store.revocations(after=before)
        assert list(found) == [replace(one, seq=seq) for one, seq in zip(made, numbers, strict=True)]
        assert list(await store.revocations(after=numbers[1])) == list(found[2:])
        assert list(await store.revocations(after=numbers[-1])) == []
        assert await _newest(store) == numbers[-1]
        assert [one.seq for one in await store.revocations()][-len(numbers) :] == numbers

    async def test_revoking_again_changes_nothing_but_more(self, store):
        """Only a later time counts, and then it comes under a new number; nothing ever gets less."""
        one = revoked(RevocationKind.AGENT)
        seq = await store.revoke(one)
        assert await store.revoke(one) == seq
        assert await store.revoke(replace(one, at=NOW - 5, expires_at=LATER - 5)) == seq
        later = await store.revoke(replace(one, at=NOW + 5, expires_at=LATER - 5))
        assert later > seq
        (found,) = await store.revocations(after=seq)
        assert (found.at, found.expires_at, found.seq) == (NOW + 5, LATER, later)
        longer = await store.revoke(replace(one, at=NOW - 9, expires_at=LATER + 5))
        (found,) = await store.revocations(after=later)
        assert (found.at, found.expires_at, found.seq) == (NOW + 5, LATER + 5, longer)

    async def test_revoking_again_adds_its_reason(self, store):
        """The first reason stays and the second is added, under a new number so that every sidecar reads it."""
        one = revoked(RevocationKind.AGENT)
        seq = await store.revoke(one)
        later = await store.revoke(replace(one, reasons=("é second",)))
        assert later > seq
        (found,) = await store.revocations(after=seq)
        assert found == replace(one, reasons=('rea"son', "é second"), seq=later)
        assert await store.revoke(replace(one, reasons=("é second",))) == later
        assert await store.revoke(replace(one, reasons=())) == later
        for number in range(2 * REASONS_KEPT):
            await store.revoke(replace(one, reasons=(f"again {number}",)))
        (found,) = await store.revocations(after=later)
        newest = range(REASONS_KEPT + 1, 2 * REASONS_KEPT)
        assert found.reasons == (one.reasons[0], *(f"again {number}" for number in newest))

    async def test_an_operator_revokes_what_its_holder_ended(self, store):
        """From then on it is an operator's; the other way round it stays one."""
        for first, then in itertools.permutations((RevocationOrigin.HOLDER, RevocationOrigin.OPERATOR)):
            one = replace(revoked(RevocationKind.LINK), origin=first)
            before = await store.revoke(one) - 1
            await store.revoke(replace(one, reasons=("again",), origin=then))
            (found,) = await store.revocations(after=before)
            assert found.origin is RevocationOrigin.OPERATOR
            assert found.reasons == ('rea"son', "again")

    async def test_a_reason_decides_nothing(self, store):
        """Not even words that a program might use itself."""
        for reason in ("ended by its holder", "revoked by its holder", "lifted", "operator", "holder", ""):
            for origin in RevocationOrigin:
                one = replace(revoked(RevocationKind.LINK), reasons=(reason,), origin=origin)
                seq = await store.revoke(one)
                assert (await store.look_up(chain(one.target))).ended == one.target
                assert await store.revocations(after=seq - 1) == [replace(one, seq=seq)]

    async def test_a_lifted_revocation_says_so(self, store):
        one = revoked(RevocationKind.SUBJECT)
        seq = await store.revoke(one)
        assert await store.lift(one.kind, one.target)
        assert not await store.lift(one.kind, one.target)
        assert not await store.lift(RevocationKind.AGENT, one.target)
        (found,) = await store.revocations(after=seq)
        assert (found.kind, found.target, found.expires_at) == (one.kind, one.target, 0)
        assert found.seq > seq
        again = await store.revoke(one)
        (found,) = await store.revocations(after=found.seq)
        assert (found.seq, found.at, found.expires_at) == (again, one.at, one.expires_at)

    async def test_a_link_cant_be_given_back(self, store):
        link = fresh("link")
        seq = await store.revoke(revoked(RevocationKind.LINK, link))
        assert not await store.lift(RevocationKind.LINK, link)
        assert (await store.look_up(chain(link))).ended == link
        assert not await store.revocations(after=seq)

    async def test_waiting_ends_with_a_revocation(self, new_store):
        """Another sidecar hears of it while it waits, at once if there was one before, and not if there is none."""
        async with opened(new_store) as one, opened(new_store) as other:
            before = await _newest(one)
            waiting = asyncio.create_task(other.watch(before, timeout_seconds=60))
            done, _ = await asyncio.wait([waiting], timeout=0.2)
            assert not done
            began = time.monotonic()
            seq = await one.revoke(revoked(RevocationKind.CREDENTIAL))
            assert await waiting
            assert time.monotonic() - began < 30
            assert await other.watch(before, timeout_seconds=0)
            began = time.monotonic()
            assert not await other.watch(seq, timeout_seconds=0.1)
            assert time.monotonic() - began >= 0.1

    async def test_several_wait_and_one_gives_up(self, store):
        before = await _newest(store)
        waiting = [asyncio.create_task(store.watch(before, timeout_seconds=60)) for _ in range(3)]
        await asyncio.wait(waiting, timeout=0.1)
        waiting[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]
        one = revoked(RevocationKind.AGENT)
        await store.revoke(one)
        assert await asyncio.gather(*waiting[1:]) == [True, True]
        seq = await _newest(store)
        lifting = asyncio.create_task(store.watch(seq, timeout_seconds=10))
        await asyncio.wait([lifting], timeout=0.1)
        await store.lift(one.kind, one.target)
        assert await lifting

    async def test_the_tree_names_what_was_ended(self, store):
        made = await new_task(store)
        root = made.root_id
        steps = [Child(root, f"{root}a", None, root, "h", ""), Child(root, f"{root}b", None, root, "h", "")]
        await store.register_children(steps, now=NOW, expires_at=LATER)
        await store.revoke(revoked(RevocationKind.LINK, f"{root}b"))
        assert (await store.tree(made.task_id)).ended == (f"{root}b",)
        await store.revoke(revoked(RevocationKind.LINK, root))
        assert set((await store.tree(made.task_id)).ended) == {root, f"{root}b"}
