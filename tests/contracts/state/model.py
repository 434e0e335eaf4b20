"""Programs of single steps, compared with a model that is simple enough to be right."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_sidecar.state.model import Chain, OutcomeState, Reservation, ReserveState

from tests.support.state import SUPPRESSED, NewStore, chain, new_task, opened, outcome, wanted

_LIMITS = {"a": 9, "b": 5}
_LINKS = ((), ("l",), ("l", "m"), ("n",))
_LABELS = st.sampled_from(["p", "q", "r"])
_AMOUNTS = st.dictionaries(st.sampled_from(sorted(_LIMITS)), st.integers(0, 4))
_STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("reserve"),
            st.sampled_from(_LINKS),
            _AMOUNTS,
            st.lists(_LABELS, max_size=2),
            st.lists(_LABELS, max_size=2),
            st.integers(0, 4),
        ),
        st.tuples(st.just("report"), st.integers(0, 9), _AMOUNTS, _AMOUNTS, st.lists(_LABELS, max_size=1)),
        st.tuples(st.just("release"), st.integers(0, 9)),
    ),
    max_size=14,
)


@dataclass
class _Call:
    reservation: Reservation
    charged: dict[str, int]
    counted: str = ""
    released: bool = False


@dataclass
class _Model:
    """The model of one task."""

    spent: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_LIMITS, 0))
    labels: dict[str, set[str]] = field(default_factory=dict)
    calls: list[_Call] = field(default_factory=list)

    def add(self, link: str, labels: list[str]) -> bool:
        everywhere = self.labels.setdefault("", set())
        own = self.labels.setdefault(link, set())
        fresh = [label for label in labels if label not in own | (everywhere if link else set())]
        own.update(fresh)
        return bool(fresh)

    def seen_from(self, of: Chain) -> set[str]:
        return set().union(*(self.labels.get(link, set()) for link in ("", *of.link_ids)))

    def reserve(self, call: Reservation, *, current: bool) -> ReserveState:
        if not current:
            return ReserveState.CHANGED
        if any(self.spent[name] + amount > _LIMITS[name] for name, amount in call.charges.items()):
            return ReserveState.EXHAUSTED
        for name, amount in call.charges.items():
            self.spent[name] += amount
        self.calls.append(_Call(call, dict(call.charges)))
        return ReserveState.DONE

    def report(
        self, call: _Call, raised: dict[str, int], refunded: dict[str, int], labels: list[str]
    ) -> OutcomeState:
        if call.released:
            return OutcomeState.UNKNOWN
        refunds = {name: amount for name, amount in refunded.items() if amount}
        signed = outcome(call.reservation, refunded=refunded, labels=tuple(labels)).signed
        if signed.amounts and call.counted:
            self.add("", labels)
            return OutcomeState.REPEATED if signed.amounts == call.counted else OutcomeState.COUNTED
        if any(amount > call.charged.get(name, 0) for name, amount in refunds.items()):
            return OutcomeState.TOO_MUCH
        for name, amount in refunds.items():
            self.spent[name] -= amount
            call.charged[name] -= amount
            call.counted = signed.amounts
        for name, amount in raised.items():
            self.spent[name] = min(_LIMITS[name], self.spent[name] + amount)
        self.add("", labels)
        return OutcomeState.DONE

    def release(self, call: _Call) -> None:
        if not call.released:
            call.released = True
            for name, amount in call.charged.items():
                self.spent[name] = max(0, self.spent[name] - amount)


class ModelContract:
    @settings(max_examples=60, suppress_health_check=SUPPRESSED)
    @given(steps=_STEPS)
    def test_every_program_ends_as_in_the_model(self, new_store: NewStore, steps):
        """Charges, refunds, raises, releases, labels and versions agree after every step, from every link."""

        async def work() -> None:
            async with opened(new_store) as store:
                root = (await new_task(store)).root_id
                model = _Model()
                for step in steps:
                    await _step(store, root, model, step)
                    await _compare(store, root, model)

        asyncio.run(work())


async def _step(store, root: str, model: _Model, step: tuple) -> None:
    if step[0] == "reserve":
        _, links, amounts, task_labels, branch_labels, staleness = step
        of = chain(root, *links, budgets=_LIMITS)
        version = (await store.look_up(of)).label_version
        stale = staleness == 0
        call = wanted(
            of,
            charges=amounts,
            task_labels=tuple(task_labels),
            branch_labels=tuple(branch_labels),
            version=version + stale,
        )
        state = (await store.reserve(call)).state
        assert state is model.reserve(call, current=not stale)
        if state is ReserveState.DONE:
            grew = model.add("", task_labels)
            grew = model.add(of.link_ids[-1], branch_labels) or grew
            assert ((await store.look_up(of)).label_version > version) >= grew
        return
    if not model.calls:
        return
    call = model.calls[step[1] % len(model.calls)]
    if step[0] == "release":
        await store.release(call.reservation.decision_id, root)
        model.release(call)
        return
    _, _, raised, refunded, labels = step
    told = outcome(call.reservation, raised=raised, refunded=refunded, labels=tuple(labels))
    assert await store.report(told) is model.report(call, raised, refunded, labels)


async def _compare(store, root: str, model: _Model) -> None:
    for links in _LINKS:
        of = chain(root, *links, budgets=_LIMITS)
        state = await store.look_up(of)
        assert {name: state.spent.get(f"{root}/{name}", 0) for name in _LIMITS} == model.spent
        assert set(state.labels) == model.seen_from(of)
        assert len(state.calls) == sum(not call.released for call in model.calls)
