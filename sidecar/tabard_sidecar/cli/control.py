"""Implements ``tabard control``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.control.rotation_times import LEAD_SECONDS, OVERLAP_SECONDS
from tabard_sidecar.operating.failure import ControlConfigFailure, Failure
from tabard_sidecar.operating.options import Existing, json_option, service_options
from tabard_sidecar.operating.terminal import echo, echo_json, style
from tabard_sidecar.util.dumps import never_dump
from tabard_sidecar.util.moments import utc_text
from tabard_sidecar.util.problems import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tabard_sidecar.control.conf import ControlSettings
    from tabard_sidecar.control.master import MasterKey

_SEE = "tabard control keys new --help"


_options = service_options(
    "the control service", default="/etc/tabard/control.yaml", example="server.listen=0.0.0.0:9444"
)


@click.group()
def control() -> None:
    """Derive the keys of every namespace's zone from one master key, on Kubernetes."""


@control.command()
@_options
def serve(config_file: Path | None, assignments: tuple[str, ...]) -> None:
    """Give sidecars the keys of their namespace until a signal stops it.

    SIGTERM and SIGINT drain and stop. New master keys and a renewed certificate are followed without a
    restart.
    """
    never_dump()
    settings = _load(config_file, assignments)
    from tabard_sidecar.control.loading import SYSTEM_FILE  # noqa: PLC0415
    from tabard_sidecar.control.running import run  # noqa: PLC0415 - loads aiohttp
    from tabard_sidecar.http.certificate import CertificateError  # noqa: PLC0415
    from tabard_sidecar.http.clients import ClientKeyError  # noqa: PLC0415
    from tabard_sidecar.identity import KeysUnavailable  # noqa: PLC0415
    from tabard_sidecar.keys import KeyringError  # noqa: PLC0415
    from tabard_sidecar.records.sinks import SinkError  # noqa: PLC0415
    from tabard_sidecar.util.sockets import BindError  # noqa: PLC0415

    try:
        run(settings, config_file or SYSTEM_FILE)
    except CertificateError as error:
        step = "Correct server.tls_certificate_file and server.tls_key_file, or server.managed."
        raise _cannot_start(error, exit_codes.CONFIG, step) from error
    except KeyringError as error:
        step = "Make master keys with `tabard control keys new`, and mount the same for every replica."
        raise _cannot_start(error, exit_codes.CONFIG, step) from error
    except ClientKeyError as error:
        step = "Correct zones.NAME.introspection.clients."
        raise _cannot_start(error, exit_codes.CONFIG, step) from error
    except BindError as error:
        step = "Set server.listen, operators.listen and http.listen to free addresses."
        raise _cannot_start(error, exit_codes.CANNOT_BIND, step) from error
    except KeysUnavailable as error:
        raise _cannot_start(error, exit_codes.UNREACHABLE, "Correct operators.issuers.") from error
    except SinkError as error:
        raise _cannot_start(error, exit_codes.UNREACHABLE, "Correct the section audit.") from error
    except ValueError as error:
        step = "Correct cluster.ca_file, operators and zones.NAME."
        raise _cannot_start(error, exit_codes.CONFIG, step) from error


def _cannot_start(error: Exception, code: int, step: str) -> Failure:
    return Failure(f"the control service can't start: {error}", code, next_step=step)


@control.group()
def keys() -> None:
    """Make and list master keys. With one, the keys of every zone can be computed."""


@keys.command(name="new")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder of the master keys; it is made with mode 0700.",
)
@click.option(
    "--lead-seconds",
    type=click.FloatRange(min=0),
    default=LEAD_SECONDS,
    show_default=True,
    help="How long the new generation is given out before it is used. The first one is used at once.",
)
@click.option(
    "--overlap-seconds",
    type=click.FloatRange(min=0),
    default=OVERLAP_SECONDS,
    show_default=True,
    help="How long the former generations are accepted after that. It must cover the longest grant.",
)
@json_option
def new(directory: Path, *, lead_seconds: float, overlap_seconds: float, as_json: bool) -> None:
    """Add a generation beside those that are there. Nothing else in the folder changes.

    Make it on a trusted machine, then replace the Secret by the folder's files. Sidecars get the new
    keys within a poll, use them after the lead, and accept the former ones until the overlap is over.
    """
    from tabard_sidecar.control.master import create  # noqa: PLC0415 - loads cryptography
    from tabard_sidecar.keys import KeyringError  # noqa: PLC0415

    try:
        key = create(directory, lead_seconds=lead_seconds, overlap_seconds=overlap_seconds)
    except KeyringError as error:
        raise Failure(str(error), exit_codes.CONFIG, where=str(directory), see=_SEE) from error
    if as_json:
        echo_json(_row(key, (key,)))
        return
    echo(
        f"generation {key.generation} is used from {utc_text(key.active_from)}. Give the folder to every replica."
    )
    if key.former_until is not None:
        echo(f"Former generations retire at {utc_text(key.former_until)}; remove their files after that.")


@keys.command(name="list")
@click.option("--directory", type=Existing(file_okay=False), required=True, help="Folder of the master keys.")
@json_option
def list_keys(directory: Path, as_json: bool) -> None:
    """Show the generations, never a secret."""
    from tabard_sidecar.control.master import read_folder  # noqa: PLC0415 - loads cryptography
    from tabard_sidecar.keys import KeyringError  # noqa: PLC0415

    try:
        found = read_folder(directory)
    except KeyringError as error:
        raise Failure(str(error), exit_codes.CONFIG, where=str(directory), see=_SEE) from error
    rows = [_row(key, found) for key in found]
    if as_json:
        echo_json(rows)
        return
    echo(style(f"{'generation':<11} {'state':<8} time", bold=True))
    for row in rows:
        until = f", until {row['retire_after']}" if row["retire_after"] else ""
        echo(f"{row['generation']:<11} {row['state']:<8} from {row['active_from']}{until}")


def _row(key: MasterKey, keys: Sequence[MasterKey]) -> dict[str, object]:
    from tabard_sidecar.control.master import retired_at  # noqa: PLC0415

    now, end = datetime.now(UTC).timestamp(), retired_at(key, keys)
    later = any(key.generation < other.generation and other.active_from <= now for other in keys)
    if end is not None and now >= end:
        state = "retired"
    elif key.active_from > now:
        state = "waiting"
    else:
        state = "accepted" if later else "active"
    return {
        "generation": key.generation,
        "state": state,
        "active_from": utc_text(key.active_from),
        "retire_after": "" if end is None else utc_text(end),
    }


def _load(config_file: Path | None, assignments: tuple[str, ...]) -> ControlSettings:
    from tabard_sidecar.control.loading import load_control  # noqa: PLC0415 - half a second that --help needn't wait for

    try:
        return load_control(config_file, assignments)
    except SourceError as error:
        raise ControlConfigFailure(error.problems) from None
