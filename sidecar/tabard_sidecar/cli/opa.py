"""Implements ``tabard opa``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.failure import Failure


@click.command(
    context_settings={
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": [],
    },
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def opa(arguments: tuple[str, ...]) -> None:
    """Run the OPA command line in the version of the embedded engine."""
    binary = str(opa_program())
    try:
        os.execv(binary, ["opa", *arguments])  # noqa: S606 - the engine's own binary, no shell
    except OSError as error:
        raise Failure(
            "the OPA command line can't be started",
            exit_codes.UNREACHABLE,
            where=str(error.filename or ""),
            next_step="Install tabard-opa from a wheel, or run `make engine` in a checkout.",
        ) from error


def opa_program() -> Path:
    """Return the path of the OPA command line; a checkout builds it on first use.

    Raises:
        Failure: it can't be built.
    """
    from tabard_opa import ToolchainError, opa_binary  # noqa: PLC0415 - may have to build the program

    try:
        return opa_binary()
    except (OSError, ToolchainError) as error:
        raise Failure(
            f"the OPA command line can't be built: {error}",
            exit_codes.UNREACHABLE,
            next_step="Install tabard-opa from a wheel, or run `make engine` in a checkout.",
        ) from error
