"""``tabard tasks``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from tabard_sidecar.cli.operator import Operator, operator, operator_option, watch_options
from tabard_sidecar.cli.options import json_option
from tabard_sidecar.cli.revoke import seconds
from tabard_sidecar.cli.terminal import echo_ascii_json, moment, visible

if TYPE_CHECKING:
    from tabard.authz.v1 import task_operator_service_pb2 as pb

_limit_option = click.option(
    "--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="How many tasks at most."
)
_COLOURS = {"live": "green"}


@click.group(invoke_without_command=True)
@_limit_option
@operator_option
@json_option
@click.pass_context
def tasks(ctx: click.Context, limit: int, address: str, as_json: bool) -> None:
    """Show the zone's tasks: a list (default), one task's tree, or what happens."""
    if ctx.invoked_subcommand is None:
        _list(limit, address, as_json=as_json)
        return
    for name in ctx.params:
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"write options after `{ctx.invoked_subcommand}`, not before it")


@tasks.command(name="list")
@_limit_option
@operator_option
@json_option
def list_(limit: int, address: str, as_json: bool) -> None:
    """List the tasks that haven't expired, newest first."""
    _list(limit, address, as_json=as_json)


@tasks.command()
@click.argument("task_id", metavar="TASK")
@operator_option
@json_option
def tree(task_id: str, address: str, as_json: bool) -> None:
    """Show one task: its person and purpose, what it did and spent, and every holder with its link.

    A holder and everything below it is ended with `tabard revoke link LINK`.
    """
    from tabard.authz.v1 import task_operator_service_pb2 as pb  # noqa: PLC0415 - gRPC takes a while to import
    from tabard.authz.v1 import task_operator_service_pb2_grpc as pb_grpc  # noqa: PLC0415

    with operator(address) as asked:
        stub = pb_grpc.TaskOperatorServiceStub(asked.channel)
        found = asked.call(stub.GetTaskTree, pb.GetTaskTreeRequest(task_id=task_id))
    if as_json:
        echo_ascii_json(describe_tree(found))
    else:
        _print_tree(found)


@tasks.command()
@_limit_option
@watch_options
@operator_option
@json_option
def watch(limit: int, interval: float, duration: float | None, address: str, as_json: bool) -> None:
    """Tell as it happens which tasks start, end, get labels and expire, and what is revoked.

    One line per event; with --json one JSON object per line.
    """
    from tabard_sidecar.cli.watching import follow  # noqa: PLC0415

    with operator(address) as asked:
        follow(asked, limit=limit, interval=interval, duration=duration, as_json=as_json)


def fetch(asked: Operator, limit: int) -> list[dict[str, Any]]:
    """Return the zone's tasks as ``--json`` prints them.

    Raises:
        Failure: nobody answered.
    """
    from tabard.authz.v1 import task_operator_service_pb2 as pb  # noqa: PLC0415
    from tabard.authz.v1 import task_operator_service_pb2_grpc as pb_grpc  # noqa: PLC0415

    stub = pb_grpc.TaskOperatorServiceStub(asked.channel)
    found = asked.call(stub.ListTasks, pb.ListTasksRequest(limit=limit))
    return [describe(task) for task in found.tasks]


def describe(task: pb.TaskOverview) -> dict[str, Any]:
    """Return a task as ``--json`` prints it; times are seconds since the epoch."""
    from tabard.authz.v1 import task_operator_service_pb2 as pb  # noqa: PLC0415

    state = pb.TaskOverviewState.Name(task.state).removeprefix("TASK_OVERVIEW_STATE_").lower()
    return {
        "task_id": task.task_id,
        "root_id": task.root_id,
        "state": state,
        "subject": {"issuer": task.subject.issuer, "id": task.subject.id},
        "workload": task.workload,
        "purpose": task.purpose,
        "started_at": seconds(task.start_time),
        "expires_at": seconds(task.expire_time),
        "labels": list(task.labels),
        "children": task.children,
    }


def describe_tree(found: pb.GetTaskTreeResponse) -> dict[str, Any]:
    """Return a task with everything below it as ``--json`` prints it."""
    return describe(found.task) | {
        "calls": found.calls,
        "spent": dict(sorted(found.spent.items())),
        "nodes": [
            {
                "link_id": node.link_id,
                "parent_id": node.parent_id,
                "depth": node.depth,
                "holder": node.holder,
                "sub_agent": node.sub_agent,
                "children": node.children,
                "ended": node.ended,
                "cut": node.cut,
            }
            for node in found.nodes
        ],
        "truncated": found.truncated,
    }


def summary(row: dict[str, Any]) -> str:
    """Return a task in one line for a terminal."""
    state = click.style(f"{row['state']:<15}", fg=_COLOURS.get(row["state"], "red"))
    labels = f"  [{visible(' '.join(row['labels']))}]" if row["labels"] else ""
    return (
        f"{row['task_id']}  {state}  {moment(row['started_at'])}  {visible(row['subject']['id'])}  "
        f'{visible(row["workload"])}  "{visible(row["purpose"])}"{labels}'
    )


def _list(limit: int, address: str, *, as_json: bool) -> None:
    with operator(address) as asked:
        rows = fetch(asked, limit)
    if as_json:
        echo_ascii_json({"tasks": rows})
        return
    for row in rows:
        click.echo(summary(row))
    if not rows:
        click.echo("no task is under way")


def _print_tree(found: pb.GetTaskTreeResponse) -> None:
    row = describe(found.task)
    click.echo(summary(row))
    click.echo(f"  issuer   {visible(row['subject']['issuer'])}")
    click.echo(f"  expires  {moment(row['expires_at'])}")
    click.echo(f"  calls    {found.calls} written down")
    for budget_id, amount in sorted(found.spent.items()):
        click.echo(f"  spent    {amount} of budget {budget_id[:12]}")
    for node in found.nodes:
        name = f' as "{visible(node.sub_agent)}"' if node.sub_agent else ""
        state = ""
        if node.ended:
            state = click.style("  ended", fg="red", bold=True)
        elif node.cut:
            state = click.style("  cut", fg="red")
        click.echo(f"{'  ' * (node.depth + 1)}{visible(node.holder)}{name}{state}")
        click.echo(f"{'  ' * (node.depth + 2)}link {node.link_id}")
    if found.truncated:
        click.echo(f"  … and more; only {len(found.nodes)} holders are shown")
