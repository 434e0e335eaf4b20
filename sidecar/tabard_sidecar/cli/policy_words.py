"""``tabard policy words``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.options import config_options, json_option
from tabard_sidecar.operating.policy_target import GUIDE, broken, find_target, path_argument
from tabard_sidecar.operating.terminal import echo, echo_json


@click.command()
@click.argument("statement")
@path_argument
@click.option(
    "--time",
    "at",
    default="",
    metavar="TIME",
    help="Time of the request, as 2026-01-05T12:00:00Z. Default: now.",
)
@config_options
@json_option
def words(  # noqa: PLR0913 - one parameter per option
    statement: str,
    path: Path | None,
    *,
    at: str,
    config_file: Path | None,
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show what the library reads in STATEMENT, a person's request.

    These are the library's values that these words decide, and the entries of each directory in the
    data of the policy at PATH that they name. A name that isn't shown is empty or undefined. Example:

        tabard policy words 'Refund Ann Lee 20 euros and tell Bob' policy
    """
    from tabard_opa import Engine  # noqa: PLC0415 - loads the engine

    from tabard_sidecar.cli.policy_request import statement_input  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.words import read_words  # noqa: PLC0415
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

    target = find_target(path, None, config_file, assignments)
    document = statement_input(statement, at)
    try:
        with Engine() as engine:
            found = read_words(engine, target.path, target.options, document)
    except PolicyBrokenError as error:
        raise broken(error.problems, "the policy") from error
    if as_json:
        echo_json({"words": [one.as_json() for one in found]})
        return
    width = max((len(one.expression) for one in found), default=0)
    for one in found:
        told = f"can't be evaluated: {one.error}" if one.error else json.dumps(one.value, ensure_ascii=False)
        echo(f"{one.expression:<{width}}  {told}")
    if not found:
        raise Failure(
            "the library reads nothing in these words",
            exit_codes.NEGATIVE,
            next_step="`tabard policy eval --show` evaluates any expression for a request",
            see=GUIDE,
        )
