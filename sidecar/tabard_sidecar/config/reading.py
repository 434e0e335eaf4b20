"""Reads settings of any class from a file, the environment and flags, and checks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from tabard.trust import read_trusted

from tabard_sidecar.config.layers import Merged, Override, from_environment, from_flags, merge
from tabard_sidecar.util.files import explain as explain_file
from tabard_sidecar.util.model_problems import explain
from tabard_sidecar.util.problems import SourceError, SourceProblem
from tabard_sidecar.util.yaml_source import MAX_BYTES, parse

_Model = TypeVar("_Model", bound=BaseModel)


def read_settings(
    root: type[_Model],
    file: Path | None,
    assignments: Sequence[str],
    environment: Mapping[str, str],
    *,
    missing: str = "",
) -> tuple[_Model, Merged]:
    """Return the checked settings, and where each of them was written.

    Args:
        root: class of the settings.
        file: the file, ``None`` if there is none.
        assignments: ``section.key=value`` of ``--set`` flags, strongest of all.
        environment: variables such as ``TABARD_SECTION__KEY``, stronger than the file.
        missing: the next step if the file doesn't exist.

    Raises:
        SourceError: something is wrong; all mistakes are listed together.
    """
    document, repeated = parse(_read(file, missing), str(file)) if file is not None else (None, [])
    flags = list(from_flags(assignments))
    problems = [*repeated, *(flag for flag in flags if isinstance(flag, SourceProblem))]
    overrides = [
        *from_environment(environment, root),
        *(flag for flag in flags if isinstance(flag, Override)),
    ]
    merged, unreadable = merge(document, file, overrides, root)
    problems += unreadable
    try:
        settings = root.model_validate(merged.data)
    except ValidationError as error:
        raise SourceError([*problems, *explain(error, merged, root)]) from None
    if problems:
        raise SourceError(problems)
    return settings, merged


def _read(file: Path, missing: str) -> bytes:
    """Read a configuration file.

    Raises:
        SourceError: it can't be read, or another user can write it.
    """
    try:
        return read_trusted(file, MAX_BYTES)[0]
    except OSError as error:
        step = missing if isinstance(error, FileNotFoundError) else ""
        raise SourceError([SourceProblem(explain_file(error, file), str(file), next_step=step)]) from None
