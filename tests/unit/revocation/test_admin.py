"""Operators' commands: revoking with its reach, retention, listing, tasks and their trees."""

from __future__ import annotations

import pytest
from tabard_sidecar.config.sections import LimitsConfig
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.revocation import RevocationConfig, build_revocation, impact
from tabard_sidecar.revocation.targets import LONGEST_TASK_SECONDS, UNTIL_LIFTED
from tabard_sidecar.revocation.task_views import TaskStatus
from tabard_sidecar.state import Chain, Revocation, RevocationKind

from tests.support.grants import ALICE, BOB, CAROL, NOW
from tests.unit.revocation.conftest import IDP, add_child, open_task

B, C, D = "b" * 64, "c" * 64, "d" * 64


@pytest.fixture
async def zone(store):
    """Task a: Alice, below her Bob with Carol below and a branch; task e: Bob alone for another person."""
    a = await open_task(store, "a")
    await add_child(store, a.root_id, B, a.root_id, BOB)
    await add_child(store, B, C, a.root_id, CAROL)
    await add_child(store, a.root_id, D, a.root_id, ALICE, sub_agent="reader")
    e = await open_task(store, "e", workload=BOB, subject_id="u-2", started_at=NOW - 10)
    return a, e


@pytest.mark.parametrize(
    ("kind", "target", "reached"),
    [
        ("task", "task-a", (1, 4)),
        ("task", "task-e", (1, 1)),
        ("link", B, (1, 2)),
        ("link", C, (1, 1)),
        ("link", "f" * 64, (0, 0)),
        ("agent", BOB, (2, 3)),
        ("agent", ALICE, (1, 4)),
        ("agent", "spiffe://example.org/nobody", (0, 0)),
        ("subject", "u-1", (1, 4)),
        ("subject", "u-3", (0, 0)),
        ("credential", "c-1", (0, 0)),
    ],
)
async def test_the_reach_is_what_is_cut(side, zone, kind, target, reached):
    """Everything at and below, in every task."""
    one = await side()
    if kind == "subject":
        receipt = await one.admin.revoke_subject(IDP, target)
    else:
        receipt = await getattr(one.admin, f"revoke_{kind}")(target)
    assert receipt.impact == impact.Impact(*reached, complete=True)


async def test_a_reach_that_cannot_be_counted_is_no_failure(side, zone, monkeypatch):
    """The revocation is durable; the count says that it isn't complete."""
    one = await side()

    async def gone(**_options):
        raise NoDecision("UNAVAILABLE", "state_unavailable", "gone")

    monkeypatch.setattr(one.store, "tasks", gone, raising=False)
    receipt = await one.admin.revoke_agent(BOB)
    assert receipt.revocation.seq > 0
    assert receipt.impact.complete is False


async def test_a_reach_over_many_tasks_is_bounded(side, store, zone, monkeypatch):
    """And says that there may be more."""
    monkeypatch.setattr(impact, "MAX_TASKS", 1)
    one = await side()
    receipt = await one.admin.revoke_agent(BOB)
    assert (receipt.impact.tasks, receipt.impact.complete) == (1, False)


@pytest.mark.parametrize("target", [B, "a" * 64])
async def test_a_link_is_ended_with_all_below_and_nothing_beside(side, store, zone, target):
    """The store says so of every chain through it."""
    one = await side()
    root = "a" * 64
    await one.admin.revoke_link(target)
    assert (await store.look_up(Chain((root, B, C)))).ended == target
    assert bool((await store.look_up(Chain((root, D)))).ended) is (target == root)
    assert not (await store.look_up(Chain(("e" * 64,)))).ended


async def test_an_unknown_task_is_not_found(side, zone):
    """A typo isn't acknowledged as if something had been ended."""
    one = await side()
    for wrong in (one.admin.revoke_task("task-z"), one.task_views.tree("task-z")):
        with pytest.raises(NoDecision, match="NOT_FOUND task_not_found"):
            await wrong


async def test_each_kind_is_remembered_as_long_as_it_matters(side, zone):
    """A task's until it expires, an agent's until lifted, a person's and a credential's for what can outlive them."""
    one = await side()
    ends = [
        (await one.admin.revoke_task("task-a")).revocation.expires_at,
        (await one.admin.revoke_link(B)).revocation.expires_at,
        (await one.admin.revoke_agent(BOB)).revocation.expires_at,
        (await one.admin.revoke_subject(IDP, "u-1")).revocation.expires_at,
        (await one.admin.revoke_credential("c-1")).revocation.expires_at,
    ]
    longest = NOW + LONGEST_TASK_SECONDS
    assert ends == [NOW + 3600, longest, UNTIL_LIFTED, NOW + 86_400, longest]


def test_the_longest_task_is_the_configurations():
    """If tasks may last longer one day, revocations have to as well."""
    with pytest.raises(ValueError, match="less than or equal to 2592000"):
        LimitsConfig(max_task_seconds=LONGEST_TASK_SECONDS + 1)
    assert LimitsConfig(max_task_seconds=LONGEST_TASK_SECONDS).max_task_seconds == LONGEST_TASK_SECONDS


async def test_a_persons_revocation_outlives_her_longest_task(store, clock):
    """However short the configured retention is."""
    revoking = build_revocation(
        RevocationConfig(subject_retention_seconds=3600), store, clock=clock, max_task_seconds=86_400.0
    )
    receipt = await revoking.admin.revoke_subject(IDP, "u-1")
    assert receipt.revocation.expires_at == NOW + 86_400


async def test_the_list_holds_what_holds(side, zone, store, clock):
    """Newest first, each once; not what was lifted or has expired."""
    one = await side(max_stale_seconds=300.0)
    await one.admin.revoke_agent(ALICE, reason="first")
    await one.admin.revoke_agent(BOB, ttl_seconds=10.0)
    await one.admin.revoke_subject(IDP, "u-1", reason="left")
    await one.admin.revoke_credential("c-1")
    await one.admin.lift(RevocationKind.CREDENTIAL, "c-1")
    clock.now = NOW + 11
    assert [(e.kind, e.target, e.reasons) for e in await one.admin.listed()] == [
        (RevocationKind.SUBJECT, f"{IDP} u-1", ("left",)),
        (RevocationKind.AGENT, ALICE, ("first",)),
    ]
    assert [e.target for e in await one.admin.listed(kinds={RevocationKind.AGENT})] == [ALICE]
    assert len(await one.admin.listed(limit=1)) == 1


async def test_a_links_revocation_cannot_be_lifted(side, zone, store):
    """An ended task never comes back."""
    one = await side()
    await one.admin.revoke_task("task-a")
    assert await one.admin.lift(RevocationKind.LINK, "a" * 64) is False
    assert (await store.look_up(Chain(("a" * 64,)))).ended


async def test_tasks_show_how_they_stand(side, zone, store):
    """Live, ended, or cut by a revoked workload or person."""
    one = await side()

    async def states():
        return {o.task.task_id: o.state for o in (await one.task_views.overviews(limit=10))[0]}

    assert await states() == {"task-a": TaskStatus.LIVE, "task-e": TaskStatus.LIVE}
    await one.admin.revoke_subject(IDP, "u-2")
    await one.admin.revoke_agent(ALICE)
    assert await states() == {"task-a": TaskStatus.AGENT_REVOKED, "task-e": TaskStatus.SUBJECT_REVOKED}
    await one.admin.revoke_task("task-a")
    assert (await states())["task-a"] is TaskStatus.ENDED
    await store.revoke(Revocation(RevocationKind.STATE, "zone", NOW + 1, NOW + 3600))
    await one.admin.lift(RevocationKind.SUBJECT, f"{IDP} u-2")
    assert (await states())["task-e"] is TaskStatus.ROLLED_BACK


async def test_a_tree_shows_every_step_and_what_is_cut(side, zone):
    """Parents before children, with their depth; what lies below an ended or revoked holder is cut."""
    one = await side()
    shown = await one.task_views.tree("task-a")
    steps = [(n.step.child_id[0], n.step.holder, n.step.sub_agent, n.depth, n.children) for n in shown.nodes]
    assert steps == [
        ("a", ALICE, "", 0, 2),
        ("d", ALICE, "reader", 1, 0),
        ("b", BOB, "", 1, 1),
        ("c", CAROL, "", 2, 0),
    ]
    assert not any(n.ended or n.inactive for n in shown.nodes)
    assert not shown.truncated
    await one.admin.revoke_link(B)
    shown = await one.task_views.tree("task-a")
    assert [(n.step.child_id[0], n.ended, n.inactive) for n in shown.nodes] == [
        ("a", False, False),
        ("d", False, False),
        ("b", True, True),
        ("c", False, True),
    ]
    await one.admin.revoke_agent(ALICE)
    assert all(n.inactive for n in (await one.task_views.tree("task-a")).nodes)


async def test_a_tree_of_a_revoked_person_is_cut_whole(side, zone):
    """Every holder of it."""
    one = await side()
    await one.admin.revoke_subject(IDP, "u-1")
    shown = await one.task_views.tree("task-a")
    assert shown.overview.state is TaskStatus.SUBJECT_REVOKED
    assert all(n.inactive and not n.ended for n in shown.nodes)


async def test_a_huge_tree_is_cut_off(side, store, monkeypatch):
    """With a note that there is more."""
    monkeypatch.setattr("tabard_sidecar.revocation.task_views.MAX_NODES", 3)
    task = await open_task(store, "a")
    for number in range(4):
        await add_child(store, task.root_id, f"{number:064x}", task.root_id, BOB)
    one = await side()
    shown = await one.task_views.tree("task-a")
    assert len(shown.nodes) == 3
    assert shown.truncated
    assert shown.overview.children == 4
