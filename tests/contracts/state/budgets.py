"""Charging, giving back, raising."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest
from tabard_sidecar.model import BudgetLimit
from tabard_sidecar.state.model import Chain, OutcomeState, ReserveState

from tests.support.state import NOW, chain, fresh, new_task, opened, outcome, wanted

MOST = 2**53


class BudgetsContract:
    async def test_a_call_charges_every_budget_of_its_name(self, store):
        """The task's, a hop's and a branch's alike, and none of another name."""
        root = (await new_task(store)).root_id
        of = chain(root, "l1", budgets={"calls": 10, "rows": 100})
        inner = Chain(of.link_ids, (*of.budgets, BudgetLimit(f"{root}/own", "calls", 5)))
        assert (await store.reserve(wanted(inner, charges={"calls": 2}))).state is ReserveState.DONE
        spent = (await store.look_up(inner)).spent
        assert spent[f"{root}/calls"] == spent[f"{root}/own"] == 2
        assert spent.get(f"{root}/rows", 0) == 0

    async def test_a_budget_can_be_spent_to_the_last_and_no_further(self, store):
        root = (await new_task(store)).root_id
        of = chain(root, budgets={"calls": 3})
        answers = [await store.reserve(wanted(of, charges={"calls": 1})) for _ in range(5)]
        assert [answer.state for answer in answers] == [ReserveState.DONE] * 3 + [ReserveState.EXHAUSTED] * 2
        assert answers[-1].what == f"{root}/calls"
        assert (await store.look_up(of)).spent == {f"{root}/calls": 3}
        assert (await store.reserve(wanted(of, charges={"calls": 0}))).state is ReserveState.DONE

    @pytest.mark.parametrize("short", ["a", "b", "c"])
    async def test_all_budgets_or_none(self, store, short):
        """Whichever budget doesn't have that much left, no other is charged and nothing else happens."""
        root = (await new_task(store)).root_id
        limits = {"a": 10, "b": 10, "c": 10} | {short: 4}
        of = chain(root, budgets=limits)
        answer = await store.reserve(
            wanted(of, charges={"a": 5, "b": 5, "c": 5}, task_labels=("x",), branch_labels=("y",))
        )
        assert (answer.state, answer.what) == (ReserveState.EXHAUSTED, f"{root}/{short}")
        state = await store.look_up(of)
        assert not any(state.spent.values())
        assert (state.labels, state.calls, state.label_version) == ((), (), 0)

    @pytest.mark.parametrize(
        ("limits", "exhausted"),
        [((3, 2), 1), ((2, 3), 0), ((3, 2, 2), 1), ((4, 3, 2), 2), ((2, 2), 0), ((9, 3, 2, 5), 2)],
    )
    async def test_the_exhausted_one_of_several_budgets_of_one_name_is_named(self, store, limits, exhausted):
        """The outermost one that has too little left, not one that the call itself would have spent to the last."""
        root = (await new_task(store)).root_id
        links = chain(root).link_ids
        budgets = tuple(BudgetLimit(f"{root}/{place}", "mails", limit) for place, limit in enumerate(limits))
        of = Chain(links, budgets)
        for _ in range(min(limits)):
            assert (await store.reserve(wanted(of, charges={"mails": 1}))).state is ReserveState.DONE
        answer = await store.reserve(wanted(of, charges={"mails": 1}))
        assert (answer.state, answer.what) == (ReserveState.EXHAUSTED, f"{root}/{exhausted}")
        assert set((await store.look_up(of)).spent.values()) == {min(limits)}

    async def test_siblings_share_what_is_above_them(self, store):
        root = (await new_task(store)).root_id
        for link, state in (
            ("l1", ReserveState.DONE),
            ("l2", ReserveState.DONE),
            ("l3", ReserveState.EXHAUSTED),
        ):
            of = chain(root, link, budgets={"calls": 5})
            assert (await store.reserve(wanted(of, charges={"calls": 2}))).state is state

    async def test_tasks_share_nothing(self, store):
        roots = [(await new_task(store)).root_id for _ in range(2)]
        for root in roots:
            of = chain(root, budgets={"calls": 1})
            assert (await store.reserve(wanted(of, charges={"calls": 1}))).state is ReserveState.DONE

    async def test_amounts_are_exact_up_to_the_largest(self, store):
        """No rounding lets a charge through or loses one."""
        root = (await new_task(store)).root_id
        of = chain(root, budgets={"n": MOST})
        assert (await store.reserve(wanted(of, charges={"n": MOST - 1}))).state is ReserveState.DONE
        assert (await store.look_up(of)).spent == {f"{root}/n": MOST - 1}
        assert (await store.reserve(wanted(of, charges={"n": 2}))).state is ReserveState.EXHAUSTED
        assert (await store.reserve(wanted(of, charges={"n": MOST}))).state is ReserveState.EXHAUSTED
        assert (await store.reserve(wanted(of, charges={"n": 1}))).state is ReserveState.DONE
        assert (await store.look_up(of)).spent == {f"{root}/n": MOST}

    async def test_an_unknown_task_takes_nothing(self, store):
        of = chain(fresh("unknown"), budgets={"calls": 1})
        assert (await store.reserve(wanted(of, charges={"calls": 1}))).state is ReserveState.UNKNOWN
        state = await store.look_up(of)
        assert (state.known, dict(state.spent), state.calls) == (False, {}, ())

    async def test_a_released_call_gives_everything_back_once(self, store):
        root = (await new_task(store)).root_id
        of = chain(root, budgets={"calls": 1, "rows": 9})
        call = wanted(of, charges={"calls": 1, "rows": 9}, task_labels=("x",))
        await store.reserve(call)
        await store.release(call.decision_id, root)
        state = await store.look_up(of)
        assert not any(state.spent.values())
        assert (state.calls, state.labels) == ((), ("x",))
        other = wanted(of, charges={"calls": 1}, version=state.label_version)
        assert (await store.reserve(other)).state is ReserveState.DONE
        await store.release(call.decision_id, root)
        await store.release(fresh("unheard"), root)
        assert (await store.look_up(of)).spent[f"{root}/calls"] == 1
        assert await store.report(outcome(call)) is OutcomeState.UNKNOWN

    async def test_a_release_belongs_to_its_task(self, store):
        root, other = [(await new_task(store)).root_id for _ in range(2)]
        of = chain(root, budgets={"calls": 1})
        call = wanted(of, charges={"calls": 1})
        await store.reserve(call)
        await store.release(call.decision_id, other)
        assert (await store.look_up(of)).spent == {f"{root}/calls": 1}

    @pytest.mark.parametrize("amounts", [{"refunded": {"rows": 20}}, {"signed": {"rows": 20}}])
    async def test_a_signed_outcome_counts_once_as_a_whole(self, store, amounts):
        """A retry is told that it is one and changes no amount; another outcome's amounts are refused, its labels added."""
        root = (await new_task(store)).root_id
        of = chain(root, budgets={"rows": 100})
        call = wanted(of, charges={"rows": 50})
        await store.reserve(call)
        told = outcome(call, raised={"rows": 3}, labels=("x",), **amounts)
        assert await store.report(told) is OutcomeState.DONE
        spent = (await store.look_up(of)).spent
        assert spent == {f"{root}/rows": 33 if "refunded" in amounts else 73}
        for _ in range(3):
            assert await store.report(told) is OutcomeState.REPEATED
        for other in ({"refunded": {"rows": 1}}, {"signed": {"rows": 1}}):
            told = outcome(call, raised={"rows": 3}, labels=("y",), **other)
            assert await store.report(told) is OutcomeState.COUNTED
        assert (await store.look_up(of)).spent == spent
        assert (await store.look_up(of)).labels == ("x", "y")
        assert await store.report(outcome(call, labels=("z",))) is OutcomeState.DONE
        assert (await store.look_up(of)).labels == ("x", "y", "z")

    async def test_a_refund_counts_once(self, store):
        root = (await new_task(store)).root_id
        of = chain(root, budgets={"rows": 100})
        call = wanted(of, charges={"rows": 50})
        await store.reserve(call)
        assert await store.report(outcome(call, refunded={"rows": 20})) is OutcomeState.DONE
        assert await store.report(outcome(call, refunded={"rows": 20})) is OutcomeState.REPEATED
        assert await store.report(outcome(call, refunded={"rows": 1})) is OutcomeState.COUNTED
        assert (await store.look_up(of)).spent == {f"{root}/rows": 30}

    async def test_no_more_is_refunded_than_was_charged(self, store):
        """All or nothing: no part of such an outcome counts, and a proper one still does."""
        root = (await new_task(store)).root_id
        of = chain(root, budgets={"rows": 100, "cents": 100, "other": 100})
        await store.reserve(wanted(of, charges={"rows": 40}))
        call = wanted(of, charges={"rows": 10, "cents": 10})
        await store.reserve(call)
        for refunds in ({"rows": 11}, {"cents": 5, "rows": 11}, {"other": 1}, {"unknown": 1}):
            told = outcome(call, refunded=refunds, raised={"cents": 7}, labels=("x",))
            assert await store.report(told) is OutcomeState.TOO_MUCH
        state = await store.look_up(of)
        assert (state.spent[f"{root}/rows"], state.spent[f"{root}/cents"], state.labels) == (
            50,
            10,
            (),
        )
        assert await store.report(outcome(call, refunded={"rows": 10})) is OutcomeState.DONE
        assert (await store.look_up(of)).spent[f"{root}/rows"] == 40

    async def test_only_the_backend_whose_credential_it_was_signs(self, store):
        """Another audience's refunds, charges and labels do nothing; what the holder says needs no audience."""
        root = (await new_task(store)).root_id
        of = chain(root, budgets={"rows": 100})
        call = wanted(of, charges={"rows": 50}, audience="https://a")
        await store.reserve(call)
        for audience in ("https://b", "", "https://a/"):
            for part in ({"refunded": {"rows": 5}}, {"signed": {"rows": 5}}, {"labels": ("x",)}):
                told = outcome(call, raised={"rows": 1}, audience=audience, **part)
                assert await store.report(told) is OutcomeState.FOREIGN
        bare = wanted(of, audience="")
        await store.reserve(bare)
        for audience in ("https://a", ""):
            assert await store.report(outcome(bare, labels=("x",), audience=audience)) is OutcomeState.FOREIGN
        assert (await store.look_up(of)).labels == ()
        assert await store.report(outcome(call, raised={"rows": 1}, audience="")) is OutcomeState.DONE
        assert (
            await store.report(outcome(call, refunded={"rows": 5}, audience="https://a")) is OutcomeState.DONE
        )
        assert (await store.look_up(of)).spent == {f"{root}/rows": 46}

    async def test_an_outcome_that_gives_back_and_takes_is_counted_in_that_order(self, store):
        """So that what a raise lost at the limit isn't given back on top."""
        root = (await new_task(store)).root_id
        of = chain(root, budgets={"rows": 10})
        call = wanted(of, charges={"rows": 9})
        await store.reserve(call)
        assert (
            await store.report(outcome(call, refunded={"rows": 4}, raised={"rows": 5})) is OutcomeState.DONE
        )
        assert (await store.look_up(of)).spent == {f"{root}/rows": 10}

    async def test_what_was_refunded_isnt_released_again(self, store):
        root = (await new_task(store)).root_id
        of = chain(root, budgets={"rows": 100})
        await store.reserve(wanted(of, charges={"rows": 30}))
        call = wanted(of, charges={"rows": 50})
        await store.reserve(call)
        await store.report(outcome(call, refunded={"rows": 20}))
        await store.release(call.decision_id, root)
        assert (await store.look_up(of)).spent == {f"{root}/rows": 30}

    async def test_raising_never_passes_the_limit(self, store):
        """Not of the budget that was charged, nor of one that the chain has besides."""
        root = (await new_task(store)).root_id
        of = chain(root, budgets={"rows": 100, "cents": 10})
        call = wanted(of, charges={"rows": 50})
        await store.reserve(call)
        assert await store.report(outcome(call, raised={"rows": 30, "cents": 4})) is OutcomeState.DONE
        assert (await store.look_up(of)).spent == {f"{root}/rows": 80, f"{root}/cents": 4}
        assert await store.report(outcome(call, raised={"rows": MOST, "cents": 7})) is OutcomeState.DONE
        assert (await store.look_up(of)).spent == {f"{root}/rows": 100, f"{root}/cents": 10}
        assert (await store.reserve(wanted(of, charges={"rows": 1}))).state is ReserveState.EXHAUSTED

    @pytest.mark.parametrize("charged", [0, 2])
    @pytest.mark.parametrize("raised", [1, 3, MOST])
    async def test_raising_takes_no_more_than_the_narrowest_budget_has_left(self, store, charged, raised):
        """A holder's own part of a budget is all that its report can use up, also of a call that cost nothing."""
        root = (await new_task(store)).root_id
        whole = chain(root, budgets={"rows": 1000, "cents": 1000})
        assert (await store.reserve(wanted(whole, charges={"rows": 10}))).state is ReserveState.DONE
        part, other = BudgetLimit(f"{root}/part", "rows", 5), BudgetLimit(f"{root}/other", "cents", 1)
        call = wanted(replace(whole, budgets=(*whole.budgets, part, other)), charges={"rows": charged})
        assert (await store.reserve(call)).state is ReserveState.DONE
        for _ in range(2):
            told = outcome(call, raised={"rows": raised, "cents": MOST})
            assert await store.report(told) is OutcomeState.DONE
        used = min(5, charged + 2 * raised)
        spent = (await store.look_up(call.chain)).spent
        assert spent == {
            part.budget_id: used,
            f"{root}/rows": 10 + used,
            other.budget_id: 1,
            f"{root}/cents": 1,
        }

    async def test_an_outcome_of_another_holder_is_unknown(self, store):
        root, other = [(await new_task(store)).root_id for _ in range(2)]
        of = chain(root, "l1", budgets={"rows": 100})
        call = wanted(of, charges={"rows": 50})
        await store.reserve(call)
        strangers = (outcome(call, raised={"rows": 1}, link="l2"), outcome(wanted(of), raised={"rows": 1}))
        for told in strangers:
            assert await store.report(told) is OutcomeState.UNKNOWN
        elsewhere = outcome(wanted(chain(other, "l1"), decision=call.decision_id), raised={"rows": 1})
        assert await store.report(elsewhere) is OutcomeState.UNKNOWN
        assert (await store.look_up(of)).spent == {f"{root}/rows": 50}

    async def test_sidecars_together_never_overspend(self, new_store):
        """Thirty-two callers on three sidecars with charges of all sizes: the sum of what was given fits exactly."""
        chance = random.Random(11)
        async with opened(new_store) as one, opened(new_store) as two, opened(new_store) as three:
            root = (await new_task(one)).root_id
            of = chain(root, budgets={"a": 500, "b": 300})
            given = {"a": 0, "b": 0}

            async def caller(number: int) -> None:
                store = (one, two, three)[number % 3]
                for _ in range(12):
                    charges = {"a": chance.randint(0, 9), "b": chance.randint(0, 9)}
                    if (await store.reserve(wanted(of, charges=charges))).state is ReserveState.DONE:
                        for name, amount in charges.items():
                            given[name] += amount

            await asyncio.gather(*(caller(number) for number in range(32)))
            spent = (await one.look_up(of)).spent
        assert spent == {f"{root}/a": given["a"], f"{root}/b": given["b"]}
        assert given["a"] <= 500
        assert 291 <= given["b"] <= 300, "the budget is used up as far as charges of up to nine allow"

    async def test_a_refund_races_for_one_winner(self, new_store):
        async with opened(new_store) as one, opened(new_store) as other:
            root = (await new_task(one)).root_id
            of = chain(root, budgets={"rows": 100})
            call = wanted(of, charges={"rows": 50})
            await one.reserve(call)
            told = outcome(call, refunded={"rows": 10}, now=NOW)
            states = await asyncio.gather(*(store.report(told) for store in (one, other) for _ in range(8)))
            assert sorted(states) == sorted([OutcomeState.DONE] + [OutcomeState.REPEATED] * 15)
            assert (await one.look_up(of)).spent == {f"{root}/rows": 40}
