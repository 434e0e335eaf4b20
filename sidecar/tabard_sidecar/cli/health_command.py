"""Declares ``tabard health`` for help and completion; the command itself runs without click."""

from __future__ import annotations

import click

from tabard_sidecar.cli.health import run_health


@click.command(
    context_settings={
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": [],
    }
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def health(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Ask a running sidecar whether it is ready."""
    ctx.exit(run_health(arguments))
