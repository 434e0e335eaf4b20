"""Implements ``tabard leases``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from tabard_sidecar.cli.revoke import revoke_target
from tabard_sidecar.operating.completing import complete_agent, complete_lease, complete_task
from tabard_sidecar.operating.framing import Screen, screen
from tabard_sidecar.operating.leases import fetch
from tabard_sidecar.operating.operator import operator, operator_option
from tabard_sidecar.operating.options import json_option
from tabard_sidecar.operating.terminal import echo, echo_json, moment, style

if TYPE_CHECKING:
    from tabard_sidecar.operating.reach import Target

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


def lines(row: dict[str, Any], where: Screen) -> Iterator[str]:
    """Yield the rows that show a lease, each cut to the terminal's width."""
    state = style("ending", fg="red") if row["ending"] else style("live", fg="green")
    yield f"{row['credential_id']}  {state}  until {moment(row['expires_at'])}"
    yield where.own_cut("role", f"{row['role']} of {row['source']}")
    yield where.own_cut("person", row["subject"]["id"])
    yield where.own_cut("holder", row["holder"])
    yield where.own_cut("task", row["task_id"])
