"""Decides about one call or a group of calls: shows it, asks, and sends the decision with the approver's token."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.approvals.grouping import is_group
from tabard_sidecar.operating.approval_calls import details, fetch_group, stub
from tabard_sidecar.operating.approval_group import digest, print_group
from tabard_sidecar.operating.approval_prompt import describe, print_prompt
from tabard_sidecar.operating.failure import Failure, error_page
from tabard_sidecar.operating.framing import quoted
from tabard_sidecar.operating.operator import Operator, operator
from tabard_sidecar.operating.options import read_text
from tabard_sidecar.operating.terminal import echo, echo_json, moment, style
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from tabard_sidecar.operating.reach import Target

TOKEN_VARIABLE = "TABARD_APPROVER_TOKEN"  # noqa: S105 - a variable's name
_MAX_TOKEN_BYTES = 64 * 1024
_STDIN = "-"


@dataclass(frozen=True, slots=True)
class Deciding:
    """How to decide.

    Attributes:
        approve: approve, else deny.
        denied: approvals of a group to deny although the others are approved.
        digest: of the calls of a group that may be decided about; empty if the person confirms what is shown.
        yes: without confirmation.
        as_json: print JSON.
    """

    approve: bool
    denied: tuple[str, ...] = ()
    digest: str = ""
    yes: bool = False
    as_json: bool = False


def decide(named: str, token_file: str, sidecar: Target, how: Deciding) -> int:
    """Decide about an approval or a group; return the exit code.

    Raises:
        Failure: it can't be decided.
        UsageError: options don't fit.
    """
    with operator(sidecar) as asked:
        if is_group(named):
            return _decide_group(asked, named, token_file, how)
        if how.denied or how.digest:
            raise click.UsageError("--deny and --digest belong to a group")
        return _decide_one(asked, named, token_file, how)


def _decide_one(asked: Operator, approval_id: str, token_file: str, how: Deciding) -> int:
    from tabard.authz.v1 import approval_service_pb2 as pb  # noqa: PLC0415

    shown = describe(details(asked, approval_id))
    if shown["status"] != "pending":
        raise _decided_before(shown)
    if not how.yes:
        print_prompt(shown, err=how.as_json)
        question = "Approve exactly this call?" if how.approve else "Deny this call?"
        if not _confirmed(question, from_stdin=token_file == _STDIN):
            echo("nothing was decided", err=how.as_json)
            return exit_codes.NEGATIVE
    request = pb.DecideApprovalRequest(
        approval_id=approval_id, approver_token=_token(token_file), approve=how.approve
    )
    decided = describe(asked.call(stub(asked).DecideApproval, request).approval)
    if how.yes:
        # Shown afterwards, so that a refusal comes first, and a script's log still holds the calls that it approved.
        print_prompt(shown, err=how.as_json)
    if how.as_json:
        echo_json(decided | asked.told())
    else:
        _tell([decided])
    return exit_codes.OK


def _decide_group(asked: Operator, group_id: str, token_file: str, how: Deciding) -> int:
    from tabard.authz.v1 import approval_service_pb2 as pb  # noqa: PLC0415

    rows = [describe(one) for one in fetch_group(asked, group_id)]
    ids = [row["approval_id"] for row in rows]
    _check(rows, ids, how)
    approved = [one for one in ids if how.approve and one not in how.denied]
    denied = [one for one in ids if one not in approved]
    if not how.yes:
        print_group(group_id, rows, err=how.as_json)
        if not _confirmed(_question(approved, denied), from_stdin=token_file == _STDIN):
            echo("nothing was decided", err=how.as_json)
            return exit_codes.NEGATIVE
    request = pb.DecideApprovalGroupRequest(
        group_id=group_id, approver_token=_token(token_file), approve_ids=approved, deny_ids=denied
    )
    answer = asked.call(stub(asked).DecideApprovalGroup, request)
    decided = [describe(one) for one in answer.approvals]
    if how.yes:
        print_group(group_id, rows, err=how.as_json)
    if how.as_json:
        echo_json({"group_id": group_id, "approvals": decided} | asked.told())
    else:
        _tell(decided)
    return exit_codes.OK


def _check(rows: Sequence[dict[str, Any]], ids: Sequence[str], how: Deciding) -> None:
    """Check that exactly the calls that a person has seen are decided about.

    Raises:
        Failure: other calls wait than those of the digest.
        UsageError: there is no digest, or a call isn't of the group.
    """
    strange = [one for one in how.denied if one not in ids]
    if strange:
        raise click.UsageError(f"--deny {strange[0]}: no such call of the group waits")
    if how.yes and not how.digest:
        raise click.UsageError(
            "look at the group with `show`, then add --digest with the digest that it prints"
        )
    if how.digest and how.digest != digest(rows):
        raise Failure(
            "approval_group_changed: other calls wait now than those that were shown; nothing was decided",
            exit_codes.NEGATIVE,
            next_step="Look at the group again with `tabard approvals show`.",
            see=error_page("approval_group_changed"),
        )


def _question(approved: Sequence[str], denied: Sequence[str]) -> str:
    if not approved:
        return f"Deny these {len(denied)} call(s)?"
    if not denied:
        return f"Approve exactly these {len(approved)} call(s)?"
    return f"Approve {len(approved)} of these calls and deny {len(denied)}?"


def _tell(decided: Sequence[dict[str, Any]]) -> None:
    """Say what was decided, one line for one call and for each verdict about a group."""
    for status, colour in (("approved", "green"), ("denied", "red")):
        rows = [row for row in decided if row["status"] == status]
        if not rows:
            continue
        by = quoted(rows[0]["approver"]["id"], 64) if rows[0]["approver"] else "?"
        line = f"{style(status, fg=colour, bold=True)} by {by}"
        if status == "approved":
            uses, ends = sum(row["uses"] for row in rows), min(row["expires_at"] for row in rows)
            line += f": {uses} call(s) until {moment(ends)}"
        elif len(decided) > 1:
            line += f": {len(rows)} call(s)"
        echo(line)


def _decided_before(shown: dict[str, Any]) -> Failure:
    by = f" by {quoted(shown['approver']['id'], 64)}" if shown["approver"] else ""
    return Failure(
        f"approval_decided: the call was {shown['status']}{by} before; nothing was decided now",
        exit_codes.NEGATIVE,
        next_step=f"`tabard approvals show {shown['approval_id']}` shows the call.",
        see=error_page("approval_decided"),
    )


def _confirmed(question: str, *, from_stdin: bool) -> bool:
    if from_stdin or not sys.stdin.isatty():
        raise click.UsageError("confirmation needs a terminal; look at the call with `show`, then add --yes")
    return click.confirm(question, default=False)


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
