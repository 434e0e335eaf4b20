"""``tabard policy``."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.failure import Failure
from tabard_sidecar.cli.options import config_options, echo_json, json_option, json_pairs, load_settings

if TYPE_CHECKING:
    from tabard_sidecar.policy.authoring.workbench import CheckReport
    from tabard_sidecar.policy.catalogue import Catalogue
    from tabard_sidecar.policy.loading.compiling import CompileOptions
    from tabard_sidecar.policy.problems import PolicyProblem

_GUIDE = "docs/policy-guide.md"
_MAX_INPUT_BYTES = 1024 * 1024


@click.group()
def policy() -> None:
    """Check, test, evaluate and create policies."""


@dataclass(frozen=True, slots=True)
class _Target:
    """What a command works on."""

    path: Path
    options: CompileOptions
    catalogue: Catalogue


def _target(
    path: Path | None, catalogue: Path | None, config_file: Path | None, assignments: tuple[str, ...]
) -> _Target:
    """Return the policy that was named, else the configured one.

    A policy that is named is held to the strictest options, whatever a configuration nearby says.
    """
    from tabard_sidecar.policy.catalogue import load_catalogue  # noqa: PLC0415 - not needed for --help
    from tabard_sidecar.policy.conf import CatalogueConfig  # noqa: PLC0415
    from tabard_sidecar.policy.factory import create_catalogue  # noqa: PLC0415
    from tabard_sidecar.policy.loading.compiling import CompileOptions  # noqa: PLC0415
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

    options, configured = CompileOptions(), CatalogueConfig()
    if path is None or config_file is not None:
        settings = load_settings(config_file, assignments).settings
        options = CompileOptions(
            frozenset(settings.insecure.capabilities), settings.insecure.accept_asserted_intent
        )
        path, configured = path or settings.policy.path, settings.catalogue
    if path is None:
        raise Failure(
            "no policy was named and the configuration has none in a file",
            exit_codes.USAGE,
            where="policy.path",
            next_step="Name a folder or bundle: tabard policy check PATH",
            see=_GUIDE,
        )
    try:
        return _Target(
            path, options, load_catalogue(catalogue) if catalogue else create_catalogue(configured)
        )
    except PolicyBrokenError as error:
        raise _broken(error.problems, "the tool catalogue") from error


def _broken(problems: tuple[PolicyProblem, ...], what: str) -> Failure:
    lines = "".join(f"\n  {problem}" for problem in problems)
    return Failure(f"{what} can't be used{lines}", exit_codes.POLICY, see=_GUIDE)


_path = click.argument("path", type=click.Path(path_type=Path), required=False)
_catalogue = click.option(
    "--catalogue", "catalogue_file", type=click.Path(path_type=Path), help="Tool catalogue. Default: the configured one."
)  # fmt: skip


@policy.command()
@_path
@_catalogue
@click.option("--measure", is_flag=True, help="Also measure the time of each rule, slowest first.")
@click.option(
    "--input", "inputs", multiple=True, type=click.Path(path_type=Path), help="Input to measure with. Repeatable."
)  # fmt: skip
@config_options
@json_option
@click.pass_context
def check(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Make every check that `tabard serve` makes at start on the folder or bundle PATH, and some that only warn.

    Exit code 0 if the policy can be served, 4 if not. Without PATH the configured policy is checked.
    """
    from tabard_opa import Engine  # noqa: PLC0415 - loads the engine

    from tabard_sidecar.policy.authoring import workbench  # noqa: PLC0415

    target = _target(given["path"], given["catalogue_file"], given["config_file"], given["assignments"])
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
        click.echo(f"{place}: {click.style(problem.severity, fg=colour)} {problem.message} [{problem.code}]")
        if problem.next_step:
            click.echo(f"    {problem.next_step}")
    for one in report.measurements:
        click.echo(f"{one.median_us:9.0f} µs  worst {one.worst_us:9.0f} µs  {one.rule}  {one.place}")
    errors, warnings = len(report.errors), len(report.problems) - len(report.errors)
    counts = f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
    verdict = click.style("not usable", fg="red") if errors else click.style("ok", fg="green")
    click.echo(f"{report.path}: {verdict} ({counts})" + ("" if not errors else f". See {_GUIDE}"))


@policy.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--run", "pattern", default="", metavar="REGEX", help="Only tests whose name matches.")
@click.option(
    "--coverage/--no-coverage", default=True, help="Measure which lines of the policy run. On by default."
)
@click.option("--threshold", type=click.FloatRange(0, 100), default=0.0, help="Least coverage in percent.")
@click.option("-v", "--verbose", is_flag=True, help="Print every test.")
@config_options
@json_option
@click.pass_context
def test(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Run the tests (`*_test.rego`) below PATHS with Tabard's library, and report unreached lines.

    Exit code 0 if there are tests and all pass, 1 if not, 4 if the modules don't compile.
    """
    from tabard_opa import opa_binary  # noqa: PLC0415 - may have to build the program

    from tabard_sidecar.policy.authoring.testing import TestRunError, run_tests  # noqa: PLC0415

    paths = given["paths"] or (_target(None, None, given["config_file"], given["assignments"]).path,)
    try:
        report = run_tests(opa_binary(), paths, coverage=given["coverage"], pattern=given["pattern"])
    except TestRunError as error:
        raise Failure(f"the tests can't be run\n{error}", exit_codes.POLICY, see=_GUIDE) from error
    low = report.coverage is not None and report.coverage < given["threshold"]
    if given["as_json"]:
        uncovered = {file: list(rows) for file, rows in report.uncovered}
        echo_json(
            {
                "ok": report.ok and not low, "passed": report.passed, "failed": list(report.failed),
                "skipped": report.skipped, "coverage": report.coverage, "uncovered": uncovered,
            }
        )  # fmt: skip
    else:
        if given["verbose"] or report.failed:
            click.echo(report.output.rstrip())
        _print_tests(report.passed, len(report.failed), report.coverage, report.uncovered)
    ctx.exit(exit_codes.OK if report.ok and not low else exit_codes.NEGATIVE)


def _print_tests(
    passed: int, failed: int, coverage: float | None, uncovered: tuple[tuple[str, tuple[int, ...]], ...]
) -> None:
    for file, rows in uncovered:
        click.echo(f"{file}: no test reaches line {', '.join(map(str, rows))}")
    share = f", {coverage:.4g} % of the lines covered" if coverage is not None else ""
    if not passed and not failed:
        click.echo(click.style("there are no tests", fg="red"))
    else:
        failures = click.style(f"{failed} failed", fg="red") if failed else "0 failed"
        click.echo(f"{passed} passed, {failures}{share}")


@policy.command("eval")
@_path
@_catalogue
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

    target = _target(given["path"], given["catalogue_file"], given["config_file"], given["assignments"])
    document = (
        _read_input(given["input_file"]) if given["input_file"] else _flags_input(given, target.catalogue)
    )
    try:
        with Engine() as engine:
            evaluation = evaluate_policy(engine, target.path, target.options, document)
    except PolicyBrokenError as error:
        raise _broken(error.problems, "the policy") from error
    except (InputError, NoDecision) as error:
        raise Failure(
            str(error), exit_codes.USAGE, next_step="rego/schemas/input.json lists every field", see=_GUIDE
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
    from tabard_sidecar.policy.authoring.samples import sample_input  # noqa: PLC0415

    operation, name, server = given["operation"], given["tool"], given["server"]
    arguments = json_pairs(given["pairs"], "--arg")
    if operation in {"authorize", "filter_tools"} and not name:
        raise click.UsageError("name the tool with --tool, or give a whole input with --input")
    document = sample_input(
        operation,
        time.time(),
        subject={
            "id": given["subject"],
            "issuer": given["issuer"],
            "claims": json_pairs(given["claims"], "--claim"),
        },
        agent={"id": given["agent"]},
        task={
            "purpose": given["purpose"],
            "statement": given["statement"],
            "intent_source": "asserted" if given["asserted"] else "signed",
        },
        delegation={
            "depth": len(given["hops"]),
            "chain": [{"holder": hop, "sub_agent": "", "caveats": []} for hop in given["hops"]],
        },
    )
    if name:
        spec = catalogue.lookup(name, server)
        fault = spec.validate(arguments) if spec is not None else None
        if fault is not None:
            raise click.UsageError(f"the catalogue refuses the call before any policy is asked: {fault}")
        annotations = dict(spec.annotations) if spec is not None else {}
        document["tool"] = {
            "name": name,
            "server": server,
            "arguments": arguments,
            "annotations": annotations,
        }
    if given["holder"]:
        document["request"] = {"limits": {}, "holder": given["holder"]}
    return document


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
    """Create the module NAME and its test. Existing files are never overwritten."""
    from tabard_sidecar.policy.authoring.scaffold import ScaffoldError, write_module  # noqa: PLC0415

    folder = into or _target(None, None, config_file, assignments).path
    try:
        module, tests = write_module(folder, name)
    except ScaffoldError as error:
        raise Failure(str(error), exit_codes.USAGE, see=_GUIDE) from error
    if as_json:
        echo_json({"module": str(module), "test": str(tests)})
        return
    click.echo(f"wrote {module} and {tests}")
    click.echo(f"next: tabard policy test {folder}")
