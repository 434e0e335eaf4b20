"""Noting facts, reading them, taking them back."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_sidecar.facts import (
    MOST_COUNT,
    MOST_ELEMENT_BYTES,
    MOST_ELEMENTS,
    MOST_TASK_BYTES,
    NO_FACTS,
    Facts,
)
from tabard_sidecar.pipeline.task_state_cache import TaskStateCache
from tabard_sidecar.state.model import OutcomeState, Reservation, ReserveState
from tabard_sidecar.state.store import LABELS_PER_HOLDER, StateStore

from tests.support.state import SUPPRESSED, NewStore, chain, fresh, new_task, noted, opened, outcome, wanted

_LINKS = ((), ("l",), ("l", "m"), ("n",))
_ELEMENTS = ["a", "b\nc", "ü \u0000"]
_NOTED = st.fixed_dictionaries(
    {}, optional={"files": st.lists(st.sampled_from(_ELEMENTS), max_size=2), "mails": st.integers(0, 3)}
)
_STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("reserve"),
            st.sampled_from(_LINKS),
            _NOTED,
            _NOTED,
            st.dictionaries(st.sampled_from(["files", "made"]), st.sampled_from(["task", "branch"])),
            st.integers(0, 5),
        ),
        st.tuples(
            st.just("report"),
            st.integers(0, 9),
            st.dictionaries(
                st.sampled_from(["files", "made"]),
                st.lists(st.sampled_from(_ELEMENTS), min_size=1, max_size=2),
            ),
            st.booleans(),
            st.booleans(),
        ),
        st.tuples(st.just("release"), st.integers(0, 9)),
    ),
    max_size=14,
)

_Row = tuple[str, str, str]


@dataclass
class _Call:
    reservation: Reservation
    held: Counter[_Row]
    counted: str = ""
    charged: int = 1
    released: bool = False


@dataclass
class _Model:
    """The facts of one task: 1 or 2 for an element that one or more calls noted, or the sum of a counter, by link and name."""

    rows: Counter[_Row] = field(default_factory=Counter)
    calls: list[_Call] = field(default_factory=list)

    def reserve(self, wanted_: Reservation) -> None:
        rows = {(row.link_id, row.name, row.element): row.amount for row in wanted_.fact_rows}
        self.calls.append(_Call(wanted_, self.note(rows)))

    def note(self, rows: Mapping[_Row, int]) -> Counter[_Row]:
        """Add facts; return what their call then holds."""
        shared = {row for row in rows if row[2] and row in self.rows}
        held = Counter({row: amount for row, amount in rows.items() if row not in shared})
        self.rows += held
        self.rows.update({row: 2 - self.rows[row] for row in shared})
        return held

    def take_back(self, held: Counter[_Row]) -> None:
        self.rows -= Counter(
            {row: amount for row, amount in held.items() if not row[2] or self.rows[row] == 1}
        )

    def seen_from(self, links: tuple[str, ...]) -> Facts:
        seen = {row: amount for row, amount in self.rows.items() if row[0] in {"", *links}}
        sets: dict[str, set[str]] = {}
        counters: Counter[str] = Counter()
        for (_, name, element), amount in seen.items():
            if element:
                sets.setdefault(name, set()).add(element)
            else:
                counters[name] += amount
        return Facts({name: tuple(sorted(found)) for name, found in sets.items()}, dict(counters))

    def report(self, call: _Call, facts: dict[str, list[str]], digest: str, *, failed: bool) -> OutcomeState:
        if call.released:
            return OutcomeState.UNKNOWN
        if digest and call.counted:
            return OutcomeState.REPEATED if call.counted == digest else OutcomeState.COUNTED
        links = call.reservation.backend_notes
        facts = {name: found for name, found in facts.items() if name in links}
        call.counted = call.counted or digest
        if failed:
            self.take_back(call.held)
            call.held = Counter()
        fresh_rows = {(links[name], name, one) for name, found in facts.items() for one in found} - {
            *call.held
        }
        call.held += self.note(dict.fromkeys(fresh_rows, 1))
        return OutcomeState.DONE

    def release(self, call: _Call) -> None:
        if not call.released:
            call.released = True
            self.take_back(call.held)


async def _note(store: StateStore, of, notes, **parts) -> Reservation:
    call = wanted(of, notes=notes, version=(await store.look_up(of)).label_version, **parts)
    assert (await store.reserve(call)).state is ReserveState.DONE
    return call


async def _facts(store: StateStore, of) -> Facts:
    return (await store.look_up(of)).facts


class FactsContract:
    async def test_what_a_call_notes_the_task_has(self, store):
        """Each element once, and counters added up; a task begins with none, and tasks share none."""
        of, other = [chain((await new_task(store)).root_id) for _ in range(2)]
        assert await _facts(store, of) == NO_FACTS
        await _note(store, of, noted({"orders": ["#W2", "#W1"], "mails": 2}))
        await _note(store, of, noted({"orders": ["#W1"], "mails": 3, "files": ["/a"]}))
        assert await _facts(store, of) == Facts({"orders": ("#W1", "#W2"), "files": ("/a",)}, {"mails": 5})
        assert await _facts(store, other) == NO_FACTS

    async def test_a_branch_has_its_own_and_those_above_it(self, store):
        root = (await new_task(store)).root_id
        await _note(store, chain(root, "l"), noted({"seen": ["all"]}, {"seen": ["l"], "n": 1}))
        await _note(store, chain(root, "l", "m"), noted({}, {"seen": ["m"], "n": 2}))
        seen = {links: await _facts(store, chain(root, *links)) for links in ((), ("l",), ("l", "m"), ("x",))}
        assert seen[()] == seen["x",] == Facts({"seen": ("all",)})
        assert seen["l",] == Facts({"seen": ("all", "l")}, {"n": 1})
        assert seen["l", "m"] == Facts({"seen": ("all", "l", "m")}, {"n": 3})

    async def test_a_policy_that_read_older_facts_is_evaluated_again(self, store):
        """A reservation that saw the facts before is refused and notes nothing; so is one after facts were taken back."""
        of = chain((await new_task(store)).root_id)
        before = (await store.look_up(of)).label_version
        first = await _note(store, of, noted({"orders": ["#W1"]}))
        stale = wanted(of, notes=noted({"orders": ["#W9"]}), version=before)
        assert (await store.reserve(stale)).state is ReserveState.CHANGED
        version = (await store.look_up(of)).label_version
        assert version > before
        await store.release(first.decision_id, of.root_id)
        assert (await store.reserve(replace(stale, label_version=version))).state is ReserveState.CHANGED
        assert await _facts(store, of) == NO_FACTS

    async def test_an_element_that_is_there_changes_nothing_that_is_read(self, store):
        """So that calls which note the same don't refuse each other."""
        of = chain((await new_task(store)).root_id)
        await _note(store, of, noted({"seen": ["a"]}))
        version = (await store.look_up(of)).label_version
        answers = [
            await store.reserve(wanted(of, notes=noted({"seen": ["a"]}), version=version)) for _ in range(3)
        ]
        assert {answer.state for answer in answers} == {ReserveState.DONE}

    async def test_a_refused_reservation_notes_nothing(self, store):
        of = chain((await new_task(store)).root_id, budgets={"calls": 1})
        call = wanted(of, charges={"calls": 2}, notes=noted({"orders": ["#W1"]}))
        assert (await store.reserve(call)).state is ReserveState.EXHAUSTED
        assert await _facts(store, of) == NO_FACTS

    async def test_the_answer_tells_the_version_after_it(self, store):
        """A sidecar goes on from its own reservation, and keeps the facts that it left."""
        of = chain((await new_task(store)).root_id, "l")
        seen = await store.look_up(of)
        cache = TaskStateCache()
        for number in range(1, 4):
            call = replace(
                wanted(
                    of,
                    notes=noted({"n": 1, "seen": [f"{number}"]}, {"seen": ["b"]}),
                    version=seen.label_version,
                ),
                unchanged=(seen.changes, seen.revocations),
            )
            done = await store.reserve(call)
            assert done.state is ReserveState.DONE
            cache.keep(seen, call, done)
            kept = cache.take(of, with_calls=False, revocations=done.revocations)
            seen = await store.look_up(of)
            assert (done.label_version, kept.facts) == (seen.label_version, seen.facts)
            assert seen.facts.counters == {"n": number}

    @pytest.mark.parametrize("back", ["release", "failed"])
    async def test_taking_back_takes_what_the_call_noted_once(self, store, back):
        """What another call noted as well stays, and no second report or release takes more."""
        of = chain((await new_task(store)).root_id, "l")
        await _note(store, of, noted({"orders": ["#W1"], "mails": 2}, {"mine": ["x"]}))
        call = await _note(store, of, noted({"orders": ["#W1", "#W2"], "mails": 5}, {"mine": ["x", "y"]}))
        for _ in range(3):
            if back == "failed":
                await store.report(outcome(call, failed=True))
            await store.release(call.decision_id, of.root_id) if back == "release" else None
        await store.release(call.decision_id, of.root_id)
        assert await _facts(store, of) == Facts({"orders": ("#W1",), "mine": ("x",)}, {"mails": 2})

    async def test_an_outcome_of_one_of_several_uses_takes_nothing_back(self, store):
        """What another use did stays charged and noted, whatever is reported first; labels and notes of its own are added."""
        root = (await new_task(store)).root_id
        of = chain(root, budgets={"cents": 300})
        for first in ({"labels": ("x",)}, {"facts": {"made": ["/a"]}}, {"signed": {"cents": 50}}):
            call = await _note(
                store,
                of,
                noted({"orders": ["#W1"]}, backend={"made": "task"}),
                charges={"cents": 50},
                shared=True,
            )
            spent = (await store.look_up(of)).spent[f"{root}/cents"]
            for back in (
                {"failed": True},
                {"refunded": {"cents": 50}},
                {"failed": True, "refunded": {"cents": 1}},
            ):
                told = outcome(call, labels=("late",), raised={"cents": 3}, **back)
                assert await store.report(told) is OutcomeState.SHARED
            seen = await store.look_up(of)
            assert (seen.spent[f"{root}/cents"], seen.facts.sets["orders"]) == (spent, ("#W1",))
            assert await store.report(outcome(call, **first)) is OutcomeState.DONE
            assert await store.report(outcome(call, failed=True)) is OutcomeState.SHARED
        seen = await store.look_up(of)
        assert seen.facts == Facts({"orders": ("#W1",), "made": ("/a",)})
        assert (seen.spent, seen.labels) == ({f"{root}/cents": 200}, ("late", "x"))

    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    async def test_what_several_calls_noted_stays(self, store, order):
        """Whichever of them is taken back first, and also if all are; what only one noted goes with it."""
        of = chain((await new_task(store)).root_id, "l")
        calls = [
            await _note(
                store, of, noted({"ids": ["both", f"{number}"], "n": 1}, {"ids": ["both"]}, {"made": "task"})
            )
            for number in range(2)
        ]
        made = await _note(store, of, noted(backend={"made": "task"}))
        await store.report(outcome(made, facts={"made": ["/a"]}))
        await store.report(outcome(calls[0], facts={"made": ["/a", "/b"]}))
        for index in order:
            await store.report(outcome(calls[index], failed=True))
            await store.release(calls[index].decision_id, of.root_id)
        await store.release(made.decision_id, of.root_id)
        assert await _facts(store, of) == Facts({"ids": ("both",), "made": ("/a",)})
        await _note(store, of, noted({"ids": ["0"]}))
        assert (await _facts(store, of)).sets["ids"] == ("0", "both")

    async def test_a_backend_notes_under_names_that_the_grant_allowed_it(self, store):
        """Once, where the grant says, and nothing under another name; a failure that is told later takes nothing back."""
        of = chain((await new_task(store)).root_id, "l")
        call = await _note(store, of, noted({"mails": 1}, backend={"made": "task", "own": "branch"}))
        told = outcome(call, facts={"made": ["/a", "/b"], "own": ["z"], "mails": ["x"], "other": ["x"]})
        assert await store.report(told) is OutcomeState.DONE
        assert await store.report(told) is OutcomeState.REPEATED
        assert await store.report(outcome(call, facts={"made": ["/c"]})) is OutcomeState.COUNTED
        assert await store.report(outcome(call, failed=True)) is OutcomeState.COUNTED
        assert await _facts(store, of) == Facts({"made": ("/a", "/b"), "own": ("z",)}, {"mails": 1})
        assert await _facts(store, chain(of.root_id)) == Facts({"made": ("/a", "/b")}, {"mails": 1})
        bare = await _note(store, of, None)
        assert await store.report(outcome(bare, facts={"made": ["/d"]})) is OutcomeState.DONE
        assert await _facts(store, chain(of.root_id)) == Facts({"made": ("/a", "/b")}, {"mails": 1})

    async def test_only_the_backend_whose_credential_it_was_notes(self, store):
        of = chain((await new_task(store)).root_id)
        call = await _note(store, of, noted({"n": 1}, backend={"made": "task"}), audience="https://a")
        for parts in ({"facts": {"made": ["/a"]}}, {"failed": True}):
            assert await store.report(outcome(call, audience="https://b", **parts)) is OutcomeState.FOREIGN
        assert await _facts(store, of) == Facts({}, {"n": 1})

    async def test_a_released_call_takes_back_what_its_backend_noted(self, store):
        of = chain((await new_task(store)).root_id)
        call = await _note(store, of, noted({"n": 1}, backend={"made": "task"}))
        await store.report(outcome(call, facts={"made": ["/a"]}))
        await store.release(call.decision_id, of.root_id)
        assert await _facts(store, of) == NO_FACTS

    async def test_a_set_has_so_many_elements_and_no_more(self, store):
        """In the task and in each branch; an element that is there needs no room, and room that was freed is used."""
        of = chain((await new_task(store)).root_id, "l")
        elements = [f"{number}" for number in range(MOST_ELEMENTS)]
        first = await _note(store, of, noted({"ids": elements}))
        await _note(store, of, noted({"ids": ["7"]}))
        version = (await store.look_up(of)).label_version
        more = wanted(of, notes=noted({"ids": ["more"]}), version=version, charges={})
        answer = await store.reserve(more)
        assert (answer.state, answer.what) == (ReserveState.FACTS_FULL, "ids")
        await _note(store, of, noted({}, {"ids": ["more"]}))
        call = await _note(store, of, noted(backend={"ids": "task"}))
        assert await store.report(outcome(call, facts={"ids": ["more"]})) is OutcomeState.FACTS_FULL
        await store.release(first.decision_id, of.root_id)
        assert await store.report(outcome(call, facts={"ids": ["more"]})) is OutcomeState.DONE
        assert await _facts(store, of) == Facts({"ids": ("7", "more")})

    async def test_an_outcome_whose_facts_find_no_room_counts_in_all_else(self, store):
        """Once, in one step: amounts and labels count, none of its facts is noted, and a retry tries only them again."""
        root = (await new_task(store)).root_id
        of = chain(root, "l", budgets={"cents": 200})
        elements = [f"{number}" for number in range(MOST_ELEMENTS - 1)]
        filling = await _note(store, of, noted({"ids": elements}))
        call = await _note(store, of, noted(backend={"ids": "task", "made": "task"}), charges={"cents": 50})
        parts = {"facts": {"ids": ["x", "y"], "made": ["/a"]}, "refunded": {"cents": 20}, "labels": ("late",)}
        told = outcome(call, **parts, signed={"cents": 5}, raised={"cents": 3})
        spent = (await store.look_up(of)).spent[f"{root}/cents"]
        for _ in range(2):
            assert await store.report(told) is OutcomeState.FACTS_FULL
            seen = await store.look_up(of)
            assert (seen.spent[f"{root}/cents"], seen.labels) == (spent - 20 + 5 + 3, ("late",))
            assert seen.facts == Facts({"ids": tuple(sorted(elements))})
            other = outcome(call, facts={"made": ["/b"]})
            assert await store.report(other) is OutcomeState.COUNTED
        await store.release(filling.decision_id, root)
        assert await store.report(told) is OutcomeState.DONE
        assert await store.report(told) is OutcomeState.REPEATED
        seen = await store.look_up(of)
        assert seen.facts == Facts({"ids": ("x", "y"), "made": ("/a",)})
        assert seen.spent[f"{root}/cents"] == spent - 20 + 5 + 3
        await store.release(call.decision_id, root)
        seen = await store.look_up(of)
        assert (seen.facts, seen.spent[f"{root}/cents"]) == (NO_FACTS, spent - 50 + 5 + 3)

    async def test_an_outcome_without_room_for_facts_nor_labels_changes_nothing(self, store):
        of = chain((await new_task(store)).root_id, budgets={"cents": 200})
        labels = tuple(f"label{number}" for number in range(LABELS_PER_HOLDER))
        full = noted({"ids": [f"{number}" for number in range(MOST_ELEMENTS)]})
        await _note(store, of, full, task_labels=labels)
        call = await _note(store, of, noted(backend={"ids": "task"}), charges={"cents": 50})
        before = await store.look_up(of)
        told = outcome(call, facts={"ids": ["x"]}, refunded={"cents": 20}, labels=("more",))
        assert await store.report(told) is OutcomeState.FULL
        after = await store.look_up(of)
        assert (after.spent, after.labels, after.facts) == (before.spent, before.labels, before.facts)

    async def test_a_task_has_so_many_bytes_of_facts_and_no_more(self, store):
        """However they are spread over names and branches."""
        root = (await new_task(store)).root_id
        noting = 0
        for number in range(MOST_TASK_BYTES // MOST_ELEMENT_BYTES + 1):
            of = chain(root, f"l{number % 5}")
            element = f"{number:03}".ljust(MOST_ELEMENT_BYTES, "x")
            call = wanted(
                of,
                notes=noted({}, {f"n{number % 3}": [element]}),
                version=(await store.look_up(of)).label_version,
            )
            answer = await store.reserve(call)
            if answer.state is ReserveState.FACTS_FULL:
                break
            noting += 1
        assert answer.state is ReserveState.FACTS_FULL
        assert MOST_TASK_BYTES * 0.9 < noting * (MOST_ELEMENT_BYTES + 34) <= MOST_TASK_BYTES

    async def test_counters_are_exact_up_to_the_largest(self, store):
        of = chain((await new_task(store)).root_id)
        await _note(store, of, noted({"n": MOST_COUNT - 2}))
        call = wanted(of, notes=noted({"n": 3}), version=(await store.look_up(of)).label_version)
        assert (await store.reserve(call)).state is ReserveState.FACTS_FULL
        last = await _note(store, of, noted({"n": 2}))
        assert await _facts(store, of) == Facts({}, {"n": MOST_COUNT})
        await store.release(last.decision_id, of.root_id)
        assert await _facts(store, of) == Facts({}, {"n": MOST_COUNT - 2})

    async def test_calls_on_several_sidecars_lose_no_fact(self, new_store):
        """Every note of an allowed call is there in the end, and no other."""
        async with opened(new_store) as one, opened(new_store) as two:
            of = chain((await new_task(one)).root_id)
            done: list[str] = []

            async def caller(number: int) -> None:
                store, name = (one, two)[number % 2], fresh("id")
                for _ in range(60):
                    version = (await store.look_up(of)).label_version
                    call = wanted(of, notes=noted({"ids": [name], "n": 1}), version=version)
                    if (await store.reserve(call)).state is ReserveState.DONE:
                        done.append(name)
                        return

            await asyncio.gather(*(caller(number) for number in range(12)))
            assert await _facts(one, of) == Facts({"ids": tuple(sorted(done))}, {"n": len(done)})
            assert len(done) > 1

    async def test_a_failure_races_for_one_winner(self, new_store):
        async with opened(new_store) as one, opened(new_store) as other:
            of = chain((await new_task(one)).root_id)
            await _note(one, of, noted({"n": 1, "ids": ["a"]}))
            call = await _note(one, of, noted({"n": 1, "ids": ["a", "b"]}))
            told = outcome(call, failed=True)
            states = await asyncio.gather(*(store.report(told) for store in (one, other) for _ in range(6)))
            assert sorted(states) == sorted([OutcomeState.DONE] + [OutcomeState.REPEATED] * 11)
            assert await _facts(other, of) == Facts({"ids": ("a",)}, {"n": 1})

    @settings(max_examples=60, suppress_health_check=SUPPRESSED)
    @given(steps=_STEPS)
    def test_facts_end_as_in_the_model(self, new_store: NewStore, steps):
        """Notes, outcomes and releases agree after every step, from every link."""

        async def work() -> None:
            async with opened(new_store) as store:
                root = (await new_task(store)).root_id
                model = _Model()
                for step in steps:
                    await _step(store, root, model, step)
                    for links in _LINKS:
                        of = chain(root, *links)
                        assert await _facts(store, of) == model.seen_from(of.link_ids)

        asyncio.run(work())


async def _step(store: StateStore, root: str, model: _Model, step: tuple) -> None:
    if step[0] == "reserve":
        _, links, task, branch, backend, staleness = step
        of = chain(root, *links)
        seen = await store.look_up(of)
        stale = staleness == 0
        call = wanted(of, notes=noted(task, branch, backend), version=seen.label_version + stale)
        answer = await store.reserve(call)
        assert answer.state is (ReserveState.CHANGED if stale else ReserveState.DONE)
        if not stale:
            model.reserve(call)
            after = await store.look_up(of)
            assert (after.label_version > seen.label_version) >= (after.facts != seen.facts)
            assert answer.label_version == after.label_version
        return
    if not model.calls:
        return
    call = model.calls[step[1] % len(model.calls)]
    before = await store.look_up(call.reservation.chain)
    if step[0] == "release":
        await store.release(call.reservation.decision_id, root)
        model.release(call)
    else:
        _, _, facts, failed, empty = step
        told = outcome(call.reservation, facts={} if failed or empty else facts, failed=failed, labels=("x",))
        digest = told.signed.amounts
        state = model.report(call, {} if failed or empty else facts, digest, failed=failed)
        assert await store.report(told) is state
    after = await store.look_up(call.reservation.chain)
    assert (after.label_version > before.label_version) >= (after.facts != before.facts)
