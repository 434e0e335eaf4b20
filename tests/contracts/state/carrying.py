"""Labels follow a person together with a workload, so that no detour loses them, and no workload uses up another's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_sidecar.model import REPORTED
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
    await store.register_children(steps(of), expires_at=LATER)
    seen = await store.look_up(of)
    call = wanted(
        of,
        task_labels=tuple(task_labels),
        branch_labels=tuple(branch_labels),
        version=seen.label_version,
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


_STEP = st.one_of(
    st.tuples(st.just("start"), st.integers(0, 1), st.sampled_from([AGENT, "h", "k"])),
    st.tuples(st.just("extend"), st.integers(0, 20), st.sampled_from(["h", "k", "reader", "writer"])),
    st.tuples(st.just("read"), st.integers(0, 20), st.sampled_from(["t1", "t2", "b1", "b2"])),
    st.tuples(st.just("read"), st.integers(0, 20), st.sampled_from(["t1", "t2", "b1", "b2"])),
    st.tuples(st.just("call"), st.integers(0, 20), st.just("")),
)


@dataclass
class _Laws:
    """What has to hold whatever the order.

    A label of a task is seen by every chain of that task, and by every chain of the same person with a workload of the
    chain that got it. A branch's label is seen by every chain with the branch's owner. Who makes a call carries on the
    labels of whole tasks that it sees, and who is handed a task gets all that those above it see. A chain of another
    person sees nothing of it. A chain's label version never stands for two different sets of labels.
    """

    p: str
    q: str
    chains: list[tuple[str, str, tuple[str, ...], Chain]] = field(default_factory=list)
    expected: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    versions: dict[tuple[Chain, int], tuple[str, ...]] = field(default_factory=dict)

    async def run(self, store: StateStore, step: tuple[str, int, str]) -> None:
        what, number, name = step
        if what == "start":
            person = (self.p, self.q)[number]
            root = await started(store, person, name)
            self.chains.append((person, root, (), chain(root)))
            return
        if not self.chains:
            return
        person, root, links, of = self.chains[number % len(self.chains)]
        if what == "extend":
            hop = name in {"h", "k"}
            seen = await labels(store, of)
            links = (*links, name) if name not in links else links
            grown = chain(root, *links, hops="h k")
            await store.register_children(steps(grown), expires_at=LATER)
            self.chains.append((person, root, links, grown))
            if hop:
                self._expect(
                    seen, owners=grown.workloads[-1:] if grown.owners[-1] == grown.workloads[-1] else ()
                )
            return
        label = f"{name}{person}" if what == "read" else ""
        wide, narrow = [[label] if name.startswith(start) else [] for start in "tb"]
        seen = await calls(store, of, task_labels=wide, branch_labels=narrow)
        whole = [one for one in seen if one.startswith("t")]
        self._expect([*wide, *whole], root=root, owners=of.workloads)
        self._expect(narrow, owners=of.owners[-1:])

    def _expect(self, some: Sequence[str], *, root: str = "", owners: Sequence[str] = ()) -> None:
        for label in some:
            self.expected.setdefault(label, []).extend([("root", root)] if root else [])
            self.expected[label].extend(("owner", owner) for owner in owners)

    async def check(self, store: StateStore) -> None:
        for person, root, _, of in self.chains:
            state = await store.look_up(of)
            places = {("root", root), *(("owner", owner) for owner in of.owners)}
            for label, where in self.expected.items():
                assert label in state.labels or places.isdisjoint(where), (label, of)
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
            late = wanted(second, version=before.label_version)
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
        await store.register_children(steps(chain(root, "h", hops="h")), expires_at=LATER)
        await calls(store, chain(elsewhere), task_labels=["elsewhere"])
        await store.register_children(steps(chain(root, "k", hops="k")), expires_at=LATER)
        await calls(store, chain(root), task_labels=["later"])
        assert await labels(store, chain(await started(store, subject, "k"))) == ("elsewhere", "later")
        # The first one got it with the call that its task made since.
        assert await labels(store, chain(await started(store, subject, "h"))) == ("elsewhere", "later")

    async def test_what_a_workload_has_read_elsewhere_reaches_the_task_that_it_works_on(self, store):
        """With its first call there: what it answers may hold what it has read."""
        subject = fresh("subject")
        root, own = await started(store, subject), await started(store, subject, "h")
        of = chain(root, "h", hops="h")
        await store.register_children(steps(of), expires_at=LATER)
        await calls(store, chain(own), task_labels=["untrusted"])
        assert await labels(store, chain(root)) == ()
        assert await calls(store, of) == ("untrusted",)
        assert await labels(store, chain(root)) == ("untrusted",)
        seen = await store.look_up(of)
        assert not seen.carried, "what was carried on isn't carried again"

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
        answer = await store.reserve(wanted(chain(late.root_id), version=before.label_version))
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
            await one.register_children(steps(back), expires_at=LATER)
            late = wanted(chain(between.root_id), version=before.label_version)
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
            await store.register_children(steps(of), expires_at=LATER)
            seen = await store.look_up(of)
            for parts in ({"task_labels": ("x",)}, {"branch_labels": ("x",)}):
                call = wanted(of, version=seen.label_version, **parts)
                assert (await store.reserve(call)).state is ReserveState.FULL
        for of in (chain(roots[0]), chain(await started(store, subject)), chain(roots[2], "k", hops="k")):
            assert set(await calls(store, of, task_labels=["x", "y"])) >= set(names)

    @settings(max_examples=60, suppress_health_check=SUPPRESSED)
    @given(program=st.lists(_STEP, max_size=14))
    def test_no_program_loses_a_label(self, new_store: NewStore, program):
        """Starting, handing on, branching, reading and calling in any order; the laws are those of :class:`_Laws`."""

        async def work() -> None:
            async with opened(new_store) as one, opened(new_store) as other:
                laws = _Laws(fresh("p"), fresh("q"))
                for number, step in enumerate(program):
                    await laws.run((one, other)[number % 2], step)
                    await laws.check((other, one)[number % 2])

        asyncio.run(work())
