"""Shows an approval on a terminal, with verified facts, policy's statements and the agent's assertions kept apart.

The agent's assertions may be meant to deceive. They are shown in full, escaped, with a bar before each line, so that they
can't hide a part or imitate other output.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar.cli.failure import Failure
from tabard_sidecar.cli.terminal import echo_ascii_json, hidden, moment, visible

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp
    from tabard.authz.v1 import approval_service_pb2 as pb

_COLOURS = {"pending": "yellow", "approved": "green", "denied": "red"}
_WORDS = {"pending": "waits"}
_ALWAYS_ASSERTED = ("tool", "server", "arguments", "chain[].sub_agent")
_WHOLE = 1 << 30
_BEYOND_BMP = 0x10000


def describe(approval: pb.Approval) -> dict[str, Any]:
    """Return an approval as ``--json`` prints it; times are seconds since the epoch.

    ``asserted`` names the fields that the agent asserts.
    """
    from tabard.authz.v1 import types_pb2  # noqa: PLC0415 - gRPC takes a while to import

    signed = approval.intent_source == types_pb2.INTENT_SOURCE_SIGNED
    row: dict[str, Any] = {
        "approval_id": approval.approval_id,
        "task_id": approval.task_id,
        "status": types_pb2.ApprovalStatus.Name(approval.status).removeprefix("APPROVAL_STATUS_").lower(),
        "created_at": _seconds(approval.create_time),
        "expires_at": _seconds(approval.expire_time),
        "module": approval.module,
        "code": approval.code,
        "uses": approval.uses,
        "approver": None,
        "readable": not approval.unreadable,
    }
    if approval.HasField("approver"):
        row["approver"] = {"issuer": approval.approver.issuer, "id": approval.approver.id}
        row["decided_at"] = _seconds(approval.decide_time)
    if approval.unreadable:
        return row
    row |= {
        "subject": {"issuer": approval.subject.issuer, "id": approval.subject.id},
        "intent_source": "signed" if signed else "asserted",
        "purpose": approval.purpose,
        "statement": approval.statement,
        "root_holder": approval.root_holder,
        "chain": [{"holder": link.holder, "sub_agent": link.sub_agent} for link in approval.chain],
        "agent": approval.agent,
        "tool": approval.tool,
        "server": approval.server,
        "reason": approval.reason,
        "approvers": list(approval.approvers),
        "ttl_seconds": approval.ttl.seconds + approval.ttl.nanos / 1e9,
        "asserted": [*_ALWAYS_ASSERTED, *(() if signed else ("purpose", "statement"))],
    }
    if approval.arguments_json:
        row["arguments"] = json.loads(approval.arguments_json)
    return row


def summary(row: dict[str, Any]) -> str:
    """Return an approval in one line for a terminal."""
    status = click.style(f"{row['status']:<8}", fg=_COLOURS.get(row["status"]))
    head = f"{row['approval_id']}  {status}  until {moment(row['expires_at'])}"
    if not row["readable"]:
        return f"{head}  can't be decrypted any more"
    return f"{head}  {visible(row['subject']['id'])}  tool {_quoted(row['tool'], 64)}  {visible(row['reason'], 120)}"


def print_prompt(row: dict[str, Any], *, err: bool = False) -> None:
    """Print a call in full."""
    for line in prompt_lines(row):
        click.echo(line, err=err)


def prompt_lines(row: dict[str, Any]) -> Iterator[str]:
    """Yield the lines that show a call. They hold only visible characters."""
    status = click.style(_WORDS.get(row["status"], row["status"]), fg=_COLOURS.get(row["status"]), bold=True)
    yield f"Approval {row['approval_id']}: {status}, until {moment(row['expires_at'])}"
    if row["approver"]:
        yield _row("decided by", f"{visible(row['approver']['id'])} of {visible(row['approver']['issuer'])}")
    if not row["readable"]:
        yield "  The call can't be decrypted any more, so it can't be decided."
        return
    signed = row["intent_source"] == "signed"
    yield click.style("Verified by Tabard", bold=True)
    yield _row("person", f"{visible(row['subject']['id'])} of {visible(row['subject']['issuer'])}")
    yield _row("task", row["task_id"])
    if signed:
        yield _row("purpose", f"{_quoted(row['purpose'])}, signed by the front end")
        yield _row("request", f"{_quoted(row['statement'])}, signed by the front end")
    yield _row("started by", visible(row["root_holder"], _WHOLE))
    for link in row["chain"]:
        name = f", which calls its part {_quoted(link['sub_agent'])}" if link["sub_agent"] else ""
        yield _row("handed to", visible(link["holder"], _WHOLE) + name)
    yield _row("asks now", visible(row["agent"], _WHOLE))
    yield click.style("Policy", bold=True)
    yield _row("asks why", visible(row["reason"], _WHOLE))
    yield _row("rule", f"{visible(row['module'])}.{visible(row['code'])}")
    yield _row("approvers", ", ".join(visible(role) for role in row["approvers"]))
    yield _row("allows", f"{row['uses']} such call(s) within {row['ttl_seconds']:g} s")
    yield from _asserted_lines(row, signed=signed)


def _asserted_lines(row: dict[str, Any], *, signed: bool) -> Iterator[str]:
    bar = click.style("  agent ▏", fg="magenta")
    yield (
        click.style("The agent's words", fg="magenta", bold=True)
        + ": not verified; the approval is for exactly this call"
    )
    if not signed:
        yield f"{bar} purpose   {_quoted(row['purpose'])}"
        yield f"{bar} request   {_quoted(row['statement'])}"
    yield f"{bar} tool      {_quoted(row['tool'])}"
    if row["server"]:
        yield f"{bar} server    {_quoted(row['server'])}"
    if "arguments" in row:
        yield f"{bar} arguments"
        for line in json.dumps(row["arguments"], indent=2, ensure_ascii=False).split("\n"):
            yield f"{bar}   {_escaped_json(line)}"
    yield "  Here the agent's words end."


def follow(
    look: Callable[[], Iterable[pb.Approval]],
    *,
    interval: float,
    duration: float | None,
    as_json: bool,
) -> None:
    """Print changes until interrupted, or for ``duration`` seconds.

    If the sidecar becomes unreachable after the first poll, keeps polling until it is back.

    Raises:
        Failure: the first poll failed.
    """
    until = None if duration is None else time.monotonic() + duration
    known: dict[str, dict[str, Any]] = {}
    reachable = first = True
    while True:
        try:
            fresh = {approval.approval_id: describe(approval) for approval in look()}
        except Failure as failure:
            if first:
                raise
            if reachable:
                failure.show()
                click.echo("waiting for the sidecar…", err=True)
            reachable = False
        else:
            for event, row in changes(known, fresh):
                _print_event(event, row, as_json=as_json)
            known, reachable = fresh, True
        first = False
        if until is not None and time.monotonic() >= until:
            return
        time.sleep(interval if until is None else max(0.0, min(interval, until - time.monotonic())))


def changes(
    before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the changes of approvals between two polls, as event and approval."""
    for approval_id, row in after.items():
        old = before.get(approval_id)
        if old is None or old["status"] != row["status"]:
            yield _WORDS.get(row["status"], row["status"]), row
    for approval_id, row in before.items():
        if approval_id not in after and row["status"] == "pending":
            yield "expired", row


def _print_event(event: str, row: dict[str, Any], *, as_json: bool) -> None:
    now = time.time()
    if as_json:
        echo_ascii_json({"time": round(now, 3), "event": event} | row, indent=None)
    else:
        click.echo(f"{moment(now)}  {event:<8}  {summary(row)}")


def _row(name: str, text: str) -> str:
    return f"  {name:<10} {text}"


def _quoted(text: str, most: int = _WHOLE) -> str:
    """Return asserted text as one JSON string, so that its beginning and end are visible."""
    shown = text if len(text) <= most else f"{text[:most]}…"
    return _escaped_json(json.dumps(shown, ensure_ascii=False))


def _escaped_json(text: str) -> str:
    """Escape characters that aren't visible in one line of JSON, which stays equivalent."""
    return "".join(_escape(character) if hidden(character) else character for character in text)


def _escape(character: str) -> str:
    point = ord(character)
    if point < _BEYOND_BMP:
        return f"\\u{point:04x}"
    point -= _BEYOND_BMP
    return f"\\u{0xD800 + (point >> 10):04x}\\u{0xDC00 + (point & 0x3FF):04x}"


def _seconds(message: Timestamp) -> float:
    return message.seconds + message.nanos / 1e9
