"""Finds, reads and checks the configuration."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel

from tabard_sidecar.config.layers import Merged
from tabard_sidecar.config.own_keys import OwnKeysError, check_own_keys
from tabard_sidecar.config.reading import read_settings
from tabard_sidecar.config.settings import Settings
from tabard_sidecar.util.addresses import check_unix_address
from tabard_sidecar.util.config_file import SYSTEM_FILE, base_directory, find_file
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.model_problems import dotted
from tabard_sidecar.util.problems import SourceError, SourceProblem
from tabard_sidecar.util.schema_walk import UnanchoredError, anchor_paths


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings and their origins.

    Attributes:
        settings: the checked settings; every path in them is absolute.
        file: the file that was read, ``None`` if there was none.
        origins: source of every setting that isn't a default, by dotted key.
    """

    settings: Settings
    file: Path | None
    origins: Mapping[str, str]


def load(
    explicit: Path | None = None,
    *,
    assignments: Sequence[str] = (),
    environment: Mapping[str, str] = os.environ,
    directory: Path | None = None,
    system_file: Path = SYSTEM_FILE,
) -> Loaded:
    """Load the settings.

    Args:
        explicit: file named by ``--config``.
        assignments: ``section.key=value`` of ``--set`` flags, strongest of all.
        environment: the process's environment.
        directory: directory in which ``tabard.yaml`` is searched, by default the working directory.
        system_file: file used if there is no other.

    Raises:
        SourceError: something is wrong; all mistakes are listed together.
    """
    directory = directory or Path.cwd()
    file = find_file(explicit, environment, directory=directory, system_file=system_file)
    settings, merged = read_settings(
        Settings, file, assignments, environment, missing="Run tabard init to write one."
    )
    anchored = _anchored(settings, base_directory(file, directory), merged)
    return Loaded(anchored, file, dict(_origins(settings, (), merged)))


def _anchored(settings: Settings, base: Path, merged: Merged) -> Settings:
    """Return settings with absolute paths.

    Raises:
        SourceError: a path that results can't be used.
    """
    path: tuple[str | int, ...] = ("listen", "operator")
    try:
        anchored = anchor_paths(settings, base)
        check_unix_address(anchored.listen.health_address)
        check_own_keys(anchored)
    except ValueError as error:
        if isinstance(error, UnanchoredError):
            path = error.path
        elif isinstance(error, OwnKeysError):
            path = tuple(error.key.split("."))
        raise SourceError([SourceProblem(str(error), *merged.place(path), key=dotted(path))]) from None
    return anchored


def _origins(value: BaseModel, path: tuple[str | int, ...], merged: Merged) -> Iterable[tuple[str, str]]:
    """Yield dotted key and source of every field that isn't a default."""
    for name in sorted(value.model_fields_set):
        inner = getattr(value, name)
        here = (*path, name)
        if isinstance(inner, BaseModel):
            yield from _origins(inner, here, merged)
        else:
            source, line, _ = merged.place(here)
            yield dotted(here), f"{source}:{line}" if line else source
