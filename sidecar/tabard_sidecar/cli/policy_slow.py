"""Tells of the decision that took longest, for tables of cases and for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.operating.terminal import echo, style

if TYPE_CHECKING:
    from tabard_sidecar.policy.authoring.case_results import CaseReport

_NEAR = 0.5
"""Share of the deadline from which people are told: a busy machine easily takes twice as long."""


def slowest_json(report: CaseReport, deadline_seconds: float) -> dict[str, object] | None:
    """Return the case whose evaluation took longest, for ``--json``; ``None`` without cases.

    Args:
        report: the results.
        deadline_seconds: how long a sidecar lets one evaluation take.
    """
    found = report.slowest
    if found is None:
        return None
    return {
        "file": found.case.file,
        "line": found.case.line,
        "name": found.case.name,
        "seconds": round(found.seconds, 4),
        "deadline_seconds": deadline_seconds,
    }


def warn_if_slow(report: CaseReport, deadline_seconds: float) -> None:
    """Print a warning if a decision takes so long that a sidecar may cut it."""
    found = report.slowest
    if found is None or found.seconds < _NEAR * deadline_seconds:
        return
    took = f"{found.place}: deciding {found.case.name!r} takes {1000 * found.seconds:.0f} ms"
    why = f"a sidecar denies after {1000 * deadline_seconds:g} ms (policy.deadline_seconds)"
    echo(f"{style('warning', fg='yellow')}: {took}; {why}. `tabard policy bench` shows which rules iterate.")
