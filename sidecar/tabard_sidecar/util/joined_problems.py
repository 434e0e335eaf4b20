"""Reports the problems of several parts as one."""

from __future__ import annotations

from collections.abc import Callable


class JoinedProblems:
    """Holds the present problem of each part.

    Args:
        report: called with all of them, or the empty string, when one of them is told first or has changed.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._problems: dict[str, str] = {}

    def tell(self, part: str, problem: str = "") -> None:
        """Tell the present problem of a part; empty if there is none."""
        if self._problems.get(part) != problem:
            self._problems[part] = problem
            self._report("; ".join(filter(None, self._problems.values())))
