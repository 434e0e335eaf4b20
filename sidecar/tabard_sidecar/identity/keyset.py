"""JWK Sets (RFC 7517): which public keys an issuer signs with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from tabard.arguments import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

MAX_SET_BYTES = 256 * 1024
_MAX_KEYS = 100
_MIN_RSA_BITS = 2048
# Larger ones only make verifying slow.
_MAX_RSA_BITS = 8192
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}


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


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of one issuer."""

    keys: tuple[VerificationKey, ...]

    def find(self, kid: str | None, algorithm: str) -> VerificationKey | None:
        """Return the one key that may have signed; ``None`` if there is none or more than one could have.

        A token without ``kid`` is only served by a set with a single key for its algorithm; a key without ``kid``
        is a candidate for every token.
        """
        named = self.keys if kid is None else tuple(key for key in self.keys if key.kid in {kid, None})
        fitting = [key for key in named if key.fits(algorithm)]
        if len(fitting) == 1:
            return fitting[0]
        # A kid that exists for another algorithm is returned so that the refusal can say what is wrong.
        return named[0] if kid is not None and len(named) == 1 else None


def parse(content: bytes) -> KeySet:
    """Read a JWK Set. Keys that aren't public signing keys of a supported kind are left out.

    Raises:
        ValueError: it is too large, no JWK Set, or holds no usable key.
    """
    document = parse_json(content, max_bytes=MAX_SET_BYTES)
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError('the JWK Set has no array "keys"')  # noqa: TRY004 - one error type for bad content
    if len(entries) > _MAX_KEYS:
        raise ValueError(f"the JWK Set holds more than {_MAX_KEYS} keys")
    keys = [key for entry in entries if isinstance(entry, dict) and (key := _key(entry)) is not None]
    if not keys:
        raise ValueError("the JWK Set holds no public signing key of a supported kind")
    return KeySet(tuple(keys))


def parse_pem(content: bytes) -> KeySet:
    """Read one public key in PEM (SubjectPublicKeyInfo), which then serves tokens with any or no ``kid``.

    Raises:
        ValueError: it isn't a supported public key.
    """
    try:
        key = load_pem_public_key(content)
    except Exception as error:
        raise ValueError("it isn't a public key in PEM") from error
    if not isinstance(key, PublicKey) or not _strong(key):
        raise ValueError("it must be RSA with 2048 to 8192 bits, EC on P-256, P-384 or P-521, or Ed25519")
    return KeySet((VerificationKey(None, "", key),))


def _key(entry: Mapping[str, Any]) -> VerificationKey | None:
    parser = _PARSERS.get(str(entry.get("kty")))
    if parser is None or not _for_verifying(entry):
        return None
    try:
        key = parser(dict(entry))
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError):
        return None
    if not isinstance(key, PublicKey) or not _strong(key):
        return None
    return VerificationKey(entry.get("kid"), entry.get("alg", ""), key)


_PARSERS = {"RSA": RSAAlgorithm.from_jwk, "EC": ECAlgorithm.from_jwk, "OKP": OKPAlgorithm.from_jwk}


def _for_verifying(entry: Mapping[str, Any]) -> bool:
    operations = entry.get("key_ops", ["verify"])
    return (
        isinstance(entry.get("kid", ""), str)
        and isinstance(entry.get("alg", ""), str)
        and entry.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        # A private key in a published set is everybody's key.
        and "d" not in entry
    )


def _strong(key: PublicKey) -> bool:
    if isinstance(key, rsa.RSAPublicKey):
        return _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS
    return isinstance(key, ed25519.Ed25519PublicKey) or key.curve.name in _CURVES.values()
