"""Implements ``tabard leases``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar.cli.completing import complete_agent, complete_lease, complete_task
from tabard_sidecar.cli.framing import Screen, screen
from tabard_sidecar.cli.operator import Operator, operator, operator_option
from tabard_sidecar.cli.options import json_option
from tabard_sidecar.cli.revoke import revoke_target, seconds
from tabard_sidecar.cli.terminal import echo, echo_json, moment, style

if TYPE_CHECKING:
    from tabard.authz.v1 import lease_operator_service_pb2 as pb

    from tabard_sidecar.cli.reach import Target

_MOST = 1000


@click.group()
def leases() -> None:
    """Show and end credentials that other systems, such as a vault, issued for calls."""


@leases.command(name="list")
@click.option(
    "--task", "task_id", default="", metavar="TASK", shell_complete=complete_task, help="Only of this task."
)
@click.option(
    "--agent",
    "holder",
    default="",
    metavar="SPIFFE_ID",
    shell_complete=complete_agent,
    help="Only of this workload.",
)
@click.option("--source", default="", metavar="NAME", help="Only those that this configured vault issued.")
@click.option(
    "--limit", type=click.IntRange(1, _MOST), default=100, show_default=True, help="Most leases to list."
)
@operator_option
@json_option
def list_(limit: int, sidecar: Target, as_json: bool, **wanted: str) -> None:
    """List the leases of the zone that haven't expired, whichever sidecar obtained them."""
    with operator(sidecar) as asked:
        rows = fetch(asked, limit, **wanted)
    if as_json:
        echo_json({"leases": rows} | asked.told())
        return
    where = screen(scripts=True)
    for row in rows:
        for line in lines(row, where):
            echo(line)
    if not rows:
        echo("no such lease" if any(wanted.values()) else "no lease")


@leases.command()
@click.argument("credential_id", metavar="CREDENTIAL", shell_complete=complete_lease)
@click.option("--reason", default="", help="Why, for the log and `tabard revoke list`.")
@operator_option
@json_option
def revoke(credential_id: str, *, reason: str, sidecar: Target, as_json: bool) -> None:
    """End one lease: revoke its credential, in Tabard and in the system that issued it.

    `tabard revoke task|link|agent|subject` ends all leases of what it revokes.
    """
    revoke_target(sidecar, as_json=as_json, reason=reason, credential_id=credential_id)


def fetch(asked: Operator, limit: int, **wanted: str) -> list[dict[str, Any]]:
    """Return leases as ``--json`` prints them; times are seconds since the epoch.

    Args:
        asked: the sidecar.
        limit: how many at most.
        wanted: ``task_id``, ``source`` and ``holder`` of the leases; an empty text stands for any.

    Raises:
        Failure: no sidecar answered.
    """
    from tabard.authz.v1 import lease_operator_service_pb2 as pb  # noqa: PLC0415 - gRPC takes a while to import
    from tabard.authz.v1 import lease_operator_service_pb2_grpc as pb_grpc  # noqa: PLC0415

    stub = pb_grpc.LeaseOperatorServiceStub(asked.channel)
    rows: list[dict[str, Any]] = []
    token = ""
    while True:
        found = asked.call(stub.ListLeases, pb.ListLeasesRequest(limit=limit, page_token=token, **wanted))
        rows += [describe(lease) for lease in found.leases]
        token = found.next_page_token
        if not token or len(rows) >= limit:
            return rows[:limit]


def describe(lease: pb.Lease) -> dict[str, Any]:
    """Return a lease as ``--json`` prints it."""
    return {
        "credential_id": lease.credential_id,
        "source": lease.source,
        "role": lease.role,
        "accessor": lease.accessor,
        "task_id": lease.task_id,
        "link_id": lease.link_id,
        "holder": lease.holder,
        "subject": {"issuer": lease.subject.issuer, "id": lease.subject.id},
        "issued_at": seconds(lease.issue_time),
        "expires_at": seconds(lease.expire_time),
        "ending": lease.ending,
    }


def lines(row: dict[str, Any], where: Screen) -> Iterator[str]:
    """Yield the rows that show a lease, each cut to the terminal's width."""
    state = style("ending", fg="red") if row["ending"] else style("live", fg="green")
    yield f"{row['credential_id']}  {state}  until {moment(row['expires_at'])}"
    yield where.own_cut("role", f"{row['role']} of {row['source']}")
    yield where.own_cut("person", row["subject"]["id"])
    yield where.own_cut("holder", row["holder"])
    yield where.own_cut("task", row["task_id"])
