"""Reads the control service's configuration file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tabard_sidecar.config.reading import read_settings
from tabard_sidecar.control.conf import ControlSettings
from tabard_sidecar.util.config_file import base_directory
from tabard_sidecar.util.schema_walk import anchor_paths

SYSTEM_FILE = Path("/etc/tabard/control.yaml")


def load_control(file: Path | None, assignments: Sequence[str] = ()) -> ControlSettings:
    """Return the checked settings; every path in them is absolute.

    Args:
        file: the file that is named; by default ``/etc/tabard/control.yaml``, if it exists.
        assignments: ``section.key=value`` of ``--set`` flags.

    Raises:
        SourceError: something is wrong; all mistakes are listed together.
    """
    found = file or (SYSTEM_FILE if SYSTEM_FILE.exists() else None)
    settings, _ = read_settings(ControlSettings, found, assignments, {})
    return anchor_paths(settings, base_directory(found))
