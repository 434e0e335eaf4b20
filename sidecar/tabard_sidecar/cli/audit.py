"""Implements ``tabard audit``."""

from __future__ import annotations

from pathlib import Path

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.failure import Failure, file_failure
from tabard_sidecar.operating.log_source import configured_log, with_closed
from tabard_sidecar.operating.options import Existing, config_option, json_option
from tabard_sidecar.operating.terminal import echo, echo_json
from tabard_sidecar.records.chain import Head
from tabard_sidecar.records.file_sink import mark_of, open_log
from tabard_sidecar.records.verification import Audit


class _HeadType(click.ParamType[Head]):
    """A head as ``tabard audit verify`` prints it."""

    name = "head"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Head:
        """Read a head."""
        try:
            return Head.parse(str(value))
        except ValueError as error:
            self.fail(f"{error}, as `tabard audit verify` prints it", param, ctx)


@click.group()
def audit() -> None:
    """Check decision logs."""


@audit.command()
@click.argument("files", nargs=-1, type=Existing())
@click.option(
    "--after",
    multiple=True,
    type=_HeadType(),
    metavar="HEAD",
    help="A head that an earlier check printed and you kept elsewhere. Records up to it may be missing from the start, "
    "and it must be in the chain. Repeatable.",
)
@config_option
@json_option
@click.pass_context
def verify(
    ctx: click.Context,
    files: tuple[Path, ...],
    after: tuple[Head, ...],
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Check the hash chain of one decision log.

    Altered, missing, inserted and reordered records are reported with their line. FILES belong to
    one sidecar and are read in the order given, oldest first; a single file is read after the
    closed ones beside it (FILE.120, FILE.240, FILE). Without FILES it is audit.path of the
    configuration.

    Records that are missing from the start are reported, too, unless the log itself says that it
    removed them, after audit.keep_days or when they were shipped, or --after names the head that
    they had. The newest records can be cut off without a trace in the log. Keep the head that this
    command prints elsewhere, and give it with --after the next time: then this is found.

    A record may leave out long parts that an earlier record holds, of the same file or of the same
    minute of a stream. Records whose earlier one isn't here are counted; they aren't findings.
    """
    result = Audit(after)
    read = with_closed(files or configured_log(config_file, quiet=as_json))
    findings = _read(result, read)
    if as_json:
        echo_json(
            {
                "intact": result.intact,
                "records": result.records,
                "incomplete": result.incomplete,
                "chains": len(result.chains),
                "starts_at": result.starts_at,
                "heads": [str(head) for head in result.chains.values()],
                "files": [str(file) for file in read],
                "findings": findings,
                "more_findings": result.more_findings,
            }
        )
    else:
        _print(result, findings)
    ctx.exit(exit_codes.OK if result.intact else exit_codes.NEGATIVE)


@audit.command()
@click.argument("files", nargs=-1, required=True, type=Existing())
@json_option
def shipped(files: tuple[Path, ...], as_json: bool) -> None:
    """Mark closed files of a decision log as shipped, so that the sidecar may remove them.

    Run this after FILES were copied to their archive. Each must be closed (FILE.120) and intact. The
    sidecar removes marked files, oldest first, within half a minute, and records in the log which
    records it removed, so `tabard audit verify` knows.
    """
    marked = []
    for file in files:
        if not file.name.rpartition(".")[2].isdigit():
            raise Failure(
                "this isn't a closed file",
                exit_codes.USAGE,
                where=str(file),
                next_step="Name files that the sidecar has closed: they end in a number.",
            )
        checked = Audit()
        if _read(checked, [file], whole=False) or not checked.chains:
            raise Failure(
                "the file isn't intact",
                exit_codes.NEGATIVE,
                where=str(file),
                next_step="See `tabard audit verify`. The file stays until a person removes it.",
            )
        head = list(checked.chains.values())[-1]
        try:
            mark_of(file).write_text(f"{head}\n", encoding="ascii")
        except OSError as error:
            raise file_failure(error, mark_of(file)) from error
        marked.append({"file": str(file), "head": str(head)})
    if as_json:
        echo_json(marked)
        return
    for one in marked:
        echo(f"{one['file']}: shipped, up to {one['head']}")


def _read(result: Audit, files: list[Path], *, whole: bool = True) -> list[dict[str, object]]:
    """Check files, and the ends of the chains if they are the ``whole`` log; return the findings with their files."""
    findings: list[dict[str, object]] = []
    for file in files:
        known = len(result.findings)
        try:
            with open_log(file) as stream:
                result.read(stream)
        except OSError as error:
            raise file_failure(error, file) from error
        findings += [
            {"file": str(file), "line": finding.line, "message": finding.message}
            for finding in result.findings[known:]
        ]
    if whole:
        known = len(result.findings)
        result.finish()
        findings += [
            {"file": str(files[0]), "line": 0, "message": finding.message}
            for finding in result.findings[known:]
        ]
    return findings


def _print(result: Audit, findings: list[dict[str, object]]) -> None:
    for finding in findings:
        place = f"{finding['file']}:{finding['line']}" if finding["line"] else str(finding["file"])
        echo(f"{place}: {finding['message']}")
    if not result.records:
        echo("no records")
    elif result.intact:
        chains = "1 chain" if len(result.chains) == 1 else f"{len(result.chains)} chains"
        begin = f", beginning with record {result.starts_at}" if result.starts_at > 1 else ""
        echo(f"intact: {result.records} records in {chains}{begin}")
        if result.incomplete:
            echo(f"{result.incomplete} of them leave out what earlier records hold, which aren't here")
    else:
        count = len(findings) + result.more_findings
        many = "1 finding" if count == 1 else f"{count} findings"
        echo(f"not intact: {many} in {result.records} records")
    if any(not finding["line"] for finding in findings):
        echo(
            "next: if these records were shipped, check them together with the shipped files, or give the shipped "
            "head with --after"
        )
    for head in result.chains.values():
        echo(f"head: {head}")
