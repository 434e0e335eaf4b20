"""Implements the ``tabard keys`` commands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial, wraps
from pathlib import Path
from typing import TypeVar, cast

import click
from tabard import base64url

from tabard_sidecar import exit_codes
from tabard_sidecar.keys import files
from tabard_sidecar.keys.jwk import ALGORITHMS
from tabard_sidecar.keys.keyring import DEFAULT_LEAD_SECONDS, DEFAULT_OVERLAP_SECONDS, Keyring
from tabard_sidecar.keys.model import SIGNING, USES, Key, KeyringError
from tabard_sidecar.keys.zone_keys import ExportedKey
from tabard_sidecar.keys.zone_keys import jwks as jwk_set
from tabard_sidecar.operating.failure import Failure, explained
from tabard_sidecar.operating.options import Existing, config_options, json_option, load_settings
from tabard_sidecar.operating.terminal import echo, echo_json, style
from tabard_sidecar.util.moments import utc_text

_Command = TypeVar("_Command", bound=Callable[..., object])
_SEE = explained("keys")

_use = click.option("--use", type=click.Choice(USES), required=True, help="Use of the key.")


def _on_keyring(command: _Command, kind: click.Path | None = None) -> _Command:
    """Add the options that select the key directory, and pass it as ``directory``; it must exist, unless ``kind`` says other."""

    @wraps(command)
    def run(
        directory: Path | None, config_file: Path | None, assignments: tuple[str, ...], **others: object
    ) -> object:
        chosen = directory or _configured(config_file, assignments)
        try:
            return command(chosen, **others)
        except KeyringError as error:
            raise Failure(str(error), exit_codes.CONFIG, where=str(chosen), see=_SEE) from error

    option = click.option(
        "--directory",
        type=kind or Existing(file_okay=False),
        help="Key directory. Default: keys.directory of the configuration.",
    )
    return cast("_Command", option(config_options(run)))


def _configured(config_file: Path | None, assignments: tuple[str, ...]) -> Path:
    keys = load_settings(config_file, assignments).settings.keys
    if keys.control is not None:
        raise Failure(
            "the keys of this configuration come from a control service and are in no directory",
            exit_codes.CONFIG,
            where=keys.control.url,
            next_step="Name a key directory with --directory, or make master keys with `tabard control keys new`.",
            see=_SEE,
        )
    return keys.directory


@click.group(name="keys")
def keys() -> None:
    """Make, copy, rotate, list and export the zone's keys."""


@keys.command(name="new")
@partial(_on_keyring, kind=click.Path(file_okay=False, path_type=Path))
@_use
@click.option(
    "--algorithm",
    type=click.Choice(ALGORITHMS),
    default="ES256",
    show_default=True,
    help="Algorithm of a signing key.",
)
@json_option
def new(directory: Path, use: str, algorithm: str, as_json: bool) -> None:
    """Add a key that is active at once."""
    key = Keyring.create_directory(directory).create(use, algorithm=algorithm)
    if as_json:
        echo_json(_describe(key, datetime.now(UTC).timestamp()))
        return
    echo(f"{key.kid} is active. Give the directory to every sidecar of the zone.")


@keys.command(name="copy")
@partial(_on_keyring, kind=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--from",
    "source",
    type=Existing(file_okay=False),
    required=True,
    help="Folder with the keys, such as a mounted Secret.",
)
@json_option
def copy(directory: Path, source: Path, as_json: bool) -> None:
    """Copy mounted keys into a key directory.

    A Secret of Kubernetes is mounted as links and with wider modes than a key directory may have. An init container
    runs this command before the sidecar starts.
    """
    copied = files.copy(source, directory)
    if as_json:
        now = datetime.now(UTC).timestamp()
        echo_json([_describe(key, now) for key in copied])
        return
    echo(f"{len(copied)} key{'s' * (len(copied) != 1)} copied to {directory}.")


@keys.command(name="rotate")
@_on_keyring
@_use
@click.option(
    "--overlap-seconds",
    type=click.FloatRange(min=0),
    default=DEFAULT_OVERLAP_SECONDS,
    show_default=True,
    help="How long the older keys are still accepted after the new key became active.",
)
@click.option(
    "--lead-seconds",
    type=click.FloatRange(min=0),
    default=DEFAULT_LEAD_SECONDS,
    show_default=True,
    help="How long the new key is published before it becomes active.",
)
@json_option
def rotate(directory: Path, use: str, *, overlap_seconds: float, lead_seconds: float, as_json: bool) -> None:
    """Add a key that soon replaces the active one; the older keys retire after the overlap.

    The overlap must cover the longest life of what the older keys made: grants for root keys,
    credentials for signing keys.
    """
    key = Keyring(directory).rotate(use, overlap_seconds, lead_seconds=lead_seconds)
    if as_json:
        echo_json(_describe(key, datetime.now(UTC).timestamp()))
        return
    echo(f"{key.kid} takes over at {utc_text(key.active_from)}.")


@keys.command(name="list")
@_on_keyring
@json_option
def list_keys(directory: Path, as_json: bool) -> None:
    """Show the keys that are accepted, never their secrets."""
    keyring = Keyring(directory)
    found = [key for use in USES for key in keyring.list(use)]
    now = datetime.now(UTC).timestamp()
    if as_json:
        echo_json([_describe(key, now) for key in found])
        return
    if not found:
        echo("There are no keys. Make one with: tabard keys new --use root")
    else:
        echo(style(f"{'key':<28} {'use':<8} {'alg':<6} {'state':<8} time", bold=True))
    for key in found:
        row = _describe(key, now)
        until = f", until {row['retire_after']}" if row["retire_after"] else ""
        echo(
            f"{key.kid:<28} {key.use:<8} {key.algorithm:<6} {row['state']:<8} from {row['active_from']}{until}"
        )


@keys.command(name="jwks")
@_on_keyring
def jwks(directory: Path) -> None:
    """Print the zone's public signing keys as a JWK Set, for backends.

    It holds no secret. A backend takes it as a file (jwks=) or from an https address where it is
    put. Print it again after each rotation: a new key is in it before its first use, a retired one
    no longer.
    """
    document = jwk_set(Keyring(directory))
    if not document["keys"]:
        raise KeyringError(f"there is no signing key; run: tabard keys new --use {SIGNING}")
    echo_json(document)


@keys.command(name="export")
@_on_keyring
@click.option("--audience", required=True, help="Audience whose backend gets the keys.")
def export(directory: Path, audience: str) -> None:
    """Print one audience's macaroon keys, for its backend."""
    exported = Keyring(directory).export(audience)
    if not exported:
        raise KeyringError("there is no root key; run: tabard keys new --use root")
    echo(
        f"Secret. These keys verify macaroon credentials for {audience} and can also mint them. "
        "Give them to that backend alone, in a file of mode 0600.",
        err=True,
    )
    echo_json(export_document(audience, exported))


def export_document(audience: str, exported: tuple[ExportedKey, ...]) -> dict[str, object]:
    """Return the JSON document that a backend reads; see docs/reference/credentials.md."""
    return {
        "audience": audience,
        "keys": [
            {"kty": "oct", "kid": key.kid, "k": base64url.encode(key.secret)}
            | ({} if key.retire_after is None else {"exp": int(key.retire_after)})
            for key in exported
        ],
    }


def _describe(key: Key, now: float) -> dict[str, str]:
    return {
        "kid": key.kid,
        "use": key.use,
        "algorithm": key.algorithm,
        "state": "active" if key.active_at(now) else "waiting",
        "active_from": utc_text(key.active_from),
        "retire_after": "" if key.retire_after is None else utc_text(key.retire_after),
    }
