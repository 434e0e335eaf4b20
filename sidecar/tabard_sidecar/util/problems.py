"""Problems in a file, an environment variable or a flag that a person wrote."""

from __future__ import annotations

from collections.abc import Iterable

from tabard_sidecar.util.lean import dataclass


@dataclass(frozen=True, slots=True)
class SourceProblem:
    """One problem.

    Attributes:
        message: the problem, in one sentence.
        source: file, environment variable or flag that holds the mistake.
        line: line in the file, from 1; 0 if the source isn't a file.
        column: column in the file, from 1; 0 if the source isn't a file.
        key: dotted path of the setting, empty for the file as a whole.
        next_step: how to fix it.
    """

    message: str
    source: str
    line: int = 0
    column: int = 0
    key: str = ""
    next_step: str = ""

    @property
    def where(self) -> str:
        """Source with line and column, in the form that editors recognise."""
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{self.where}: {key}{self.message}"


class SourceError(Exception):
    """The source can't be used; ``problems`` lists every problem that was found, by position."""

    def __init__(self, problems: Iterable[SourceProblem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.source, p.line, p.column, p.key)))
        super().__init__("\n".join(str(problem) for problem in self.problems))
