"""Counts the tasks and holders that a revocation affects. The counts are shown to operators and decide nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Protocol

from tabard_sidecar.revocation.targets import subject_of
from tabard_sidecar.state.listing import ANY_TASK, TaskFilter, TaskPage, Tree
from tabard_sidecar.state.model import Child, Revocation, RevocationKind, TaskRecord
from tabard_sidecar.util.lean import dataclass

MAX_TASKS = 1000
"""How many tasks are examined."""
_SECONDS = 0.5


class TaskSource(Protocol):
    """The part of the state store that lists tasks."""

    async def tasks(self, *, now: float, limit: int = 100, wanted: TaskFilter = ANY_TASK) -> TaskPage:
        """Return tasks that haven't expired, newest first."""
        ...

    async def tree(self, task_id: str) -> Tree | None:
        """Return a task with everything below it."""
        ...


@dataclass(frozen=True, slots=True)
class Impact:
    """The tasks and holders that a revocation affects. ``complete`` is false if not every task was examined."""

    tasks: int = 0
    holders: int = 0
    complete: bool = True


def subtrees(children: Iterable[Child], tops: Iterable[str]) -> set[str]:
    """Return the ids of links and everything below them."""
    below: dict[str, list[str]] = {}
    for child in children:
        below.setdefault(child.parent_id, []).append(child.child_id)
    found: set[str] = set()
    open_ends = list(tops)
    while open_ends:
        link = open_ends.pop()
        if link not in found:
            found.add(link)
            open_ends.extend(below.get(link, ()))
    return found


async def measure_impact(store: TaskSource, revocation: Revocation, *, now: float) -> Impact:
    """Count the live tasks, and the steps of their chains, that a revocation affects.

    Examines the newest :data:`MAX_TASKS` tasks, for at most half a second.

    Raises:
        NoDecision: the state store is unavailable.
    """
    if revocation.kind is RevocationKind.CREDENTIAL:
        return Impact()
    tasks = (await store.tasks(now=now, limit=MAX_TASKS)).tasks
    complete = len(tasks) < MAX_TASKS
    until = time.monotonic() + _SECONDS
    affected = holders = 0
    for task in tasks:
        # Yield to requests that wait for a decision.
        await asyncio.sleep(0)
        if revocation.kind is RevocationKind.SUBJECT and not _concerns(task, revocation):
            continue
        if time.monotonic() > until:
            complete = False
            break
        tree = await store.tree(task.task_id)
        steps = 0 if tree is None else _steps(tree, revocation)
        affected += steps > 0
        holders += steps
        if steps and revocation.kind is RevocationKind.LINK:
            # A link belongs to one task.
            return Impact(affected, holders, complete=True)
    return Impact(affected, holders, complete)


def _concerns(task: TaskRecord, revocation: Revocation) -> bool:
    person = (task.subject_issuer, task.subject_id)
    return person == subject_of(revocation.target) and task.started_at <= revocation.at


def _steps(tree: Tree, revocation: Revocation) -> int:
    """Return how many steps of a task are affected, counting its root."""
    if revocation.kind is RevocationKind.SUBJECT:
        return 1 + len(tree.children)
    if revocation.kind is RevocationKind.AGENT:
        tops = {child.child_id for child in tree.children if child.holder == revocation.target}
        if tree.task.workload == revocation.target:
            tops.add(tree.task.root_id)
        return len(subtrees(tree.children, tops))
    ids = {tree.task.root_id, *(child.child_id for child in tree.children)}
    return len(subtrees(tree.children, {revocation.target})) if revocation.target in ids else 0
