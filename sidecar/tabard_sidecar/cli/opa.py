"""Implements ``tabard opa``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.failure import Failure


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
        os.execv(binary, ["opa", *arguments])  # noqa: S606 - our own program, no shell
    except OSError as error:
        raise _unusable(f"the OPA command line can't be started: {error}") from error


def opa_program() -> Path:
    """Return the path of the OPA command line.

    Raises:
        Failure: it isn't installed.
    """
    try:
        from tabard_opa_cli import opa_binary  # noqa: PLC0415 - a package that serving doesn't need
    except ImportError as error:
        raise _unusable("the OPA command line isn't installed: a sidecar serves without it") from error
    try:
        return opa_binary()
    except OSError as error:
        raise _unusable(str(error)) from error


def _unusable(problem: str) -> Failure:
    return Failure(
        problem,
        exit_codes.UNREACHABLE,
        next_step=(
            "Install it beside the sidecar: `pip install 'tabard[policy]'`, with the same --find-links or index "
            "as the sidecar. In a checkout: `make .venv/.synced-dev`."
        ),
    )
