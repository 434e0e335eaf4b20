"""Proves to an identity provider which client the sidecar is. Files are read for every request, so they may change."""

from __future__ import annotations

import time
from base64 import b64encode
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote_plus

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tabard.trust import read_trusted

from tabard_sidecar.credentials.exchange.acting import read_actor, token_in
from tabard_sidecar.credentials.exchange.faults import misconfigured
from tabard_sidecar.util.files import explain
from tabard_sidecar.util.ids import new_id
from tabard_sidecar.util.secret_files import SecretFileError, read_secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tabard_sidecar.credentials.exchange.acting import Actor
    from tabard_sidecar.credentials.exchange.conf import ExchangeConfig

JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"
"""Type of the actor token."""
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_SECONDS = 60
_MAX_FILE_BYTES = 16 * 1024
_LEAST_RSA_BITS = 2048

_PrivateKey = RSAPrivateKey | ec.EllipticCurvePrivateKey | Ed25519PrivateKey


class Presented(NamedTuple):
    """How the client authenticates with one request: headers, members of the form, and the secret or assertion in them."""

    headers: dict[str, str]
    form: dict[str, str]
    secret: str


class ClientAuthentication:
    """Authenticates the client by secret (RFC 6749, section 2.3.1) or assertion (RFC 7523).

    Args:
        config: the server's section.
        clock: time in seconds since the epoch.
    """

    def __init__(self, config: ExchangeConfig, clock: Callable[[], float] = time.time) -> None:
        self._config = config
        self._clock = clock

    def presented(self) -> Presented:
        """Return what goes into one request.

        Raises:
            ExchangeFault: a file can't be read, or holds nothing that can be used.
        """
        path = self._config.client_secret_file
        if path is None:
            assertion = self._assertion()
            form = {
                "client_id": self._config.client_id,
                "client_assertion_type": _ASSERTION,
                "client_assertion": assertion,
            }
            return Presented({}, form, assertion)
        try:
            secret = read_secret(path)[0].decode("ascii")
        except (SecretFileError, UnicodeDecodeError) as error:
            text = str(error) if isinstance(error, SecretFileError) else f"{path}: holds no secret"
            raise misconfigured(text) from None
        pair = f"{quote_plus(self._config.client_id)}:{quote_plus(secret)}"
        return Presented({"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}, {}, secret)

    def actor(self) -> Actor | None:
        """Return this workload's actor token; ``None`` if none is sent.

        Raises:
            ExchangeFault: it can't be used.
        """
        path = self._config.actor_token_file
        return None if path is None else read_actor(path, now=self._clock())

    def _assertion(self) -> str:
        config = self._config
        if config.assertion_file is not None:
            return token_in(config.assertion_file)
        if config.private_key_file is None:
            raise TypeError("the configuration requires private_key_file")
        key = _key_in(config.private_key_file)
        now = int(self._clock())
        claims = {
            "iss": config.client_id,
            "sub": config.client_id,
            "aud": config.assertion_audience or config.token_endpoint,
            "jti": new_id(),
            "iat": now,
            "exp": now + _ASSERTION_SECONDS,
        }
        return jwt.encode(claims, key, _algorithm(key), {"kid": config.key_id} if config.key_id else None)


def _key_in(path: Path) -> _PrivateKey:
    try:
        content, _ = read_trusted(path, _MAX_FILE_BYTES, private=True)
    except OSError as error:
        raise misconfigured(explain(error, path)) from None
    try:
        key = load_pem_private_key(content, None)
    except Exception:  # noqa: BLE001 - cryptography may raise anything for a key that isn't one
        raise misconfigured(f"{path}: holds no private key in PEM without a password") from None
    if isinstance(key, RSAPrivateKey) and key.key_size >= _LEAST_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    if isinstance(key, Ed25519PrivateKey):
        return key
    raise misconfigured(f"{path}: must be an RSA key of 2048 bits or more, an EC key on P-256, or Ed25519")


def _algorithm(key: _PrivateKey) -> str:
    if isinstance(key, RSAPrivateKey):
        return "RS256"
    return "EdDSA" if isinstance(key, Ed25519PrivateKey) else "ES256"
