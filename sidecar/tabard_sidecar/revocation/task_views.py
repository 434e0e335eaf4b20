"""Shows the zone's tasks to operators."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.interfaces import Clock
from tabard_sidecar.revocation.feed import RevocationFeed
from tabard_sidecar.revocation.impact import TaskSource, subtrees
from tabard_sidecar.state.listing import ANY_TASK, TaskFilter, TaskPosition, Tree
from tabard_sidecar.state.model import Chain, Child, TaskRecord, TaskState
from tabard_sidecar.util.lean import dataclass

MAX_NODES = 5_000
"""How many steps of a task are shown."""


class TaskStatus(StrEnum):
    """Status of a task."""

    LIVE = "live"
    ENDED = "ended"
    AGENT_REVOKED = "agent_revoked"
    SUBJECT_REVOKED = "subject_revoked"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True, slots=True)
class Overview:
    """Summary of one task. ``children`` counts its root's children."""

    task: TaskRecord
    state: TaskStatus
    labels: tuple[str, ...]
    children: int


@dataclass(frozen=True, slots=True)
class Node:
    """One step of a task's tree; see ``TaskNode`` of the API."""

    step: Child
    depth: int
    children: int
    ended: bool
    inactive: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A task with every step below it: the root first, and each step before its children."""

    overview: Overview
    nodes: tuple[Node, ...]
    tree: Tree
    truncated: bool


class TaskViewStore(TaskSource, Protocol):
    """The part of the state store that the views read."""

    async def look_up(self, chain: Chain, *, calls: int = 0) -> TaskState:
        """Return a chain's task state."""
        ...


class TaskViews:
    """Shows the zone's tasks.

    Args:
        store: the state store.
        feed: this sidecar's feed of revocations.
        clock: time in seconds since the epoch.
    """

    def __init__(self, store: TaskViewStore, feed: RevocationFeed, *, clock: Clock) -> None:
        self._store = store
        self._feed = feed
        self._clock = clock

    async def overviews(
        self, *, limit: int, wanted: TaskFilter = ANY_TASK, label: str = ""
    ) -> tuple[Sequence[Overview], TaskPosition | None]:
        """Return tasks that haven't expired, newest first, and where the list goes on; ``None`` at its end.

        Args:
            limit: how many at most. There may be fewer although the list goes on: one page of the store is examined.
            wanted: which tasks.
            label: a label that they must have; empty for any.

        Raises:
            NoDecision: the state store is unavailable.
        """
        await self._feed.refresh()
        page = await self._store.tasks(now=self._clock(), limit=limit, wanted=wanted)
        found = []
        for task in page.tasks:
            owner = (task.owner,)
            task_state = await self._store.look_up(Chain((task.root_id,), (), owner, owner), calls=0)
            state = self._state(task, ended=bool(task_state.ended))
            if not label or label in task_state.labels:
                found.append(Overview(task, state, task_state.labels, task_state.children))
        return found, page.after

    async def tree(self, task_id: str) -> Shown:
        """Return a task with everything below it.

        Raises:
            NoDecision: ``task_not_found``, or the state store is unavailable.
        """
        await self._feed.refresh()
        tree = await self._store.tree(task_id)
        if tree is None:
            raise task_not_found(task_id)
        task = tree.task
        overview = Overview(
            task,
            self._state(task, ended=task.root_id in tree.ended),
            tree.labels,
            sum(child.parent_id == task.root_id for child in tree.children),
        )
        root = Child("", task.root_id, None, task.root_id, task.workload)
        inactive = self._inactive(
            tree, root, whole=overview.state in {TaskStatus.SUBJECT_REVOKED, TaskStatus.ROLLED_BACK}
        )
        nodes = _nodes(tree, root, inactive)
        return Shown(overview, nodes, tree, truncated=len(nodes) < 1 + len(tree.children))

    def _state(self, task: TaskRecord, *, ended: bool) -> TaskStatus:
        now, active = self._clock(), self._feed.active
        if ended:
            return TaskStatus.ENDED
        if active.agent((task.workload,), now) is not None:
            return TaskStatus.AGENT_REVOKED
        if active.subject(task.subject_issuer, task.subject_id, task.started_at, now) is not None:
            return TaskStatus.SUBJECT_REVOKED
        if active.state(task.started_at, now) is not None:
            return TaskStatus.ROLLED_BACK
        return TaskStatus.LIVE

    def _inactive(self, tree: Tree, root: Child, *, whole: bool) -> set[str]:
        """Return the ids of the steps that can't be used any more."""
        if whole:
            return {root.child_id, *(child.child_id for child in tree.children)}
        now, active = self._clock(), self._feed.active
        tops = set(tree.ended)
        tops.update(
            step.child_id for step in (root, *tree.children) if active.agent((step.holder,), now) is not None
        )
        return subtrees(tree.children, tops)


def task_not_found(task_id: str) -> NoDecision:
    """Return the error for a task that isn't in the state store."""
    return NoDecision(
        "NOT_FOUND", "task_not_found", f"the zone knows no task {task_id!a} that hasn't expired"
    )


def _nodes(tree: Tree, root: Child, inactive: set[str]) -> tuple[Node, ...]:
    below: dict[str, list[Child]] = {}
    for child in tree.children:
        below.setdefault(child.parent_id, []).append(child)
    ended = set(tree.ended)
    nodes: list[Node] = []
    open_ends = [(root, 0)]
    seen = {root.child_id}
    while open_ends and len(nodes) < MAX_NODES:
        step, depth = open_ends.pop()
        children = below.get(step.child_id, [])
        nodes.append(Node(step, depth, len(children), step.child_id in ended, step.child_id in inactive))
        fresh = [child for child in children if child.child_id not in seen]
        seen.update(child.child_id for child in fresh)
        ordered = sorted(fresh, key=lambda child: (child.holder, child.sub_agent, child.child_id))
        open_ends.extend((child, depth + 1) for child in reversed(ordered))
    return tuple(nodes)
