"""Implements ``tabard policy bench``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.policy_request import read_input
from tabard_sidecar.operating.options import Existing, config_options, json_option
from tabard_sidecar.operating.policy_target import (
    Target,
    broken,
    catalogue_option,
    find_target,
    path_argument,
)
from tabard_sidecar.operating.terminal import echo, echo_json, progress, style

if TYPE_CHECKING:
    from tabard_opa import Engine

    from tabard_sidecar.policy.authoring.benching import BenchReport, Finding, Input

_DEGREES = {1: "linear", 2: "quadratic", 3: "cubic"}
_SHOWN_RULES = 5


@click.command("bench")
@path_argument
@catalogue_option
@click.option(
    "--input", "inputs", multiple=True, type=Existing(), help="Input to measure with. Repeatable."
)  # fmt: skip
@click.option(
    "--accept",
    multiple=True,
    metavar="COLLECTION",
    help="Don't grow this one, for example data.team: it stays short. Repeatable.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 3600),
    default=120.0,
    show_default=True,
    help="Grow no further collection after this time.",
)
@config_options
@json_option
@click.pass_context
def bench(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Find rules that iterate where they could look up, and measure decisions per second.

    PATH is a folder or bundle; without it the configured policy is measured. Each array and object of the data that
    rules read gets up to 16,384 made-up entries, and each argument that is one 256, and the policy's expressions are
    profiled as it grows. A rule whose cost grows with the data is named, with what to write instead. A rule that goes
    through the arguments of a call, or a part of one entry, is named only, unless its cost grows faster than they do.

    The inputs are those of the decision cases and one for each tool of the catalogue, or those of --input. What no
    input reaches isn't measured.

    Exit code 0 if no rule iterates over data, 1 if one does, 4 if the policy can't be used.
    """
    from tabard_opa import Engine  # noqa: PLC0415 - loads the engine

    from tabard_sidecar.policy.authoring.benching import Limits, UnknownCollectionError  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.benching import bench as measured  # noqa: PLC0415
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

    target = find_target(given["path"], given["catalogue_file"], given["config_file"], given["assignments"])
    limits = Limits(given["seconds"], frozenset(given["accept"]))
    try:
        with Engine() as engine, progress(100, "growing what the policy reads", steps=1) as advance:
            inputs = [read_input(path) for path in given["inputs"]] or _inputs(engine, target)
            shown = _Progress(advance)
            report = measured(engine, target.path, target.options, inputs, limits, shown)
    except PolicyBrokenError as error:
        raise broken(error.problems, "the policy or its cases") from error
    except UnknownCollectionError as error:
        raise click.UsageError(f"--accept {error}") from error
    found = [finding for finding in report.findings if not finding.tolerable]
    if given["as_json"]:
        echo_json(target.named(_as_json(report, ok=not found)))
    else:
        _print(report, target.named)
    ctx.exit(exit_codes.NEGATIVE if found else exit_codes.OK)


class _Progress:
    """Tells a progress bar of 100 steps how much was done."""

    def __init__(self, advance: Any) -> None:  # noqa: ANN401 - click's own
        self._advance = advance
        self._told = 0

    def __call__(self, done: int, every: int) -> None:
        now = 100 * done // max(every, 1)
        self._advance(now - self._told)
        self._told = now


def _inputs(engine: Engine, target: Target) -> list[Input]:
    """Return what the decision cases ask, and a made-up input for each tool and operation."""
    from tabard_sidecar.policy.authoring.cases import Catalogues, run_cases  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.workbench import made_up_inputs  # noqa: PLC0415

    asked: list[Input] = []
    run_cases(
        engine,
        target.path,
        target.options,
        Catalogues(target.catalogue),
        seen=lambda evaluation: asked.append(evaluation.input),
    )
    return [*asked, *made_up_inputs(target.catalogue)]


def _as_json(report: BenchReport, *, ok: bool) -> dict[str, object]:
    return {
        "ok": ok,
        "inputs": report.inputs,
        "decisions_per_second": round(report.per_second, 1),
        "measurements": [one.as_json() for one in report.measurements],
        "grown": list(report.collections),
        "not_grown": list(report.not_grown),
        "findings": [one.as_json() for one in report.findings],
    }


def _print(report: BenchReport, named: Callable[[Any], Any]) -> None:
    *rules, decision = report.measurements
    rate = f"{report.per_second:,.0f} decisions a second, one after the other"
    count = f"{report.inputs} input{'s' * (report.inputs != 1)}"
    echo(f"{rate}: {decision.median_us:.0f} µs each, {decision.worst_us:.0f} µs at worst, over {count}")
    for one in rules[:_SHOWN_RULES]:
        echo(f"{one.median_us:9.0f} µs  worst {one.worst_us:9.0f} µs  {one.rule}  {named(one.place)}")
    if len(rules) > _SHOWN_RULES:
        echo(f"and {len(rules) - _SHOWN_RULES} rules that take less; --json has them")
    found = [finding for finding in report.findings if not finding.tolerable]
    for finding in found:
        _print_finding(finding, named)
    for finding in report.findings:
        if finding.tolerable:
            echo(
                f"{named(finding.at)}: {finding.rule} goes through {finding.collection}, which should stay short"
            )
    if report.not_grown:
        echo(f"{style('not grown', fg='yellow')}: {', '.join(report.not_grown)}; --seconds gives more time")
    grown = f"{len(report.collections)} collection{'s' * (len(report.collections) != 1)} grown"
    if found:
        rules_found = len({finding.place for finding in found})
        noun = "rule iterates" if rules_found == 1 else "rules iterate"
        echo(f"{grown}: {style(f'{rules_found} {noun}', fg='red')} where the cost grows")
    else:
        echo(f"{grown}: {style('no rule iterates over data', fg='green')}")


def _print_finding(finding: Finding, named: Callable[[Any], Any]) -> None:
    degree = _DEGREES.get(finding.degree, "worse than cubic")
    echo(f"{named(finding.at)}: {style(degree, fg='red')} in {finding.collection}: {finding.rule}")
    echo(f"    {finding.text}")
    before, after = finding.decision_us
    echo(
        f"    a decision takes {before:,.0f} µs now, and {after:,.0f} µs with {finding.entries[1]:,} more entries"
    )
    echo(f"    {finding.advice}")
