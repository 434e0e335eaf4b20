"""Exceptions of compiling and evaluating."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

UNFINISHED: Final = "unfinished"
"""Code of the problem if compiling came to no end, which may be the machine's fault: another try may succeed."""


@dataclass(frozen=True, slots=True, order=True)
class PolicyProblem:
    """One problem of a policy.

    ``row`` and ``column`` count from 1 and are 0 if OPA gives no place. ``code`` is OPA's (``rego_parse_error``,
    ``rego_type_error``, …) or one of ``data_error``, ``schema_error``, ``capabilities_error``, ``entrypoint_error``,
    ``bundle_error``, ``limit``, ``unfinished``, ``error``. ``message`` is OPA's own; its further lines are details.
    """

    file: str
    row: int
    column: int
    code: str
    message: str

    def __str__(self) -> str:
        place = (
            f"{self.file}:{self.row}:{self.column}: " if self.row else f"{self.file}: " if self.file else ""
        )
        return f"{place}{self.code}: {self.message}"


class TabardOpaError(Exception):
    """Base class; any other exception is a bug."""


class EngineError(TabardOpaError):
    """A policy, its data or a bundle can't be used; ``errors`` holds all problems that OPA found at once."""

    def __init__(self, errors: tuple[PolicyProblem, ...]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors


class EvaluationError(TabardOpaError):
    """One evaluation gave no result.

    ``code`` is one of ``timeout``, ``builtin_error``, ``conflict``, ``undefined``, ``internal``, ``overloaded``,
    ``input_too_large``, ``invalid_input``, ``invalid_query``, ``closed``. ``file`` and ``row`` are the place in the policy,
    or empty and 0.
    """

    def __init__(self, code: str, message: str, file: str = "", row: int = 0, column: int = 0) -> None:
        super().__init__(f"{code}: {message}" if not row else f"{code}: {file}:{row}: {message}")
        self.code = code
        self.message = message
        self.file = file
        self.row = row
        self.column = column


def evaluation_error(failure: dict[str, Any]) -> EvaluationError:
    """Return the exception for a failure that the library tells of."""
    return EvaluationError(
        failure["code"],
        failure["message"],
        failure.get("file", ""),
        failure.get("row", 0),
        failure.get("column", 0),
    )


def decoded_error(text: bytes) -> EvaluationError:
    """Return the exception for the data of an outcome that failed."""
    failure: Any = json.loads(text)
    if isinstance(failure, list):
        failure = failure[0]
        failure["code"] = "internal"
    return evaluation_error(failure)


class ForkedError(TabardOpaError):
    """The engine was loaded before this process was forked: the Go runtime's threads don't exist in the child."""

    def __init__(self) -> None:
        super().__init__(
            "the engine was loaded before this process was forked and can't be used here; "
            "start workers with the 'spawn' method, or import tabard_opa only in them"
        )
