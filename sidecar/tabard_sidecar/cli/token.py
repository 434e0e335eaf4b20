"""Implements ``tabard token``."""

from __future__ import annotations

from pathlib import Path

import click

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.failure import Failure, explained
from tabard_sidecar.operating.options import Existing, config_options, json_option, json_pairs, load_settings
from tabard_sidecar.operating.terminal import echo, echo_json

_AUDIENCE = "tabard"
_SEE = explained("insecure")


@click.command()
@click.argument("subject")
@click.option(
    "--claim", "claims", multiple=True, metavar="NAME=VALUE", help="Further claim; JSON or text. Repeatable."
)
@click.option(
    "--agent", "agent_id", default="", metavar="SPIFFE_ID", help="Only workload that may use the token."
)
@click.option(
    "--audience",
    default=_AUDIENCE,
    show_default=True,
    help="Audience of the token. With approvals.audience it is an approver's token.",
)
@click.option(
    "--ttl-seconds",
    type=click.FloatRange(min=1, max=86400),
    default=3600,
    show_default=True,
    help="How long the token is accepted.",
)
@click.option("--key", "key_file", type=Existing(), help="Key file. Default: insecure.local_subjects.")
@config_options
@json_option
def token(  # noqa: PLR0913, PLR0917 - one parameter per option
    subject: str,
    claims: tuple[str, ...],
    agent_id: str,
    audience: str,
    ttl_seconds: float,
    key_file: Path | None,
    config_file: Path | None,
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Mint an access token for SUBJECT, for experiments without an identity provider.

    Accepted only by sidecars whose insecure.local_subjects names the same key file.
    """
    path = key_file or load_settings(config_file, assignments).settings.insecure.local_subjects
    value = mint(
        path,
        subject,
        json_pairs(claims, "--claim"),
        agent_id=agent_id,
        audience=audience,
        ttl_seconds=ttl_seconds,
    )
    if as_json:
        echo_json({"subject_token": value, "expires_in": int(ttl_seconds)})
    else:
        echo(value)


def mint(  # noqa: PLR0913 - one parameter per claim
    path: Path | None,
    subject: str,
    claims: dict[str, object],
    *,
    agent_id: str = "",
    audience: str = _AUDIENCE,
    ttl_seconds: float = 3600,
) -> str:
    """Mint a token with the key in ``path``.

    Raises:
        Failure: local subjects are off, or the key file can't be used.
    """
    from tabard_sidecar.identity.local import mint_local_token  # noqa: PLC0415 - loads cryptography
    from tabard_sidecar.keys.model import KeyringError  # noqa: PLC0415

    if path is None:
        raise Failure(
            "local subject tokens are off",
            exit_codes.CONFIG,
            where="insecure.local_subjects",
            next_step="Use a token of a configured issuer, or run `tabard init` for a set-up to try things out.",
            see=_SEE,
        )
    try:
        return mint_local_token(
            path,
            subject_id=subject,
            claims=claims,
            agent_id=agent_id,
            audience=audience,
            lifetime_seconds=ttl_seconds,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except KeyringError as error:
        raise Failure(str(error), exit_codes.CONFIG, where="insecure.local_subjects", see=_SEE) from error
