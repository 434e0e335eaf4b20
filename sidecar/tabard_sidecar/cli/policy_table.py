"""Prints what a policy says about every case of a file, for `tabard policy eval --cases`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.policy_target import GUIDE, Target, broken
from tabard_sidecar.operating.terminal import echo, echo_json, style
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from tabard_opa import Engine

    from tabard_sidecar.policy.authoring.cases import CaseReport, CaseResult

_COLOURS = {"allow": "green", "ask": "yellow", "deny": "red"}


@dataclass(frozen=True, slots=True)
class TableChoice:
    """What is printed about the cases of a file.

    Attributes:
        flag: the catalogue that a flag named, which overrides the file's own.
        pattern: only cases whose name matches this regular expression.
        effects: only cases with one of these effects; all if empty.
        expressions: what to evaluate for each case.
    """

    flag: Path | None = None
    pattern: str = ""
    effects: tuple[str, ...] = ()
    expressions: tuple[str, ...] = ()


def table_choice(given: Mapping[str, Any]) -> TableChoice:
    """Return the choice that the flags of a command state.

    Raises:
        click.UsageError: the pattern is no regular expression.
    """
    try:
        re.compile(given["pattern"])
    except re.error as error:
        raise click.UsageError(f"--run: {given['pattern']!r} is no regular expression: {error}") from error
    return TableChoice(given["catalogue_file"], given["pattern"], given["effects"], given["expressions"])


def print_table(target: Target, file: Path, choice: TableChoice, *, as_json: bool) -> None:
    """Print a line for each case: effect, codes, name; and below it what expressions are worth for it.

    Args:
        target: the policy and its catalogue.
        file: the file with cases.
        choice: which cases, and what about them.
        as_json: whether to print JSON.

    Raises:
        Failure: the policy or the file can't be used.
        click.UsageError: an expression isn't one.
    """
    from tabard_sidecar.cli.policy_view import print_shown  # noqa: PLC0415 - loads the workbench

    report, shown = _decided(target, file, choice)
    if as_json:
        cases = [
            result.as_json(compared=False) | ({"shown": found} if choice.expressions else {})
            for result, found in zip(report.results, shown, strict=True)
        ]
        echo_json({"cases": cases})
        return
    width = max((len(", ".join(result.codes)) for result in report.results), default=0)
    for result, found in zip(report.results, shown, strict=True):
        effect = style(f"{result.effect:<5}", fg=_COLOURS[result.effect])
        echo(f"{effect}  {', '.join(result.codes):<{width}}  {result.case.name}{_then(result)}")
        for one in found:
            print_shown(one, indent="       ")
    count = Counter(result.effect for result in report.results)
    verb = "chosen" if choice.pattern or choice.effects else "decided"
    echo(f"{len(report.results)} {verb}: {', '.join(f'{count[effect]} {effect}' for effect in _COLOURS)}")


def _then(result: CaseResult) -> str:
    """Return what came of a call after the person's decision, for people."""
    if result.then is None:
        return "" if result.approved is None else "  (refused)"
    effect, codes = result.then
    return f"  (approved: {effect} by {', '.join(codes)})"


def _decided(
    target: Target, file: Path, choice: TableChoice
) -> tuple[CaseReport, list[list[dict[str, object]]]]:
    """Return the chosen cases, and for each what the expressions are worth."""
    from tabard_opa import Engine  # noqa: PLC0415 - loads the engine

    from tabard_sidecar.errors import NoDecision  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.case_files import read_case_file  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.cases import (  # noqa: PLC0415
        CaseReport,
        Catalogues,
        decide_matching,
    )
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

    catalogues = Catalogues(target.catalogue, for_all=target.catalogue if choice.flag else None)
    try:
        with Engine() as engine:
            every = read_case_file(file)
            report = decide_matching(
                engine, target.path, target.options, catalogues, every, pattern=choice.pattern
            )
            effects = choice.effects or tuple(_COLOURS)
            report = CaseReport(tuple(result for result in report.results if result.effect in effects))
            return report, _worth(engine, target, report, choice.expressions)
    except PolicyBrokenError as error:
        raise broken(error.problems, "the policy or the cases") from error
    except NoDecision as error:
        raise Failure(f"a case can't be decided: {error}", exit_codes.POLICY, see=GUIDE) from error


def _worth(
    engine: Engine, target: Target, report: CaseReport, expressions: Sequence[str]
) -> list[list[dict[str, object]]]:
    """Return for each case what the expressions are worth, from one compiled policy."""
    from tabard_sidecar.policy.authoring.explaining import ExpressionError, trial  # noqa: PLC0415

    if not expressions or not report.results:
        return [[] for _ in report.results]
    with trial(engine, target.path, target.options, report.results[0].input or {}) as tried:
        try:
            return [
                [tried.with_input(result.input or {}).show(one).as_json() for one in expressions]
                for result in report.results
            ]
        except ExpressionError as error:
            raise click.UsageError(f"--show: {error}") from error
