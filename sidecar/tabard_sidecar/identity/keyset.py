"""Parses JWK Sets (RFC 7517) and finds the public key that a token names."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from tabard import jwk
from tabard.arguments import parse_json
from tabard.jwk import MAX_KEYS, VerificationKey

from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.malformed import MALFORMED

MAX_SET_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class JwkSet:
    """The usable keys of one issuer."""

    keys: tuple[VerificationKey, ...]

    def find(self, kid: str | None, algorithm: str) -> VerificationKey | None:
        """Return the one matching key; ``None`` if no key matches or several do.

        A token without ``kid`` matches only if the set has a single key for its algorithm. A key without ``kid``
        matches every token.
        """
        named = self.keys if kid is None else tuple(key for key in self.keys if key.kid in {kid, None})
        fitting = [key for key in named if key.fits(algorithm)]
        if len(fitting) == 1:
            return fitting[0]
        # A key of that kid for another algorithm is returned, so that the refusal can name the problem.
        return named[0] if kid is not None and len(named) == 1 else None


def parse(content: bytes) -> JwkSet:
    """Read a JWK Set. Keys that aren't public signing keys of a supported kind are left out.

    Raises:
        ValueError: it is too large, isn't a JWK Set, or holds no usable key.
    """
    document = parse_json(content, max_bytes=MAX_SET_BYTES)
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError('the JWK Set has no array "keys"')  # noqa: TRY004 - one error type for bad content
    if len(entries) > MAX_KEYS:
        raise ValueError(f"the JWK Set holds more than {MAX_KEYS} keys")
    keys = [key for entry in entries if (key := _key(entry)) is not None]
    if not keys:
        raise ValueError("the JWK Set holds no public signing key of a supported kind")
    return JwkSet(tuple(keys))


def parse_pem(content: bytes) -> JwkSet:
    """Read one public key in PEM (SubjectPublicKeyInfo), which then serves tokens with any or no ``kid``.

    Raises:
        ValueError: it isn't a supported public key.
    """
    try:
        key = load_pem_public_key(content)
    except Exception as error:
        raise ValueError("it isn't a public key in PEM") from error
    return JwkSet((VerificationKey(None, "", jwk.check_strength(key)),))


def _key(entry: object) -> VerificationKey | None:
    if not isinstance(entry, dict):
        return None
    try:
        return jwk.read(entry)
    except MALFORMED:
        return None
