"""Collects the audiences that tokens of others have, so that a login which accepts one of them can be told."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tabard.files import read_regular

from tabard_sidecar.identity.jose import TokenError, parse
from tabard_sidecar.kubernetes.conf import ACCOUNT

if TYPE_CHECKING:
    from tabard_sidecar.config import Settings

# Platforms set these in every container of a pod.
_VARIABLES = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AZURE_FEDERATED_TOKEN_FILE")
_MAX_BYTES = 16 * 1024


def pods_tokens(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Return where tokens may be that every container of this pod has, the agent's, too."""
    return [ACCOUNT / "token", *(Path(environment[name]) for name in _VARIABLES if environment.get(name))]


def known_audiences(settings: Settings, tokens: Iterable[Path]) -> dict[str, str]:
    """Return the audiences that are known, with whose tokens have them.

    Args:
        settings: the configuration.
        tokens: files with tokens of others; those that aren't there or can't be read are left out.
    """
    found: dict[str, str] = {}
    for path in tokens:
        found |= dict.fromkeys(_audiences(path), f"the pod's token {path}")
    for server in settings.exchange.values():
        found |= dict.fromkeys(server.audiences, "exchanged tokens, which agents hold,")
    for issuer in settings.identity.issuers:
        found |= dict.fromkeys(issuer.audiences, "people's tokens, which agents hold,")
    own = settings.identity.agent.service_account
    if own is not None:
        found[own.audience] = "the token by which the sidecar knows its workload"
    return found


def _audiences(path: Path) -> Iterator[str]:
    try:
        content, _ = read_regular(path, _MAX_BYTES)
        claims = parse(content.decode("ascii").strip()).claims
    except (OSError, UnicodeDecodeError, TokenError):
        return
    listed = claims.get("aud")
    for one in listed if isinstance(listed, list) else [listed]:
        if isinstance(one, str):
            yield one
