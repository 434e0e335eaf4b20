"""Defines how an evaluation fails, for every engine."""

from __future__ import annotations


class EvaluationFailedError(Exception):
    """An evaluation gave no result.

    Attributes:
        code: ``timeout``, ``builtin_error``, ``conflict``, ``undefined``, ``internal``, ``overloaded`` or
            ``input_too_large``.
        message: OPA's own message.
        file: file of the rule that failed, if known.
        row: line in it, from 1; 0 if unknown.
    """

    def __init__(self, code: str, message: str, file: str = "", row: int = 0) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.file = file
        self.row = row
