"""Implements ``tabard tasks``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click
from click.core import ParameterSource

from tabard_sidecar.cli.task_view import summary, tree_lines
from tabard_sidecar.operating.completing import complete_agent, complete_person, complete_task
from tabard_sidecar.operating.framing import screen
from tabard_sidecar.operating.leases import fetch as fetch_leases
from tabard_sidecar.operating.operator import operator, operator_option, watch_options
from tabard_sidecar.operating.options import json_option
from tabard_sidecar.operating.tasks import describe_tree, fetch
from tabard_sidecar.operating.terminal import echo, echo_json

if TYPE_CHECKING:
    from tabard_sidecar.operating.reach import Target

_MOST = 1000
_FIELDS = {"person": "subject_id", "agent": "workload", "label": "label"}
_Command = TypeVar("_Command", bound=Callable[..., object])
_limit_option = click.option(
    "--limit", type=click.IntRange(1, _MOST), default=100, show_default=True, help="Most tasks to list."
)


def _filters(command: _Command) -> _Command:
    options = (
        click.option("--label", default="", metavar="LABEL", help="Only tasks with this label."),
        click.option(
            "--agent",
            default="",
            shell_complete=complete_agent,
            metavar="SPIFFE_ID",
            help="Only tasks that this workload started.",
        ),
        click.option(
            "--person",
            default="",
            shell_complete=complete_person,
            metavar="ID",
            help="Only tasks of the person with this id.",
        ),
    )
    for option in options:
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@_limit_option
@_filters
@operator_option
@json_option
@click.pass_context
def tasks(ctx: click.Context, /, limit: int, sidecar: Target, as_json: bool, **wanted: str) -> None:
    """Show the zone's tasks: a list (default), one task's tree, or events."""
    if ctx.invoked_subcommand is None:
        _list(limit, sidecar, wanted, as_json=as_json)
        return
    for option in ctx.command.params:
        if option.name and ctx.get_parameter_source(option.name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"write options after `{ctx.invoked_subcommand}`, not before it")


@tasks.command(name="list")
@_limit_option
@_filters
@operator_option
@json_option
def list_(limit: int, sidecar: Target, as_json: bool, **wanted: str) -> None:
    """List the tasks that haven't expired, newest first.

    With --person, --agent or --label only those; the sidecar searches all tasks of the zone.
    """
    _list(limit, sidecar, wanted, as_json=as_json)


@tasks.command()
@click.argument("task_id", metavar="TASK", shell_complete=complete_task)
@operator_option
@json_option
def tree(task_id: str, sidecar: Target, as_json: bool) -> None:
    """Show one task: its person and purpose, its calls, budgets and facts, and every holder with its link and leases.

    `tabard revoke link LINK` ends a holder and everything below it, `tabard leases revoke CREDENTIAL` one lease.
    """
    from tabard.authz.v1 import task_operator_service_pb2 as pb  # noqa: PLC0415 - gRPC takes a while to import
    from tabard.authz.v1 import task_operator_service_pb2_grpc as pb_grpc  # noqa: PLC0415

    with operator(sidecar) as asked:
        stub = pb_grpc.TaskOperatorServiceStub(asked.channel)
        found = asked.call(stub.GetTaskTree, pb.GetTaskTreeRequest(task_id=task_id))
        leases = fetch_leases(asked, _MOST, task_id=found.task.task_id)
    if as_json:
        echo_json(describe_tree(found) | {"leases": leases} | asked.told())
    else:
        for line in tree_lines(found, screen(scripts=True), leases=leases):
            echo(line)


@tasks.command()
@_limit_option
@watch_options
@operator_option
@json_option
def watch(limit: int, interval: float, duration: float | None, sidecar: Target, as_json: bool) -> None:
    """Show events: tasks that start, end, get labels and expire, and revocations.

    One line per event; with --json one JSON object per line.
    """
    from tabard_sidecar.cli.watching import follow  # noqa: PLC0415

    with operator(sidecar) as asked:
        follow(asked, limit=limit, interval=interval, duration=duration, as_json=as_json)


def _list(limit: int, sidecar: Target, wanted: dict[str, str], *, as_json: bool) -> None:
    filters = {name: text for name, text in wanted.items() if text}
    with operator(sidecar) as asked:
        rows = fetch(asked, limit, **{_FIELDS[name]: text for name, text in filters.items()})
    if as_json:
        echo_json({"tasks": rows} | asked.told())
        return
    where = screen(scripts=True)
    for row in rows:
        for line in summary(row, where):
            echo(line)
    if not rows:
        echo("no such task is running" if filters else "no task is running")
