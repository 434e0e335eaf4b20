"""Mints and accepts local subject tokens, to try Tabard without an identity provider (``insecure.local_subjects``).

The setting is under ``insecure``, because a reader of the key file can impersonate any person.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING, Any

from tabard.arguments import parse_json
from tabard.jwk import VerificationKey

from tabard_sidecar.identity import jose
from tabard_sidecar.identity.keyset import JwkSet
from tabard_sidecar.identity.sources import StaticKeys
from tabard_sidecar.identity.subject import Issuer
from tabard_sidecar.keys import files, jwk
from tabard_sidecar.keys.model import KeyringError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOCAL_ISSUER = "https://local.tabard.dev"
"""Issuer of local subjects. Nothing is fetched from it."""
LOCAL_AUDIENCE = "tabard"

_TYPE = "at+jwt"
_RESERVED = frozenset(
    {"iss", "aud", "sub", "iat", "exp", "nbf", "jti", "auth_time", "may_act", "cnf", "nonce"}
)


def create_local_key(path: Path) -> None:
    """Write a new key for local subjects, mode 0600.

    Raises:
        KeyringError: the file exists already or can't be written.
    """
    document = {"kid": f"local-{secrets.token_hex(8)}", "key": jwk.private_jwk(jwk.generate("ES256"))}
    files.create_private_file(path, json.dumps(document, indent=2).encode() + b"\n")


def mint_local_token(  # noqa: PLR0913 - one parameter per claim
    path: Path,
    *,
    subject_id: str,
    claims: Mapping[str, Any] | None = None,
    agent_id: str = "",
    audience: str = LOCAL_AUDIENCE,
    lifetime_seconds: float = 3600.0,
    now: float | None = None,
) -> str:
    """Mint an access token for a local subject, as ``tabard token`` does.

    Args:
        path: the key file.
        subject_id: the token's subject.
        claims: further claims, which policies see in ``subject.claims``.
        agent_id: if given, the only workload that may use the token (``may_act``).
        audience: the token's audience; approvers' tokens have another than agents'.
        lifetime_seconds: the token's lifetime.
        now: time of signing in seconds since the epoch; the current time if not given.

    Raises:
        KeyringError: the key file can't be used.
        ValueError: ``claims`` names a claim that the token itself sets.
    """
    extra = dict(claims or {})
    taken = sorted(extra.keys() & _RESERVED)
    if taken:
        raise ValueError(f"claim {taken[0]} is set by the token itself")
    kid, key = _load(path)
    issued_at = int(time.time() if now is None else now)
    content: dict[str, Any] = extra | {
        "iss": LOCAL_ISSUER,
        "aud": audience,
        "sub": subject_id,
        "iat": issued_at,
        "auth_time": issued_at,
        "exp": issued_at + int(lifetime_seconds),
        "jti": secrets.token_urlsafe(16),
    }
    if agent_id:
        content["may_act"] = {"sub": agent_id}
    return jose.sign(key, jose.encode_header(key, kid, _TYPE), json.dumps(content).encode())


def local_issuer(path: Path) -> Issuer:
    """Return the issuer of local subjects, for the list of accepted issuers.

    Raises:
        KeyringError: the key file can't be used.
    """
    kid, key = _load(path)
    public = VerificationKey(kid, jwk.algorithm_of(key), key.public_key())
    return Issuer(
        issuer=LOCAL_ISSUER,
        audiences=frozenset({LOCAL_AUDIENCE}),
        algorithms=frozenset({public.algorithm}),
        types=frozenset({_TYPE}),
        keys=StaticKeys(JwkSet((public,))),
        keep_all=True,
    )


def _load(path: Path) -> tuple[str, jwk.PrivateKey]:
    content = files.read_private_file(path)
    try:
        document = parse_json(content)
        if not isinstance(document, dict) or not isinstance(document.get("kid"), str):
            raise ValueError("it must be an object with kid and key")  # noqa: TRY004 - one error type for bad content
        return document["kid"], jwk.load_private(document.get("key"))
    except ValueError as error:
        raise KeyringError(f"key file {path}: {error}; make a new one with `tabard init`") from None
