"""Prints what a policy says about every case of a file, for `tabard policy eval --cases`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.failure import Failure
from tabard_sidecar.cli.policy_target import GUIDE, Target, broken
from tabard_sidecar.cli.terminal import echo, echo_json, style

if TYPE_CHECKING:
    from tabard_sidecar.policy.authoring.cases import CaseReport, CaseResult

_COLOURS = {"allow": "green", "ask": "yellow", "deny": "red"}


def print_table(target: Target, file: Path, *, flag: Path | None, as_json: bool) -> None:
    """Print a line for each case: effect, codes, name.

    Args:
        target: the policy and its catalogue.
        file: the file with cases.
        flag: the catalogue that a flag named, which overrides the file's own.
        as_json: whether to print JSON.

    Raises:
        Failure: the policy or the file can't be used.
    """
    report = _decided(target, file, flag)
    if as_json:
        echo_json({"cases": [result.as_json(compared=False) for result in report.results]})
        return
    width = max((len(", ".join(result.codes)) for result in report.results), default=0)
    for result in report.results:
        effect = style(f"{result.effect:<5}", fg=_COLOURS[result.effect])
        echo(f"{effect}  {', '.join(result.codes):<{width}}  {result.case.name}{_then(result)}")
    count = Counter(result.effect for result in report.results)
    echo(f"{len(report.results)} decided: {', '.join(f'{count[effect]} {effect}' for effect in _COLOURS)}")


def _then(result: CaseResult) -> str:
    """Return what came of a call after the person's decision, for people."""
    if result.then is None:
        return "" if result.approved is None else "  (refused)"
    effect, codes = result.then
    return f"  (approved: {effect} by {', '.join(codes)})"


def _decided(target: Target, file: Path, flag: Path | None) -> CaseReport:
    from tabard_opa import Engine  # noqa: PLC0415 - loads the engine

    from tabard_sidecar.errors import NoDecision  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.case_files import read_case_file  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.cases import Catalogues, decide_cases  # noqa: PLC0415
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

    catalogues = Catalogues(target.catalogue, for_all=target.catalogue if flag else None)
    try:
        with Engine() as engine:
            return decide_cases(engine, target.path, target.options, catalogues, read_case_file(file))
    except PolicyBrokenError as error:
        raise broken(error.problems, "the policy or the cases") from error
    except NoDecision as error:
        raise Failure(f"a case can't be decided: {error}", exit_codes.POLICY, see=GUIDE) from error
