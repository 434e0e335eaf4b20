"""Labels follow a person together with a workload, so that no detour loses them, and no workload uses up another's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_sidecar.model import REPORTED
from tabard_sidecar.pipeline.task_state_cache import TaskStateCache
from tabard_sidecar.state.labels import COLLAPSED
from tabard_sidecar.state.model import Chain, OutcomeState, ReserveState
from tabard_sidecar.state.store import LABELS_PER_HOLDER, REPORTED_PER_HOLDER, StateStore

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
    steps,
    task,
    wanted,
)

AGENT = "spiffe://z/agent"


async def calls(
    store: StateStore,
    of: Chain,
    *,
    task_labels: Sequence[str] = (),
    branch_labels: Sequence[str] = (),
    **parts,
) -> tuple[str, ...]:
    """Make a call on the state as it is, as the pipeline does; return the labels that it saw."""
    await store.register_children(steps(of), now=NOW, expires_at=LATER)
    seen = await store.look_up(of)
    call = wanted(
        of,
        task_labels=tuple(task_labels),
        branch_labels=tuple(branch_labels),
        version=seen.label_version,
        epoch=seen.epoch,
        carried=seen.carried,
        **parts,
    )
    assert (await store.reserve(call)).state is ReserveState.DONE
    return seen.labels


async def labels(store: StateStore, of: Chain) -> tuple[str, ...]:
    """Return the labels that a chain sees."""
    return (await store.look_up(of)).labels


async def started(store: StateStore, subject: str, workload: str = AGENT) -> str:
    """Start a task of a person with a workload; return its root."""
    return (await new_task(store, subject=subject, workload=workload)).root_id


_READ = st.tuples(st.just("read"), st.integers(0, 20), st.sampled_from(["t1", "t2", "b1", "b2"]))
_SEND = st.tuples(st.just("send"), st.integers(0, 20), st.just(""))
_STEP = st.one_of(
    st.tuples(st.just("start"), st.integers(0, 1), st.sampled_from([AGENT, "h", "k"])),
    st.tuples(st.just("extend"), st.integers(0, 20), st.sampled_from(["h", "k", AGENT, "reader", "writer"])),
    st.tuples(st.just("wait"), st.integers(1, 8), st.just("")),
    *(_READ, _READ, _SEND, _SEND),
)
_CARRY_SECONDS = 50.0
_WAIT_SECONDS = 10.0


@dataclass
class _Laws:
    """What has to hold whatever the order: who may have learned something is bound by its label.

    A workload that takes part in a task learns what is read in it, and what another one of them reads in another task; also what
    has come that way over several tasks. What a branch reads is learned by those whom it hands a task, and by those
    below them. Who is handed a task learns all that those above it see. A chain sees the labels of its task, and what its
    owners have learned since shortly before the task began. A chain of another person sees nothing of it.

    Each of two sidecars decides on the state that it has cached if it has one. No call is made by a policy that hadn't
    seen all labels. A chain's label version never stands for two different sets of labels.
    """

    p: str
    q: str
    now: float = NOW
    revocations: int = 0
    chains: list[tuple[str, float, tuple[str, ...], Chain]] = field(default_factory=list)
    members: dict[str, set[str]] = field(default_factory=dict)
    below: set[tuple[str, str]] = field(default_factory=set)
    whole: dict[str, set[str]] = field(default_factory=dict)
    learned: dict[tuple[str, str], float] = field(default_factory=dict)
    versions: dict[tuple[Chain, int], tuple[str, ...]] = field(default_factory=dict)

    async def run(self, store: StateStore, cache: TaskStateCache, step: tuple[str, int, str]) -> None:
        what, number, name = step
        if what == "start":
            await self._start(store, (self.p, self.q)[number], name)
        elif what == "wait":
            self.now += number * _WAIT_SECONDS
        elif self.chains:
            chosen = self.chains[number % len(self.chains)]
            if what == "extend":
                await self._extend(store, *chosen, name)
            else:
                await self._call(store, cache, chosen[-1], f"{name}{chosen[0]}" if name else "")

    async def _start(self, store: StateStore, person: str, workload: str) -> None:
        since = self.now - _CARRY_SECONDS
        made = task(subject=person, workload=workload, started_at=self.now)
        await store.open_task(made, labels_since=since)
        self.members[made.root_id], self.whole[made.root_id] = {made.owner}, set()
        self.chains.append((person, since, (), chain(made.root_id)))

    async def _extend(  # noqa: PLR0917
        self, store: StateStore, person: str, since: float, links: tuple[str, ...], of: Chain, name: str
    ) -> None:
        seen = self.expected(of, since)
        links = (*links, name) if name not in links else links
        grown = chain(of.root_id, *links, hops=f"h k {AGENT}")
        await store.register_children(steps(grown), now=self.now, expires_at=LATER)
        self.chains.append((person, since, links, grown))
        owner = grown.owners[-1]
        if grown == of or owner != grown.workloads[-1]:
            return
        for label in self._learned_by((owner,), since):
            if label.startswith("t"):
                self._learn_whole(of.root_id, label)
        for label in seen:
            self._learn([owner], label)
        self.members[of.root_id].add(owner)
        self.below.update((above, owner) for above in of.owners)

    async def _call(self, store: StateStore, cache: TaskStateCache, of: Chain, label: str) -> None:
        since = next(since for _, since, _, one in self.chains if one == of)
        seen = cache.take(of, with_calls=True, revocations=self.revocations)
        while True:
            seen = seen or await store.look_up(of)
            self.revocations = seen.revocations
            call = replace(
                wanted(
                    of,
                    task_labels=(label,) if label.startswith("t") else (),
                    branch_labels=(label,) if label.startswith("b") else (),
                    version=seen.label_version,
                    epoch=seen.epoch,
                    carried=seen.carried,
                    now=self.now,
                ),
                unchanged=(seen.changes, seen.revocations) if seen.cached else None,
            )
            reserved = await store.reserve(call)
            if reserved.state is ReserveState.DONE:
                break
            assert reserved.state is ReserveState.CHANGED
            assert seen.cached
            seen = None
        assert self.expected(of, since) <= set(seen.labels), of
        cache.keep(seen, call, reserved)
        for one in (one for one in seen.labels if one.startswith("t")):
            self.whole[of.root_id].add(one)
        if label.startswith("t"):
            self._learn_whole(of.root_id, label)
        elif label:
            self._learn(of.owners[-1:], label)

    def _learn_whole(self, root: str, label: str) -> None:
        self.whole[root].add(label)
        self._learn(self.members[root], label)

    def _learn(self, owners: Iterable[str], label: str) -> None:
        found, before = set(owners), set[str]()
        while found != before:
            before = set(found)
            if label.startswith("t"):
                found.update(*(some for some in self.members.values() if not some.isdisjoint(before)))
            else:
                found.update(below for above, below in self.below if above in before)
        for owner in found:
            self.learned[owner, label] = self.now

    def expected(self, of: Chain, since: float) -> set[str]:
        return self.whole[of.root_id] | self._learned_by(of.owners, since)

    def _learned_by(self, owners: tuple[str, ...], since: float) -> set[str]:
        return {label for (owner, label), at in self.learned.items() if owner in owners and at >= since}

    async def check(self, store: StateStore) -> None:
        for person, since, _, of in self.chains:
            state = await store.look_up(of)
            assert self.expected(of, since) <= set(state.labels), of
            assert all(label.endswith(person) for label in state.labels)
            assert self.versions.setdefault((of, state.label_version), state.labels) == state.labels


class CarryingContract:
    async def test_a_task_that_was_started_before_sees_what_is_read_in_another(self, new_store):
        """At once, on every sidecar; a call that policy decided before takes nothing."""
        async with opened(new_store) as one, opened(new_store) as other:
            subject = fresh("subject")
            first, second = [chain(await started(one, subject)) for _ in range(2)]
            before = await other.look_up(second)
            await calls(one, first, task_labels=["untrusted"])
            late = wanted(second, version=before.label_version, epoch=before.epoch)
            for call in (late, replace(late, unchanged=(before.changes, before.revocations))):
                assert (await other.reserve(call)).state is ReserveState.CHANGED
            assert await labels(other, second) == ("untrusted",)
            # And what it then gets itself is seen by the first one.
            await calls(other, second, task_labels=["more"])
            assert await labels(one, first) == ("more", "untrusted")

    async def test_of_a_read_and_a_send_in_two_tasks_at_once_one_comes_first(self, new_store):
        """The send was decided without the label and came first, or it is decided again; whatever comes later sees it."""
        async with opened(new_store) as one, opened(new_store) as other:
            for _ in range(8):
                subject = fresh("subject")
                first, second = [chain(await started(one, subject)) for _ in range(2)]
                read = wanted(first, task_labels=("untrusted",))
                sends = [wanted(second) for _ in range(4)]
                done, *sent = await asyncio.gather(one.reserve(read), *map(other.reserve, sends))
                assert done.state is ReserveState.DONE
                assert {answer.state for answer in sent} <= {ReserveState.DONE, ReserveState.CHANGED}
                for answer in sent:
                    if answer.state is ReserveState.DONE:
                        assert answer.epoch < done.epoch
                assert (await other.reserve(wanted(second))).state is ReserveState.CHANGED

    async def test_a_workload_that_was_handed_a_task_takes_its_labels_along(self, store):
        """Into a task that it starts for the same person, before or afterwards; not for another person."""
        subject = fresh("subject")
        root = await started(store, subject)
        earlier = chain(await started(store, subject, "h"))
        await calls(store, chain(root, "h", hops="h"), task_labels=["untrusted"])
        assert await labels(store, earlier) == ("untrusted",)
        assert await labels(store, chain(await started(store, subject, "h"))) == ("untrusted",)
        assert await labels(store, chain(await started(store, subject))) == ("untrusted",)
        for other in (await started(store, fresh("subject"), "h"), await started(store, subject, "k")):
            assert await labels(store, chain(other)) == ()

    async def test_who_is_handed_a_task_gets_what_those_above_have_read(self, store):
        """In that task or in another one, before the hop and after it."""
        subject = fresh("subject")
        root, elsewhere = [await started(store, subject) for _ in range(2)]
        await store.register_children(steps(chain(root, "h", hops="h")), now=NOW, expires_at=LATER)
        await calls(store, chain(elsewhere), task_labels=["elsewhere"])
        await store.register_children(steps(chain(root, "k", hops="k")), now=NOW, expires_at=LATER)
        await calls(store, chain(root), task_labels=["later"])
        assert await labels(store, chain(await started(store, subject, "k"))) == ("elsewhere", "later")
        # The first one got it with the call that its task made since.
        assert await labels(store, chain(await started(store, subject, "h"))) == ("elsewhere", "later")

    async def test_what_a_workload_has_read_elsewhere_reaches_the_tasks_that_it_works_on(self, new_store):
        """At once, before or after it was handed one, and all who take part; what it answers may hold what it has read."""
        async with opened(new_store) as one, opened(new_store) as other:
            subject = fresh("subject")
            root, beside, own = [await started(one, subject, who) for who in (AGENT, AGENT, "h")]
            handed = chain(root, "h", hops="h")
            await one.register_children(steps(handed), now=NOW, expires_at=LATER)
            before = await other.look_up(chain(beside))
            await calls(one, chain(own), task_labels=["later"])
            late = wanted(chain(beside), version=before.label_version, epoch=before.epoch)
            for call in (late, replace(late, unchanged=(before.changes, before.revocations))):
                assert (await other.reserve(call)).state is ReserveState.CHANGED
            for of in (chain(root), chain(beside), handed, chain(await started(one, subject))):
                assert await labels(other, of) == ("later",)
            # And to those with whom the others work, and back.
            third = chain(await started(one, subject, "k"), AGENT, hops=AGENT)
            await one.register_children(steps(third), now=NOW, expires_at=LATER)
            assert await labels(other, chain(third.root_id)) == ("later",)
            await calls(other, chain(third.root_id), task_labels=["more"])
            for of in (chain(own), chain(root), chain(beside), chain(await started(one, subject, "h"))):
                assert await labels(one, of) == ("later", "more")
            assert await labels(one, chain(await started(one, fresh("subject"), "h"))) == ()

    async def test_what_a_branch_reads_after_it_handed_the_task_on_reaches_those_below(self, store):
        """In tasks of their own, too: that began before or begin later; the first one, if it was handed the task back."""
        subject = fresh("subject")
        root, mine = [await started(store, subject) for _ in range(2)]
        own = await started(store, subject, "h")
        handed = chain(root, "reader", "h", AGENT, hops=f"h {AGENT}")
        await store.register_children(steps(handed), now=NOW, expires_at=LATER)
        await calls(store, chain(root, "reader", hops="h"), branch_labels=["of reader"])
        for later in (own, mine, await started(store, subject, "h"), await started(store, subject)):
            assert await labels(store, chain(later)) == ("of reader",)
        await calls(store, chain(root, "reader", "h", hops="h"), branch_labels=["of h"])
        assert await labels(store, chain(mine)) == ("of h", "of reader")
        assert await labels(store, chain(await started(store, subject, "k"))) == ()

    async def test_a_label_counts_from_when_an_owner_got_it(self, store):
        """Who is handed a task that read something long ago has it new."""
        subject = fresh("subject")
        root = await started(store, subject)
        await calls(store, chain(root), task_labels=["x"], branch_labels=["y"])
        of = chain(root, "h", hops="h")
        await store.register_children(steps(of), now=NOW + 100, expires_at=LATER)
        for workload, expected in (("h", ("x", "y")), (AGENT, ())):
            later = task(subject=subject, workload=workload, started_at=NOW + 100)
            await store.open_task(later, labels_since=NOW + 90)
            assert await labels(store, chain(later.root_id)) == expected

    async def test_a_branchs_labels_are_seen_by_what_comes_after_in_its_place(self, store):
        """The root in its next task, a workload handed the grant again, a branch of the same name; and nothing else."""
        subject = fresh("subject")
        root, beside = [await started(store, subject) for _ in range(2)]
        await calls(store, chain(root), branch_labels=["of root"])
        for later in (beside, await started(store, subject)):
            assert await labels(store, chain(later)) == ("of root",)
        other = fresh("subject")
        root = await started(store, other)
        await calls(store, chain(root, "h", hops="h"), branch_labels=["of h"])
        await calls(store, chain(root, "reader"), branch_labels=["of reader"])
        for later in (root, await started(store, other)):
            assert await labels(store, chain(later)) == ()
            assert await labels(store, chain(later, "again", "h", hops="h")) == ("of h",)
            assert await labels(store, chain(later, "reader")) == ("of reader",)
            assert await labels(store, chain(later, "writer")) == ()
        assert await labels(store, chain(await started(store, other, "h"))) == ("of h",)

    async def test_a_label_that_is_read_again_reaches_tasks_that_began_since(self, store):
        """A task that began long after the first reading, and before the second."""
        subject = fresh("subject")
        first = chain(await started(store, subject))
        await calls(store, first, task_labels=["x"])
        late = task(subject=subject, started_at=NOW + 100)
        await store.open_task(late, labels_since=NOW + 50)
        before = await store.look_up(chain(late.root_id))
        assert before.labels == ()
        await calls(store, first, task_labels=["x"], now=NOW + 60)
        answer = await store.reserve(
            wanted(chain(late.root_id), version=before.label_version, epoch=before.epoch)
        )
        assert answer.state is ReserveState.CHANGED
        assert await labels(store, chain(late.root_id)) == ("x",)

    async def test_a_label_that_arrives_with_an_older_time_reaches_the_tasks_between(self, new_store):
        """The owner's latest task doesn't see it, one that began before does: what that one had cached is out of date."""
        async with opened(new_store) as one, opened(new_store) as other:
            subject = fresh("subject")
            await calls(one, chain(await started(one, subject)), task_labels=["x"], now=NOW)
            between = task(subject=subject, started_at=NOW + 60)
            await one.open_task(between, labels_since=NOW + 30)
            reader = task(subject=subject, workload="h", started_at=NOW + 60)
            await one.open_task(reader, labels_since=NOW + 30)
            await calls(one, chain(reader.root_id), task_labels=["x"], now=NOW + 70)
            await one.open_task(task(subject=subject, started_at=NOW + 130), labels_since=NOW + 100)
            before = await other.look_up(chain(between.root_id))
            assert before.labels == ()
            back = chain(reader.root_id, AGENT, hops=AGENT)
            await one.register_children(steps(back), now=NOW, expires_at=LATER)
            late = wanted(chain(between.root_id), version=before.label_version, epoch=before.epoch)
            for call in (late, replace(late, unchanged=(before.changes, before.revocations))):
                assert (await other.reserve(call)).state is ReserveState.CHANGED
            assert await labels(other, chain(between.root_id)) == ("x",)

    @settings(max_examples=40, suppress_health_check=SUPPRESSED)
    @given(
        lasts=st.none() | st.integers(-10, 300),
        again=st.none() | st.integers(0, 300),
        since=st.integers(-10, 400),
        how=st.sampled_from(["task", "branch", "signed", "reported"]),
    )
    def test_a_label_ages_from_the_last_use_that_its_credential_allows(
        self, new_store: NewStore, lasts, again, since, how
    ):
        """A task that begins while the credential still reads sees the label; ``again`` is a renewal or another call.

        With its labels, or with those that are reported about the call afterwards.
        """

        async def work() -> None:
            async with opened(new_store) as one, opened(new_store) as other:
                subject = fresh("subject")
                of = chain(await started(one, subject))
                for until in (lasts, again) if again is not None else (lasts,):
                    call = wanted(
                        of,
                        task_labels=("x",) if how == "task" else (),
                        branch_labels=("x",) if how == "branch" else (),
                        version=(await one.look_up(of)).label_version,
                        usable_until=0.0 if until is None else NOW + until,
                    )
                    assert (await one.reserve(call)).state is ReserveState.DONE
                    told = outcome(
                        call,
                        labels=("x",) if how == "signed" else (),
                        reported=(f"{REPORTED}x",) if how == "reported" else (),
                    )
                    assert await other.report(told) is OutcomeState.DONE
                late = task(subject=subject, started_at=NOW + since + 60)
                await other.open_task(late, labels_since=NOW + since)
                # A label that is added again within a second isn't written again.
                last = max(0, lasts or 0, again or 0)
                seen = await labels(one, chain(late.root_id))
                assert len(seen) == (last >= since) or abs(last - since) <= 1

        asyncio.run(work())

    async def test_labels_are_kept_as_long_as_a_task_that_sees_them(self, store):
        """The task that earned them may be over long before."""
        subject = fresh("subject")
        long = task(subject=subject, expires_at=NOW + 20_000)
        await store.open_task(long, labels_since=NOW)
        short = task(subject=subject, expires_at=NOW + 5)
        await store.open_task(short, labels_since=NOW)
        await calls(store, chain(short.root_id), task_labels=["x"])
        for _ in range(3):
            await store.expire(now=NOW + 200)
        assert await labels(store, chain(long.root_id)) == ("x",)

    async def test_reported_labels_collapse(self, store):
        """As many as a workload may report are kept as they are where it reported them; of more, one remains."""
        subject = fresh("subject")
        root = await started(store, subject)
        of = chain(root, "h", hops="h")
        await calls(store, of)
        call = wanted(of, version=(await store.look_up(of)).label_version)
        await store.reserve(call)
        for start in range(0, 256, 32):
            told = tuple(f"{REPORTED}{number}" for number in range(start, start + 32))
            assert await store.report(outcome(call, reported=told)) is OutcomeState.DONE
        seen = await labels(store, of)
        assert len(seen) == REPORTED_PER_HOLDER + 1
        assert COLLAPSED in seen
        assert await labels(store, chain(await started(store, subject))) == (COLLAPSED,)
        assert await labels(store, chain(await started(store, subject, "h"))) == seen
        # Reporting again what is known is no new label.
        version = (await store.look_up(of)).label_version
        await store.report(outcome(call, reported=(f"{REPORTED}0", f"{REPORTED}200")))
        assert (await store.look_up(of)).label_version == version

    async def test_no_workload_uses_up_the_labels_of_another(self, store):
        """Neither with calls, nor with reports, nor with branches, nor in several tasks."""
        subject = fresh("subject")
        roots = [await started(store, subject) for _ in range(3)]
        names = [f"l{number}" for number in range(LABELS_PER_HOLDER)]
        await calls(store, chain(roots[0], "h", hops="h"), task_labels=names[:200])
        await calls(store, chain(roots[1], "h", hops="h"), task_labels=names[200:])
        for of in (chain(roots[0], "h", hops="h"), chain(roots[2], "h", hops="h")):
            await store.register_children(steps(of), now=NOW, expires_at=LATER)
            seen = await store.look_up(of)
            for parts in ({"task_labels": ("x",)}, {"branch_labels": ("x",)}):
                call = wanted(of, version=seen.label_version, **parts)
                assert (await store.reserve(call)).state is ReserveState.FULL
        for of in (chain(roots[0]), chain(await started(store, subject)), chain(roots[2], "k", hops="k")):
            assert set(await calls(store, of, task_labels=["x", "y"])) >= set(names)

    async def test_labels_that_a_task_does_not_see_take_no_room_in_it(self, store):
        """A backend or a policy of earlier tasks locks no workload out of those that begin after the carry time."""
        subject = fresh("subject")
        first = chain(await started(store, subject))
        names = [f"l{number}" for number in range(LABELS_PER_HOLDER)]
        await calls(store, first, task_labels=names)
        late = task(subject=subject, started_at=NOW + 100)
        await store.open_task(late, labels_since=NOW + 50)
        of = chain(late.root_id)
        assert await calls(store, of, task_labels=["x", *names[:-1]], now=NOW + 100) == ()
        seen = await store.look_up(of)
        assert len(seen.labels) == LABELS_PER_HOLDER
        for more, state in (
            ("y", ReserveState.FULL),
            (names[-1], ReserveState.FULL),
            ("x", ReserveState.DONE),
        ):
            call = wanted(of, task_labels=(more,), version=seen.label_version, now=NOW + 110)
            assert (await store.reserve(call)).state is state
        # The first one sees one more than it could have added; what it has costs nothing.
        seen = await store.look_up(first)
        assert len(seen.labels) == LABELS_PER_HOLDER + 1
        again = wanted(first, task_labels=("x", *names), version=seen.label_version, now=NOW + 120)
        assert (await store.reserve(again)).state is ReserveState.DONE

    @settings(max_examples=60, deadline=None, suppress_health_check=SUPPRESSED)
    @given(program=st.lists(st.tuples(st.booleans(), _STEP), max_size=16))
    def test_no_program_loses_a_label(self, new_store: NewStore, program):
        """Starting, handing on, branching, reading, sending and waiting in any order, on two sidecars; the laws are those of :class:`_Laws`."""

        async def work() -> None:
            async with opened(new_store) as one, opened(new_store) as other:
                laws = _Laws(fresh("p"), fresh("q"))
                sidecars = [(one, TaskStateCache()), (other, TaskStateCache())]
                # What short programs rarely come to: tasks of two workloads, and one that they share.
                begun = [("start", 0, AGENT), ("start", 0, "h"), ("start", 0, AGENT), ("extend", 0, "h")]
                for which, step in [*((False, step) for step in begun), *program]:
                    await laws.run(*sidecars[which], step)
                    await laws.check(sidecars[not which][0])

        asyncio.run(work())
