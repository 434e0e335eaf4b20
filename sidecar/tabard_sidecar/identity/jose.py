"""Compact JWTs (RFC 7515, 7519): signs them, takes untrusted ones apart strictly, and verifies them with a chosen key."""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from tabard import base64url
from tabard.arguments import parse_json

from tabard_sidecar.identity.media_types import normal_type
from tabard_sidecar.keys.jwk import algorithm_of
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from tabard.jwk import VerificationKey

    from tabard_sidecar.keys.jwk import PrivateKey

MAX_TOKEN_BYTES = 16 * 1024
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Algorithms that can be configured: asymmetric ones only."""

_MAX_NAME = 256
# Parameters that would let the token choose its key or change how it is parsed.
_FORBIDDEN_PARAMETERS = ("crit", "b64", "jwk", "jku", "x5u", "zip", "enc")
_SEGMENTS = 3
_ECDSA = ec.ECDSA(SHA256())
_COORDINATE_BYTES = 32


class TokenProblem(StrEnum):
    """Problem of a token; each verifier maps it to its own reason code."""

    MALFORMED = "malformed"
    HEADER = "header"
    ALGORITHM = "algorithm"
    TYPE = "type"
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "signature"
    CLAIMS = "claims"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    TOO_OLD = "too_old"


class TokenError(Exception):
    """A token isn't acceptable.

    Attributes:
        problem: which check failed.
        message: what the check found; never holds the token or a part of it that could be secret.
    """

    def __init__(self, problem: TokenProblem, message: str) -> None:
        super().__init__(message)
        self.problem = problem
        self.message = message


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A parsed token. Nothing in it may be trusted before :func:`verify_signature`."""

    text: str
    header: dict[str, Any]
    claims: dict[str, Any]

    def __repr__(self) -> str:
        return "UnverifiedToken(...)"

    @property
    def algorithm(self) -> str:
        """The ``alg`` parameter."""
        return str(self.header["alg"])

    @property
    def key_id(self) -> str | None:
        """The ``kid`` parameter, if there is one."""
        return self.header.get("kid")

    @property
    def type(self) -> str:
        """The ``typ`` parameter in the form that RFC 7515, section 4.1.9 compares; empty if absent."""
        return normal_type(self.header.get("typ", ""))

    @property
    def digest(self) -> str:
        """SHA-256 of the signed part, hex.

        It leaves the signature out, because an ECDSA signature can be altered and still verify: one token would have
        several digests.
        """
        return hashlib.sha256(self.text.rpartition(".")[0].encode()).hexdigest()


def parse(token: str, *, max_bytes: int = MAX_TOKEN_BYTES) -> UnverifiedToken:
    """Parse ``token`` without trusting anything in it.

    Raises:
        TokenError: it is too large, not three segments of canonical base64url, its header or claims aren't JSON
            objects without repeated names, or its header has an unsupported parameter.
    """
    if len(token) > max_bytes:
        raise TokenError(TokenProblem.MALFORMED, f"the token is larger than {max_bytes} bytes")
    segments = token.split(".")
    if len(segments) != _SEGMENTS or not all(segments[:2]):
        raise TokenError(TokenProblem.MALFORMED, "the token isn't three segments separated by dots")
    header = _object(segments[0], "header")
    claims = _object(segments[1], "claims")
    _decode(segments[2], "signature")
    _check_header(header)
    return UnverifiedToken(token, header, claims)


def verify_signature(token: UnverifiedToken, key: VerificationKey) -> None:
    """Verify the signature with ``key``.

    Raises:
        TokenError: it doesn't verify, or the key isn't one for the token's algorithm.
    """
    if not key.fits(token.algorithm):
        raise TokenError(TokenProblem.ALGORITHM, "the token's alg doesn't fit the key that its kid names")
    try:
        # The key is a public key object, never bytes, so it can't be used as an HMAC secret.
        jwt.PyJWS(algorithms=[token.algorithm]).decode(
            token.text, key.public_key, algorithms=[token.algorithm]
        )
    except (jwt.PyJWTError, ValueError, TypeError):
        raise TokenError(TokenProblem.SIGNATURE, "the signature doesn't verify") from None


def encode_header(key: PrivateKey, key_id: str, token_type: str) -> str:
    """Return the header segment of tokens that ``key`` signs; an empty ``key_id`` is left out."""
    header = {"alg": algorithm_of(key)} | ({"kid": key_id} if key_id else {}) | {"typ": token_type}
    return base64url.encode(json.dumps(header, separators=(",", ":")).encode())


def sign(key: PrivateKey, header: str, claims: bytes) -> str:
    """Return a signed token.

    Args:
        key: signs it.
        header: what :func:`encode_header` returned for this key.
        claims: a JSON object.
    """
    signing_input = f"{header}.{base64url.encode(claims)}"
    return f"{signing_input}.{base64url.encode(_signature(key, signing_input.encode()))}"


def _signature(key: PrivateKey, content: bytes) -> bytes:
    # PyJWT and joserfc take 1.4 to 2 times as long (docs/design.md); verifying goes through PyJWT.
    if isinstance(key, ec.EllipticCurvePrivateKey):
        # RFC 7518, section 3.4: R and S as fixed-length big-endian integers, not DER.
        r, s = decode_dss_signature(key.sign(content, _ECDSA))
        return r.to_bytes(_COORDINATE_BYTES, "big") + s.to_bytes(_COORDINATE_BYTES, "big")
    return key.sign(content)


def _check_header(header: dict[str, Any]) -> None:
    algorithm = header.get("alg")
    if not isinstance(algorithm, str):
        raise TokenError(TokenProblem.MALFORMED, "the header has no alg")
    for name in ("kid", "typ"):
        value = header.get(name, "")
        if not isinstance(value, str) or len(value) > _MAX_NAME:
            raise TokenError(
                TokenProblem.MALFORMED,
                f"the header's {name} isn't a string of at most {_MAX_NAME} characters",
            )
    if algorithm not in ALGORITHMS:
        # The message doesn't repeat the value, because the sender chose it.
        raise TokenError(
            TokenProblem.ALGORITHM,
            "the token's alg is none, symmetric or unknown; only public keys sign tokens here",
        )
    for name in _FORBIDDEN_PARAMETERS:
        if name in header:
            raise TokenError(TokenProblem.HEADER, f"the header carries {name!r}, which is never accepted")


def _object(segment: str, what: str) -> dict[str, Any]:
    try:
        value = parse_json(_decode(segment, what))
    except ValueError as error:
        raise TokenError(TokenProblem.MALFORMED, f"the token's {what}: {error}") from None
    if not isinstance(value, dict):
        raise TokenError(TokenProblem.MALFORMED, f"the token's {what} aren't a JSON object")
    return value


def _decode(segment: str, what: str) -> bytes:
    try:
        return base64url.decode(segment)
    except ValueError:
        raise TokenError(
            TokenProblem.MALFORMED, f"the token's {what} isn't base64url without padding"
        ) from None
