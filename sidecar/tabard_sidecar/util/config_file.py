"""Finds the configuration file. Imports the standard library only, because probes start often."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tabard.project import FILE

VARIABLE = "TABARD_CONFIG"
SYSTEM_FILE = Path("/etc/tabard/tabard.yaml")


def find_file(
    explicit: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    *,
    directory: Path | None = None,
    system_file: Path = SYSTEM_FILE,
) -> Path | None:
    """Return the configuration file that applies, ``None`` if there is none.

    A file that is named, by flag or variable, is returned whether or not it exists.
    """
    named = explicit or (Path(environment[VARIABLE]) if environment.get(VARIABLE) else None)
    if named is not None:
        return named
    local = (directory or Path.cwd()) / FILE
    return next((file for file in (local, system_file) if file.exists()), None)


def base_directory(file: Path | None, directory: Path | None = None) -> Path:
    """Return the folder from which relative paths of a configuration count."""
    directory = directory or Path.cwd()
    return (directory if file is None else (directory / file).parent).resolve()
