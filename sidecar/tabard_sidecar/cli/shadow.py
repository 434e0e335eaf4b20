"""Implements ``tabard shadow``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.replay_view import print_changes, print_not_decided
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.operator import operator, operator_option
from tabard_sidecar.operating.options import json_option
from tabard_sidecar.operating.shadowing import fetch_changes, fetch_status, stub
from tabard_sidecar.operating.terminal import echo, echo_json, moment, style

if TYPE_CHECKING:
    from tabard_sidecar.operating.reach import Target

_MOST = 1000
_PROMOTE_SECONDS = 120.0
_COLOURS = {"running": "green", "starting": "yellow", "broken": "red", "failing": "red"}
_DROPPED = {
    "behind": "because it was behind",
    "not_running": "because it wasn't running",
}


@click.group()
def shadow() -> None:
    """Show what the candidate policy would have decided otherwise, and put it into place.

    The candidate (policy.shadow) is tried on the requests that one sidecar decides, and changes no
    answer. Each sidecar tries its own.
    """


@shadow.command()
@operator_option
@json_option
@click.pass_context
def status(ctx: click.Context, /, *, sidecar: Target, as_json: bool) -> None:
    """Tell how the candidate fares on a sidecar.

    Exit code 1 if it isn't running.
    """
    with operator(sidecar) as asked:
        found = fetch_status(asked)
    if as_json:
        echo_json(found | asked.told())
    else:
        _print_status(found)
    ctx.exit(exit_codes.OK if found["state"] == "running" else exit_codes.NEGATIVE)


@shadow.command()
@click.option(
    "--limit", type=click.IntRange(1, _MOST), default=100, show_default=True, help="Most groups of changes."
)
@operator_option
@json_option
@click.pass_context
def diff(ctx: click.Context, /, *, limit: int, sidecar: Target, as_json: bool) -> None:
    """List what the candidate would have decided otherwise since it was loaded.

    Changes are grouped by kind, agent, tool and rule, with the earliest decisions of each group.
    `tabard log search --effect shadow` lists them one by one.

    Exit code 0 if nothing changes, 1 if something does.
    """
    with operator(sidecar) as asked:
        found = fetch_changes(asked, limit)
    if as_json:
        echo_json(found | asked.told())
    else:
        echo(f"{found['decided']:,} decisions decided by the candidate {found['revision'][:16]}, too")
        print_not_decided(found["not_decided"])
        print_changes(found)
        if found["more_groups"]:
            echo(f"and {found['more_groups']:,} more groups of changes; --limit shows more")
    ctx.exit(exit_codes.NEGATIVE if found["changed"] else exit_codes.OK)


@shadow.command()
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option(
    "--revision",
    default="",
    metavar="REVISION",
    help="Only if the candidate is this one: what `tabard shadow status` told. Default: the present one.",
)
@click.option(
    "--base",
    default="",
    metavar="REVISION",
    help="Only if the policy is this one. Default: the one that was there when the candidate was loaded.",
)
@operator_option
@json_option
def promote(*, yes: bool, revision: str, base: str, sidecar: Target, as_json: bool) -> None:
    """Write the candidate to the folder from which the policy that decides is loaded.

    It is checked once more and replaces the folder at once. The folder with what was there before
    is kept beside it. If the policy's files changed since the candidate was loaded, nothing is
    written, because the candidate may lack the change; --base says that it has it. If the sidecar can't write there (a bundle, a mounted volume), nothing is
    written, and the error says what to do. The promotion is in the decision log.
    """
    from tabard.authz.v1 import shadow_service_pb2 as pb  # noqa: PLC0415 - gRPC takes a while to import

    with operator(sidecar, timeout_seconds=_PROMOTE_SECONDS) as asked:
        found = fetch_status(asked)
        if found["state"] != "running":
            problems = "; ".join(found["problems"]) or "it is being started"
            raise Failure(
                f"the candidate isn't running: {problems}",
                exit_codes.NEGATIVE,
                next_step="Mend it; only what was tried can be put into place.",
            )
        wanted = revision or found["revision"]
        if not as_json:
            _print_status(found)
        if not yes:
            click.confirm(f"Let revision {wanted[:16]} decide?", abort=True, err=True)
        request = pb.PromoteShadowRequest(revision=wanted, base_revision=base or found["base_revision"])
        answer = asked.call(stub(asked).PromoteShadow, request)
    if as_json:
        echo_json(
            {
                "path": answer.path,
                "previous_path": answer.previous_path,
                "revision": answer.revision,
                "problems": list(answer.problems),
            }
            | asked.told()
        )
        return
    echo(f"{answer.path} holds the candidate; what was there before is in {answer.previous_path}")
    if answer.problems:
        echo(f"the sidecar still uses revision {answer.revision[:16]}: {'; '.join(answer.problems)}")
    else:
        echo(f"revision {answer.revision[:16]} decides now")


def _print_status(found: dict[str, Any]) -> None:
    since = f" since {moment(found['loaded_at'])}" if found["loaded_at"] else ""
    echo(f"{style(found['state'], fg=_COLOURS.get(found['state']), bold=True)}{since}")
    modules = f" (modules {', '.join(found['modules'])})" if found["modules"] else ""
    echo(f"  candidate  {found['revision'][:16] or '-'}  {found['path']}{modules}")
    echo(f"  policy     {found['live_revision'][:16] or '-'}")
    if found["base_revision"] not in {"", found["live_revision"]}:
        echo(f"  the policy was {found['base_revision'][:16]} when the candidate was loaded, and has changed")
    if found["revision"] and found["revision"] == found["live_revision"]:
        echo("  the candidate is the policy that decides")
    echo(f"  {found['decided']:,} decisions, {found['changed']:,} of them otherwise")
    for change, count in found["changes"].items():
        echo(f"    {count:,} {change}")
    print_not_decided(found["not_decided"])
    for why, count in found["dropped"].items():
        echo(f"  {count:,} records dropped {_DROPPED.get(why, why)}")
    if found["unrecorded"]:
        echo(f"  {found['unrecorded']:,} differences without a record of their own")
    if found["failures"]:
        echo(f"  its process ended {found['failures']:,} times")
    for problem in found["problems"]:
        echo(f"  {style('problem', fg='red')}: {problem}")
