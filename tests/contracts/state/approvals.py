"""Requesting, deciding and using approvals."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tabard_sidecar.state.approval import Approval, ApprovalStatus, NotDecided
from tabard_sidecar.state.model import ReserveState, Revocation, RevocationKind

from tests.support.state import (
    LATER,
    NOW,
    approval,
    at_most,
    chain,
    fresh,
    new_task,
    opened,
    person,
    steps,
    wanted,
)


async def _approved(store, root: str, *, uses: int = 1, expires_at: float = LATER) -> str:
    asked = await store.ask(approval(root, uses=uses), limits=at_most(9))
    await store.decide_approval(
        asked.approval_id, approved=True, approver=person("iss ann"), now=NOW, expires_at=expires_at
    )
    return asked.approval_id


class ApprovalsContract:
    async def test_what_is_asked_is_remembered_whole(self, store):
        asked = approval(fresh("root"), uses=3)
        assert await store.ask(asked, limits=at_most(5)) == asked
        assert await store.approval(asked.approval_id, now=NOW) == asked
        assert await store.approval(fresh("unheard"), now=NOW) is None
        assert await store.approval(asked.approval_id, now=LATER) is None

    async def test_asking_the_same_again_is_one_approval(self, store):
        root = fresh("root")
        first = await store.ask(approval(root, digest="d"), limits=at_most(1))
        again = await store.ask(approval(root, digest="d", created_at=NOW + 5), limits=at_most(1))
        assert again == first
        for other in (
            replace(approval(root, digest="e")),
            replace(approval(root, digest="d", link="l")),
            replace(approval(root, digest="d"), code="other"),
            replace(approval(root, digest="d"), module="policy.other"),
            replace(approval(fresh("root"), digest="d")),
        ):
            assert await store.ask(other, limits=at_most(9)) == other

    async def test_of_many_asks_at_once_one_approval_is_made(self, new_store):
        root = fresh("root")
        async with opened(new_store) as one, opened(new_store) as other:
            answers = await asyncio.gather(
                *(
                    store.ask(approval(root, digest="d"), limits=at_most(1))
                    for store in (one, other)
                    for _ in range(8)
                )
            )
            assert len({answer.approval_id for answer in answers}) == 1

    async def test_no_more_wait_than_may(self, new_store):
        """Five of a task; another task's don't count, nor those decided or expired."""
        root = fresh("root")
        async with opened(new_store) as one, opened(new_store) as other:
            answers = await asyncio.gather(
                *((one, other)[n % 2].ask(approval(root), limits=at_most(5)) for n in range(12))
            )
            asked = [answer for answer in answers if answer is not None]
            assert len(asked) == 5
            of_another = approval(fresh("root"))
            assert await one.ask(of_another, limits=at_most(5)) == of_another
            await one.decide_approval(
                asked[0].approval_id, approved=False, approver=person("a"), now=NOW, expires_at=LATER
            )
            brief = approval(root, expires_at=NOW + 5)
            assert await other.ask(brief, limits=at_most(5)) == brief
            assert await one.ask(approval(root), limits=at_most(5)) is None
            later = approval(root, created_at=NOW + 6)
            assert await one.ask(later, limits=at_most(5)) == later

    async def test_a_refusal_closes_its_topic_for_the_workload(self, new_store):
        """For any call from any link of its own; an approval closes nothing, and other topics are asked about."""
        async with opened(new_store) as one, opened(new_store) as other:
            root, topic = fresh("root"), fresh("topic")
            asked = await one.ask(approval(root, topic=topic), limits=at_most(5))
            second = await other.ask(approval(root, topic=topic), limits=at_most(5))
            assert second.approval_id != asked.approval_id
            await one.decide_approval(
                second.approval_id, approved=True, approver=person("a"), now=NOW, expires_at=LATER
            )
            third = approval(root, topic=topic)
            assert await one.ask(third, limits=at_most(5)) == third
            denied = await other.decide_approval(
                asked.approval_id, approved=False, approver=person("a"), now=NOW, expires_at=NOW + 50
            )
            assert await one.ask(approval(root, topic=topic, link="l"), limits=at_most(5)) == denied
            for free in (approval(root, topic=fresh("topic")), approval(root, topic="")):
                assert await one.ask(free, limits=at_most(9)) == free
            later = approval(root, topic=topic, created_at=NOW + 51)
            assert await one.ask(later, limits=at_most(9)) == later

    async def test_a_refusal_closes_its_topic_for_who_is_below(self, new_store):
        """For whom the refused workload handed the task, not for who stands above or beside it."""
        async with opened(new_store) as one, opened(new_store) as other:
            root, topic = fresh("root"), fresh("topic")

            async def ask(*chain: str) -> Approval | None:
                wanted = approval(root, topic=topic, link=fresh("link"), workload=chain[-1], above=chain[:-1])
                found = await other.ask(wanted, limits=at_most(99))
                return None if found == wanted else found

            refused = approval(root, topic=topic, link="l", workload="b", above=("a",))
            await one.ask(refused, limits=at_most(9))
            denied = await one.decide_approval(
                refused.approval_id, approved=False, approver=person("p"), now=NOW, expires_at=LATER
            )
            for chain_ in (("a", "b"), ("a", "b", "c"), ("a", "c", "b"), ("a", "b", "a")):
                assert await ask(*chain_) == denied, chain_
            for chain_ in (("a",), ("a", "c"), ("a", "c", "a")):
                assert await ask(*chain_) is None, chain_

    async def test_a_workload_takes_no_places_of_another(self, store):
        """Of the same task: what one lets wait doesn't keep the other from asking."""
        root = fresh("root")
        asked = [await store.ask(approval(root, workload="b"), limits=at_most(2)) for _ in range(3)]
        assert asked[2] is None
        for _ in range(2):
            assert await store.ask(approval(root, workload="a"), limits=at_most(2)) is not None

    @pytest.mark.parametrize("what", ["root", "above", "link", "agent", "agent above", "subject"])
    async def test_who_was_ended_or_revoked_waits_no_more(self, new_store, what):
        """Its pending approvals aren't counted, listed or decided; decided ones stay, and so do those of others."""
        async with opened(new_store) as one, opened(new_store) as other:
            task = await new_task(one)
            root, subject = task.root_id, fresh("https://issuer ann")
            asker, above = fresh("spiffe://z/b"), fresh("spiffe://z/a")
            of = chain(root, "a", "b", hops="a b")
            await one.register_children(steps(of), now=NOW, expires_at=LATER)
            details = {"link": of.link_ids[-1], "workload": asker, "above": (above,), "subject": subject}
            denied = await one.ask(approval(root, **details), limits=at_most(1))
            denied = await one.decide_approval(
                denied.approval_id, approved=False, approver=person("p"), now=NOW, expires_at=LATER
            )
            asked = await one.ask(approval(root, **details), limits=at_most(1))
            beside = await one.ask(
                approval(fresh("root"), workload=fresh("w"), subject="j"), limits=at_most(1)
            )
            assert await one.ask(approval(root, **details), limits=at_most(1)) is None
            kind, target = {
                "root": (RevocationKind.LINK, root),
                "above": (RevocationKind.LINK, of.link_ids[1]),
                "link": (RevocationKind.LINK, of.link_ids[-1]),
                "agent": (RevocationKind.AGENT, asker),
                "agent above": (RevocationKind.AGENT, above),
                "subject": (RevocationKind.SUBJECT, subject),
            }[what]
            await other.revoke(Revocation(kind, target, NOW, NOW + 1800))
            found = await one.approval(asked.approval_id, now=NOW)
            assert found == replace(asked, status=ApprovalStatus.ENDED)
            for pending_only in (True, False):
                listed = await other.approvals(now=NOW, pending_only=pending_only)
                assert asked.approval_id not in {one.approval_id for one in listed}
                assert beside in listed
                assert (denied in listed) is not pending_only
            for approved in (True, False):
                decided = await other.decide_approval(
                    asked.approval_id, approved=approved, approver=person("p"), now=NOW, expires_at=LATER
                )
                assert decided is NotDecided.CHANGED
            # Of another task of the same workload and person, which started after the revocation.
            anew = approval(
                fresh("root"), created_at=NOW + 1, **{**details, "link": fresh("link"), "above": ()}
            )
            assert await one.ask(anew, limits=at_most(9, person=1, workload=1)) == anew
            if kind is not RevocationKind.LINK:
                await other.lift(kind, target)
                assert await one.approval(asked.approval_id, now=NOW) == asked

    async def test_a_workload_fills_no_list(self, new_store):
        """However many tasks it starts: for one person, and for all."""
        async with opened(new_store) as one, opened(new_store) as other:
            workload = fresh("workload")

            async def ask(subject: str, workload: str = workload):
                wanted = approval(fresh("root"), workload=workload, subject=subject)
                return await one.ask(wanted, limits=at_most(5, person=3, workload=7))

            answers = [await ask("i ann") for _ in range(5)]
            assert [answer is None for answer in answers] == [False, False, False, True, True]
            assert [await ask(f"i {number}") is None for number in range(5)] == [False] * 4 + [True]
            assert await ask("i ann", fresh("workload")) is not None
            await other.decide_approval(
                answers[0].approval_id, approved=False, approver=person("a"), now=NOW, expires_at=LATER
            )
            assert await ask("i ann") is not None

    async def test_a_decision_counts_once(self, new_store):
        """Of sixteen approvers who decide at once, one does."""
        async with opened(new_store) as one, opened(new_store) as other:
            asked = await one.ask(approval(fresh("root")), limits=at_most(5))
            decided = await asyncio.gather(
                *(
                    (one, other)[number % 2].decide_approval(
                        asked.approval_id,
                        approved=number % 3 == 0,
                        approver=person(f"iss {number}"),
                        now=NOW + 1.5,
                        expires_at=NOW + 99,
                    )
                    for number in range(16)
                )
            )
            (winner,) = [answer for answer in decided if answer is not NotDecided.CHANGED]
            assert await other.approval(asked.approval_id, now=NOW) == winner
            assert winner.status is not ApprovalStatus.PENDING
            assert winner == replace(
                asked,
                status=winner.status,
                approver=winner.approver,
                decided_at=NOW + 1.5,
                expires_at=NOW + 99,
            )

    async def test_what_stopped_waiting_cant_be_decided(self, store):
        asked = await store.ask(approval(fresh("root"), expires_at=NOW + 5), limits=at_most(5))
        for approval_id, now in ((asked.approval_id, NOW + 5), (fresh("unheard"), NOW)):
            decided = await store.decide_approval(
                approval_id, approved=True, approver=person("a"), now=now, expires_at=LATER
            )
            assert decided is NotDecided.CHANGED

    async def test_of_many_decisions_by_one_token_one_is_stored(self, new_store):
        """Sixteen calls on two sidecars; the others wait on, and another token decides about them."""
        async with opened(new_store) as one, opened(new_store) as other:
            asked = [await one.ask(approval(fresh("root")), limits=at_most(5)) for _ in range(16)]
            approver = person("iss ann", token=fresh("token"))

            async def decide(number: int, approver=approver):
                return await (one, other)[number % 2].decide_approval(
                    asked[number].approval_id, approved=True, approver=approver, now=NOW, expires_at=LATER
                )

            answers = await asyncio.gather(*map(decide, range(16)))
            assert answers.count(NotDecided.TOKEN_USED) == 15
            for number, answer in enumerate(answers):
                found = await other.approval(asked[number].approval_id, now=NOW)
                if answer is NotDecided.TOKEN_USED:
                    assert found == asked[number]
                    assert await decide(number, person("iss ann")) is not NotDecided.TOKEN_USED
                else:
                    assert found == answer

    async def test_a_decision_that_comes_too_late_costs_no_token(self, new_store):
        """Of two people who decide at the same moment, the one who lost decides about another call with that token."""
        async with opened(new_store) as one, opened(new_store) as other:
            for _ in range(5):
                asked, more = [await one.ask(approval(fresh("root")), limits=at_most(5)) for _ in range(2)]
                people = [person("iss ann"), person("iss bob")]

                async def decide(number, about, people=people):
                    return await (one, other)[number].decide_approval(
                        about.approval_id, approved=True, approver=people[number], now=NOW, expires_at=LATER
                    )

                answers = await asyncio.gather(decide(0, asked), decide(1, asked))
                lost = answers.index(NotDecided.CHANGED)
                assert await decide(1 - lost, more) is NotDecided.TOKEN_USED
                decided = await decide(lost, more)
                assert (decided.status, decided.approver) == (ApprovalStatus.APPROVED, people[lost].name)

    async def test_a_decision_and_another_use_of_its_token_share_one_count(self, store):
        """Sidecars of an earlier version count the token apart from the decision."""
        asked = await store.ask(approval(fresh("root")), limits=at_most(5))
        approver = person("iss ann")
        assert await store.consume(approver.token, limit=1, now=NOW, expires_at=LATER)
        decided = await store.decide_approval(
            asked.approval_id, approved=True, approver=approver, now=NOW, expires_at=LATER
        )
        assert decided is NotDecided.TOKEN_USED
        approver = person("iss ann")
        await store.decide_approval(
            asked.approval_id, approved=True, approver=approver, now=NOW, expires_at=LATER
        )
        assert not await store.consume(approver.token, limit=1, now=NOW, expires_at=LATER)

    async def test_a_decision_that_is_of_use_is_found_again(self, store):
        """Approved or denied: asking the same requests no new approval until it is used up or expired."""
        for approved in (True, False):
            root = fresh("root")
            asked = await store.ask(approval(root, digest="d"), limits=at_most(5))
            decided = await store.decide_approval(
                asked.approval_id, approved=approved, approver=person("a"), now=NOW, expires_at=NOW + 50
            )
            assert (
                await store.ask(approval(root, digest="d", created_at=NOW + 49), limits=at_most(5)) == decided
            )
            anew = approval(root, digest="d", created_at=NOW + 51)
            assert await store.ask(anew, limits=at_most(5)) == anew

    async def test_an_approval_is_used_exactly_as_often_as_it_says(self, new_store):
        """Thirty-two calls at once on two sidecars, three uses: three calls."""
        async with opened(new_store) as one, opened(new_store) as other:
            root = (await new_task(one)).root_id
            approval_id = await _approved(one, root, uses=3)
            of = chain(root, budgets={"calls": 100})
            answers = await asyncio.gather(
                *(
                    (one, other)[number % 2].reserve(
                        wanted(of, charges={"calls": 1}, approvals=(approval_id,))
                    )
                    for number in range(32)
                )
            )
            assert [answer.state for answer in answers].count(ReserveState.DONE) == 3
            refused = [answer for answer in answers if answer.state is not ReserveState.DONE]
            assert {(a.state, a.what) for a in refused} == {(ReserveState.APPROVAL_USED, approval_id)}
            assert (await one.look_up(of)).spent == {f"{root}/calls": 3}
            assert (await other.approval(approval_id, now=NOW)).uses == 0

    async def test_a_used_up_approval_is_asked_for_anew(self, store):
        root = (await new_task(store)).root_id
        asked = await store.ask(approval(root, digest="d"), limits=at_most(1))
        await store.decide_approval(
            asked.approval_id, approved=True, approver=person("a"), now=NOW, expires_at=LATER
        )
        await store.reserve(wanted(chain(root), approvals=(asked.approval_id,)))
        anew = approval(root, digest="d")
        assert await store.ask(anew, limits=at_most(1)) == anew

    async def test_all_approvals_or_none(self, store):
        """A call that needs several approvals takes a use of each, or of none."""
        root = (await new_task(store)).root_id
        good = await _approved(store, root, uses=2)
        waiting = (await store.ask(approval(root), limits=at_most(9))).approval_id
        denied = (await store.ask(approval(root), limits=at_most(9))).approval_id
        await store.decide_approval(denied, approved=False, approver=person("a"), now=NOW, expires_at=LATER)
        other = await _approved(store, (await new_task(store)).root_id)
        old = await _approved(store, root, expires_at=NOW + 5)
        of = chain(root, budgets={"calls": 9})
        for bad in (waiting, denied, other, fresh("unheard"), old):
            answer = await store.reserve(
                wanted(of, charges={"calls": 1}, approvals=(good, bad), task_labels=("x",), now=NOW + 6)
            )
            assert (answer.state, answer.what) == (ReserveState.APPROVAL_USED, bad)
        state = await store.look_up(of)
        assert (state.calls, state.labels) == ((), ())
        assert not any(state.spent.values())
        assert (await store.approval(good, now=NOW)).uses == 2
        twice = await store.reserve(wanted(of, approvals=(good, good)))
        assert twice.state is ReserveState.DONE
        assert (await store.approval(good, now=NOW)).uses == 0

    async def test_an_exhausted_budget_uses_no_approval(self, store):
        root = (await new_task(store)).root_id
        good = await _approved(store, root)
        of = chain(root, budgets={"calls": 1})
        answer = await store.reserve(wanted(of, charges={"calls": 2}, approvals=(good,)))
        assert answer.state is ReserveState.EXHAUSTED
        assert (await store.approval(good, now=NOW)).uses == 1

    async def test_a_released_call_gives_its_approval_back(self, store):
        root = (await new_task(store)).root_id
        good = await _approved(store, root)
        call = wanted(chain(root), approvals=(good,))
        await store.reserve(call)
        await store.release(call.decision_id, root)
        assert (await store.approval(good, now=NOW)).uses == 1
        assert (await store.reserve(wanted(chain(root), approvals=(good,)))).state is ReserveState.DONE
        assert (
            await store.reserve(wanted(chain(root), approvals=(good,)))
        ).state is ReserveState.APPROVAL_USED

    async def test_approvals_are_listed_oldest_first(self, store):
        root = fresh("root")
        made = [
            await store.ask(approval(root, created_at=NOW + number), limits=at_most(9))
            for number in (2, 0, 1)
        ]
        brief = await store.ask(approval(root, expires_at=NOW + 5), limits=at_most(9))
        decided = await store.decide_approval(
            made[2].approval_id, approved=True, approver=person("a"), now=NOW, expires_at=LATER
        )

        async def listed(now: float, *, pending_only: bool) -> list[object]:
            return [a for a in await store.approvals(now=now, pending_only=pending_only) if a.root_id == root]

        assert await listed(NOW + 5, pending_only=True) == [made[1], made[0]]
        assert await listed(NOW + 5, pending_only=False) == [made[1], decided, made[0]]
        assert brief in await listed(NOW, pending_only=True)
        assert await listed(LATER, pending_only=False) == []
