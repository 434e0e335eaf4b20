"""Implements ``tabard approvals``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from tabard_sidecar.approvals.grouping import is_group
from tabard_sidecar.cli.approval_deciding import TOKEN_VARIABLE, Deciding, decide
from tabard_sidecar.cli.approval_events import follow
from tabard_sidecar.operating.approval_calls import details, fetch, fetch_all, fetch_group
from tabard_sidecar.operating.approval_group import by_group, describe_group, group_summary, print_group
from tabard_sidecar.operating.approval_prompt import describe, print_prompt
from tabard_sidecar.operating.completing import (
    complete_agent,
    complete_approval,
    complete_person,
    complete_task,
)
from tabard_sidecar.operating.framing import screen
from tabard_sidecar.operating.operator import operator, operator_option, watch_options
from tabard_sidecar.operating.options import Existing, json_option
from tabard_sidecar.operating.terminal import echo, echo_json

if TYPE_CHECKING:
    from tabard_sidecar.operating.reach import Target

_Command = TypeVar("_Command", bound=Callable[..., object])

_decided_option = click.option(
    "--all", "decided", is_flag=True, help="Also decided approvals that haven't expired."
)


@click.group()
def approvals() -> None:
    """Show the calls that wait for a person, and approve or deny them."""


@approvals.command(name="list")
@_decided_option
@click.option(
    "--task",
    "task_id",
    default="",
    shell_complete=complete_task,
    metavar="TASK",
    help="Only calls of this task.",
)
@click.option(
    "--person",
    default="",
    shell_complete=complete_person,
    metavar="ID",
    help="Only calls for the person with this id.",
)
@click.option(
    "--agent",
    default="",
    shell_complete=complete_agent,
    metavar="SPIFFE_ID",
    help="Only calls for which this workload asks.",
)
@click.option("--page", default="", metavar="TOKEN", help="The next page, as the page before names it.")
@operator_option
@json_option
def list_(  # noqa: PLR0913 - one parameter per option
    *, decided: bool, task_id: str, person: str, agent: str, page: str, sidecar: Target, as_json: bool
) -> None:
    """List the waiting calls.

    Workloads, their people and their tasks take turns, so that none hides the others. Within a task the
    oldest call comes first.
    """
    filters = {"task_id": task_id, "subject_id": person, "agent": agent}
    with operator(sidecar) as asked:
        found = fetch(asked, decided=decided, page=page, **filters)
    rows = [describe(approval) for approval in found.approvals]
    if as_json:
        more = {"total": found.total_size, "next_page": found.next_page_token}
        echo_json({"approvals": rows, "truncated": found.truncated} | more | asked.told())
        return
    where = screen()
    for group in by_group(rows):
        for line in group_summary(group, where):
            echo(line)
    if found.truncated:
        echo(f"… {len(rows)} of {found.total_size}; go on with --page {found.next_page_token}")
    if not rows:
        echo("nothing waits")


@approvals.command()
@watch_options
@operator_option
@json_option
def watch(interval: float, duration: float | None, sidecar: Target, as_json: bool) -> None:
    """Show approvals as they are requested, approved, denied and expire.

    One line per event; with --json one JSON object per line.
    """
    with operator(sidecar) as asked:
        follow(
            lambda: fetch_all(asked),
            asked.told,
            interval=interval,
            duration=duration,
            as_json=as_json,
        )


@approvals.command()
@click.argument("approval_id", metavar="APPROVAL", shell_complete=complete_approval)
@operator_option
@json_option
def show(approval_id: str, sidecar: Target, as_json: bool) -> None:
    """Show one call in full: person, agents, reason and every argument.

    APPROVAL is the id of an approval, or of a group: then all its calls are shown as one list, and its
    digest, which `approve --yes` and `deny --yes` take.
    """
    with operator(sidecar) as asked:
        if is_group(approval_id):
            rows = [describe(one) for one in fetch_group(asked, approval_id, decided=True)]
            if as_json:
                echo_json(describe_group(approval_id, rows) | asked.told())
            else:
                print_group(approval_id, rows)
            return
        found = details(asked, approval_id)
    if as_json:
        echo_json(describe(found) | asked.told())
    else:
        print_prompt(describe(found))


def _deciding(command: _Command) -> _Command:
    options = (
        json_option,
        operator_option,
        click.option("--yes", is_flag=True, help="Decide without confirmation."),
        click.option(
            "--digest",
            default="",
            metavar="DIGEST",
            help="Decide about a group only if these calls wait: the digest that `show` prints. Required with --yes.",
        ),
        click.option(
            "--token-file",
            type=Existing(allow_dash=True),
            metavar="FILE",
            help=f"File with your token, - for standard input. Default: ${TOKEN_VARIABLE}, else a prompt.",
        ),
    )
    for option in options:
        command = option(command)
    return click.argument("approval_id", metavar="APPROVAL", shell_complete=complete_approval)(command)


@approvals.command()
@_deciding
@click.option(
    "--deny",
    "denied",
    multiple=True,
    shell_complete=complete_approval,
    metavar="APPROVAL",
    help="Of a group: deny this call and approve the others. Can be repeated.",
)
@click.pass_context
def approve(  # noqa: PLR0913 - one parameter per option
    ctx: click.Context,
    approval_id: str,
    *,
    denied: tuple[str, ...],
    digest: str,
    token_file: Path | None,
    yes: bool,
    sidecar: Target,
    as_json: bool,
) -> None:
    """Approve exactly the call, or exactly the calls of the group, that are shown.

    Your token needs the audience approvals.audience, a fresh sign-in and a role that policy names.
    It is valid for one decision. Exit code 0 if the call is approved, 1 if you may not approve it
    or cancelled.
    """
    how = Deciding(approve=True, denied=denied, digest=digest, yes=yes, as_json=as_json)
    ctx.exit(decide(approval_id, str(token_file or ""), sidecar, how))


@approvals.command()
@_deciding
@click.pass_context
def deny(  # noqa: PLR0913 - one parameter per option
    ctx: click.Context,
    approval_id: str,
    *,
    digest: str,
    token_file: Path | None,
    yes: bool,
    sidecar: Target,
    as_json: bool,
) -> None:
    """Deny a call, or all calls of a group. The same call stays denied for approvals.wait_seconds."""
    how = Deciding(approve=False, digest=digest, yes=yes, as_json=as_json)
    ctx.exit(decide(approval_id, str(token_file or ""), sidecar, how))
