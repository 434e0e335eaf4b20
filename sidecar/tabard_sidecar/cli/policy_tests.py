"""``tabard policy test``."""

from __future__ import annotations

from typing import Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.policy_suite import Wanted, print_suite, run_suite
from tabard_sidecar.operating.options import Existing, config_options, json_option
from tabard_sidecar.operating.policy_target import catalogue_option, find_target
from tabard_sidecar.operating.terminal import echo, echo_json, style


@click.command()
@click.argument("paths", nargs=-1, type=Existing())
@click.option(
    "--run", "pattern", default="", metavar="REGEX", help="Only tests and cases whose name matches."
)
@click.option(
    "--coverage/--no-coverage",
    default=True,
    help="Measure which lines of the policy the Rego tests and decision cases run. On by default.",
)
@click.option(
    "--minimum-coverage",
    "--threshold",
    "minimum",
    type=click.FloatRange(0, 100),
    default=0.0,
    metavar="PERCENT",
    help="Exit with 1 if less of all lines runs.",
)
@click.option(
    "-v", "--verbose", is_flag=True, help="Print every test, case and module, and all about each failed one."
)
@catalogue_option
@config_options
@json_option
@click.pass_context
def test(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Run the Rego tests (`*_test.rego`) and the decision cases (`*_cases.yaml`) below PATHS.

    The cases below a PATH are decided by the whole policy at that PATH. Rego tests need the package tabard-opa-cli
    (`pip install 'tabard[policy]'`), cases don't. If all pass, the lines of each module are told that neither runs.
    Exit code 0 if there are tests or cases and all pass, 1 if not, or if too few lines run,
    4 if the policy or a file with cases can't be used.
    """
    targets = [
        find_target(path, given["catalogue_file"], given["config_file"], given["assignments"])
        for path in given["paths"] or (None,)
    ]
    flag = given["catalogue_file"] is not None
    suite = run_suite(targets, Wanted(given["pattern"], given["coverage"], flag, given["verbose"]))
    low = given["coverage"] and (suite.percent or 0.0) < given["minimum"]
    if given["as_json"]:
        echo_json({"ok": suite.ok and not low} | suite.as_json())
    else:
        print_suite(suite, verbose=given["verbose"])
        if low and suite.percent is not None:
            echo(style(f"at least {given['minimum']:g} % of the lines have to be covered", fg="red"))
    ctx.exit(exit_codes.OK if suite.ok and not low else exit_codes.NEGATIVE)
