"""Reservations that require an unchanged task state, and the state that sidecars cache from them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_sidecar.pipeline.task_state_cache import TaskStateCache
from tabard_sidecar.state.model import (
    Chain,
    Child,
    Reservation,
    Reserved,
    ReserveState,
    Revocation,
    RevocationKind,
    TaskState,
)
from tabard_sidecar.state.store import HISTORY_CALLS, StateStore

from tests.support.state import (
    LATER,
    NOW,
    SUPPRESSED,
    NewStore,
    chain,
    fresh,
    new_task,
    opened,
    outcome,
    wanted,
)

_LIMITS = {"a": 1_000, "b": 900}
_CALLS = st.tuples(
    st.sampled_from([("l",), ("l",), ("l",), ("l", "m"), ()]),
    st.dictionaries(st.sampled_from(sorted(_LIMITS)), st.integers(0, 4)),
    st.lists(st.sampled_from(["p", "q"]), max_size=1),
    st.lists(st.sampled_from(["p", "r"]), max_size=1),
)
_DISTURBANCES = st.sampled_from(["", "", "", "", "", "call", "raise", "release", "child", "revoke"])


async def _as_seen(store: StateStore, of: Chain, **parts: object) -> Reservation:
    """Return a reservation that insists on how the chain stands now."""
    found = await store.look_up(of)
    call = wanted(of, version=found.label_version, epoch=found.epoch, **parts)  # type: ignore[arg-type]
    return replace(call, unchanged=(found.changes, found.revocations))


async def _revoke(store: StateStore, kind: RevocationKind, target: str) -> None:
    await store.revoke(Revocation(kind, target, NOW, LATER, ("why",)))


class UnchangedContract:
    async def test_what_has_not_changed_is_taken_again_and_again(self, store):
        """Each answer has the versions that the next reservation requires."""
        of = chain((await new_task(store)).root_id, "l", budgets=_LIMITS)
        call = await _as_seen(store, of, charges={"a": 1})
        for number in range(1, 6):
            answer = await store.reserve(call)
            assert answer.state is ReserveState.DONE
            found = await store.look_up(of)
            assert (answer.changes, answer.label_version, answer.revocations, answer.epoch) == (
                found.changes, found.label_version, found.revocations, found.epoch,
            )  # fmt: skip
            assert found.spent[of.budgets[0].budget_id] == number
            call = replace(
                wanted(of, charges={"a": 1}, version=answer.label_version),
                unchanged=(answer.changes, answer.revocations),
            )

    async def test_after_any_change_of_the_task_nothing_is_taken(self, new_store):
        """After another sidecar changes the task, or revokes anything, such a call is refused and changes
        nothing."""
        async with opened(new_store) as one, opened(new_store) as other:
            root = (await new_task(one)).root_id
            of = chain(root, "l", budgets=_LIMITS)
            made = [wanted(of, charges={"a": 1}) for _ in range(3)]
            for call in made:
                assert (await other.reserve(call)).state is ReserveState.DONE
            person = fresh("person")

            async def label() -> None:
                version = (await other.look_up(of)).label_version
                await other.reserve(wanted(chain(root, "other"), version=version, branch_labels=("x",)))

            async def child() -> None:
                await other.register_children(
                    [Child("l", fresh("child"), None, root)], now=NOW, expires_at=LATER
                )

            async def call() -> None:
                version = (await other.look_up(of)).label_version
                await other.reserve(wanted(chain(root), version=version))

            changes: dict[str, Callable[[], Awaitable[object]]] = {
                "call": call,
                "label": label,
                "outcome": lambda: other.report(outcome(made[0], raised={"a": 1})),
                "refund": lambda: other.report(outcome(made[1], refunded={"a": 1})),
                "release": lambda: other.release(made[2].decision_id, root),
                "child": child,
                "agent revoked": lambda: _revoke(other, RevocationKind.AGENT, fresh("agent")),
                "subject revoked": lambda: _revoke(other, RevocationKind.SUBJECT, person),
                "subject given back": lambda: other.lift(RevocationKind.SUBJECT, person),
                "link ended": lambda: _revoke(other, RevocationKind.LINK, fresh("link")),
            }
            for name, change in changes.items():
                insisting = await _as_seen(one, of, charges={"b": 7}, task_labels=("never",))
                await change()
                before = await one.look_up(of)
                assert (await one.reserve(insisting)).state is ReserveState.CHANGED, name
                assert await one.look_up(of) == before, name
            assert (await one.reserve(await _as_seen(one, of, charges={"b": 7}))).state is ReserveState.DONE

    async def test_what_is_remembered_of_a_long_history_is_its_end(self, store):
        """As a look-up has it, also after a call in the middle was taken back."""
        of = chain((await new_task(store)).root_id, budgets=_LIMITS)
        memory, taken = TaskStateCache(), []
        for number in range(2 * HISTORY_CALLS):
            call = wanted(of, charges={"a": 1}, tool=f"tool{number}", now=NOW + number / 8)
            taken.append(await _take(store, memory, call, _nothing))
            if number % 7 == 0:
                await store.release(call.decision_id, of.root_id)
        made = [call for call in taken if call is not None]
        assert len(made) >= HISTORY_CALLS

    async def test_another_task_is_no_change(self, store):
        """Changes of other tasks don't cause a second evaluation."""
        of = chain((await new_task(store)).root_id, budgets=_LIMITS)
        beside = chain((await new_task(store)).root_id, budgets=_LIMITS)
        insisting = await _as_seen(store, of, charges={"a": 1})
        await store.reserve(wanted(beside, charges={"a": 1}))
        await store.register_children(
            [Child(beside.root_id, fresh("child"), None, beside.root_id)], now=NOW, expires_at=LATER
        )
        assert (await store.reserve(insisting)).state is ReserveState.DONE

    async def test_changes_of_a_task_that_is_gone_leave_no_task_behind(self, store):
        """Children and releases of a root that wasn't opened don't make it known."""
        root = fresh("root")
        await store.register_children([Child(root, fresh("child"), None, root)], now=NOW, expires_at=LATER)
        await store.release(fresh("decision"), root)
        assert not (await store.look_up(chain(root))).known

    @settings(max_examples=100, suppress_health_check=SUPPRESSED)
    @given(steps=st.lists(st.tuples(_DISTURBANCES, _DISTURBANCES, _CALLS), min_size=2, max_size=12))
    def test_what_is_remembered_is_how_it_stands_or_refused(self, new_store: NewStore, steps):
        """A sidecar that remembers what its reservation left behind knows the same as one that looks it up.

        Another one disturbs it before it looks, and between its look and its reservation.
        """

        async def work() -> None:
            async with opened(new_store) as one, opened(new_store) as other:
                root = (await new_task(one)).root_id
                memory = TaskStateCache()
                last: Reservation | None = None
                for before, between, (links, charges, task_labels, branch_labels) in steps:
                    of = chain(root, *links, budgets=_LIMITS)
                    call = wanted(
                        of,
                        charges=charges,
                        task_labels=tuple(task_labels),
                        branch_labels=tuple(branch_labels),
                    )
                    await _disturb(other, before, of, last)
                    taken = await _take(
                        one, memory, call, lambda b=between, o=of, c=last: _disturb(other, b, o, c)
                    )
                    last = taken or last

        asyncio.run(work())


async def _take(
    store: StateStore, memory: TaskStateCache, call: Reservation, meanwhile: Callable[[], Awaitable[None]]
) -> Reservation | None:
    """Reserve like the pipeline, on the cached state if there is one; compare it with the stored state."""
    found = await store.look_up(call.chain)
    state = memory.take(call.chain, with_calls=True, revocations=found.revocations)
    if state is not None:
        call = replace(call, unchanged=(state.changes, state.revocations))
        if state.changes == found.changes:
            _same(state, found)
    await meanwhile()
    now = await store.look_up(call.chain)
    answer = await _reserve(store, call, state or found)
    if state is not None:
        same = (state.changes, state.revocations) == (now.changes, now.revocations)
        assert (answer.state is ReserveState.DONE) == same
    if answer.state is not ReserveState.DONE:
        return None
    memory.keep(state or found, call, answer)
    return call


async def _nothing() -> None:
    """Disturb nothing."""


async def _reserve(store: StateStore, call: Reservation, seen: TaskState) -> Reserved:
    return await store.reserve(replace(call, label_version=seen.label_version, epoch=seen.epoch))


def _same(remembered: TaskState, found: TaskState) -> None:
    """Compare everything but the epoch, which other tasks move on as well; what was never charged needn't be there."""

    def shown(state: TaskState) -> TaskState:
        spent = {name: amount for name, amount in state.spent.items() if amount}
        return replace(state, epoch=0, cached=False, spent=spent)

    assert shown(remembered) == shown(found)
    assert [call.encoded for call in remembered.calls] == [call.encoded for call in found.calls]


async def _disturb(store: StateStore, what: str, of: Chain, last: Reservation | None) -> None:
    if what == "call":
        version = (await store.look_up(of)).label_version
        await store.reserve(wanted(of, charges={"a": 1}, version=version))
    elif what == "child":
        await store.register_children(
            [Child(of.link_ids[-1], fresh("child"), None, of.root_id)], now=NOW, expires_at=LATER
        )
    elif what == "revoke":
        await _revoke(store, RevocationKind.AGENT, fresh("agent"))
    elif last is not None and what == "release":
        await store.release(last.decision_id, of.root_id)
    elif last is not None and what == "raise":
        await store.report(outcome(last, raised={"a": 1}, labels=("s",)))
