"""``tabard policy cross``."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar import exit_codes
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
from tabard_sidecar.operating.terminal import echo, echo_json, progress, style

if TYPE_CHECKING:
    from tabard_sidecar.policy.authoring.crossing import Crossing

_COLOURS = {"allow": "red", "ask": "yellow"}


@click.command("cross")
@path_argument
@catalogue_option
@click.option(
    "--cases",
    "case_files",
    multiple=True,
    type=Existing(),
    help="File with decision cases, which need not state what they expect. Repeatable. Default: the policy's own.",
)
@click.option(
    "--run",
    "pattern",
    default="",
    metavar="REGEX",
    help="Only requests whose first case has a matching name.",
)
@click.option("--asks", is_flag=True, help="Print the calls that are asked about, too.")
@click.option("--reads", is_flag=True, help="Try calls that only read, too, by the catalogue's readOnlyHint.")
@click.option(
    "--fail-on",
    type=click.Choice(["allow", "ask"]),
    help="Exit code 1 if such a call is allowed, or allowed or asked about.",
)
@config_options
@json_option
@click.pass_context
def cross(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Try under each request of the decision cases the calls of all others, and print those that are allowed.

    A request is a sequence of cases, a single case with a statement, or a request of a matrix. Its own calls are those
    that it expects to be allowed or asked about. Tried are the calls of all other requests, and those that any case
    expects to be denied: where the request has read everything and changed nothing yet, and where its own calls are made.
    What is printed is a hole, or a call that two requests have a right to. Examples:

        tabard policy cross policy

        tabard policy cross policy --cases requests.yaml --cases hostile.yaml --asks
    """
    target = find_target(given["path"], given["catalogue_file"], given["config_file"], given["assignments"])
    shown = ("allow", "ask") if given["asks"] else ("allow",)
    found = _crossed(
        target,
        given,
        lambda crossings: None if given["as_json"] else _print(crossings, shown),
    )
    effects = Counter(one.effect for one in found)
    if given["as_json"]:
        listed = [_as_json(one) for one in found if one.effect in shown]
        echo_json({"decided": len(found), **_counts(effects), "calls": listed})
    else:
        _print_sums(found, effects)
    failing = {"allow": effects["allow"], "ask": effects["allow"] + effects["ask"]}.get(given["fail_on"], 0)
    ctx.exit(exit_codes.NEGATIVE if failing else exit_codes.OK)


def _crossed(
    target: Target, given: dict[str, Any], told: Callable[[Sequence[Crossing]], None]
) -> tuple[Crossing, ...]:
    from tabard_opa import Engine  # noqa: PLC0415 - loads the engine

    from tabard_sidecar.errors import NoDecision  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.case_files import read_case_file, read_cases  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.cases import Catalogues  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.crossing import TooManyError, decisions  # noqa: PLC0415
    from tabard_sidecar.policy.authoring.crossing import cross as cross_cases  # noqa: PLC0415
    from tabard_sidecar.policy.problems import PolicyBrokenError  # noqa: PLC0415

    files: tuple[Path, ...] = given["case_files"]
    catalogues = Catalogues(target.catalogue, for_all=target.catalogue if given["catalogue_file"] else None)
    try:
        cases = [case for file in files for case in read_case_file(file)]
        if not files:
            cases = read_cases(target.path, target.options.bundle_keys)
        chosen = {"reads": given["reads"], "pattern": given["pattern"]}
        length = decisions(cases, catalogues, **chosen)
        with progress(length, "crossing", steps=50) as advance, Engine() as engine:
            found = cross_cases(
                engine, target.path, target.options, catalogues, cases, **chosen, progress=advance, told=told
            )
    except re.error as error:
        raise click.UsageError(f"--run {given['pattern']}: {error}") from error
    except PolicyBrokenError as error:
        raise broken(error.problems, "the policy or the cases") from error
    except NoDecision as error:
        raise Failure(f"a call can't be decided: {error}", exit_codes.POLICY, see=GUIDE) from error
    except TooManyError as error:
        step = "Choose requests with --run, or name fewer files with --cases."
        raise Failure(str(error), exit_codes.USAGE, next_step=step, see=GUIDE) from error
    if not found:
        raise Failure(
            "no request has a call that isn't its own"
            + (f", of those whose name matches {given['pattern']!a}" if given["pattern"] else ""),
            exit_codes.USAGE,
            next_step="State requests with statements and calls as decision cases, and the calls of attackers with `expect: deny`.",
            see=GUIDE,
        )
    return found


def _counts(effects: Counter[str]) -> dict[str, int]:
    return {effect: effects[effect] for effect in ("allow", "ask", "deny")}


def _as_json(one: Crossing) -> dict[str, object]:
    return {
        "request": one.request,
        "statement": one.statement,
        "effect": one.effect,
        "codes": list(one.codes),
        "tool": one.call.tool,
        "arguments": one.call.arguments,
        "of": one.call.origin,
    }


def _print(crossings: Sequence[Crossing], shown: Sequence[str]) -> None:
    """Print what a request lets through, by tool; nothing if it lets nothing through."""
    listed = sorted(
        (one for one in crossings if one.effect in shown), key=lambda one: (one.call.tool, one.effect)
    )
    if listed:
        echo(f"{listed[0].request}: {listed[0].statement}")
    for one in listed:
        effect = style(f"{one.effect:<5}", fg=_COLOURS[one.effect])
        arguments = json.dumps(one.call.arguments, ensure_ascii=False)
        echo(f"  {effect}  {one.call.tool} {arguments}  by {', '.join(one.codes)} (of {one.call.origin})")


def _print_sums(found: Sequence[Crossing], effects: Counter[str]) -> None:
    """Print the sums, and below them how often each tool is let through."""
    requests = len({one.request for one in found})
    counts = ", ".join(f"{number} {effect}" for effect, number in _counts(effects).items())
    echo(f"{requests} request{'s' * (requests != 1)}, {len(found)} calls of others: {counts}")
    for effect in ("allow", "ask"):
        tools = Counter(one.call.tool for one in found if one.effect == effect)
        if tools:
            told = ", ".join(f"{tool} {number}" for tool, number in tools.most_common())
            echo(f"  {style(effect, fg=_COLOURS[effect])} by tool: {told}")
