"""Tasks as operators list them: pages of the list, and one task with everything below it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from tabard_sidecar.facts import FactRow
from tabard_sidecar.model import BudgetLimit
from tabard_sidecar.state.model import Child, TaskRecord
from tabard_sidecar.util.lean import dataclass


@dataclass(frozen=True, slots=True)
class TaskPosition:
    """A place in the list of tasks, which is ordered by start and root, newest first."""

    started_at: float
    root_id: str


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks are wanted; an empty text stands for any.

    Attributes:
        subject_id: identifier of the person.
        workload: the workload that started the task.
        after: only what comes after this place.
    """

    subject_id: str = ""
    workload: str = ""
    after: TaskPosition | None = None


ANY_TASK = TaskFilter()


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Some of the wanted tasks, newest first, and where the list goes on; ``None`` at its end."""

    tasks: tuple[TaskRecord, ...]
    after: TaskPosition | None = None


@dataclass(frozen=True, slots=True)
class Tree:
    """A task with everything below it, to be shown to operators.

    ``children`` holds every counted step; ``spent`` the amount spent of each budget, by id; ``budgets`` the known limits of
    these budgets, by id; ``labels`` the task's labels; ``facts`` what its calls noted, in order.
    """

    task: TaskRecord
    children: tuple[Child, ...]
    ended: tuple[str, ...]
    spent: Mapping[str, int]
    labels: tuple[str, ...]
    calls: int
    budgets: Mapping[str, BudgetLimit] = field(default_factory=dict)
    facts: tuple[FactRow, ...] = ()
