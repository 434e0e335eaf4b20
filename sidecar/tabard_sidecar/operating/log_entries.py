"""Reads the decisions and changes of the log that a command is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.failure import Failure, file_failure
from tabard_sidecar.operating.log_source import LogSource, find_log
from tabard_sidecar.operating.odd_lines import OddLines
from tabard_sidecar.records.completing import completed
from tabard_sidecar.records.lines import Tell, lines_of, records_of
from tabard_sidecar.records.reading import Entry, joined
from tabard_sidecar.replay.streams import opened


def entries_of(source: LogSource, tell: Tell, *, regular: bool = False) -> Iterator[Entry]:
    """Yield the decisions and changes of a log; each file completes what its own records leave out.

    ``regular`` refuses pipes and devices.
    """
    return joined(completed(source.checked(_records(source.files, tell, regular=regular))))


def logged_input(decision_id: str, files: tuple[Path, ...], config_file: Path | None) -> dict[str, Any]:
    """Return the whole policy input of a decision in a log: in ``files``, else in the configured one.

    Raises:
        Failure: there is no log, no such decision, or it evaluated no policy.
    """
    source = find_log(files, zone="", config_file=config_file, quiet=True)
    odd = OddLines()
    for entry in entries_of(source, odd):
        if entry.decision_id == decision_id and entry.evaluated:
            return whole_input(entry)
    odd.finish()
    raise absent(decision_id, source, " with a policy input")


def absent(decision_id: str, source: LogSource, what: str) -> Failure:
    """Return the failure for a decision that isn't in a log; ``what`` is added to what it is called."""
    return Failure(
        f"no decision {decision_id!a}{what} is in the log",
        exit_codes.NEGATIVE,
        where=", ".join(map(str, source.files)),
        next_step="`tabard log search` lists the decisions.",
    )


def _records(files: Sequence[Path], tell: Tell, *, regular: bool) -> Iterator[dict[str, Any]]:
    for file in files:
        try:
            with opened(file, lambda _: None, regular=regular) as stream:
                yield from records_of(str(file), lines_of(stream), tell)
        except OSError as error:
            raise file_failure(error, file) from error


def whole_input(entry: Entry) -> dict[str, Any]:
    """Return the policy input of a decision.

    Raises:
        Failure: a part of it stands in a record that isn't here.
    """
    for place in entry.incomplete:
        raise Failure(
            f"the input isn't complete: record {place.get('sequence')} holds the rest, and isn't here",
            exit_codes.NEGATIVE,
            where=f"decision {entry.decision_id}",
            next_step="Give the file with that record, too, before this one.",
        )
    return entry.input
