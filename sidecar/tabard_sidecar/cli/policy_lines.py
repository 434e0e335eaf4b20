"""Prints one decided case, for tables of cases and of requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tabard_sidecar.operating.terminal import echo, style

if TYPE_CHECKING:
    from tabard_sidecar.policy.authoring.case_results import CaseResult

_COLOURS = {"allow": "green", "ask": "yellow", "deny": "red"}
EFFECTS = tuple(_COLOURS)


def print_line(result: CaseResult, name: str, width: int, indent: str = "") -> None:
    """Print effect, codes and name of a case."""
    effect = style(f"{result.effect:<5}", fg=_COLOURS[result.effect])
    echo(f"{indent}{effect}  {', '.join(result.codes):<{width}}  {name}{_then(result)}")


def print_told(found: Mapping[str, Any], indent: str) -> None:
    """Print what expressions are worth for a case, and which conditions failed."""
    from tabard_sidecar.cli.policy_view import print_shown, print_tried  # noqa: PLC0415 - loads the workbench

    for one in found.get("shown", ()):
        print_shown(one, indent=indent)
    if "explanation" in found:
        print_tried(found["explanation"], indent)


def _then(result: CaseResult) -> str:
    """Return what came of a call after the person's decision, for people."""
    if result.then is None:
        return "" if result.approved is None else "  (refused)"
    effect, codes = result.then
    return f"  (approved: {effect} by {', '.join(codes)})"
