"""Defines options that several commands share."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.failure import ConfigFailure, Failure
from tabard_sidecar.util.problems import SourceError

if TYPE_CHECKING:
    from tabard_sidecar.config.loading import Loaded
    from tabard_sidecar.operating.reach import Target

_Command = TypeVar("_Command", bound=Callable[..., object])
_MAX_SECRET_BYTES = 1024 * 1024


class Existing(click.Path):
    """A file or folder that is named on the command line and must exist, else the command isn't usable as it was written."""

    def __init__(self, *, file_okay: bool = True, allow_dash: bool = False) -> None:
        super().__init__(path_type=Path, file_okay=file_okay, allow_dash=allow_dash)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's own
        """Return the path; what else may be wrong with the file, its reader tells."""
        found: Any = super().convert(value, param, ctx)
        try:
            if not (self.allow_dash and str(found) == "-"):
                Path(found).stat()
        except (FileNotFoundError, NotADirectoryError):
            self.fail(f"{str(found)!a} doesn't exist", param, ctx)
        except (OSError, ValueError):
            pass
        return found


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def config_options(command: _Command) -> _Command:
    """Add ``--config`` and ``--set``."""
    command = click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="KEY=VALUE",
        help="Set one setting, for example --set limits.max_in_flight=8. Repeatable; stronger than file and environment.",
    )(command)
    return config_option(command)


def config_option(command: _Command, *, eager: bool = False) -> _Command:
    """Add ``--config``."""
    return click.option(
        "--config",
        "config_file",
        type=Existing(),
        is_eager=eager,
        help="Configuration file. Default: $TABARD_CONFIG, ./tabard.yaml, /etc/tabard/tabard.yaml.",
    )(command)


def service_options(service: str, *, default: str, example: str) -> Callable[[_Command], _Command]:
    """Return what adds ``--config`` and ``--set`` to a command of another service than the sidecar.

    Args:
        service: what is configured, with its article.
        default: the file without ``--config``.
        example: a setting, as ``KEY=VALUE``.
    """

    def add(command: _Command) -> _Command:
        command = click.option(
            "--set",
            "assignments",
            multiple=True,
            metavar="KEY=VALUE",
            help=f"Set one setting, for example --set {example}. Repeatable; stronger than the file.",
        )(command)
        return click.option(
            "--config",
            "config_file",
            type=Existing(),
            help=f"Configuration of {service}. Default: {default}.",
        )(command)

    return add


def zone_option(command: _Command) -> _Command:
    """Add ``--zone``."""
    return click.option(
        "--zone",
        default="",
        is_eager=True,
        metavar="ZONE",
        help="Zone that must answer. Default: that of the configuration; without one, any.",
    )(command)


def find_target(
    surface: str,
    flag: str,
    *,
    zone: str = "",
    config_file: Path | None = None,
    assignments: tuple[str, ...] = (),
) -> Target:
    """Return the sidecar that a command is about: see :func:`tabard_sidecar.operating.reach.find`.

    Raises:
        Failure: the configuration can't be read.
    """
    from tabard_sidecar.operating import reach  # noqa: PLC0415

    try:
        return reach.find(surface, flag, zone=zone, config_file=config_file, assignments=assignments)
    except ValueError as error:
        raise unreadable_configuration(error) from error


def unreadable_configuration(error: ValueError) -> Failure:
    """Return the error for a configuration of which not even zone and sockets can be read."""
    return Failure(
        f"the configuration can't be read: {error}",
        exit_codes.CONFIG,
        next_step="Mend it, or name another one with --config.",
    )


def load_settings(config_file: Path | None, assignments: tuple[str, ...] = ()) -> Loaded:
    """Load the configuration.

    Raises:
        ConfigFailure: it has mistakes.
    """
    from tabard_sidecar.config.loading import load  # noqa: PLC0415 - half a second that --help needn't wait for

    try:
        return load(config_file, assignments=assignments)
    except SourceError as error:
        raise ConfigFailure(error.problems) from None


def secret_argument(given: str, what: str) -> str:
    """Return a secret that is given literally, as ``@FILE``, or as ``-`` for standard input.

    Raises:
        Failure: the file can't be read.
    """
    if given == "-":
        return sys.stdin.read(_MAX_SECRET_BYTES).strip()
    if not given.startswith("@"):
        return given.strip()
    return read_text(Path(given[1:]), f"the {what}", _MAX_SECRET_BYTES).strip()


def read_text(path: Path, what: str, most: int) -> str:
    """Return the text of a file that is named on the command line; it may be a pipe.

    Raises:
        Failure: it can't be read, isn't UTF-8, or has more than ``most`` bytes.
    """
    try:
        return read_bytes(path, what, most).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Failure(
            f"{what} can't be read: it isn't UTF-8 text", exit_codes.USAGE, where=str(path)
        ) from error


def read_bytes(path: Path, what: str, most: int) -> bytes:
    """Return the content of a file that is named on the command line; it may be a pipe, and ``-`` is standard input.

    Raises:
        Failure: it can't be read, or has more than ``most`` bytes.
    """
    try:
        if str(path) == "-":
            content = sys.stdin.buffer.read(most + 1)
        else:
            with path.open("rb") as stream:
                content = stream.read(most + 1)
    except OSError as error:
        raise Failure(f"{what} can't be read: {error.strerror}", exit_codes.USAGE, where=str(path)) from error
    if len(content) > most:
        raise Failure(
            f"{what} can't be read: it has more than {most} bytes", exit_codes.USAGE, where=str(path)
        )
    return content


def json_pairs(pairs: tuple[str, ...], option: str) -> dict[str, object]:
    """Parse ``NAME=VALUE`` pairs; a value that is JSON is decoded, any other value is text.

    Raises:
        click.UsageError: a pair has no name or is repeated.
    """
    values: dict[str, object] = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator or not name:
            raise click.UsageError(f"{option} {pair}: write NAME=VALUE")
        if name in values:
            raise click.UsageError(f"{option} {name} is repeated")
        try:
            values[name] = json.loads(text)
        except (ValueError, RecursionError):
            values[name] = text
    return values
