"""Generated schedules on several instances at once: the invariants hold in every order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_sidecar.state.model import Child, Outcome, OutcomeState, Reservation, ReserveState
from tabard_sidecar.state.store import StateStore

from tests.support.state import (
    LATER,
    NOW,
    SUPPRESSED,
    NewStore,
    chain,
    new_task,
    opened,
    outcome,
    wanted,
)

_LIMITS = {"a": 20, "b": 12}
_AMOUNTS = st.fixed_dictionaries({name: st.integers(0, 6) for name in _LIMITS})
_STEP = st.one_of(
    st.tuples(st.just("reserve"), _AMOUNTS, st.sampled_from(["", "", "", "x", "y", "z"])),
    st.tuples(st.just("refund"), _AMOUNTS, st.just("")),
    st.tuples(st.just("raise"), _AMOUNTS, st.sampled_from(["", "w"])),
    st.tuples(st.just("release"), st.just({}), st.just("")),
)
_CALLERS = st.lists(st.lists(_STEP, min_size=1, max_size=6), min_size=2, max_size=8)


@dataclass
class _Books:
    """The answers that callers got, and the final state that follows from them."""

    charged: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_LIMITS, 0))
    returned: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_LIMITS, 0))
    raised: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_LIMITS, 0))
    labels: set[str] = field(default_factory=set)
    calls: int = 0

    def add(self, to: dict[str, int], amounts: dict[str, int]) -> None:
        for name, amount in amounts.items():
            to[name] += amount


async def _caller(
    store: StateStore, root: str, steps: Sequence[tuple[str, dict[str, int], str]], books: _Books
) -> None:
    of = chain(root, budgets=_LIMITS)
    last: Reservation | None = None
    refunded: dict[str, int] = {}
    for what, amounts, label in steps:
        if what == "reserve":
            call = await _reserve(store, of, amounts, label, books)
            if call is not None:
                last, refunded = call, {}
        elif last is None:
            continue
        elif what == "release":
            await store.release(last.decision_id, root)
            back = {name: amount - refunded.get(name, 0) for name, amount in last.charges.items()}
            books.add(books.returned, back)
            books.calls -= 1
            last = None
        else:
            told = outcome(
                last,
                raised=amounts if what == "raise" else {},
                refunded=amounts if what == "refund" else {},
                labels=(label,) if label else (),
            )
            now_refunded = await _tell(store, told, last, books)
            # A refund of nothing, or of what was refunded, takes nothing back of the first one.
            if any(now_refunded.values()):
                refunded = now_refunded


async def _reserve(
    store: StateStore, of: object, amounts: dict[str, int], label: str, books: _Books
) -> Reservation | None:
    version = (await store.look_up(of)).label_version  # type: ignore[arg-type]
    call = wanted(of, charges=amounts, version=version, task_labels=(label,) if label else ())  # type: ignore[arg-type]
    if (await store.reserve(call)).state is not ReserveState.DONE:
        return None
    books.add(books.charged, amounts)
    books.calls += 1
    if label:
        books.labels.add(label)
    return call


async def _tell(store: StateStore, told: Outcome, of: Reservation, books: _Books) -> dict[str, int]:
    state = await store.report(told)
    refunds = dict(told.signed.refunds) if told.signed is not None else {}
    if state is not OutcomeState.DONE:
        assert refunds, "only a refund is ever refused"
        return {}
    books.add(books.raised, told.raised)
    books.labels.update(told.signed.labels if told.signed is not None else ())
    assert all(amount <= of.charges[name] for name, amount in refunds.items())
    books.add(books.returned, refunds)
    return refunds


class InterleavingsContract:
    @settings(max_examples=40, suppress_health_check=SUPPRESSED)
    @given(callers=_CALLERS)
    def test_the_books_balance_after_any_interleaving(self, new_store: NewStore, callers):
        """Whatever charges, refunds, raises and releases run beside each other: no budget is overspent and nothing is lost.

        The store shows no more than its limit, no more than what callers were told it took, and no less than that without
        what was raised (a raise stops at the limit, so it may count for less).
        """

        async def work() -> None:
            async with opened(new_store) as one, opened(new_store) as other:
                root = (await new_task(one)).root_id
                books = _Books()
                await asyncio.gather(
                    *(
                        _caller((one, other)[number % 2], root, steps, books)
                        for number, steps in enumerate(callers)
                    )
                )
                state = await other.look_up(chain(root, budgets=_LIMITS))
                for name, limit in _LIMITS.items():
                    spent = state.spent.get(f"{root}/{name}", 0)
                    net = books.charged[name] - books.returned[name]
                    assert 0 <= spent <= limit
                    assert spent <= net + books.raised[name]
                    if not books.raised[name]:
                        assert spent == net
                assert set(state.labels) == books.labels
                assert len(state.calls) == books.calls
                assert bool(state.label_version) == bool(books.labels)

        asyncio.run(work())

    @settings(max_examples=30, suppress_health_check=SUPPRESSED)
    @given(
        claims=st.lists(st.tuples(st.integers(0, 6), st.one_of(st.none(), st.integers(0, 4))), max_size=24)
    )
    def test_no_parent_ever_has_more_children_than_its_limit(self, new_store: NewStore, claims):
        """Whatever order children come in and on whichever sidecar, an accepted one never exceeded its limit."""

        async def work() -> None:
            async with opened(new_store) as one, opened(new_store) as other:
                parent = (await new_task(one)).root_id
                seen: set[int] = set()
                for number, (child, limit) in enumerate(claims):
                    step = Child(parent, str(child), limit)
                    refused = await (one, other)[number % 2].register_children(
                        [step], now=NOW, expires_at=LATER
                    )
                    fits = child in seen or limit is None or len(seen) < limit
                    assert (refused is None) == fits
                    if fits:
                        seen.add(child)
                assert (await one.look_up(chain(parent))).children == len(seen)

        asyncio.run(work())
