"""Finds the decision log that a command is about, and refuses records of another zone than the one that is meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tabard_sidecar import exit_codes
from tabard_sidecar.operating import reach
from tabard_sidecar.operating.failure import Failure, file_failure
from tabard_sidecar.operating.options import load_settings, unreadable_configuration
from tabard_sidecar.operating.terminal import echo, visible
from tabard_sidecar.records.file_sink import closed_files
from tabard_sidecar.util.lean import dataclass


@dataclass(frozen=True, slots=True)
class LogSource:
    """The files of one decision log, oldest first, and the zone whose records they must hold; empty if any may."""

    files: tuple[Path, ...]
    zone: str
    zone_origin: str

    def checked(self, records: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the records.

        Raises:
            Failure: one is another zone's.
        """
        for record in records:
            labels = record.get("labels")
            found = labels.get("zone") if isinstance(labels, dict) else None
            if self.zone and isinstance(found, str) and found != self.zone:
                raise Failure(
                    f"these records are of zone {visible(found)}, and zone {self.zone} is meant ({self.zone_origin})",
                    exit_codes.CONFIG,
                    where=", ".join(map(str, self.files)),
                    next_step="Name the other zone's configuration with --config, or add --zone if you mean it.",
                )
            yield record


def find_log(files: tuple[Path, ...], *, zone: str, config_file: Path | None, quiet: bool) -> LogSource:
    """Return the log that a command is about: the files that were named, else audit.path of the configuration.

    ``quiet`` keeps it from telling people which one that is.

    Raises:
        Failure: no file is named or configured, or the configuration can't be read.
    """
    try:
        meant, origin = reach.meant_zone(zone, config_file)
    except ValueError as error:
        raise unreadable_configuration(error) from error
    if not files:
        files = configured_log(config_file, quiet=quiet)
    return LogSource(tuple(with_closed(files)), meant, origin)


def configured_log(config_file: Path | None, *, quiet: bool) -> tuple[Path, ...]:
    """Return audit.path of the configuration; tell people which log that is, unless ``quiet``.

    Raises:
        Failure: the configuration can't be read, or keeps no log in a file.
    """
    settings = load_settings(config_file).settings
    if settings.audit.path is None:
        raise Failure(
            "no decision log is named, and the configuration keeps none in a file",
            exit_codes.USAGE,
            where="audit.path",
            next_step="Name the files, or set audit.sink to file.",
        )
    if not quiet:
        echo(f"reading {visible(str(settings.audit.path))} of zone {settings.zone}", err=True)
    return (settings.audit.path,)


def with_closed(files: Sequence[Path]) -> list[Path]:
    """Return the files of a log, oldest first: of a single one also the closed ones beside it.

    Raises:
        Failure: their folder can't be read.
    """
    if len(files) != 1:
        return list(files)
    [file] = files
    try:
        return [*(closed for _, closed in closed_files(file)), file]
    except OSError as error:
        raise file_failure(error, file.parent) from error
