"""Looking at tasks, expiry, epochs, checking and compacting."""

from __future__ import annotations

from dataclasses import replace

from tabard_sidecar.facts import Facts
from tabard_sidecar.state.approval import Verdict
from tabard_sidecar.state.listing import TaskFilter
from tabard_sidecar.state.model import Child, OutcomeState, Revocation, RevocationKind
from tabard_sidecar.state.store import KEPT_SECONDS

from tests.support.state import (
    LATER,
    NOW,
    approval,
    at_most,
    chain,
    fresh,
    new_task,
    noted,
    opened,
    outcome,
    person,
    wanted,
)

_MARGIN = 600.0


async def expire_all(store, now: float) -> int:
    """Expire until nothing is left to forget; return how much went."""
    gone = 0
    while some := await store.expire(now=now):
        gone += some
    return gone


class UpkeepContract:
    async def test_a_task_is_known_from_its_start(self, store):
        made = await new_task(store)
        assert (await store.look_up(chain(made.root_id, "l"))).known
        unknown = await store.look_up(chain(fresh("unknown")))
        assert (unknown.known, unknown.label_version, unknown.ended, unknown.children) == (False, 0, "", 0)

    async def test_tasks_are_listed_newest_first(self, store):
        made = [await new_task(store, started_at=NOW + 1_000 + number) for number in (1, 3, 2)]
        brief = await new_task(store, started_at=NOW + 1_010, expires_at=NOW + 1_020)
        newest = [made[1], made[2], made[0]]
        assert list((await store.tasks(now=NOW + 1_020, limit=3)).tasks) == newest
        assert list((await store.tasks(now=NOW + 1_020, limit=2)).tasks) == newest[:2]
        assert next(iter((await store.tasks(now=NOW + 1_019, limit=1)).tasks)) == brief

    async def test_a_list_of_tasks_is_read_in_pages_and_filtered(self, store):
        """Tasks of one moment and tasks that start meanwhile included: each is listed once, and none is left out."""
        made = [await new_task(store, started_at=NOW + 2_000 + number // 3) for number in range(9)]
        place, seen = TaskFilter(), []
        for number in range(20):
            page = await store.tasks(now=NOW + 1_500, limit=2, wanted=place)
            seen += page.tasks
            await new_task(store, started_at=NOW + 3_000 + number)
            if page.after is None:
                break
            place = TaskFilter(after=page.after)
        mine = [task for task in seen if task in made]
        assert len(mine) == len(made)
        assert [(task.started_at, task.root_id) for task in mine] == sorted(
            ((task.started_at, task.root_id) for task in made), reverse=True
        )
        one = await new_task(store, subject="someone-else", workload="spiffe://x/1", started_at=NOW + 2_001)
        for fits, found in (
            (TaskFilter(subject_id="someone-else"), (one,)),
            (TaskFilter(workload="spiffe://x/1"), (one,)),
            (TaskFilter(subject_id="someone-else", workload="spiffe://x/2"), ()),
            (TaskFilter(subject_id="Someone-else"), ()),
        ):
            assert (await store.tasks(now=NOW + 1_500, limit=50, wanted=fits)).tasks == found

    async def test_a_tree_says_what_the_task_did(self, store):
        made = await new_task(store)
        root = made.root_id
        of = chain(root, "l", budgets={"calls": 5, "rows": 9})
        await store.reserve(
            wanted(of, charges={"calls": 1, "rows": 4}, task_labels=("b",), branch_labels=("a",))
        )
        await store.reserve(wanted(of, charges={"calls": 1}, version=(await store.look_up(of)).label_version))
        tree = await store.tree(made.task_id)
        assert (tree.task, tree.calls, tree.labels) == (made, 2, ("a", "b"))
        assert tree.spent == {f"{root}/calls": 2, f"{root}/rows": 4}
        assert tree.budgets == {budget.budget_id: budget for budget in of.budgets}
        assert await store.tree(fresh("unheard")) is None

    async def test_a_tree_tells_what_calls_noted_and_where(self, store):
        made = await new_task(store)
        root = made.root_id
        of = chain(root, "l")
        assert (await store.tree(made.task_id)).facts == ()
        notes = noted({"files": ["ü", "a\nb"], "mails": 2**53 - 1}, {"files": ["c"], "mails": 1})
        await store.reserve(wanted(of, notes=notes))
        found = (await store.tree(made.task_id)).facts
        assert [(row.link_id, row.name, row.element) for row in found if row.element] == [
            ("", "files", "a\nb"),
            ("", "files", "ü"),
            (of.link_ids[-1], "files", "c"),
        ]
        assert [(row.link_id, row.name, row.amount) for row in found if not row.element and row.amount] == [
            ("", "mails", 2**53 - 1),
            (of.link_ids[-1], "mails", 1),
        ]

    async def test_a_tree_names_budgets_that_only_an_outcome_charged(self, store):
        made = await new_task(store)
        of = chain(made.root_id, budgets={'wörds "': 2**53})
        call = wanted(of)
        await store.reserve(call)
        await store.report(outcome(call, raised={'wörds "': 3}))
        tree = await store.tree(made.task_id)
        assert tree.spent == {of.budgets[0].budget_id: 3}
        assert tree.budgets == {of.budgets[0].budget_id: of.budgets[0]}

    async def test_everything_expires(self, store):
        """What has expired is forgotten whole, and what hasn't isn't."""
        old = await new_task(store, expires_at=NOW + 100)
        new = await new_task(store, expires_at=NOW + 90_000)
        calls = []
        for made in (old, new):
            of = chain(made.root_id, f"{made.root_id}l", budgets={"calls": 5})
            notes = noted({"ids": ["a"]}, {"n": 1})
            call = wanted(of, charges={"calls": 1}, task_labels=("x",), branch_labels=("y",), notes=notes)
            await store.reserve(call)
            calls.append(call)
            step = Child(made.root_id, f"{made.root_id}l", 5, made.root_id, "h", "")
            await store.register_children([step], now=NOW, expires_at=made.expires_at)
            await store.ask(approval(made.root_id, expires_at=made.expires_at), limits=at_most(5))
            await store.revoke(
                Revocation(RevocationKind.AGENT, f"{made.root_id} agent", NOW, made.expires_at)
            )
        when = NOW + 100 + KEPT_SECONDS + _MARGIN
        assert await expire_all(store, when) >= 3
        gone = await store.look_up(calls[0].chain)
        assert (gone.known, gone.labels, gone.calls, gone.children) == (False, (), (), 0)
        assert not any(gone.spent.values())
        assert not gone.facts
        assert await store.report(outcome(calls[0])) is OutcomeState.UNKNOWN
        assert await store.tree(old.task_id) is None
        kept = await store.look_up(calls[1].chain)
        assert (kept.known, kept.labels, len(kept.calls)) == (True, ("x", "y"), 1)
        assert kept.spent == {f"{new.root_id}/calls": 1}
        assert kept.facts == Facts({"ids": ("a",)}, {"n": 1})
        assert (await store.look_up(chain(new.root_id))).children == 1
        assert (await store.tree(new.task_id)).spent == {f"{new.root_id}/calls": 1}
        targets = {one.target for one in await store.revocations()}
        assert f"{new.root_id} agent" in targets
        assert f"{old.root_id} agent" not in targets
        waiting = {one.root_id for one in await store.approvals(now=NOW, pending_only=False)}
        assert new.root_id in waiting
        assert old.root_id not in waiting

    async def test_expiring_nothing_changes_nothing(self, store):
        await expire_all(store, NOW)
        made = await new_task(store)
        before = await store.look_up(chain(made.root_id))
        assert await store.expire(now=NOW) == 0
        assert await store.look_up(chain(made.root_id)) == before

    async def test_the_epoch_grows_with_every_write_on_every_side(self, new_store):
        async with opened(new_store) as one, opened(new_store) as other:
            made = await new_task(one)
            root = made.root_id
            of = chain(root, "l", budgets={"calls": 50})
            call = wanted(of, charges={"calls": 2})
            asked, listed = approval(root), approval(root, group=fresh("group"))
            writes = (
                lambda s: s.reserve(call),
                lambda s: s.report(outcome(call, refunded={"calls": 1})),
                lambda s: s.report(outcome(call, labels=("x",))),
                lambda s: s.release(call.decision_id, root),
                lambda s: s.register_children(
                    [Child(root, f"{root}l", 5, root, "h", "")], now=NOW, expires_at=LATER
                ),
                lambda s: s.consume(fresh("use"), limit=1, now=NOW, expires_at=LATER),
                lambda s: s.ask(asked, limits=at_most(5)),
                lambda s: s.decide_approval(
                    asked.approval_id, approved=True, approver=person("a"), now=NOW, expires_at=LATER
                ),
                lambda s: s.ask(listed, limits=at_most(5)),
                lambda s: s.decide_approvals(
                    listed.group_id,
                    [Verdict(listed.approval_id, approved=True, expires_at=LATER)],
                    approver=person("a"),
                    now=NOW,
                ),
                lambda s: s.revoke(Revocation(RevocationKind.AGENT, f"{root} a", NOW, LATER)),
                lambda s: s.lift(RevocationKind.AGENT, f"{root} a"),
                new_task,
            )
            epochs = [(await one.look_up(of)).epoch]
            for number, write in enumerate(writes):
                writer, reader = (one, other) if number % 2 else (other, one)
                await write(writer)
                epochs.append((await reader.look_up(of)).epoch)
            assert epochs == sorted(set(epochs))
            assert (await one.look_up(of)).epoch == epochs[-1], "reading is no write"
            version = (await one.look_up(of)).label_version
            answer = await one.reserve(wanted(of, version=version))
            assert answer.epoch == (await other.look_up(of)).epoch > epochs[-1]

    async def test_a_sound_store_has_no_problems(self, store):
        made = await new_task(store)
        await store.reserve(wanted(chain(made.root_id), task_labels=("x",)))
        assert list(await store.check()) == []

    async def test_compacting_loses_nothing(self, store):
        made = await new_task(store)
        of = chain(made.root_id, budgets={"calls": 5})
        await store.reserve(wanted(of, charges={"calls": 1}, task_labels=("x",)))
        before = await store.look_up(of)
        assert await store.compact() >= 0
        after = await store.look_up(of)
        assert replace(after, epoch=before.epoch) == before
