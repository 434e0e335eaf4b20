"""Implements ``tabard revoke``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.completing import (
    complete_agent,
    complete_lease,
    complete_link,
    complete_person,
    complete_task,
)
from tabard_sidecar.operating.framing import Screen, quoted, screen
from tabard_sidecar.operating.operator import operator, operator_option
from tabard_sidecar.operating.options import json_option
from tabard_sidecar.operating.revocations import KINDS, describe
from tabard_sidecar.operating.terminal import Duration, echo, echo_json, moment, style, visible

if TYPE_CHECKING:
    from tabard_sidecar.operating.reach import Target

_Command = TypeVar("_Command", bound=Callable[..., object])
_ORIGINS = {"holder": "its holder", "sidecar": "a sidecar that noticed a loss of data"}

_reason_option = click.option("--reason", default="", help="Why, for the log and `tabard revoke list`.")
_ttl_option = click.option(
    "--ttl", type=Duration(), help="For how long: 90s, 15m, 8h, 7d. Default: see above."
)
_issuer_option = click.option(
    "--issuer",
    required=True,
    metavar="URL",
    help="Issuer of the person, as in identity.issuers; `tabard tasks tree TASK` shows it.",
)


def _revoking(command: _Command) -> _Command:
    for option in (json_option, operator_option, _reason_option):
        command = option(command)
    return command


@click.group()
def revoke() -> None:
    """Revoke access at once, on every sidecar of the zone."""


@revoke.command()
@click.argument("task_id", metavar="TASK", shell_complete=complete_task)
@_revoking
def task(task_id: str, *, reason: str, sidecar: Target, as_json: bool) -> None:
    """Revoke a whole task, permanently."""
    revoke_target(sidecar, as_json=as_json, reason=reason, task_id=task_id)


@revoke.command()
@click.argument("link_id", metavar="LINK", shell_complete=complete_link)
@_revoking
def link(link_id: str, *, reason: str, sidecar: Target, as_json: bool) -> None:
    """Revoke one holder of a task and everything below it, permanently.

    `tabard tasks tree TASK` shows the links of a task.
    """
    revoke_target(sidecar, as_json=as_json, reason=reason, link_id=link_id)


@revoke.command()
@click.argument("agent_id", metavar="SPIFFE_ID", shell_complete=complete_agent)
@_ttl_option
@_revoking
def agent(agent_id: str, *, ttl: float | None, reason: str, sidecar: Target, as_json: bool) -> None:
    """Revoke a workload: every chain that it is part of, and new tasks.

    The revocation lasts until it is lifted or --ttl has passed.
    """
    revoke_target(sidecar, as_json=as_json, reason=reason, ttl=ttl, agent_id=agent_id)


@revoke.command()
@click.argument("subject_id", metavar="ID", shell_complete=complete_person)
@_issuer_option
@_ttl_option
@_revoking
def subject(  # noqa: PLR0913 - one parameter per option
    subject_id: str, *, issuer: str, ttl: float | None, reason: str, sidecar: Target, as_json: bool
) -> None:
    """Revoke a person: tasks started and tokens issued until now.

    After signing in again the person can start new tasks.

    Remembered for revocation.subject_retention_seconds, or --ttl.
    """
    revoke_target(sidecar, as_json=as_json, reason=reason, ttl=ttl, subject=(issuer, subject_id))


@revoke.command()
@click.argument("credential_id", metavar="ID", shell_complete=complete_lease)
@_revoking
def credential(credential_id: str, *, reason: str, sidecar: Target, as_json: bool) -> None:
    """Revoke one credential by its id (jti), with all of its renewals.

    Introspection reports it as inactive, and with it every credential that it was renewed to or
    renewed itself; none of them can be renewed. The holder may still authorize the call again.
    Backends that don't introspect accept them until they expire. A credential that another system
    issued is ended there.
    """
    revoke_target(sidecar, as_json=as_json, reason=reason, credential_id=credential_id)


@revoke.command(name="list")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Only this kind. Repeatable.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Most revocations to list."
)
@click.option(
    "--all",
    "by_holders",
    is_flag=True,
    help="Also what holders ended or revoked themselves, if it is recent.",
)
@operator_option
@json_option
def list_(kinds: tuple[str, ...], limit: int, *, by_holders: bool, sidecar: Target, as_json: bool) -> None:
    """List the revocations in force, newest first. A task appears as the link of its root."""
    from tabard.authz.v1 import revocation_service_pb2 as pb  # noqa: PLC0415 - gRPC takes a while to import
    from tabard.authz.v1 import revocation_service_pb2_grpc as pb_grpc  # noqa: PLC0415

    wanted = [pb.RevocationKind.Value(f"REVOCATION_KIND_{kind.upper()}") for kind in kinds]
    with operator(sidecar) as asked:
        stub = pb_grpc.RevocationServiceStub(asked.channel)
        request = pb.ListRevocationsRequest(kinds=wanted, limit=limit, by_holders=by_holders)
        found = asked.call(stub.ListRevocations, request)
    rows = [describe(entry) for entry in found.revocations]
    if as_json:
        echo_json({"revocations": rows} | asked.told())
        return
    where = screen(scripts=True)
    for row in rows:
        for line in listed(row, where):
            echo(line)
    if not rows:
        echo("nothing is revoked")


@revoke.group()
def lift() -> None:
    """Lift the revocation of an agent, a person or a credential. Tasks and links stay revoked."""


@lift.command(name="agent")
@click.argument("agent_id", metavar="SPIFFE_ID", shell_complete=complete_agent)
@operator_option
@json_option
@click.pass_context
def lift_agent(ctx: click.Context, agent_id: str, sidecar: Target, as_json: bool) -> None:
    """Accept a workload again."""
    ctx.exit(_lift(sidecar, as_json=as_json, agent_id=agent_id))


@lift.command(name="subject")
@click.argument("subject_id", metavar="ID", shell_complete=complete_person)
@_issuer_option
@operator_option
@json_option
@click.pass_context
def lift_subject(ctx: click.Context, subject_id: str, issuer: str, sidecar: Target, as_json: bool) -> None:
    """Accept a person's earlier tasks and tokens again."""
    ctx.exit(_lift(sidecar, as_json=as_json, subject=(issuer, subject_id)))


@lift.command(name="credential")
@click.argument("credential_id", metavar="ID")
@operator_option
@json_option
@click.pass_context
def lift_credential(ctx: click.Context, credential_id: str, sidecar: Target, as_json: bool) -> None:
    """Accept a credential again."""
    ctx.exit(_lift(sidecar, as_json=as_json, credential_id=credential_id))


def listed(row: dict[str, Any], where: Screen, event: str = "") -> Iterator[str]:
    """Yield the rows that show a revocation in a list. Its reasons are the words of the one who revoked."""
    yield f"{event}{row['sequence']:>6}  {row['kind']}  {_until(row)}"
    yield from where.own("what", row["subject"]["id"] if "subject" in row else row["target"])
    if "subject" in row:
        yield from where.own("issuer", row["subject"]["issuer"])
    if row["origin"] != "operator":
        yield from where.own("by", _ORIGINS.get(row["origin"], row["origin"]))
    for reason in row["reasons"]:
        yield from where.foreign("reason", [quoted(reason)], "yellow")


def _targets(target: dict[str, Any]) -> dict[str, Any]:
    from tabard.authz.v1 import revocation_service_pb2 as pb  # noqa: PLC0415

    if "subject" in target:
        issuer, subject_id = target["subject"]
        return {"subject": pb.RevokeSubject(issuer=issuer, id=subject_id)}
    return target


def revoke_target(
    sidecar: Target, *, as_json: bool, reason: str, ttl: float | None = None, **target: object
) -> None:
    """Revoke one target, named as in ``RevokeRequest``, for ``ttl`` seconds, and print what that does.

    Raises:
        Failure: no sidecar answered, or it refused.
    """
    from google.protobuf.duration_pb2 import Duration as DurationMessage  # noqa: PLC0415
    from tabard.authz.v1 import revocation_service_pb2 as pb  # noqa: PLC0415
    from tabard.authz.v1 import revocation_service_pb2_grpc as pb_grpc  # noqa: PLC0415

    request = pb.RevokeRequest(reason=reason, **_targets(target))
    if ttl is not None:
        request.ttl.CopyFrom(DurationMessage(seconds=int(ttl), nanos=int(ttl % 1 * 1e9)))
    with operator(sidecar) as asked:
        answer = asked.call(pb_grpc.RevocationServiceStub(asked.channel).Revoke, request)
    row = describe(answer.revocation)
    impact = answer.impact
    if as_json:
        counted = {"live_tasks": impact.live_tasks, "holders": impact.holders, "complete": impact.complete}
        echo_json(row | {"impact": counted} | asked.told())
        return
    named = f"task {visible(str(target['task_id']))}" if "task_id" in target else _what(row)
    echo(f"{style('revoked', fg='red', bold=True)} {named}, {_until(row)}")
    echo(f"  sequence   {row['sequence']}")
    if row["kind"] != "credential":
        more = "" if impact.complete else " at least; not every task was examined"
        echo(f"  affects    {impact.live_tasks} live task(s), {impact.holders} holder(s){more}")
    if row["kind"] == "link" and not impact.live_tasks:
        echo("  note       no live task has used this link; it is revoked anyway")
    if row["kind"] in {"agent", "subject"} and not impact.live_tasks:
        echo(f"  note       no live task has this {row['kind']}; the id must be exactly as tokens have it")
    if row["kind"] == "credential":
        echo("  note       the zone keeps no list of credentials; the id must be the whole jti of one")
        echo("  note       earlier and later renewals of it are revoked, too")


def _lift(sidecar: Target, *, as_json: bool, **target: object) -> int:
    from tabard.authz.v1 import revocation_service_pb2 as pb  # noqa: PLC0415
    from tabard.authz.v1 import revocation_service_pb2_grpc as pb_grpc  # noqa: PLC0415

    request = pb.LiftRevocationRequest(**_targets(target))
    with operator(sidecar) as asked:
        answer = asked.call(pb_grpc.RevocationServiceStub(asked.channel).LiftRevocation, request)
    if as_json:
        echo_json({"lifted": answer.lifted} | asked.told())
    else:
        echo("lifted" if answer.lifted else "there was nothing to lift; see `tabard revoke list`")
    return exit_codes.OK if answer.lifted else exit_codes.NEGATIVE


def _what(row: dict[str, Any]) -> str:
    if row["kind"] == "subject":
        return f"subject {visible(row['subject']['id'])} of {visible(row['subject']['issuer'])}"
    return f"{row['kind']} {visible(row['target'])}"


def _until(row: dict[str, Any]) -> str:
    if row["kind"] == "subject":
        return f"tasks and tokens up to {moment(row['revoked_at'])}"
    if row["kind"] == "agent":
        return "until lifted" if row["expires_at"] is None else f"until {moment(row['expires_at'])}"
    return f"since {moment(row['revoked_at'])}"
