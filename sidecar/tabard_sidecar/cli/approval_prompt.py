"""Shows an approval on a terminal, with verified facts, signed words, policy's and the agent's words kept apart.

The agent's words may be meant to deceive, and policy's may quote them. They are shown in full, escaped, with a bar before
each row of the terminal, so that they can't hide a part or imitate other output.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tabard_sidecar.cli.failure import Failure
from tabard_sidecar.cli.framing import Screen, quoted, screen
from tabard_sidecar.cli.terminal import echo, echo_json, moment, style, visible
from tabard_sidecar.util.visible import visible_json

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp
    from tabard.authz.v1 import approval_service_pb2 as pb

_COLOURS = {"pending": "yellow", "approved": "green", "denied": "red"}
_WORDS = {"pending": "waits"}
_ALWAYS_ASSERTED = ("tool", "server", "arguments", "chain[].sub_agent")
_WHOLE = 1 << 30
_LISTED_CHARACTERS = 64
_AGENT_COLOUR, _POLICY_COLOUR, _SIGNED_COLOUR = "magenta", "blue", "cyan"


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


def summary(row: dict[str, Any], where: Screen) -> Iterator[str]:
    """Yield the few rows that name an approval in a list, each cut to the terminal's width."""
    status = style(f"{row['status']:<8}", fg=_COLOURS.get(row["status"]))
    yield f"{row['approval_id']}  {status}  until {moment(row['expires_at'])}"
    if not row["readable"]:
        yield "  can't be decrypted any more"
        return
    yield from where.own("person", quoted(row["subject"]["id"], _LISTED_CHARACTERS))
    yield where.cut("agent", f"tool {quoted(row['tool'])}", _AGENT_COLOUR)
    yield where.cut("policy", quoted(row["reason"]), _POLICY_COLOUR)


def print_prompt(row: dict[str, Any], *, err: bool = False) -> None:
    """Print a call in full.

    Raises:
        Failure: the terminal is too narrow.
    """
    for line in prompt_lines(row, screen(err=err)):
        echo(line, err=err)


def prompt_lines(row: dict[str, Any], where: Screen) -> Iterator[str]:
    """Yield the rows that show a call. They hold only visible characters."""
    status = style(_WORDS.get(row["status"], row["status"]), fg=_COLOURS.get(row["status"]), bold=True)
    yield f"Approval {row['approval_id']}: {status}, until {moment(row['expires_at'])}"
    if row["approver"]:
        yield from where.own("decided by", _person(row["approver"]))
    if not row["readable"]:
        yield "  The call can't be decrypted any more, so it can't be decided."
        return
    yield style("Verified by Tabard", bold=True)
    yield from where.own("person", _person(row["subject"]))
    yield from where.own("task", row["task_id"])
    yield from where.own("started by", visible(row["root_holder"], _WHOLE))
    for number, link in enumerate(row["chain"], 1):
        part = f", part {number}" if link["sub_agent"] else ""
        yield from where.own("handed to", visible(link["holder"], _WHOLE) + part)
    yield from where.own("asks now", visible(row["agent"], _WHOLE))
    yield from where.own("allows", f"{row['uses']} such call(s) within {row['ttl_seconds']:g} s")
    yield from _signed_lines(row, where)
    yield from _policy_lines(row, where)
    yield from _asserted_lines(row, where)


def _signed_lines(row: dict[str, Any], where: Screen) -> Iterator[str]:
    if row["intent_source"] != "signed":
        return
    yield style("Signed by the front end", bold=True) + ": what the person asked for"
    lines = [f"purpose   {quoted(row['purpose'])}", f"request   {quoted(row['statement'])}"]
    yield from where.foreign("signed", lines, _SIGNED_COLOUR)


def _policy_lines(row: dict[str, Any], where: Screen) -> Iterator[str]:
    yield style("Policy", bold=True) + ": its words may quote the agent"
    lines = [
        f"asks why  {quoted(row['reason'])}",
        f"rule      {quoted(row['module'] + '.' + row['code'])}",
        f"approvers {', '.join(map(quoted, row['approvers']))}",
    ]
    yield from where.foreign("policy", lines, _POLICY_COLOUR)


def _asserted_lines(row: dict[str, Any], where: Screen) -> Iterator[str]:
    yield (
        style("The agent's words", fg=_AGENT_COLOUR, bold=True)
        + ": not verified; the approval is for exactly this call"
    )
    yield from where.foreign("agent", _asserted(row), _AGENT_COLOUR)
    yield "  Here the agent's words end."


def _asserted(row: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of everything that the agent asserts, which may be long."""
    if row["intent_source"] != "signed":
        yield f"purpose   {quoted(row['purpose'])}"
        yield f"request   {quoted(row['statement'])}"
    for number, link in enumerate(row["chain"], 1):
        if link["sub_agent"]:
            yield f"part {number:<4} {quoted(link['sub_agent'])}"
    yield f"tool      {quoted(row['tool'])}"
    if row["server"]:
        yield f"server    {quoted(row['server'])}"
    if "arguments" in row:
        yield "arguments"
        for line in json.dumps(row["arguments"], indent=2, ensure_ascii=False).split("\n"):
            yield f"  {visible_json(line)}"


def follow(
    look: Callable[[], Iterable[pb.Approval]],
    told: Callable[[], dict[str, Any]],
    *,
    interval: float,
    duration: float | None,
    as_json: bool,
) -> None:
    """Print changes until interrupted, or for ``duration`` seconds. ``told`` says which sidecar answered.

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
                echo("waiting for the sidecar…", err=True)
            reachable = False
        else:
            for event, row in changes(known, fresh):
                _print_event(event, row | told(), as_json=as_json)
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
        echo_json({"time": round(now, 3), "event": event} | row, indent=None)
        return
    echo(f"{moment(now)}  {event}")
    for line in summary(row, screen()):
        echo(line)


def _person(named: dict[str, str]) -> str:
    return f"{quoted(named['id'])} of {visible(named['issuer'], _WHOLE)}"


def _seconds(message: Timestamp) -> float:
    return message.seconds + message.nanos / 1e9
