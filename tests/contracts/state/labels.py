"""Labels: compare-and-set, branches, inheritance."""

from __future__ import annotations

import asyncio
import itertools

from tabard_sidecar.state.model import OutcomeState, ReserveState
from tabard_sidecar.state.store import LABELS_PER_HOLDER

from tests.support.state import (
    LATER,
    NOW,
    chain,
    fresh,
    new_task,
    opened,
    outcome,
    task,
    wanted,
)


class LabelsContract:
    async def test_a_call_that_saw_old_labels_takes_nothing(self, store):
        """Compare-and-set: a call pipelined beside one that adds a label has to be decided again."""
        root = (await new_task(store)).root_id
        of = chain(root, budgets={"calls": 9})
        assert (await store.reserve(wanted(of, charges={"calls": 1}, task_labels=("untrusted",)))).state is (
            ReserveState.DONE
        )
        late = await store.reserve(wanted(of, charges={"calls": 1}, task_labels=("more",)))
        assert late.state is ReserveState.CHANGED
        state = await store.look_up(of)
        assert (state.spent, state.labels) == ({f"{root}/calls": 1}, ("untrusted",))
        again = wanted(of, charges={"calls": 1}, version=state.label_version)
        assert (await store.reserve(again)).state is ReserveState.DONE

    async def test_the_version_grows_with_new_labels_only(self, store):
        root = (await new_task(store)).root_id
        of = chain(root, "l1")
        versions = [(await store.look_up(of)).label_version]
        steps = (
            {"task_labels": ("a", "b")},
            {"task_labels": ("b", "a")},
            {"branch_labels": ("c",)},
            {"branch_labels": ("c",)},
            {},
            {"task_labels": ("c",)},
        )
        for step in steps:
            assert (await store.reserve(wanted(of, version=versions[-1], **step))).state is ReserveState.DONE
            versions.append((await store.look_up(of)).label_version)
        grew = [after > before for before, after in itertools.pairwise(versions)]
        assert grew == [True, False, True, False, False, True]

    async def test_a_task_brings_labels_along_and_its_owner_gets_them(self, store):
        """As one does that another zone hands over: they reach a later task of the same person and workload, too."""
        person = fresh("subject")
        made = task(subject=person)
        assert await store.open_task(made, labels_since=NOW - 60, labels=("untrusted", "b")) == (
            "b",
            "untrusted",
        )
        state = await store.look_up(chain(made.root_id))
        assert state.labels == ("b", "untrusted")
        # A call that was decided without them takes nothing.
        stale = await store.reserve(wanted(chain(made.root_id), version=0))
        assert stale.state is ReserveState.CHANGED
        assert (await store.reserve(wanted(chain(made.root_id), version=state.label_version))).state is (
            ReserveState.DONE
        )
        # Opening it twice changes nothing.
        await store.open_task(made, labels_since=NOW - 60, labels=("late",))
        assert (await store.look_up(chain(made.root_id))).labels == ("b", "untrusted")
        later = task(subject=person, started_at=NOW + 1)
        assert await store.open_task(later, labels_since=NOW - 60) == ("b", "untrusted")
        other = task(subject=fresh("subject"))
        assert await store.open_task(other, labels_since=NOW - 60) == ()

    async def test_an_outcomes_labels_count_at_once(self, store):
        root = (await new_task(store)).root_id
        of = chain(root, "l1")
        call = wanted(of)
        await store.reserve(call)
        assert await store.report(outcome(call, labels=("late",))) is OutcomeState.DONE
        assert (await store.look_up(chain(root, "l2"))).labels == ("late",)
        assert (await store.reserve(wanted(of))).state is ReserveState.CHANGED
        version = (await store.look_up(of)).label_version
        assert await store.report(outcome(call, labels=("late",))) is OutcomeState.DONE
        assert (await store.look_up(of)).label_version == version

    async def test_a_branchs_labels_are_seen_there_and_below_only(self, store):
        root = (await new_task(store)).root_id
        await store.reserve(wanted(chain(root, "a", "b"), branch_labels=("secret",), task_labels=("é",)))
        seen = {
            links: (await store.look_up(chain(root, *links))).labels
            for links in ((), ("a",), ("a", "b"), ("a", "b", "c"), ("a", "x"), ("y",))
        }
        with_it = ("secret", "é")
        assert seen == {
            (): ("é",),
            ("a",): ("é",),
            ("a", "b"): with_it,
            ("a", "b", "c"): with_it,
            ("a", "x"): ("é",),
            ("y",): ("é",),
        }

    async def test_a_branch_label_of_the_root_is_seen_everywhere_below(self, store):
        root = (await new_task(store)).root_id
        await store.reserve(wanted(chain(root), branch_labels=("x",)))
        assert (await store.look_up(chain(root, "a"))).labels == ("x",)

    async def test_only_one_of_many_calls_adds_the_first_label(self, new_store):
        """Sixteen calls that saw no labels and would each add one: all but one are told to look again."""
        async with opened(new_store) as one, opened(new_store) as other:
            root = (await new_task(one)).root_id
            of = chain(root)
            answers = await asyncio.gather(
                *(
                    (one, other)[number % 2].reserve(wanted(of, task_labels=(f"label{number}",)))
                    for number in range(16)
                )
            )
            assert sorted(answer.state for answer in answers) == sorted(
                [ReserveState.CHANGED] * 15 + [ReserveState.DONE]
            )
            assert len((await other.look_up(of)).labels) == 1

    async def test_a_new_task_inherits_recent_labels(self, store):
        """Those of the same subject and workload, of the whole task, that it got since."""
        subject = fresh("subject")
        first = task(subject=subject)
        assert await store.open_task(first, labels_since=NOW - 60) == ()
        early = wanted(chain(first.root_id), task_labels=("early",), now=NOW)
        await store.reserve(early)
        version = (await store.look_up(chain(first.root_id))).label_version
        late = wanted(
            chain(first.root_id, "l"),
            task_labels=("late",),
            branch_labels=("branch",),
            version=version,
            now=NOW + 30,
        )
        await store.reserve(late)
        second = task(subject=subject, started_at=NOW + 40)
        assert await store.open_task(second, labels_since=NOW) == ("early", "late")
        third = task(subject=subject, started_at=NOW + 40)
        assert await store.open_task(third, labels_since=NOW + 30) == ("late",)
        state = await store.look_up(chain(third.root_id, "l"))
        # What the branch of that name got is seen in that branch, and nowhere else.
        assert (state.known, state.labels) == (True, ("branch", "late"))
        state = await store.look_up(chain(third.root_id))
        assert state.labels == ("late",)
        assert (await store.reserve(wanted(chain(third.root_id), version=state.label_version))).state is (
            ReserveState.DONE
        )
        fourth = task(subject=subject, started_at=NOW + 40)
        assert await store.open_task(fourth, labels_since=NOW + 31) == ()

    async def test_others_inherit_nothing(self, store):
        subject = fresh("subject")
        first = task(subject=subject)
        await store.open_task(first, labels_since=NOW)
        await store.reserve(wanted(chain(first.root_id), task_labels=("x",)))
        for other in (task(subject=fresh("subject")), task(subject=subject, workload="spiffe://z/other")):
            assert await store.open_task(other, labels_since=0.0) == ()
            assert (await store.look_up(chain(other.root_id))).labels == ()

    async def test_a_label_that_is_earned_again_is_as_good_as_new(self, store):
        """Reading untrusted content for the second time taints the next task no less than the first did."""
        subject = fresh("subject")
        first = task(subject=subject)
        await store.open_task(first, labels_since=NOW)
        of = chain(first.root_id)
        await store.reserve(wanted(of, task_labels=("untrusted",)))
        version = (await store.look_up(of)).label_version
        call = wanted(of, task_labels=("untrusted",), version=version, now=NOW + 50)
        await store.reserve(call)
        second = task(subject=subject, started_at=NOW + 60)
        assert await store.open_task(second, labels_since=NOW + 45) == ("untrusted",)
        await store.report(outcome(call, labels=("untrusted",), now=NOW + 55))
        third = task(subject=subject, started_at=NOW + 60)
        assert await store.open_task(third, labels_since=NOW + 55) == ("untrusted",)

    async def test_inherited_labels_are_carried_on_by_the_time_they_were_earned(self, store):
        """Starting task after task neither launders a label nor keeps it for ever."""
        subject = fresh("subject")
        first = task(subject=subject)
        await store.open_task(first, labels_since=NOW)
        await store.reserve(wanted(chain(first.root_id), task_labels=("x",)))
        second = task(subject=subject, started_at=NOW + 50)
        assert await store.open_task(second, labels_since=NOW) == ("x",)
        third = task(subject=subject, started_at=NOW + 70)
        assert await store.open_task(third, labels_since=NOW + 10) == ()

    async def test_opening_twice_changes_nothing(self, store):
        subject = fresh("subject")
        first = task(subject=subject)
        await store.open_task(first, labels_since=NOW)
        of = chain(first.root_id, budgets={"calls": 9})
        await store.reserve(wanted(of, charges={"calls": 1}, task_labels=("x",)))
        before = await store.look_up(of)
        assert await store.open_task(first, labels_since=NOW) == ("x",)
        after = await store.look_up(of)
        assert (after.spent, after.labels, after.calls, after.label_version) == (
            before.spent,
            before.labels,
            before.calls,
            before.label_version,
        )

    async def test_labels_outlive_the_task_that_earned_them(self, store):
        """A task that ended early taints the next one as well."""
        subject = fresh("subject")
        first = task(subject=subject, expires_at=NOW + 5)
        await store.open_task(first, labels_since=NOW)
        await store.reserve(wanted(chain(first.root_id), task_labels=("x",)))
        await store.expire(now=NOW + 400)
        second = task(subject=subject, started_at=NOW + 400, expires_at=LATER)
        assert await store.open_task(second, labels_since=NOW) == ("x",)

    async def test_a_workload_adds_no_more_labels_than_it_may(self, store):
        """The call, or the outcome, that would add one too many does nothing; labels that are there cost nothing."""
        root = (await new_task(store)).root_id
        of = chain(root, budgets={"calls": 9})
        most = tuple(f"label{number}" for number in range(LABELS_PER_HOLDER - 1))
        first = wanted(of, charges={"calls": 1}, task_labels=most)
        assert (await store.reserve(first)).state is ReserveState.DONE
        version = (await store.look_up(of)).label_version
        for labels in (
            {"task_labels": ("x", "y")},
            {"branch_labels": ("x", "y")},
            {"task_labels": ("x",), "branch_labels": ("y",)},
        ):
            answer = await store.reserve(wanted(of, charges={"calls": 1}, version=version, **labels))
            assert answer.state is ReserveState.FULL
        assert await store.report(outcome(first, labels=("x", "y"), raised={"calls": 1})) is OutcomeState.FULL
        state = await store.look_up(of)
        assert (state.spent, len(state.labels), len(state.calls)) == (
            {f"{root}/calls": 1},
            len(most),
            1,
        )
        last = wanted(of, charges={"calls": 1}, version=version, task_labels=most, branch_labels=("x",))
        assert (await store.reserve(last)).state is ReserveState.DONE
        assert await store.report(outcome(first, labels=most[:5])) is OutcomeState.DONE
        assert await store.report(outcome(first, labels=("z",))) is OutcomeState.FULL
