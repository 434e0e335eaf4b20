"""Public keys as JSON Web Keys (RFC 7517, 7518, 8037). Needs the extra ``verify``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tabard import base64url
from tabard._lean import dataclass

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

MAX_KEYS = 100
"""Most keys of a JWK Set that is accepted."""

_MIN_RSA_BITS = 2048
# Larger ones only make verifying slow.
_MAX_RSA_BITS = 8192
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
_COORDINATE_BYTES = 32


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One public key and what its JWK says it is for. ``algorithm`` is empty if the JWK doesn't say."""

    kid: str | None
    algorithm: str
    public_key: PublicKey

    def fits(self, algorithm: str) -> bool:
        """Tell whether a token signed with ``algorithm`` could be this key's."""
        if self.algorithm and self.algorithm != algorithm:
            return False
        if algorithm.startswith(("RS", "PS")):
            return isinstance(self.public_key, rsa.RSAPublicKey)
        if algorithm in _CURVES:
            key = self.public_key
            return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == _CURVES[algorithm]
        return algorithm == "EdDSA" and isinstance(self.public_key, ed25519.Ed25519PublicKey)


def read(entry: Mapping[str, Any]) -> VerificationKey | None:
    """Read one key of a JWK Set. ``None`` stands for a key that isn't for verifying signatures, or is a private one.

    A member that is null counts as absent: some issuers write all that they know.

    Raises:
        ValueError: it can't be read, or isn't RSA with 2048 to 8192 bits, EC on P-256, P-384 or P-521, or Ed25519.
    """
    # Only here, so that writing keys doesn't load PyJWT.
    from jwt import PyJWTError  # noqa: PLC0415
    from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm  # noqa: PLC0415

    entry = {name: value for name, value in entry.items() if value is not None}
    if not _for_verifying(entry):
        return None
    parsers = {"RSA": RSAAlgorithm.from_jwk, "EC": ECAlgorithm.from_jwk, "OKP": OKPAlgorithm.from_jwk}
    parser = parsers.get(str(entry.get("kty")))
    if parser is None:
        raise ValueError("its kind isn't supported")
    try:
        key = parser(entry)
    except (PyJWTError, ValueError, TypeError, KeyError, OverflowError):
        raise ValueError("it can't be read") from None
    return VerificationKey(entry.get("kid"), entry.get("alg", ""), check_strength(key))


def check_strength(key: object) -> PublicKey:
    """Return ``key`` if signatures by it are accepted.

    Raises:
        ValueError: it is of another kind, or too weak or too large.
    """
    if isinstance(key, rsa.RSAPublicKey):
        strong = _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS
    elif isinstance(key, ec.EllipticCurvePublicKey):
        strong = key.curve.name in _CURVES.values()
    else:
        strong = isinstance(key, ed25519.Ed25519PublicKey)
    if not isinstance(key, PublicKey) or not strong:
        raise ValueError("it must be RSA with 2048 to 8192 bits, EC on P-256, P-384 or P-521, or Ed25519")
    return key


def public_jwk(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> dict[str, str]:
    """Return a public key on P-256 or Ed25519 as a JWK with its key material only."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": base64url.encode(key.public_bytes_raw())}
    numbers = key.public_numbers()
    x, y = (base64url.encode(value.to_bytes(_COORDINATE_BYTES, "big")) for value in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def _for_verifying(entry: Mapping[str, Any]) -> bool:
    operations = entry.get("key_ops", ["verify"])
    return (
        isinstance(entry.get("kid", ""), str)
        and isinstance(entry.get("alg", ""), str)
        and entry.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        # A private key that was published is no secret: signatures by it prove nothing.
        and "d" not in entry
    )
