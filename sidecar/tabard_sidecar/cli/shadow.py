"""Implements ``tabard shadow``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.failure import Failure
from tabard_sidecar.cli.operator import Operator, operator, operator_option
from tabard_sidecar.cli.options import json_option
from tabard_sidecar.cli.replay_view import print_changes, print_not_decided
from tabard_sidecar.cli.revoke import seconds
from tabard_sidecar.cli.terminal import echo, echo_json, moment, style

if TYPE_CHECKING:
    from tabard.authz.v1 import shadow_service_pb2 as pb
    from tabard.authz.v1 import shadow_service_pb2_grpc as pb_grpc

    from tabard_sidecar.cli.reach import Target

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
        answer = asked.call(_stub(asked).PromoteShadow, request)
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


def _stub(asked: Operator) -> pb_grpc.ShadowServiceStub:
    from tabard.authz.v1 import shadow_service_pb2_grpc as pb_grpc  # noqa: PLC0415

    return pb_grpc.ShadowServiceStub(asked.channel)


def fetch_status(asked: Operator) -> dict[str, Any]:
    """Return how the candidate fares, as ``--json`` prints it; times are seconds since the epoch.

    Raises:
        Failure: no sidecar answered, or it has no candidate.
    """
    from tabard.authz.v1 import shadow_service_pb2 as pb  # noqa: PLC0415

    found = asked.call(_stub(asked).GetShadow, pb.GetShadowRequest())
    return {
        "state": pb.ShadowState.Name(found.state).removeprefix("SHADOW_STATE_").lower(),
        "path": found.path,
        "modules": list(found.modules),
        "revision": found.revision,
        "live_revision": found.live_revision,
        "base_revision": found.base_revision,
        "loaded_at": seconds(found.load_time) if found.HasField("load_time") else None,
        "decided": found.decided,
        "changed": found.changed,
        "changes": dict(sorted(found.changes.items())),
        "not_decided": dict(sorted(found.not_decided.items())),
        "unrecorded": found.unrecorded,
        "dropped": dict(sorted(found.dropped.items())),
        "waiting": found.waiting,
        "failures": found.failures,
        "problems": list(found.problems),
    }


def fetch_changes(asked: Operator, limit: int) -> dict[str, Any]:
    """Return what the candidate would have decided otherwise, in at most ``limit`` groups, as ``--json`` prints it.

    Raises:
        Failure: no sidecar answered, or the candidate doesn't run.
    """
    from tabard.authz.v1 import shadow_service_pb2 as pb  # noqa: PLC0415 - gRPC takes a while to import

    return _changes(asked.call(_stub(asked).ListShadowChanges, pb.ListShadowChangesRequest(limit=limit)))


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


def _changes(answer: pb.ListShadowChangesResponse) -> dict[str, Any]:
    """Return changes as ``tabard replay --json`` prints them."""
    return {
        "decided": answer.decided,
        "changed": answer.changed,
        "revision": answer.revision,
        "effects": [{"before": one.before, "now": one.now, "count": one.count} for one in answer.effects],
        "not_decided": dict(sorted(answer.not_decided.items())),
        "groups": [
            {
                "change": group.change,
                "agent": group.agent,
                "tool": group.tool,
                "rules": list(group.rules),
                "count": group.count,
                "by_state": group.by_state,
                "examples": [_example(one) for one in group.examples],
            }
            for group in answer.groups
        ],
        "more_groups": answer.more_groups,
    }


def _example(one: pb.ShadowExample) -> dict[str, Any]:
    return {
        "timestamp": one.timestamp,
        "decision_id": one.decision_id,
        "task_id": one.task_id,
        "operation": one.operation,
        "person": one.person,
        "carried": one.by_state,
        "before": json.loads(one.before_json),
        "now": json.loads(one.now_json),
    }
