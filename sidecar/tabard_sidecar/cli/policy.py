"""Implements ``tabard policy``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.policy_bench import bench
from tabard_sidecar.cli.policy_bundle import build, push, sign, verify
from tabard_sidecar.cli.policy_cross import cross
from tabard_sidecar.cli.policy_editor import editor
from tabard_sidecar.cli.policy_eval import evaluate
from tabard_sidecar.cli.policy_request import read_input
from tabard_sidecar.cli.policy_tests import test
from tabard_sidecar.cli.policy_words import words
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.options import Existing, config_options, json_option
from tabard_sidecar.operating.policy_target import GUIDE, catalogue_option, find_target, path_argument
from tabard_sidecar.operating.terminal import echo, echo_json, style

if TYPE_CHECKING:
    from tabard_sidecar.policy.authoring.workbench import CheckReport


@click.group()
def policy() -> None:
    """Check, test, evaluate, measure, create and ship policies, and set up editors."""


policy.add_command(test)
policy.add_command(evaluate)
policy.add_command(bench)
policy.add_command(cross)
policy.add_command(editor)
policy.add_command(words)
for _command in (build, sign, verify, push):
    policy.add_command(_command)


@policy.command()
@path_argument
@catalogue_option
@click.option("--measure", is_flag=True, help="Also measure the time of each rule, slowest first.")
@click.option(
    "--input", "inputs", multiple=True, type=Existing(), help="Input to measure with. Repeatable."
)  # fmt: skip
@config_options
@json_option
@click.pass_context
def check(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Run every check that `tabard serve` runs at start.

    PATH is a folder or bundle. Exit code 0 if the policy can be served, 4 if not. Without PATH the configured
    policy is checked.
    """
    from tabard_opa import Engine  # noqa: PLC0415 - loads the engine

    from tabard_sidecar.policy.authoring import workbench  # noqa: PLC0415

    target = find_target(given["path"], given["catalogue_file"], given["config_file"], given["assignments"])
    inputs = [read_input(path) for path in given["inputs"]]
    wanted = inputs if given["measure"] or inputs else None
    with Engine() as engine:
        report = workbench.check(engine, target.path, target.options, target.catalogue, inputs=wanted)
    if given["as_json"]:
        echo_json(target.named(check_json(report)))
    else:
        print_check(report, target.named)
    ctx.exit(exit_codes.POLICY if report.errors else exit_codes.OK)


def check_json(report: CheckReport) -> dict[str, object]:
    """Return a check for ``--json``."""
    return {
        "ok": not report.errors,
        "path": str(report.path),
        "revision": report.revision,
        "modules": list(report.modules),
        "problems": [problem.as_json() for problem in report.problems],
        "measurements": [one.as_json() for one in report.measurements],
    }


def print_check(report: CheckReport, named: Callable[[str], str] = str) -> None:
    """Print every problem that a check found, and whether the policy can be used; ``named`` words the places."""
    for problem in report.problems:
        colour = "red" if problem.severity == "error" else "yellow"
        place = ":".join(str(part) for part in (problem.file, problem.row, problem.column) if part)
        echo(f"{named(place)}: {style(problem.severity, fg=colour)} {problem.message} [{problem.code}]")
        if problem.next_step:
            echo(f"    {problem.next_step}")
    for one in report.measurements:
        echo(f"{one.median_us:9.0f} µs  worst {one.worst_us:9.0f} µs  {one.rule}  {named(str(one.place))}")
    errors, warnings = len(report.errors), len(report.problems) - len(report.errors)
    counts = f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
    status = style("not usable", fg="red") if errors else style("ok", fg="green")
    echo(f"{named(str(report.path))}: {status} ({counts})" + ("" if not errors else f". See {GUIDE}"))


@policy.command("case-schema")
def case_schema() -> None:
    """Print the JSON Schema of files with decision cases (`*_cases.yaml`), for editors."""
    from tabard_sidecar.policy.authoring.case_keys import case_schema as schema  # noqa: PLC0415

    echo_json(schema())


@policy.command()
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    help="Policy folder. Default: the configured one.",
)
@click.option(
    "--template",
    type=click.Choice(["read-only", "spend-limit", "workspace-request", "workspace"]),
    default="read-only",
    show_default=True,
    help="What the module decides.",
)
@config_options
@json_option
def new(name: str, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Create the module NAME, its data, its test and its decision cases. Existing files are never overwritten.

    The templates: read-only grants reads for a signed purpose. spend-limit grants payments within a limit and a budget,
    and asks the person about large ones. workspace-request grants what the person's request orders, and asks about what
    it may mean. workspace is a whole policy for some twenty tools that most workspaces have (records, mail, files, a
    calendar, payments, orders, settings, commands): rename the tools, put your own data in, and delete what you don't
    have.
    """
    from tabard_sidecar.policy.authoring.scaffold import ScaffoldError, write_module  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.starter import TEMPLATES  # noqa: PLC0415

    folder = (
        given["into"]
        or find_target(None, None, given["config_file"], given["assignments"], fetches=False).path
    )
    try:
        written = write_module(folder, name, TEMPLATES[given["template"]]())
    except ScaffoldError as error:
        raise Failure(str(error), exit_codes.USAGE, see=GUIDE) from error
    if given["as_json"]:
        paths = {"module": written.module, "data": written.data, "test": written.test, "cases": written.cases}
        echo_json({name: str(path) for name, path in paths.items()})
        return
    echo(f"wrote {written.module}, {written.data}, {written.test} and {written.cases}")
    echo(f"next: tabard policy test {folder}")
