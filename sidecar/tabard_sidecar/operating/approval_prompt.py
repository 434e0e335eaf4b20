"""Shows an approval on a terminal, with verified facts, signed words, policy's and the agent's words kept apart.

The agent's words may be meant to deceive, and policy's may quote them. They are shown in full, escaped, with a bar before
each row of the terminal, so that they can't hide a part or imitate other output.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tabard_sidecar.operating.framing import Screen, quoted, screen
from tabard_sidecar.operating.terminal import echo, moment, style, visible
from tabard_sidecar.util.visible import visible_json

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp
    from tabard.authz.v1 import approval_service_pb2 as pb

COLOURS = {"pending": "yellow", "approved": "green", "denied": "red"}
WORDS = {"pending": "waits"}
_ALWAYS_ASSERTED = ("tool", "server", "arguments", "chain[].sub_agent")
_WHOLE = 1 << 30
LISTED_CHARACTERS = 64
AGENT_COLOUR, POLICY_COLOUR, SIGNED_COLOUR = "magenta", "blue", "cyan"


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
        "group_id": approval.group_id,
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
    status = style(f"{row['status']:<8}", fg=COLOURS.get(row["status"]))
    yield f"{row['approval_id']}  {status}  until {moment(row['expires_at'])}"
    if not row["readable"]:
        yield "  can't be decrypted any more"
        return
    yield from where.own("person", quoted(row["subject"]["id"], LISTED_CHARACTERS))
    yield where.cut("agent", f"tool {quoted(row['tool'])}", AGENT_COLOUR)
    yield where.cut("policy", quoted(row["reason"]), POLICY_COLOUR)


def print_prompt(row: dict[str, Any], *, err: bool = False) -> None:
    """Print a call in full.

    Raises:
        Failure: the terminal is too narrow.
    """
    for line in prompt_lines(row, screen(err=err)):
        echo(line, err=err)


def prompt_lines(row: dict[str, Any], where: Screen) -> Iterator[str]:
    """Yield the rows that show a call. They hold only visible characters."""
    status = style(WORDS.get(row["status"], row["status"]), fg=COLOURS.get(row["status"]), bold=True)
    yield f"Approval {row['approval_id']}: {status}, until {moment(row['expires_at'])}"
    if row["approver"]:
        yield from where.own("decided by", person(row["approver"]))
    if not row["readable"]:
        yield "  The call can't be decrypted any more, so it can't be decided."
        return
    yield from verified_lines(row, where)
    yield from where.own("allows", allows(row))
    yield from signed_lines(row, where)
    yield from _policy_lines(row, where)
    yield from _asserted_lines(row, where)


def allows(row: dict[str, Any]) -> str:
    """Return what an approval allows."""
    return f"{row['uses']} such call(s) within {row['ttl_seconds']:g} s"


def verified_lines(row: dict[str, Any], where: Screen) -> Iterator[str]:
    """Yield the rows about the task and who asks, which the sidecar has verified."""
    yield style("Verified by Tabard", bold=True)
    yield from where.own("person", person(row["subject"]))
    yield from where.own("task", row["task_id"])
    yield from where.own("started by", visible(row["root_holder"], _WHOLE))
    for number, link in enumerate(row["chain"], 1):
        part = f", part {number}" if link["sub_agent"] else ""
        yield from where.own("handed to", visible(link["holder"], _WHOLE) + part)
    yield from where.own("asks now", visible(row["agent"], _WHOLE))


def signed_lines(row: dict[str, Any], where: Screen) -> Iterator[str]:
    """Yield the rows with what the front end signed, if it did."""
    if row["intent_source"] != "signed":
        return
    yield style("Signed by the front end", bold=True) + ": what the person asked for"
    lines = [f"purpose   {quoted(row['purpose'])}", f"request   {quoted(row['statement'])}"]
    yield from where.foreign("signed", lines, SIGNED_COLOUR)


def _policy_lines(row: dict[str, Any], where: Screen) -> Iterator[str]:
    yield style("Policy", bold=True) + ": its words may quote the agent"
    lines = [
        f"asks why  {quoted(row['reason'])}",
        f"rule      {quoted(row['module'] + '.' + row['code'])}",
        f"approvers {', '.join(map(quoted, row['approvers']))}",
    ]
    yield from where.foreign("policy", lines, POLICY_COLOUR)


def _asserted_lines(row: dict[str, Any], where: Screen) -> Iterator[str]:
    yield (
        style("The agent's words", fg=AGENT_COLOUR, bold=True)
        + ": not verified; the approval is for exactly this call"
    )
    yield from where.foreign("agent", _asserted(row), AGENT_COLOUR)
    yield "  Here the agent's words end."


def _asserted(row: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of everything that the agent asserts, which may be long."""
    yield from asserted_task(row)
    yield f"tool      {quoted(row['tool'])}"
    if row["server"]:
        yield f"server    {quoted(row['server'])}"
    if "arguments" in row:
        yield "arguments"
        yield from json_lines(row["arguments"])


def asserted_task(row: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of what the agent asserts about its task."""
    if row["intent_source"] != "signed":
        yield f"purpose   {quoted(row['purpose'])}"
        yield f"request   {quoted(row['statement'])}"
    for number, link in enumerate(row["chain"], 1):
        if link["sub_agent"]:
            yield f"part {number:<4} {quoted(link['sub_agent'])}"


def json_lines(value: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of arguments."""
    for line in json.dumps(value, indent=2, ensure_ascii=False).split("\n"):
        yield f"  {visible_json(line)}"


def person(named: dict[str, str]) -> str:
    """Return a person, by id and issuer."""
    return f"{quoted(named['id'])} of {visible(named['issuer'], _WHOLE)}"


def _seconds(message: Timestamp) -> float:
    return message.seconds + message.nanos / 1e9
