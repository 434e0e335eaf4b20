"""``tabard policy eval``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.policy_request import (
    flags_input,
    read_input,
    request_options,
    stated_facts,
    template_input,
)
from tabard_sidecar.cli.policy_table import print_table, table_choice
from tabard_sidecar.operating.completing import complete_decision
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.options import Existing, config_options, json_option
from tabard_sidecar.operating.policy_target import (
    GUIDE,
    Target,
    broken,
    catalogue_option,
    find_target,
    path_argument,
)
from tabard_sidecar.operating.terminal import echo_json

if TYPE_CHECKING:
    from tabard_opa import Engine

    from tabard_sidecar.policy.authoring.workbench import Evaluation


@click.command("eval")
@path_argument
@catalogue_option
@click.option(
    "--input",
    "input_file",
    type=Existing(allow_dash=True),
    help="Whole input as JSON; - reads standard input.",
)
@click.option(
    "--from-log",
    "decision_id",
    default="",
    metavar="ID",
    shell_complete=complete_decision,
    help="Take the input of this decision from a log.",
)
@click.option(
    "--log",
    "logs",
    multiple=True,
    type=Existing(),
    help="Decision log for --from-log. Repeatable. Default: audit.path of the configuration.",
)
@click.option(
    "--cases",
    "case_files",
    multiple=True,
    type=Existing(),
    help="Decide every case and cell of this file with decision cases; they need not state what they expect. Repeatable.",
)
@click.option(
    "--run", "pattern", default="", metavar="REGEX", help="With --cases: only those whose name matches."
)
@click.option(
    "--effect",
    "effects",
    multiple=True,
    type=click.Choice(["allow", "ask", "deny"]),
    help="With --cases: only those that the policy decides so. Repeatable.",
)
@click.option(
    "--template",
    is_flag=True,
    help="Print the whole input that the flags describe, for --input, and evaluate nothing.",
)
@click.option(
    "--explain",
    is_flag=True,
    help="Also tell for each rule that could grant the first condition that doesn't hold.",
)
@click.option(
    "--show",
    "expressions",
    multiple=True,
    metavar="EXPR",
    help="Also print what EXPR is worth for this request: a rule, a call of the library, any Rego. Repeatable. With --cases, "
    "for calls of requests that aren't simply allowed; with --run or --effect for all that these choose.",
)
@request_options
@config_options
@json_option
@click.pass_context
def evaluate(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Evaluate the policy at PATH and show the composed decision and the rule that made it.

    The input comes from flags, a file or a decision log. The limits of a grant aren't applied. Exit
    code 0 if the policy allows, 1 if it denies. With --cases a line for each case tells what the
    policy says, and the exit code is 0. A file with `requests` (what people say, with all calls
    that it needs) is told by request: which run whole, which ask. Examples:

        tabard policy eval policy --tool notes.read --arg id=7 --time 2026-01-05T12:00:00Z

        tabard policy eval policy --from-log DECISION --log decisions.jsonl

        tabard policy eval policy --tool notes.read --show 'intent.trusted' --show _readable

        tabard policy eval policy --cases requests.yaml

        tabard policy eval policy --cases requests.yaml --explain

        tabard policy eval policy --cases requests.yaml --effect deny --show _says
    """
    from tabard_opa import Engine  # noqa: PLC0415 - loads the engine

    from tabard_sidecar.cli.policy_view import evaluation_json, print_evaluation  # noqa: PLC0415
    from tabard_sidecar.errors import NoDecision  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.workbench import InputError  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.workbench import evaluate as evaluate_policy  # noqa: PLC0415
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

    _require_one_source(given)
    _require_no_request(ctx)
    # A template needs no policy: without PATH and --config only a catalogue that was named is read.
    path = given["path"] or (Path() if given["template"] and not given["config_file"] else None)
    target = find_target(path, given["catalogue_file"], given["config_file"], given["assignments"])
    if given["template"]:
        echo_json(template_input(given, target.catalogue))
        return
    if given["case_files"]:
        print_table(target, given["case_files"], table_choice(given), as_json=given["as_json"])
        return
    document = _input(given, target)
    try:
        with Engine() as engine:
            evaluation = evaluate_policy(engine, target.path, target.options, document)
            shown = evaluation_json(evaluation) | _tried(engine, target, document, given)
    except PolicyBrokenError as error:
        raise broken(error.problems, "the policy") from error
    except InputError as error:
        raise Failure(
            "this is no policy input" + "".join(f"\n  {fault}" for fault in error.faults),
            exit_codes.USAGE,
            next_step="`tabard policy eval --template` prints a whole input; rego/schemas/input.json lists every field",
            see=GUIDE,
        ) from error
    except NoDecision as error:
        raise Failure(str(error), exit_codes.USAGE, next_step="Give a smaller input.", see=GUIDE) from error
    _require_known_facts(given, evaluation)
    if given["as_json"]:
        echo_json(target.named(shown))
    else:
        print_evaluation(target.named(shown))
    ctx.exit(exit_codes.OK if evaluation.decision.allowed else exit_codes.NEGATIVE)


def _tried(
    engine: Engine, target: Target, document: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what --explain and --show add to the decision."""
    from tabard_sidecar.policy.authoring.explaining import ExpressionError, trial  # noqa: PLC0415

    if not given["explain"] and not given["expressions"]:
        return {}
    found: dict[str, Any] = {}
    with trial(engine, target.path, target.options, document) as tried:
        if given["explain"]:
            found["explanation"] = tried.explain().as_json()
        try:
            shown = [tried.show(expression).as_json() for expression in given["expressions"]]
        except ExpressionError as error:
            raise click.UsageError(f"--show: {error}") from error
    return found | ({"shown": shown} if shown else {})


def _require_known_facts(given: Mapping[str, Any], evaluation: Evaluation) -> None:
    from tabard_sidecar.policy.authoring.facts import fact_faults  # noqa: PLC0415 - not needed for --help

    faults = list(fact_faults(stated_facts(given["facts"]), evaluation.rules.facts))
    if faults:
        raise click.UsageError(f"--fact: {'; '.join(faults)}")


def _require_one_source(given: Mapping[str, Any]) -> None:
    named = [
        flag
        for flag, stated in (
            ("--input", given["input_file"]),
            ("--from-log", given["decision_id"]),
            ("--template", given["template"]),
            ("--cases", given["case_files"]),
        )
        if stated
    ]
    if len(named) > 1:
        raise click.UsageError(f"{' and '.join(named)} exclude each other")
    if given["logs"] and not given["decision_id"]:
        raise click.UsageError("--log needs --from-log ID")
    for flag, stated in (("--run", given["pattern"]), ("--effect", given["effects"])):
        if stated and not given["case_files"]:
            raise click.UsageError(f"{flag} needs --cases FILE")


def _require_no_request(ctx: click.Context) -> None:
    """Refuse flags beside --cases that would change nothing."""
    if not ctx.params["case_files"]:
        return
    useful = {"path", "catalogue_file", "case_files", "config_file", "assignments", "as_json"}
    useful |= {"pattern", "effects", "expressions", "explain"}
    for option in ctx.command.params:
        name = option.name or ""
        if name not in useful and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"--cases and {option.opts[0]} exclude each other: state it in the file, under defaults"
            )


def _input(given: Mapping[str, Any], target: Target) -> Mapping[str, Any]:
    if given["input_file"]:
        return read_input(given["input_file"])
    if given["decision_id"]:
        from tabard_sidecar.operating.log_entries import logged_input  # noqa: PLC0415 - reads logs

        return logged_input(given["decision_id"], given["logs"], given["config_file"])
    return flags_input(given, target.catalogue)
