"""Implements ``tabard audit``."""

from __future__ import annotations

from pathlib import Path

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.failure import Failure
from tabard_sidecar.cli.options import echo_json, json_option
from tabard_sidecar.records.chain import Audit


@click.group()
def audit() -> None:
    """Check decision logs."""


@audit.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
@click.pass_context
def verify(ctx: click.Context, files: tuple[Path, ...], as_json: bool) -> None:
    """Check the hash chain of one decision log.

    Altered, missing, inserted and reordered records are reported with their line. FILES belong to
    one sidecar and are read in the order given, oldest first; a single file is read after the
    renamed ones beside it (FILE.2, FILE.1, FILE).
    """
    result = Audit()
    findings: list[dict[str, object]] = []
    read = with_rotated(files[0]) if len(files) == 1 else list(files)
    for file in read:
        known = len(result.findings)
        try:
            with file.open("rb") as stream:
                result.read(stream)
        except OSError as error:
            raise Failure(str(error.strerror), exit_codes.UNREACHABLE, where=str(file)) from error
        findings += [
            {"file": str(file), "line": finding.line, "message": finding.message}
            for finding in result.findings[known:]
        ]
    if as_json:
        echo_json(
            {
                "intact": result.intact,
                "records": result.records,
                "chains": len(result.chains),
                "starts_at": result.starts_at,
                "files": [str(file) for file in read],
                "findings": findings,
            }
        )
    else:
        _print(result, findings)
    ctx.exit(exit_codes.OK if result.intact else exit_codes.NEGATIVE)


def with_rotated(file: Path) -> list[Path]:
    """Return a log's renamed files, oldest first, and the log itself."""
    numbered = [
        (int(number), other)
        for other in file.parent.glob(f"{file.name}.*")
        if (number := other.name.removeprefix(f"{file.name}.")).isdigit()
    ]
    return [*(other for _, other in sorted(numbered, reverse=True)), file]


def _print(result: Audit, findings: list[dict[str, object]]) -> None:
    for finding in findings:
        click.echo(f"{finding['file']}:{finding['line']}: {finding['message']}")
    if not result.records:
        click.echo("no records")
    elif result.intact:
        chains = "1 chain" if len(result.chains) == 1 else f"{len(result.chains)} chains"
        begin = f", beginning with record {result.starts_at}" if result.starts_at > 1 else ""
        click.echo(f"intact: {result.records} records in {chains}{begin}")
    else:
        click.echo(f"not intact: {len(findings)} findings in {result.records} records")
