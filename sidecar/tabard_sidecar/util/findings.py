"""Describes what an examination found, with the way to mend it."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum

from tabard_sidecar.util.lean import dataclass


class Severity(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"  # works, and should be changed
    PROBLEM = "problem"  # doesn't work, or isn't safe


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was examined.

    Attributes:
        what: what was examined.
        severity: the result.
        message: what was found; holds no secret.
        next_step: how to mend it; empty if nothing is to be done.
    """

    what: str
    severity: Severity
    message: str
    next_step: str = ""

    def as_json(self) -> dict[str, str]:
        """Return it for ``--json``."""
        return asdict(self)


def ok(what: str, message: str) -> Finding:
    """Return a good result."""
    return Finding(what, Severity.OK, message)


def warning(what: str, message: str, next_step: str) -> Finding:
    """Return a result that should be changed."""
    return Finding(what, Severity.WARNING, message, next_step)


def problem(what: str, message: str, next_step: str) -> Finding:
    """Return a bad result."""
    return Finding(what, Severity.PROBLEM, message, next_step)
