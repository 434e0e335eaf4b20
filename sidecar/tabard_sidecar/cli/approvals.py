"""Implements ``tabard approvals``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.approval_prompt import describe, follow, print_prompt, summary
from tabard_sidecar.cli.completing import complete_agent, complete_approval, complete_person, complete_task
from tabard_sidecar.cli.failure import Failure, error_page
from tabard_sidecar.cli.framing import quoted, screen
from tabard_sidecar.cli.operator import Operator, operator, operator_option, watch_options
from tabard_sidecar.cli.options import Existing, json_option, read_text
from tabard_sidecar.cli.terminal import echo, echo_json, moment, style

if TYPE_CHECKING:
    from tabard.authz.v1 import approval_service_pb2 as pb
    from tabard.authz.v1 import approval_service_pb2_grpc as pb_grpc

    from tabard_sidecar.cli.reach import Target

TOKEN_VARIABLE = "TABARD_APPROVER_TOKEN"  # noqa: S105 - a variable's name
_MAX_TOKEN_BYTES = 64 * 1024
_STDIN = "-"
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
    for row in rows:
        for line in summary(row, where):
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
            lambda: _all(asked),
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
    """Show one call in full: person, agents, reason and every argument."""
    with operator(sidecar) as asked:
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
@click.pass_context
def approve(  # noqa: PLR0913 - one parameter per option
    ctx: click.Context,
    approval_id: str,
    *,
    token_file: Path | None,
    yes: bool,
    sidecar: Target,
    as_json: bool,
) -> None:
    """Approve exactly the call that is shown.

    Your token needs the audience approvals.audience, a fresh sign-in and a role that policy names.
    It is valid for one decision. Exit code 0 if the call is approved, 1 if you may not approve it
    or cancelled.
    """
    ctx.exit(_decide(approval_id, str(token_file or ""), sidecar, approve=True, yes=yes, as_json=as_json))


@approvals.command()
@_deciding
@click.pass_context
def deny(  # noqa: PLR0913 - one parameter per option
    ctx: click.Context,
    approval_id: str,
    *,
    token_file: Path | None,
    yes: bool,
    sidecar: Target,
    as_json: bool,
) -> None:
    """Deny a call. The same call stays denied for approvals.wait_seconds."""
    ctx.exit(_decide(approval_id, str(token_file or ""), sidecar, approve=False, yes=yes, as_json=as_json))


def fetch(asked: Operator, *, decided: bool, page: str = "", **filters: str) -> pb.ListApprovalsResponse:
    """Return a page of the pending approvals and, with ``decided``, of those that were decided.

    Raises:
        Failure: no sidecar answered.
    """
    from tabard.authz.v1 import approval_service_pb2 as pb  # noqa: PLC0415 - gRPC takes a while to import

    request = pb.ListApprovalsRequest(include_decided=decided, page_token=page, **filters)
    return asked.call(_stub(asked).ListApprovals, request)


def _all(asked: Operator) -> list[pb.Approval]:
    found = fetch(asked, decided=True)
    approvals = list(found.approvals)
    while found.next_page_token:
        found = fetch(asked, decided=True, page=found.next_page_token)
        approvals += found.approvals
    return approvals


def details(asked: Operator, approval_id: str) -> pb.Approval:
    """Return one call in full.

    Raises:
        Failure: there is no such approval, or no sidecar answered.
    """
    from tabard.authz.v1 import approval_service_pb2 as pb  # noqa: PLC0415

    request = pb.GetApprovalDetailsRequest(approval_id=approval_id)
    return asked.call(_stub(asked).GetApprovalDetails, request).approval


def _stub(asked: Operator) -> pb_grpc.ApprovalServiceStub:
    from tabard.authz.v1 import approval_service_pb2_grpc as pb_grpc  # noqa: PLC0415

    return pb_grpc.ApprovalServiceStub(asked.channel)


def _decide(  # noqa: PLR0913 - one parameter per option
    approval_id: str, token_file: str, sidecar: Target, *, approve: bool, yes: bool, as_json: bool
) -> int:
    from tabard.authz.v1 import approval_service_pb2 as pb  # noqa: PLC0415

    with operator(sidecar) as asked:
        shown = describe(details(asked, approval_id))
        if shown["status"] != "pending":
            raise _decided_before(shown)
        if not yes:
            print_prompt(shown, err=as_json)
            if not _confirmed(approve=approve, from_stdin=token_file == _STDIN):
                echo("nothing was decided", err=as_json)
                return exit_codes.NEGATIVE
        request = pb.DecideApprovalRequest(
            approval_id=approval_id, approver_token=_token(token_file), approve=approve
        )
        decided = describe(asked.call(_stub(asked).DecideApproval, request).approval)
    if yes:
        # Shown afterwards, so that a refusal comes first, and a script's log still holds the calls that it approved.
        print_prompt(shown, err=as_json)
    if as_json:
        echo_json(decided | asked.told())
        return exit_codes.OK
    by = quoted(decided["approver"]["id"], 64) if decided["approver"] else "?"
    if approve:
        echo(
            f"{style('approved', fg='green', bold=True)} by {by}: {decided['uses']} call(s) until "
            f"{moment(decided['expires_at'])}"
        )
    else:
        echo(f"{style('denied', fg='red', bold=True)} by {by}")
    return exit_codes.OK


def _decided_before(shown: dict[str, Any]) -> Failure:
    by = f" by {quoted(shown['approver']['id'], 64)}" if shown["approver"] else ""
    return Failure(
        f"approval_decided: the call was {shown['status']}{by} before; nothing was decided now",
        exit_codes.NEGATIVE,
        next_step=f"`tabard approvals show {shown['approval_id']}` shows the call.",
        see=error_page("approval_decided"),
    )


def _confirmed(*, approve: bool, from_stdin: bool) -> bool:
    if from_stdin or not sys.stdin.isatty():
        raise click.UsageError("confirmation needs a terminal; look at the call with `show`, then add --yes")
    return click.confirm("Approve exactly this call?" if approve else "Deny this call?", default=False)


def _token(token_file: str) -> str:
    """Return the approver's token. It is never taken from the command line, where other users could read it.

    Raises:
        Failure: there is none, or the file can't be read.
    """
    if token_file and token_file != _STDIN:
        token = read_text(Path(token_file), "the token", _MAX_TOKEN_BYTES)
    elif not token_file and os.environ.get(TOKEN_VARIABLE):
        token = os.environ[TOKEN_VARIABLE]
    elif sys.stdin.isatty():
        token = click.prompt("Your token", hide_input=True, err=True)
    else:
        token = sys.stdin.read(_MAX_TOKEN_BYTES)
    token = token.strip()
    if not token:
        raise Failure(
            "there is no approver's token",
            exit_codes.USAGE,
            next_step=f"Use --token-file FILE, ${TOKEN_VARIABLE} or standard input.",
        )
    return token
