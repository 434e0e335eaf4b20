"""Implements ``tabard log``."""

from __future__ import annotations

from pathlib import Path

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.log_stats import stats
from tabard_sidecar.cli.log_tail import tail
from tabard_sidecar.cli.log_view import print_entries
from tabard_sidecar.operating.completing import complete_decision
from tabard_sidecar.operating.log_entries import absent, entries_of
from tabard_sidecar.operating.log_filters import filter_options, fits
from tabard_sidecar.operating.log_source import find_log
from tabard_sidecar.operating.odd_lines import OddLines
from tabard_sidecar.operating.options import Existing, config_option, json_option, zone_option

_files = click.argument("files", nargs=-1, type=Existing())
_input = click.option(
    "--input",
    "as_input",
    is_flag=True,
    help="Print the policy inputs, one a line, as `tabard policy eval --input -` reads one.",
)


class _Log(click.Group):
    """Takes ``query`` for ``search``."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command."""
        return super().get_command(ctx, "search" if cmd_name == "query" else cmd_name)


@click.group(cls=_Log)
def log() -> None:
    """Show who did what by which rule, from decision logs.

    The records of one decision are joined. A long part of an input, for example a grant's caveats,
    stands once in each file; it is shown with every record that refers to it. Records of another
    zone are refused. `tabard audit verify` checks that nothing was changed or removed.
    """


@log.command()
@_files
@filter_options
@_input
@zone_option
@config_option
@json_option
@click.pass_context
def search(  # noqa: PLR0913 - one parameter per option
    ctx: click.Context,
    /,
    files: tuple[Path, ...],
    *,
    as_input: bool,
    as_json: bool,
    zone: str,
    config_file: Path | None,
    **wanted: str | None,
) -> None:
    """List the decisions and changes that all options fit.

    Changes are revocations, lifts, approvers' decisions, what holders end or report. FILES are
    read in the order given, oldest first, plain or compressed with gzip; a single file is read after
    the closed ones beside it. Without FILES it is audit.path of the configuration. --json prints one
    object a line. `tabard log query` is the same command.

    Exit code 1 if nothing was found, or if a line isn't a record as the sidecar writes them. Such
    lines are told with their places, and the others are read.
    """
    source = find_log(files, zone=zone, config_file=config_file, quiet=as_json or as_input)
    odd = OddLines()
    found = (entry for entry in entries_of(source, odd) if fits(entry.as_json(), wanted))
    shown = print_entries(found, as_input=as_input, as_json=as_json)
    odd.finish()
    ctx.exit(exit_codes.OK if shown and not odd.count else exit_codes.NEGATIVE)


@log.command()
@click.argument("decision_id", metavar="DECISION", shell_complete=complete_decision)
@_files
@_input
@zone_option
@config_option
@json_option
@click.pass_context
def show(  # noqa: PLR0913 - one parameter per option
    ctx: click.Context,
    /,
    *,
    decision_id: str,
    files: tuple[Path, ...],
    as_input: bool,
    zone: str,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Show one decision: why, for whom, by which rule, with which credential.

    DECISION is the id that an answer, an error and a record hold. FILES as for `search`.

    Exit code 1 if it isn't in the log, or if a line isn't a record as the sidecar writes them.
    """
    source = find_log(files, zone=zone, config_file=config_file, quiet=as_json or as_input)
    odd = OddLines()
    found = (entry for entry in entries_of(source, odd) if entry.decision_id == decision_id)
    shown = print_entries(found, as_input=as_input, as_json=as_json)
    odd.finish()
    if not shown:
        raise absent(decision_id, source, " with a policy input" if as_input else "")
    if odd.count:
        ctx.exit(exit_codes.NEGATIVE)


log.add_command(tail)
log.add_command(stats)
