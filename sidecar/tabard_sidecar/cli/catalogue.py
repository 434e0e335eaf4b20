"""Implements ``tabard catalogue``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.options import json_option, secret_argument
from tabard_sidecar.operating.terminal import echo, echo_json, visible

_Command = TypeVar("_Command", bound=Callable[..., object])
_SEE = "tabard catalogue --help"


@click.group()
def catalogue() -> None:
    """Write the tool catalogue from guarded Python functions or from an MCP server."""


def _target_options(command: _Command) -> _Command:
    for option in (
        click.option(
            "--output",
            "output",
            type=click.Path(path_type=Path),
            help="File to write. Default: standard output.",
        ),
        click.option(
            "--update",
            is_flag=True,
            help="Update the file: tools of the same name and server get the new schema and description, "
            "and keep their labels and annotations; other tools stay.",
        ),
        json_option,
    ):
        command = option(command)
    return command


@catalogue.command("from-python")
@click.argument("modules", nargs=-1, required=True, metavar="MODULE...")
@_target_options
@click.pass_context
def from_python(
    ctx: click.Context, modules: tuple[str, ...], output: Path | None, *, update: bool, as_json: bool
) -> None:
    """Write the tools of every function that `tabard.guard` wraps when MODULE is imported.

    MODULE is a name such as shop.tools, found as by `python -m`, or a file that ends with .py. Importing runs its code.

    Exit code 1 if a tool was left out or needs a schema from you; each is told. Example:

        tabard catalogue from-python shop.tools --output catalogue.yaml
    """
    from tabard_sidecar.cli.catalogue_python import tools_of  # noqa: PLC0415 - loads gRPC and pydantic

    _write(ctx, *tools_of(modules), output=output, update=update, as_json=as_json)


@catalogue.command("from-mcp", context_settings={"ignore_unknown_options": True})
@click.argument(
    "command", nargs=-1, required=True, metavar="COMMAND...|URL|FILE.json", type=click.UNPROCESSED
)
@click.option("--server", default="", help="Name that guards and policies give the server. Default: none.")
@click.option(
    "--token",
    default="",
    envvar="TABARD_MCP_TOKEN",
    metavar="TOKEN",
    help="Bearer token for the URL: itself, @FILE or - (standard input).",
)
@click.option(
    "--timeout-seconds",
    type=click.FloatRange(min=1, max=600),
    default=60,
    show_default=True,
    help="How long the server may take.",
)
@click.option(
    "--drop-pattern",
    "drops",
    multiple=True,
    metavar="TOOL:FIELD",
    help="Drop the pattern of a tool's field, such as find:filter.word, if the sidecar can't match it: any text is then "
    "accepted there. Repeatable; each is told.",
)
@_target_options
@click.pass_context
def from_mcp(  # noqa: PLR0913, PLR0917 - one parameter per option
    ctx: click.Context,
    command: tuple[str, ...],
    server: str,
    token: str,
    timeout_seconds: float,
    drops: tuple[str, ...],
    output: Path | None,
    *,
    update: bool,
    as_json: bool,
) -> None:
    """Write the tools of an MCP server: of a COMMAND that speaks over its standard input and output, or of a URL.

    FILE.json is a server's saved answer to tools/list.

    Options of this command come before COMMAND. The server's hints, such as readOnlyHint, are its own claims:
    check them before policies rely on them. All but FILE.json need the extra mcp. A tool whose schema can't be used is left
    out. Exit code 1 if one was; each is told.

    Examples:
        tabard catalogue from-mcp --output catalogue.yaml python server.py

        tabard catalogue from-mcp --token @token https://mcp.example.com/mcp

        tabard catalogue from-mcp --output catalogue.yaml tools-list.json

        tabard catalogue from-mcp --drop-pattern find:filter.word --output catalogue.yaml tools-list.json
    """
    from tabard_sidecar.cli.catalogue_mcp import tools_of  # noqa: PLC0415 - loads the client
    from tabard_sidecar.cli.catalogue_patterns import DropError, dropped  # noqa: PLC0415 - loads the schema checks

    tools, notes = tools_of(command, server, secret_argument(token, "token"), timeout_seconds)
    try:
        tools, without = dropped(tools, drops)
    except DropError as error:
        raise click.UsageError(f"--drop-pattern: {error}") from None
    _write(ctx, tools, notes, dropped=without, output=output, update=update, as_json=as_json)


def _write(  # noqa: PLR0913 - the options of both commands
    ctx: click.Context,
    tools: list[dict[str, object]],
    notes: list[str],
    *,
    dropped: list[str] | None = None,
    output: Path | None,
    update: bool,
    as_json: bool,
) -> None:
    from tabard_sidecar.cli import catalogue_file  # noqa: PLC0415 - loads the schema checks

    if update and output is None:
        raise click.UsageError("--update needs --output FILE")
    usable, refused = catalogue_file.usable(tools)
    notes += refused
    for note in notes:
        echo(f"note: {visible(note)}", err=True)
    for warning in dropped or ():
        echo(f"warning: {visible(warning)}", err=True)
    if not usable:
        raise Failure(
            "no tool was found that a catalogue can hold",
            exit_codes.NEGATIVE,
            next_step="Name the module that has the guarded functions, or the server that offers tools.",
            see=_SEE,
        )
    if output is None:
        text = catalogue_file.text_of(usable)
        catalogue_file.require_bounded(text)
        if as_json:
            echo_json({"tools": usable} | ({"dropped": dropped} if dropped else {}))
        else:
            echo(text, lines=True)
    else:
        kept = catalogue_file.write(output, usable, update=update)
        result = {
            "file": str(output),
            "tools": len(usable),
            "kept": kept,
            "notes": notes,
            "dropped": dropped or [],
        }
        if as_json:
            echo_json(result)
        else:
            others = f", {kept} other tools kept" if kept else ""
            echo(f"{output}: {len(usable)} tool{'s' * (len(usable) != 1)}{others}")
            echo("Next: set catalogue.path in tabard.yaml, and check with `tabard policy check`.")
    ctx.exit(exit_codes.NEGATIVE if notes else exit_codes.OK)
