"""The history of calls and its bounds."""

from __future__ import annotations

import asyncio

from tabard_sidecar.state.model import OutcomeState, PastCall, ReserveState
from tabard_sidecar.state.redis import store as redis
from tabard_sidecar.state.sqlite import reservations
from tabard_sidecar.state.store import HISTORY_CALLS, KEPT_CALLS

from tests.support.state import NOW, chain, new_task, noted, opened, outcome, wanted


class CallsContract:
    async def test_calls_are_seen_in_order_with_what_they_added(self, store):
        root = (await new_task(store)).root_id
        await store.reserve(
            wanted(chain(root, "a"), tool="one", task_labels=("y",), branch_labels=("x",), now=NOW + 0.25)
        )
        version = (await store.look_up(chain(root))).label_version
        await store.reserve(wanted(chain(root, "b"), tool='t"wö', version=version, now=NOW + 1))
        expected = (PastCall("one", ("x", "y"), NOW + 0.25), PastCall('t"wö', (), NOW + 1))
        assert (await store.look_up(chain(root))).calls == expected
        assert (await store.look_up(chain(root, "c"))).calls == expected
        assert (await store.look_up(chain(root), calls=1)).calls == expected[1:]
        assert (await store.look_up(chain(root), calls=0)).calls == ()

    async def test_refused_calls_leave_no_trace(self, store):
        root = (await new_task(store)).root_id
        of = chain(root, budgets={"calls": 0})
        await store.reserve(wanted(of, charges={"calls": 1}))
        await store.reserve(wanted(of, version=7))
        await store.reserve(wanted(of, approvals=("unknown",)))
        assert (await store.look_up(of)).calls == ()

    async def test_a_released_call_leaves_the_history(self, store):
        root = (await new_task(store)).root_id
        of = chain(root)
        made = [wanted(of, tool=f"tool{number}") for number in range(3)]
        for call in made:
            await store.reserve(call)
        await store.release(made[1].decision_id, root)
        assert [call.tool for call in (await store.look_up(of)).calls] == ["tool0", "tool2"]

    async def test_a_released_call_makes_room_for_an_older_one(self, store):
        """Policies see the last calls that were made, not the last numbers that were given."""
        of = chain((await new_task(store)).root_id)
        made = [wanted(of, tool=f"tool{number}") for number in range(HISTORY_CALLS + 5)]
        for call in made:
            await store.reserve(call)
        await store.release(made[-3].decision_id, of.root_id)
        left = [call.tool for call in made if call is not made[-3]]
        assert [call.tool for call in (await store.look_up(of)).calls] == left[-HISTORY_CALLS:]

    async def test_every_sidecar_sees_every_call_made_and_taken_back(self, new_store):
        """Whatever a sidecar remembers of the history, another's calls and releases show in it."""
        async with opened(new_store) as one, opened(new_store) as other:
            root = (await new_task(one)).root_id
            of = chain(root)
            made = [wanted(of, tool=f"tool{number}") for number in range(6)]

            async def seen() -> list[list[str]]:
                return [[call.tool for call in (await store.look_up(of)).calls] for store in (one, other)]

            for number, call in enumerate(made[:4]):
                await (one, other)[number % 2].reserve(call)
                assert await seen() == [[call.tool for call in made[: number + 1]]] * 2
            await one.release(made[1].decision_id, root)
            assert await seen() == [["tool0", "tool2", "tool3"]] * 2
            await other.release(made[3].decision_id, root)
            await one.reserve(made[4])
            assert await seen() == [["tool0", "tool2", "tool4"]] * 2

    async def test_history_and_memory_are_bounded(self, new_store):
        """Policies see the last calls; outcomes may speak of many more, and of none that was dropped."""
        async with opened(new_store) as store:
            root = (await new_task(store)).root_id
            of = chain(root, budgets={"calls": KEPT_CALLS + 100})
            charged = wanted(of, charges={"calls": 1})
            await store.reserve(charged)
            made = [wanted(of, tool=f"tool{number}") for number in range(KEPT_CALLS + 19)]
            for begin in range(0, len(made), 60):
                answers = await asyncio.gather(*(store.reserve(call) for call in made[begin : begin + 60]))
                assert {answer.state for answer in answers} == {ReserveState.DONE}
            state = await store.look_up(of)
            assert len(state.calls) == HISTORY_CALLS
            assert state.spent == {f"{root}/calls": 1}
            assert await store.report(outcome(made[-1])) is OutcomeState.DONE
            known = [await store.report(outcome(call)) for call in made[:100]]
            assert known.count(OutcomeState.UNKNOWN) == 19
            # A free call displaces no charged one, however many there are.
            assert await store.report(outcome(charged, refunded={"calls": 1})) is OutcomeState.DONE
            assert await store.report(outcome(charged, refunded={"calls": 1})) is OutcomeState.REPEATED
            await store.release(charged.decision_id, root)
            assert await store.report(outcome(charged)) is OutcomeState.UNKNOWN
            assert await store.report(outcome(made[-HISTORY_CALLS * 10])) is OutcomeState.DONE

    async def test_charged_calls_are_bounded_too(self, new_store, monkeypatch):
        """Of the older ones as many as of all are kept, the newest; free calls between them change nothing."""
        for module in (reservations, redis):
            monkeypatch.setattr(module, "KEPT_CALLS", 20)
        monkeypatch.setattr(reservations, "_CHARGED_CHECK", 10)
        async with opened(new_store) as store:
            of = chain((await new_task(store)).root_id, budgets={"calls": 1000})
            made = [wanted(of, charges={"calls": number % 2}) for number in range(141)]
            for call in made:
                assert (await store.reserve(call)).state is ReserveState.DONE
            known = [await store.report(outcome(call)) is OutcomeState.DONE for call in made]
            assert all(known[-20:])
            older = [number for number in range(121) if known[number]]
            assert all(number % 2 for number in older)
            assert older == list(range(older[0], 121, 2)), "the newest of them"
            assert 20 <= len(older) <= 25

    async def test_calls_that_note_nothing_displace_none_that_did(self, new_store, monkeypatch):
        """However many there are, a failure is still taken back."""
        for module in (reservations, redis):
            monkeypatch.setattr(module, "KEPT_CALLS", 20)
        async with opened(new_store) as store:
            of = chain((await new_task(store)).root_id)
            call = wanted(of, notes=noted({"n": 1}))
            assert (await store.reserve(call)).state is ReserveState.DONE
            version = (await store.look_up(of)).label_version
            for _ in range(60):
                assert (await store.reserve(wanted(of, version=version))).state is ReserveState.DONE
            assert await store.report(outcome(call, failed=True)) is OutcomeState.DONE
            assert not (await store.look_up(of)).facts
