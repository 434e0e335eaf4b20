"""Selects and orders approvals so that no workload, person or task hides the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from tabard_sidecar.state import Approval

PAGE_SIZE = 200
"""Most approvals on one page."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which approvals are listed. An empty filter lets all pass; ``offset`` counts from 0 in their order."""

    pending_only: bool = True
    task_id: str = ""
    subject_id: str = ""
    workload: str = ""
    offset: int = 0

    def page(self, approvals: Iterable[Approval]) -> tuple[Sequence[Approval], int]:
        """Return the page of these approvals, which are oldest first, and how many there are on all pages."""
        found = _in_turn([one for one in approvals if self._fits(one)], _LEVELS)
        return found[self.offset : self.offset + PAGE_SIZE], len(found)

    def _fits(self, approval: Approval) -> bool:
        return (
            self.task_id in {"", approval.task_id}
            and self.subject_id in {"", approval.subject.partition(" ")[2]}
            and self.workload in {"", approval.workload}
        )


_Level = Callable[["Approval"], str]
_LEVELS: tuple[_Level, ...] = (
    lambda approval: approval.workload,
    lambda approval: approval.subject,
    lambda approval: approval.root_id,
)


def _in_turn(approvals: list[Approval], levels: Sequence[_Level]) -> list[Approval]:
    """Return approvals so that the groups of the first level take turns, and those of the next level within each."""
    if not levels:
        return approvals
    groups: dict[str, list[Approval]] = {}
    for approval in approvals:
        groups.setdefault(levels[0](approval), []).append(approval)
    turns = zip_longest(*(_in_turn(group, levels[1:]) for group in groups.values()))
    return [approval for turn in turns for approval in turn if approval is not None]
