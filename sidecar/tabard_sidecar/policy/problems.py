"""Problems of a policy, with their places."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Severity of a problem: an error prevents the use of a policy, a warning doesn't."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class PolicyProblem:
    """One problem to fix.

    Attributes:
        file: file, as the author names it; empty if the problem has no file.
        row: line from 1; 0 if unknown.
        column: column from 1; 0 if unknown.
        code: stable lower_snake_case identifier.
        message: the problem.
        next_step: one imperative sentence that says how to fix it.
        severity: an error prevents the policy from being loaded.
    """

    file: str
    row: int
    column: int
    code: str
    message: str
    next_step: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.row, self.column) if part)
        text = f"{place}: " if place else ""
        text += f"{self.severity.value} {self.code}: {self.message}"
        return f"{text}. {self.next_step}" if self.next_step else text

    def as_json(self) -> dict[str, object]:
        """Return the problem for ``--json``."""
        return asdict(self)


_MOST_TOLD = 100


class PolicyBrokenError(Exception):
    """A policy can't be used; holds the problems that were found.

    Attributes:
        problems: the first hundred problems, sorted by file and line.
        modules: sources by file name that could be read and that no check has looked into.
    """

    def __init__(self, problems: Iterable[PolicyProblem], modules: Mapping[str, str] | None = None) -> None:
        self.modules = modules or {}
        self.problems = tuple(sorted(problems)[:_MOST_TOLD])
        super().__init__("\n".join(str(problem) for problem in self.problems))
