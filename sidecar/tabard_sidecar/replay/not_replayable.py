"""The reasons for which a recorded decision can't be decided again."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Why(StrEnum):
    """One reason; a report counts decisions by it."""

    MASKED = "masked_input"
    INCOMPLETE = "incomplete_input"
    UNKNOWN_CONTRACT = "unknown_contract"
    MALFORMED = "malformed_record"
    MISSING_DATA = "missing_data"
    MISSING_HISTORY = "missing_history"
    TOO_MANY_TASKS = "too_many_tasks"
    NO_ANSWER = "evaluation_failed"

    @property
    def meaning(self) -> str:
        """What it means, for people."""
        return _MEANINGS[self]


_MEANINGS: Final = {
    Why.MASKED: "a mask removed what the policy reads",
    Why.INCOMPLETE: "a part stands in a record that isn't here",
    Why.UNKNOWN_CONTRACT: "the input isn't one of this version",
    Why.MALFORMED: "a member of the record isn't what it has to be",
    Why.MISSING_DATA: "no policy of --data has the revision that decided",
    Why.MISSING_HISTORY: "the recorded policy read no calls, and the task began before the log",
    Why.TOO_MANY_TASKS: "more tasks than are remembered go on at once",
    Why.NO_ANSWER: "the policy gave no answer",
}


class NotReplayableError(Exception):
    """A decision can't be decided again; ``why`` says why."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
