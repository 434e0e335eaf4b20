"""Generates, encodes and decodes JSON Web Keys (RFC 7517, 7518, 8037) of the keyring's two kinds of signing key."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tabard import base64url, jwk

PrivateKey = ec.EllipticCurvePrivateKey | Ed25519PrivateKey

ALGORITHMS = ("ES256", "EdDSA")
_COORDINATE_BYTES = 32


def generate(algorithm: str) -> PrivateKey:
    """Generate a private key for ``algorithm``, ``"ES256"`` or ``"EdDSA"``.

    Raises:
        ValueError: another algorithm is given.
    """
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "EdDSA":
        return Ed25519PrivateKey.generate()
    raise ValueError(f"the algorithm must be one of {', '.join(ALGORITHMS)}")


def algorithm_of(key: PrivateKey) -> str:
    """Return the JOSE name of the algorithm that ``key`` signs with."""
    return "EdDSA" if isinstance(key, Ed25519PrivateKey) else "ES256"


def public_jwk(key: PrivateKey) -> dict[str, str]:
    """Return the public half of ``key`` as a JWK."""
    return jwk.public_jwk(key.public_key())


def private_jwk(key: PrivateKey) -> dict[str, str]:
    """Return ``key`` as a JWK, including the secret."""
    if isinstance(key, Ed25519PrivateKey):
        return public_jwk(key) | {"d": base64url.encode(key.private_bytes_raw())}
    secret = key.private_numbers().private_value.to_bytes(_COORDINATE_BYTES, "big")
    return public_jwk(key) | {"d": base64url.encode(secret)}


def load_private(value: object) -> PrivateKey:
    """Read a private JWK: EC P-256 or OKP Ed25519.

    Raises:
        ValueError: it is another kind of key, or its public key doesn't match its private key.
    """
    if not isinstance(value, dict):
        raise ValueError("it must be a JWK, an object")  # noqa: TRY004 - one error type for bad content
    kind = (value.get("kty"), value.get("crv"))
    secret = _decode(value.get("d"), "d")
    key: PrivateKey
    if kind == ("EC", "P-256"):
        key = _derive_ec(int.from_bytes(secret, "big"))
    elif kind == ("OKP", "Ed25519"):
        key = Ed25519PrivateKey.from_private_bytes(secret)
    else:
        raise ValueError("it must be an EC key on P-256 or an OKP key on Ed25519")
    for name, expected in public_jwk(key).items():
        if value.get(name) != expected:
            raise ValueError(f"its member {name} doesn't match its private key")
    return key


def _derive_ec(value: int) -> ec.EllipticCurvePrivateKey:
    try:
        return ec.derive_private_key(value, ec.SECP256R1())
    except ValueError:
        raise ValueError("its member d isn't a scalar of P-256") from None


def _decode(value: object, name: str) -> bytes:
    decoded = b""
    if isinstance(value, str):
        try:
            decoded = base64url.decode(value)
        except ValueError:
            decoded = b""
    if len(decoded) != _COORDINATE_BYTES:
        raise ValueError(f"its member {name} must be {_COORDINATE_BYTES} bytes in base64url")
    return decoded
