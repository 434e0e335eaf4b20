"""The ``tabard keys`` commands."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import click

from tabard_sidecar.keys.jwk import ALGORITHMS
from tabard_sidecar.keys.keyring import DEFAULT_LEAD_SECONDS, DEFAULT_OVERLAP_SECONDS, ExportedKey, Keyring
from tabard_sidecar.keys.model import USES, Key, KeyringError

EXIT_CONFIG = 3

_directory = click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("keys"),
    envvar="TABARD_KEYS__DIRECTORY",
    show_default=True,
    help="Key directory (keys.directory of the configuration).",
)
_use = click.option("--use", type=click.Choice(USES), required=True, help="What the key is for.")


class KeyCommandError(click.ClickException):
    """The keyring refused; ends the command with the exit code for configuration."""

    exit_code = EXIT_CONFIG


@click.group(name="keys")
def keys() -> None:
    """Make, rotate, list and export the zone's keys."""


@keys.command(name="new")
@_directory
@_use
@click.option(
    "--algorithm", type=click.Choice(ALGORITHMS), default="ES256", show_default=True, help="Of a signing key."
)
def new(directory: Path, use: str, algorithm: str) -> None:
    """Add a key that is active at once."""
    try:
        key = Keyring.create_directory(directory).create(use, algorithm=algorithm)
    except KeyringError as error:
        raise KeyCommandError(str(error)) from error
    click.echo(f"{key.kid} is active. Give the directory to every sidecar of the zone.")


@keys.command(name="rotate")
@_directory
@_use
@click.option(
    "--overlap-seconds",
    type=click.FloatRange(min=0),
    default=DEFAULT_OVERLAP_SECONDS,
    show_default=True,
    help="How long the keys before it are still accepted after the new one took over.",
)
@click.option(
    "--lead-seconds",
    type=click.FloatRange(min=0),
    default=DEFAULT_LEAD_SECONDS,
    show_default=True,
    help="How long the new key is known before it takes over.",
)
def rotate(directory: Path, use: str, overlap_seconds: float, lead_seconds: float) -> None:
    """Add a key that takes over soon and plan the end of those before it."""
    try:
        key = Keyring(directory).rotate(use, overlap_seconds, lead_seconds=lead_seconds)
    except KeyringError as error:
        raise KeyCommandError(str(error)) from error
    click.echo(f"{key.kid} takes over at {_moment(key.active_from)}.")


@keys.command(name="list")
@_directory
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_keys(directory: Path, as_json: bool) -> None:
    """Show the keys that are accepted, never their secrets."""
    try:
        keyring = Keyring(directory)
    except KeyringError as error:
        raise KeyCommandError(str(error)) from error
    found = [key for use in USES for key in keyring.list(use)]
    now = datetime.now(UTC).timestamp()
    if as_json:
        click.echo(json.dumps([_describe(key, now) for key in found], indent=2))
        return
    for key in found:
        row = _describe(key, now)
        until = f", until {row['retire_after']}" if row["retire_after"] else ""
        click.echo(
            f"{key.kid:<28} {key.use:<8} {key.algorithm:<6} {row['state']:<8} from {row['active_from']}{until}"
        )


@keys.command(name="export")
@_directory
@click.option("--audience", required=True, help="Audience whose backend gets the keys.")
def export(directory: Path, audience: str) -> None:
    """Print the keys with which one audience's backend verifies macaroon credentials, as JSON."""
    try:
        exported = Keyring(directory).export(audience)
    except KeyringError as error:
        raise KeyCommandError(str(error)) from error
    if not exported:
        raise KeyCommandError(f"{directory} holds no root key; run: tabard keys new --use root")
    click.echo(
        f"Secret. Whoever has these keys can verify macaroon credentials for {audience} and could also mint them. "
        "Give them to that backend alone, in a file of mode 0600.",
        err=True,
    )
    click.echo(json.dumps(export_document(audience, exported), indent=2))


def export_document(audience: str, exported: tuple[ExportedKey, ...]) -> dict[str, object]:
    """Return the JSON document that a backend reads; see docs/reference/credentials.md."""
    return {
        "audience": audience,
        "keys": [
            {"kty": "oct", "kid": key.kid, "k": base64.urlsafe_b64encode(key.secret).rstrip(b"=").decode()}
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
        "active_from": _moment(key.active_from),
        "retire_after": "" if key.retire_after is None else _moment(key.retire_after),
    }


def _moment(value: float) -> str:
    return datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
