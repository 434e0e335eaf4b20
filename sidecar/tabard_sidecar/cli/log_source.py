"""Finds the decision log that a command is about, and refuses records of another zone than the one that is meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabard_sidecar import exit_codes
from tabard_sidecar.cli import reach
from tabard_sidecar.cli.audit import with_closed
from tabard_sidecar.cli.failure import Failure
from tabard_sidecar.cli.options import load_settings, unreadable_configuration
from tabard_sidecar.cli.terminal import echo, visible


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
        settings = load_settings(config_file).settings
        if settings.audit.path is None:
            raise Failure(
                "no decision log is named, and the configuration keeps none in a file",
                exit_codes.USAGE,
                where="audit.path",
                next_step="Name the files, or set audit.sink to file.",
            )
        files = (settings.audit.path,)
        meant, origin = meant or settings.zone, origin or "the default"
        if not quiet:
            echo(f"reading {visible(str(files[0]))} of zone {meant}", err=True)
    read = tuple(with_closed(files[0])) if len(files) == 1 else files
    return LogSource(read, meant, origin)
