"""Finding, reading and checking the configuration."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tabard_sidecar.config.layers import Merged, Override, from_environment, from_flags, merge, unknown_key
from tabard_sidecar.config.problems import ConfigError, ConfigProblem
from tabard_sidecar.config.schema_walk import anchor_paths
from tabard_sidecar.config.settings import Settings
from tabard_sidecar.config.yaml_source import MAX_BYTES, parse

VARIABLE = "TABARD_CONFIG"
LOCAL_FILE = "tabard.yaml"
SYSTEM_FILE = Path("/etc/tabard/tabard.yaml")

_OTHERS_MAY_WRITE = 0o002


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings and where they came from.

    Attributes:
        settings: the checked settings; every path in them is absolute.
        file: the file that was read, ``None`` if there was none.
        origins: source of every setting that isn't a default, by dotted key.
    """

    settings: Settings
    file: Path | None
    origins: Mapping[str, str]


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
    local = (directory or Path.cwd()) / LOCAL_FILE
    return next((file for file in (local, system_file) if file.exists()), None)


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
        directory: where ``tabard.yaml`` is looked for, by default the working directory.
        system_file: file used if there is no other.

    Raises:
        ConfigError: something is wrong; all mistakes are listed together.
    """
    directory = directory or Path.cwd()
    file = find_file(explicit, environment, directory=directory, system_file=system_file)
    document, repeated = parse(_read(file), str(file)) if file is not None else (None, [])
    flags = list(from_flags(assignments))
    problems = [*repeated, *(flag for flag in flags if isinstance(flag, ConfigProblem))]
    overrides = [
        *from_environment(environment, Settings),
        *(flag for flag in flags if isinstance(flag, Override)),
    ]
    merged, unreadable = merge(document, file, overrides, Settings)
    problems += unreadable
    try:
        settings = Settings.model_validate(merged.data)
    except ValidationError as error:
        raise ConfigError([*problems, *explain(error, merged, Settings)]) from None
    if problems:
        raise ConfigError(problems)
    base = directory if file is None else (directory / file).parent
    return Loaded(anchor_paths(settings, base.resolve()), file, dict(_origins(settings, (), merged)))


def _read(file: Path) -> bytes:
    """Read a configuration file.

    Raises:
        ConfigError: it can't be read, or somebody else may have written it.
    """
    try:
        with file.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if mode & _OTHERS_MAY_WRITE:
                raise ConfigError(
                    [
                        ConfigProblem(
                            "every user can write the file", str(file), next_step=f"Run chmod o-w {file}."
                        )
                    ]
                )
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        step = "Run tabard init to write one." if isinstance(error, FileNotFoundError) else ""
        raise ConfigError([ConfigProblem(error.strerror or str(error), str(file), next_step=step)]) from None


def explain(error: ValidationError, merged: Merged, root: type[BaseModel]) -> Iterable[ConfigProblem]:
    """Translate what pydantic found into problems with their places, each place and message once."""
    seen: dict[tuple[str, str], ConfigProblem] = {}
    for detail in error.errors(include_url=False):
        path = _real_path(detail["loc"], merged.data, missing=detail["type"] == "missing")
        if detail["type"] == "extra_forbidden":
            problem = unknown_key(root, path[:-1], str(path[-1]), merged.key_place(path))
        elif detail["type"] == "missing":
            problem = ConfigProblem("is required", *merged.key_place(path[:-1]), key=_dotted(path))
        else:
            problem = ConfigProblem(_message(detail), *merged.place(path), key=_dotted(path))
        seen.setdefault((problem.key, problem.message), problem)
    return seen.values()


def _real_path(location: tuple[str | int, ...], data: object, *, missing: bool) -> tuple[str | int, ...]:
    """Return the part of an error's location that names keys and indexes, without the names of union members."""
    path: list[str | int] = []
    for index, step in enumerate(location):
        inner = _child(data, step)
        if inner is not _ABSENT:
            data = inner
            path.append(step)
        elif missing and index == len(location) - 1:
            path.append(step)
    return tuple(path)


_ABSENT = object()


def _child(data: object, step: str | int) -> object:
    if isinstance(data, dict):
        return data.get(step, _ABSENT)
    if isinstance(data, list) and isinstance(step, int) and step < len(data):
        return data[step]
    return _ABSENT


def _message(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return "must be a mapping"
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        return f"must match {context['pattern']}"
    if kind == "too_short":
        return f"must hold at least {context['min_length']} item{'s' * (context['min_length'] != 1)}"
    text = str(detail["msg"])
    for wordy, short in (
        ("Input should be ", "must be "),
        ("Input should have ", "must have "),
        ("Value should", "must"),
    ):
        text = text.replace(wordy, short)
    return text[:1].lower() + text[1:]


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(map(str, path))


def _origins(value: BaseModel, path: tuple[str | int, ...], merged: Merged) -> Iterable[tuple[str, str]]:
    """Yield dotted key and source of every field that isn't a default."""
    for name in sorted(value.model_fields_set):
        inner = getattr(value, name)
        here = (*path, name)
        if isinstance(inner, BaseModel):
            yield from _origins(inner, here, merged)
        else:
            source, line, _ = merged.place(here)
            yield _dotted(here), f"{source}:{line}" if line else source
