"""Groups of approvals: what a person is shown as one list and decides at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_sidecar.state.approval import ApprovalStatus, NotDecided, Verdict
from tabard_sidecar.state.model import ReserveState, Revocation, RevocationKind

from tests.support.state import (
    LATER,
    NOW,
    SUPPRESSED,
    approval,
    at_most,
    chain,
    fresh,
    new_task,
    opened,
    person,
    wanted,
)

_CALLS = 4
_STEP = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, _CALLS - 1), st.integers(0, 2)),
    st.tuples(st.just("look"), st.integers(0, _CALLS - 1), st.just(0)),
    st.tuples(st.just("decide"), st.integers(0, 2**_CALLS - 1), st.integers(0, 1)),
    st.tuples(st.just("decide_one"), st.integers(0, _CALLS - 1), st.integers(0, 1)),
    st.tuples(st.just("use"), st.integers(0, _CALLS - 1), st.just(0)),
    st.tuples(st.just("wait"), st.integers(1, 30), st.just(0)),
)


async def _ask(store, root, *digests, group="", limits=None, **details):
    return [
        await store.ask(
            approval(root, digest=digest, group=group, **details), limits=limits or at_most(50, group=9)
        )
        for digest in digests
    ]


def _ids(approvals):
    return [one.approval_id for one in approvals]


def _verdicts(approvals, *, approved=True):
    return [Verdict(one.approval_id, approved=approved, expires_at=LATER) for one in approvals]


async def _decide(store, group, verdicts, *, approver=None, now=NOW):
    return await store.decide_approvals(group, verdicts, approver=approver or person("iss ann"), now=now)


class ApprovalGroupsContract:
    async def test_a_group_holds_what_was_asked_for_in_it(self, new_store):
        async with opened(new_store) as one, opened(new_store) as other:
            root, group = fresh("root"), fresh("group")
            asked = await _ask(one, root, "a", "b", group=group)
            await _ask(one, root, "c", group=fresh("group"))
            await _ask(one, root, "d")
            assert [found.group_id for found in asked] == [group, group]
            found = await other.approval_group(group, now=NOW)
            assert sorted(_ids(found)) == sorted(_ids(asked))
            assert await other.approval(asked[0].approval_id, now=NOW) == asked[0]
            assert await other.approval_group("", now=NOW) == []
            assert await other.approval_group(fresh("group"), now=NOW) == []
            assert await other.approval_group(group, now=LATER) == []

    async def test_a_group_is_decided_whole(self, new_store):
        """Each item as the person says; the others of the task wait on."""
        async with opened(new_store) as one, opened(new_store) as other:
            root, group = fresh("root"), fresh("group")
            asked = await _ask(one, root, "a", "b", "c", group=group)
            (alone,) = await _ask(one, root, "d")
            verdicts = [
                Verdict(item.approval_id, approved=number != 1, expires_at=NOW + 50 + number)
                for number, item in enumerate(asked)
            ]
            decided = await _decide(other, group, verdicts, now=NOW + 1.5)
            assert list(decided) == [
                replace(
                    item,
                    status=ApprovalStatus.APPROVED if verdict.approved else ApprovalStatus.DENIED,
                    approver="iss ann",
                    decided_at=NOW + 1.5,
                    expires_at=verdict.expires_at,
                )
                for item, verdict in zip(asked, verdicts, strict=True)
            ]
            assert await one.approval(asked[1].approval_id, now=NOW) == decided[1]
            assert await one.approval_group(group, now=NOW) == []
            kept = await one.approval_group(group, now=NOW, pending_only=False)
            assert sorted(_ids(kept)) == sorted(_ids(asked))
            assert (await one.approval(alone.approval_id, now=NOW)).status is ApprovalStatus.PENDING
            assert await _decide(one, group, verdicts) is NotDecided.CHANGED

    @pytest.mark.parametrize("what", ["fewer", "more", "other", "twice", "none", "of another group"])
    async def test_another_set_than_what_is_pending_decides_nothing(self, store, what):
        root, group, second = fresh("root"), fresh("group"), fresh("group")
        asked = await _ask(store, root, "a", "b", group=group)
        others = await _ask(store, root, "c", "d", group=second)
        named = {
            "fewer": asked[:1],
            "more": [*asked, others[0]],
            "other": [asked[0], others[0]],
            "twice": [asked[0], asked[0]],
            "none": [],
            "of another group": others,
        }[what]
        assert await _decide(store, group, _verdicts(named)) is NotDecided.CHANGED
        for one in (*asked, *others):
            assert await store.approval(one.approval_id, now=NOW) == one

    @pytest.mark.parametrize("what", ["asked", "decided", "expired", "revoked"])
    async def test_what_changed_since_it_was_shown_decides_nothing(self, new_store, what):
        async with opened(new_store) as one, opened(new_store) as other:
            root, group, agent = fresh("root"), fresh("group"), fresh("spiffe://z/a")
            asked = await _ask(one, root, "a", "b", group=group)
            asked += await _ask(one, root, "c", group=group, expires_at=NOW + 5, workload=agent)
            now = NOW
            if what == "asked":
                await _ask(other, root, "d", group=group)
            elif what == "decided":
                await other.decide_approval(
                    asked[0].approval_id, approved=False, approver=person("p"), now=NOW, expires_at=LATER
                )
            elif what == "expired":
                now = NOW + 5
            else:
                await other.revoke(Revocation(RevocationKind.AGENT, agent, NOW, NOW + 1800))
            assert await _decide(one, group, _verdicts(asked), now=now) is NotDecided.CHANGED
            waiting = await other.approval_group(group, now=now)
            assert {found.status for found in waiting} == {ApprovalStatus.PENDING}
            assert isinstance(await _decide(one, group, _verdicts(waiting), now=now), Sequence)

    async def test_of_many_who_decide_a_group_one_does(self, new_store):
        async with opened(new_store) as one, opened(new_store) as other:
            group = fresh("group")
            asked = await _ask(one, fresh("root"), "a", "b", "c", group=group)
            answers = await asyncio.gather(
                *(
                    _decide(
                        (one, other)[number % 2],
                        group,
                        _verdicts(asked, approved=number % 3 == 0),
                        approver=person(f"iss {number}"),
                    )
                    for number in range(16)
                )
            )
            (winner,) = [answer for answer in answers if answer is not NotDecided.CHANGED]
            assert len({found.approver for found in winner}) == 1
            for found in winner:
                assert await one.approval(found.approval_id, now=NOW) == found

    async def test_a_token_decides_about_one_group(self, new_store):
        """Of a group and a single call that one token decides at once, one is decided; a change costs no token."""
        async with opened(new_store) as one, opened(new_store) as other:
            for _ in range(5):
                group, approver = fresh("group"), person("iss ann")
                asked = await _ask(one, fresh("root"), "a", "b", group=group)
                (alone,) = await _ask(one, fresh("root"), "c")
                stale = _verdicts(asked[:1])
                assert await _decide(one, group, stale, approver=approver) is NotDecided.CHANGED
                answers = await asyncio.gather(
                    _decide(one, group, _verdicts(asked), approver=approver),
                    other.decide_approval(
                        alone.approval_id, approved=True, approver=approver, now=NOW, expires_at=LATER
                    ),
                )
                assert answers.count(NotDecided.TOKEN_USED) == 1
                decided = [
                    item.approval_id
                    for item in (*asked, alone)
                    if (await one.approval(item.approval_id, now=NOW)).status is ApprovalStatus.APPROVED
                ]
                assert decided == (
                    [alone.approval_id] if answers[0] is NotDecided.TOKEN_USED else _ids(asked)
                )

    async def test_a_list_asked_for_again_is_the_same_group(self, new_store):
        """New calls join it, whether they come before or after those that wait already."""
        async with opened(new_store) as one, opened(new_store) as other:
            root, group = fresh("root"), fresh("group")
            first = await _ask(one, root, "a", "b", group=group)
            assert await _ask(other, root, "a", "b", group=fresh("group")) == first
            later = fresh("group")
            (new,) = await _ask(other, root, "c", group=later)
            again = await _ask(other, root, "a", group=later)
            assert again == first[:1]
            found = await one.approval_group(group, now=NOW)
            assert sorted(_ids(found)) == sorted(_ids([*first, new]))
            assert await one.approval_group(later, now=NOW) == []
            (last,) = await _ask(one, root, "d", group=group)
            assert await _decide(other, group, _verdicts(found)) is NotDecided.CHANGED
            assert isinstance(await _decide(other, group, _verdicts([*found, last])), Sequence)

    async def test_a_call_that_waits_alone_joins_a_list(self, store):
        root, group = fresh("root"), fresh("group")
        (alone,) = await _ask(store, root, "a")
        await _ask(store, root, "b", group=group)
        (joined,) = await _ask(store, root, "a", group=group)
        assert joined == replace(alone, group_id=group)
        assert len(await store.approval_group(group, now=NOW)) == 2
        (again,) = await _ask(store, root, "a")
        assert again == joined

    async def test_what_was_decided_joins_no_list(self, store):
        root, group = fresh("root"), fresh("group")
        (alone,) = await _ask(store, root, "a")
        decided = await store.decide_approval(
            alone.approval_id, approved=True, approver=person("a"), now=NOW, expires_at=LATER
        )
        assert await _ask(store, root, "a", group=group) == [decided]
        assert await store.approval_group(group, now=NOW, pending_only=False) == []

    async def test_no_list_grows_beyond_its_limit(self, store):
        root, group, later = fresh("root"), fresh("group"), fresh("group")
        limits = at_most(50, group=3)
        answers = await _ask(store, root, "a", "b", "c", "d", group=group, limits=limits)
        assert [answer is None for answer in answers] == [False, False, False, True]
        (apart,) = await _ask(store, root, "e", group=later, limits=limits)
        (alone,) = await _ask(store, root, "f", limits=limits)
        (again,) = await _ask(store, root, "a", group=later, limits=limits)
        assert again == answers[0]
        assert _ids(await store.approval_group(later, now=NOW)) == _ids([apart])
        assert (await store.approval(alone.approval_id, now=NOW)).group_id == ""
        await _ask(store, root, "g", "h", group=later, limits=limits)
        assert await _ask(store, root, "f", group=later, limits=limits) == [alone]

    async def test_a_list_counts_as_one_question_of_its_task(self, new_store):
        """And each of its calls counts for the person and the workload."""
        async with opened(new_store) as one, opened(new_store) as other:
            root, workload = fresh("root"), fresh("w")
            limits = at_most(2, person=7, workload=8, group=4)
            who = {"workload": workload, "subject": "i ann"}

            async def refused(store, *digests, **details):
                answers = await _ask(store, details.pop("root", root), *digests, limits=limits, **details)
                return [answer is None for answer in answers]

            first, second = fresh("group"), fresh("group")
            assert await refused(one, "a", "b", "c", group=first, **who) == [False] * 3
            assert await refused(other, "d", **who) == [False]
            assert await refused(one, "e", **who) == [True]
            assert await refused(one, "e", group=second, **who) == [True]
            assert await refused(other, "e", group=first, **who) == [False]
            elsewhere = fresh("root")
            assert await refused(one, "a", "b", "c", root=elsewhere, group=second, **who) == [
                False,
                False,
                True,
            ]
            third = {"root": fresh("root"), "group": fresh("group"), "workload": workload, "subject": "i bob"}
            assert await refused(other, "a", "b", **third) == [False, True]

    @settings(max_examples=25, deadline=None, suppress_health_check=SUPPRESSED)
    @given(plan=st.lists(_STEP, min_size=4, max_size=30))
    async def test_exactly_what_was_shown_is_decided_and_used_once(self, store, plan):
        """Whatever is asked for, decided alone, used and expires in between; and no group outlives its approvals."""
        schedule = _Schedule(store, (await new_task(store)).root_id)
        for what, number, choice in plan:
            await getattr(schedule, what)(number, choice)
            await schedule.check_groups()
        assert set(schedule.used.values()) <= {0, 1}
        for group in schedule.groups:
            late = await store.approval_group(group, now=schedule.now + 101, pending_only=False)
            assert late == []


class _Schedule:
    """Calls of one task that are asked for in three groups, looked at, decided and used, on a clock that moves."""

    def __init__(self, store, root):
        self.store = store
        self.root = root
        self.groups = [fresh("group") for _ in range(3)]
        self.tokens = [fresh("token") for _ in range(2)]
        self.spent: set[str] = set()
        self.known: dict[int, str] = {}
        self.used: dict[str, int] = {}
        self.shown: tuple[str, list[str]] = ("", [])
        self.now = NOW

    async def ask(self, number, choice):
        details = {"group": self.groups[choice], "created_at": self.now, "expires_at": self.now + 60}
        (found,) = await _ask(self.store, self.root, str(number), **details)
        self.known[number] = found.approval_id

    async def look(self, number, _choice):
        one = await self.store.approval(self.known.get(number, ""), now=self.now)
        if one is not None and one.group_id:
            pending = await self.store.approval_group(one.group_id, now=self.now)
            self.shown = one.group_id, _ids(pending)

    async def decide(self, mask, choice):
        group, names = self.shown
        token = self.tokens[choice]
        before = await self._all()
        pending = {one.approval_id for one in await self.store.approval_group(group, now=self.now)}
        verdicts = {
            name: Verdict(name, approved=bool(mask >> place & 1), expires_at=self.now + 40)
            for place, name in enumerate(names)
        }
        decided = await _decide(
            self.store, group, [*verdicts.values()], approver=person("p", token=token), now=self.now
        )
        if not pending or pending != set(names):
            assert decided is NotDecided.CHANGED
        elif token in self.spent:
            assert decided is NotDecided.TOKEN_USED
        else:
            self.spent.add(token)
            assert [one.approval_id for one in decided] == names
        after = await self._all()
        for name, one in before.items():
            if isinstance(decided, NotDecided) or name not in verdicts:
                assert after[name] == one
            else:
                said = ApprovalStatus.APPROVED if verdicts[name].approved else ApprovalStatus.DENIED
                assert after[name].status is said

    async def decide_one(self, number, choice):
        if number in self.known:
            await self.store.decide_approval(
                self.known[number],
                approved=bool(choice),
                approver=person("p"),
                now=self.now,
                expires_at=self.now + 40,
            )

    async def use(self, number, _choice):
        name = self.known.get(number)
        if name is None:
            return
        one = await self.store.approval(name, now=self.now)
        taken = await self.store.reserve(wanted(chain(self.root), approvals=(name,), now=self.now))
        good = one is not None and one.status is ApprovalStatus.APPROVED and not self.used.get(name)
        assert (taken.state is ReserveState.DONE) == good
        self.used[name] = self.used.get(name, 0) + good

    async def wait(self, seconds, _choice):
        self.now += seconds

    async def check_groups(self):
        """What a group holds waits."""
        for group in self.groups:
            for one in await self.store.approval_group(group, now=self.now):
                assert one.status is ApprovalStatus.PENDING
                assert one.expires_at > self.now
                assert one.group_id == group

    async def _all(self):
        found = await self.store.approvals(now=self.now, pending_only=False)
        return {one.approval_id: one for one in found if one.root_id == self.root}
