"""Implements ``tabard policy``."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.failure import Failure
from tabard_sidecar.cli.options import config_options, json_option, json_pairs
from tabard_sidecar.cli.policy_target import GUIDE, broken, catalogue_option, find_target, path_argument
from tabard_sidecar.cli.policy_tests import test
from tabard_sidecar.cli.terminal import echo, echo_json, style

if TYPE_CHECKING:
    from tabard_sidecar.policy.authoring.workbench import CheckReport
    from tabard_sidecar.policy.catalogue import Catalogue

_MAX_INPUT_BYTES = 1024 * 1024


@click.group()
def policy() -> None:
    """Check, test, evaluate and create policies."""


policy.add_command(test)


@policy.command()
@path_argument
@catalogue_option
@click.option("--measure", is_flag=True, help="Also measure the time of each rule, slowest first.")
@click.option(
    "--input", "inputs", multiple=True, type=click.Path(path_type=Path), help="Input to measure with. Repeatable."
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
    inputs = [_read_input(path) for path in given["inputs"]]
    wanted = inputs if given["measure"] or inputs else None
    with Engine() as engine:
        report = workbench.check(engine, target.path, target.options, target.catalogue, inputs=wanted)
    if given["as_json"]:
        echo_json(_report_json(report))
    else:
        _print_report(report)
    ctx.exit(exit_codes.POLICY if report.errors else exit_codes.OK)


def _report_json(report: CheckReport) -> dict[str, object]:
    return {
        "ok": not report.errors,
        "path": str(report.path),
        "revision": report.revision,
        "modules": list(report.modules),
        "problems": [problem.as_json() for problem in report.problems],
        "measurements": [one.as_json() for one in report.measurements],
    }


def _print_report(report: CheckReport) -> None:
    for problem in report.problems:
        colour = "red" if problem.severity == "error" else "yellow"
        place = ":".join(str(part) for part in (problem.file, problem.row, problem.column) if part)
        echo(f"{place}: {style(problem.severity, fg=colour)} {problem.message} [{problem.code}]")
        if problem.next_step:
            echo(f"    {problem.next_step}")
    for one in report.measurements:
        echo(f"{one.median_us:9.0f} µs  worst {one.worst_us:9.0f} µs  {one.rule}  {one.place}")
    errors, warnings = len(report.errors), len(report.problems) - len(report.errors)
    counts = f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
    status = style("not usable", fg="red") if errors else style("ok", fg="green")
    echo(f"{report.path}: {status} ({counts})" + ("" if not errors else f". See {GUIDE}"))


@policy.command("eval")
@path_argument
@catalogue_option
@click.option(
    "--input",
    "input_file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Whole input as JSON; - reads standard input.",
)
@click.option(
    "--operation",
    type=click.Choice(["authorize", "start_task", "delegate", "renew", "filter_tools"]),
    default="authorize",
    help="Operation to evaluate. Default: authorize.",
)
@click.option("--tool", default="", help="Name of the tool.")
@click.option(
    "--arg", "pairs", multiple=True, metavar="NAME=VALUE", help="Argument; JSON or text. Repeatable."
)
@click.option("--server", default="", help="Server that offers the tool.")
@click.option("--as", "subject", default="someone", help="Identifier of the person.")
@click.option("--issuer", default="https://idp.example", help="Issuer of the person.")
@click.option("--claim", "claims", multiple=True, metavar="NAME=VALUE", help="Verified claim. Repeatable.")
@click.option("--agent", default="spiffe://example.org/agent", help="SPIFFE ID of the workload that asks.")
@click.option("--holder", default="", help="SPIFFE ID of the new holder, for a delegation.")
@click.option(
    "--hop", "hops", multiple=True, metavar="SPIFFE_ID", help="Hop of the chain, in order. Repeatable."
)
@click.option("--purpose", default="", help="Purpose of the task.")
@click.option("--statement", default="", help="The request in the person's words.")
@click.option("--asserted", is_flag=True, help="The intent is asserted, not signed.")
@config_options
@json_option
@click.pass_context
def evaluate(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Evaluate the policy at PATH and show the composed decision and the rule that made it.

    The input comes from a file or from flags. The limits of a grant aren't applied. Exit code 0 if
    the policy allows, 1 if it denies. Example:

        tabard policy eval policy --tool notes.read --arg id=7
    """
    from tabard_opa import Engine  # noqa: PLC0415 - loads the engine

    from tabard_sidecar.cli.policy_view import evaluation_json, print_evaluation  # noqa: PLC0415
    from tabard_sidecar.errors import NoDecision  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.workbench import InputError  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.workbench import evaluate as evaluate_policy  # noqa: PLC0415
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

    target = find_target(given["path"], given["catalogue_file"], given["config_file"], given["assignments"])
    document = (
        _read_input(given["input_file"]) if given["input_file"] else _flags_input(given, target.catalogue)
    )
    try:
        with Engine() as engine:
            evaluation = evaluate_policy(engine, target.path, target.options, document)
    except PolicyBrokenError as error:
        raise broken(error.problems, "the policy") from error
    except (InputError, NoDecision) as error:
        raise Failure(
            str(error), exit_codes.USAGE, next_step="rego/schemas/input.json lists every field", see=GUIDE
        ) from error
    shown = evaluation_json(evaluation)
    if given["as_json"]:
        echo_json(shown)
    else:
        print_evaluation(shown)
    ctx.exit(exit_codes.OK if evaluation.decision.allowed else exit_codes.NEGATIVE)


def _read_input(path: Path) -> Mapping[str, Any]:
    from tabard_sidecar.policy.loading.documents import DocumentError, parse_json  # noqa: PLC0415

    try:
        content = sys.stdin.buffer.read(_MAX_INPUT_BYTES + 1) if str(path) == "-" else path.read_bytes()
        document = parse_json(content)
    except OSError as error:
        raise Failure(
            f"the input can't be read: {error.strerror}", exit_codes.USAGE, where=str(path)
        ) from error
    except DocumentError as error:
        raise Failure(f"the input {error.message}", exit_codes.USAGE, where=f"{path}:{error.row}") from error
    if not isinstance(document, dict):
        raise Failure("the input must be a JSON object", exit_codes.USAGE, where=str(path))
    return document


def _flags_input(given: Mapping[str, Any], catalogue: Catalogue) -> Mapping[str, Any]:
    from tabard_sidecar.policy.authoring.request_keys import (  # noqa: PLC0415
        RequestKeys,
        build_input,
        catalogue_fault,
        keys_fault,
    )

    keys = RequestKeys(
        operation=given["operation"],
        tool=given["tool"],
        server=given["server"],
        arguments=json_pairs(given["pairs"], "--arg"),
        subject=given["subject"],
        issuer=given["issuer"],
        claims=json_pairs(given["claims"], "--claim"),
        agent=given["agent"],
        hops=list(given["hops"]),
        holder=given["holder"],
        purpose=given["purpose"],
        statement=given["statement"],
        intent_source="asserted" if given["asserted"] else "signed",
    )
    fault = keys_fault(keys, {name for name in ("tool", "server", "holder") if given[name]})
    if fault:
        raise click.UsageError(f"{fault}; give it by flags, or give a whole input with --input")
    refused = catalogue_fault(keys, catalogue)
    if refused is not None:
        raise click.UsageError(
            f"the catalogue refuses the call before the policy is evaluated: {refused.message}"
        )
    return build_input(keys, catalogue.lookup(keys.tool, keys.server) if keys.tool else None, time.time())


@policy.command("case-schema")
def case_schema() -> None:
    """Print the JSON Schema of files with decision cases (`*_cases.yaml`), for editors."""
    from tabard_sidecar.policy.authoring.case_files import case_schema as schema  # noqa: PLC0415

    echo_json(schema())


@policy.command()
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    help="Policy folder. Default: the configured one.",
)
@config_options
@json_option
def new(
    name: str, into: Path | None, config_file: Path | None, assignments: tuple[str, ...], as_json: bool
) -> None:
    """Create the module NAME, its test and its decision cases. Existing files are never overwritten."""
    from tabard_sidecar.policy.authoring.scaffold import ScaffoldError, write_module  # noqa: PLC0415

    folder = into or find_target(None, None, config_file, assignments).path
    try:
        module, tests, cases = write_module(folder, name)
    except ScaffoldError as error:
        raise Failure(str(error), exit_codes.USAGE, see=GUIDE) from error
    if as_json:
        echo_json({"module": str(module), "test": str(tests), "cases": str(cases)})
        return
    echo(f"wrote {module}, {tests} and {cases}")
    echo(f"next: tabard policy test {folder}")
