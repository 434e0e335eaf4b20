"""Reads the injector's configuration file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tabard_sidecar.config.reading import read_settings
from tabard_sidecar.injector.conf import InjectorSettings
from tabard_sidecar.util.config_file import base_directory
from tabard_sidecar.util.schema_walk import anchor_paths

SYSTEM_FILE = Path("/etc/tabard/injector.yaml")


def load_injector(
    file: Path | None, assignments: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> InjectorSettings:
    """Return the checked settings; every path in them is absolute.

    Args:
        file: the file that is named; by default ``/etc/tabard/injector.yaml``, if it exists.
        assignments: ``section.key=value`` of ``--set`` flags.
        environment: the environment, by default none: a pod's variables are the sidecar's.

    Raises:
        SourceError: something is wrong; all mistakes are listed together.
    """
    found = file or (SYSTEM_FILE if SYSTEM_FILE.exists() else None)
    settings, _ = read_settings(InjectorSettings, found, assignments, environment or {})
    return anchor_paths(settings, base_directory(found))
