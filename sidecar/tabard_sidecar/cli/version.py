"""Implements ``tabard version``."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import click

from tabard_sidecar.operating.options import json_option
from tabard_sidecar.operating.terminal import echo, echo_json


@click.command()
@json_option
def version(as_json: bool) -> None:
    """Show the versions of Tabard, the embedded OPA and Python."""
    versions = {
        "tabard": distribution_version(),
        "opa": _opa_version(),
        "python": platform.python_version(),
    }
    if as_json:
        echo_json(versions)
    else:
        echo("\n".join(f"{name:<7} {text}" for name, text in versions.items()), lines=True)


def distribution_version() -> str:
    """Return the version of the installed sidecar."""
    try:
        return installed("tabard-sidecar")
    except PackageNotFoundError:
        return "unknown"


def _opa_version() -> str:
    try:
        from tabard_opa import opa_version  # noqa: PLC0415 - loads the engine

        return opa_version()
    except (ImportError, OSError) as error:
        return f"not available: {error}"
