"""Signs bundles as ``opa sign`` does: a JWS over the digest of every file (OPA documentation, "Signing").

The digest of JSON is that of a canonical form, so that white space doesn't matter: keys sorted, and texts as Go's encoder
writes them. Numbers stand in it as the file has them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from tabard.trust import is_mounted_secret, read_trusted

from tabard_sidecar.policy.authoring.packing import pack
from tabard_sidecar.policy.loading.archive import unpack
from tabard_sidecar.policy.loading.reading import LARGEST_SIZES, MANIFEST, SIGNATURES, UnreadableError
from tabard_sidecar.policy.problems import PolicyBrokenError
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.files import explain
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.secret_files import SecretFileError, read_secret

_MAX_KEY_BYTES = 16 * 1024
_JSON_NAMES = frozenset({"data.json", MANIFEST})
_YAML_NAMES = frozenset({"data.yaml", "data.yml"})


class SigningError(Exception):
    """A bundle can't be signed; the text says why, and never holds the key."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs.

    Attributes:
        key: private key (PEM), or the shared secret.
        algorithm: of the signature (JWS, RFC 7518).
        key_id: names the key in the signature.
        scope: what the signature is for; empty for none.
        expires_at: seconds since the epoch after which sidecars don't load the bundle any more; 0 for never.
    """

    key: bytes
    algorithm: str
    key_id: str
    scope: str = ""
    expires_at: int = 0


def read_signing_key(path: Path, algorithm: str) -> bytes:
    """Return the private key or the shared secret in a file.

    Raises:
        SigningError: it can't be read, others can read it, or it isn't a private key.
    """
    if algorithm.startswith("HS"):
        try:
            return read_secret(path)[0]
        except SecretFileError as error:
            raise SigningError(str(error)) from error
    try:
        content, status = read_trusted(path, _MAX_KEY_BYTES)
        if status.st_mode & 0o077 and not is_mounted_secret(path):
            raise SigningError(f"{path}: others can read it; run chmod 600 {path}")
        load_pem_private_key(content, None)
    except OSError as error:
        raise SigningError(f"{path}: {explain(error, path)}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningError(f"{path}: isn't a private key in PEM without a password") from error
    return content


def public_key(key: bytes, algorithm: str) -> bytes:
    """Return what checks the signatures of a key: its public key (PEM), or the shared secret itself."""
    if algorithm.startswith("HS"):
        return key
    public = load_pem_private_key(key, None).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def sign_bundle(content: bytes, path: Path, signer: Signer) -> bytes:
    """Return the tarball with a signature, which replaces one that it has. The same files give the same digests.

    Args:
        content: the tarball.
        path: what messages call it.
        signer: the key, and what the signature says.

    Raises:
        SigningError: it has a file that can't be signed, or the key isn't one of the algorithm.
        PolicyBrokenError: it isn't a bundle, or would become too large.
    """
    try:
        files = unpack(content, path, LARGEST_SIZES)
    except UnreadableError as error:
        raise PolicyBrokenError([error.problem]) from error
    files.pop(SIGNATURES, None)
    claims: dict[str, Any] = {"files": [_entry(name, files[name]) for name in sorted(files)]}
    if signer.scope:
        claims["scope"] = signer.scope
    if signer.expires_at:
        claims["exp"] = signer.expires_at
    try:
        token = jwt.encode(claims, signer.key, signer.algorithm, headers={"kid": signer.key_id})
    except (jwt.PyJWTError, TypeError, ValueError, AttributeError) as error:
        raise SigningError(f"the key can't sign with {signer.algorithm}") from error
    return pack({**files, SIGNATURES: json.dumps({"signatures": [token]}).encode()}, path, LARGEST_SIZES)


def _entry(name: str, content: bytes) -> dict[str, str]:
    return {"name": name, "hash": file_digest(name, content), "algorithm": "SHA-256"}


def file_digest(name: str, content: bytes) -> str:
    """Return the SHA-256 of a bundle's file as OPA counts it, in hexadecimal digits.

    Raises:
        SigningError: it is YAML data, or JSON that isn't read the same everywhere.
    """
    base = PurePosixPath(name).name
    if base in _YAML_NAMES:
        raise SigningError(f"{name} is YAML, which isn't signed: build the bundle with `tabard policy build`")
    if base not in _JSON_NAMES:
        return hashlib.sha256(content).hexdigest()
    try:
        value = json.loads(
            content,
            object_pairs_hook=_unique,
            parse_int=_Literal,
            parse_float=_Literal,
            parse_constant=_no_constant,
        )
        text = "".join(_canonical(value)).encode()
    except (ValueError, RecursionError) as error:
        raise SigningError(f"{name} isn't JSON that is read the same everywhere: {error}") from error
    return hashlib.sha256(text).hexdigest()


class _Literal(str):
    """A number, as the file has it."""

    __slots__ = ()


def _canonical(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        yield "{"
        for index, key in enumerate(sorted(value)):
            yield f"{',' if index else ''}{_text(key)}:"
            yield from _canonical(value[key])
        yield "}"
    elif isinstance(value, list):
        yield "["
        for index, item in enumerate(value):
            yield "," if index else ""
            yield from _canonical(item)
        yield "]"
    elif isinstance(value, _Literal):
        yield value
    elif isinstance(value, str):
        yield _text(value)
    else:
        yield json.dumps(value)


def _text(value: str) -> str:
    """Return a text as Go's encoder writes it; it escapes two characters more than Python's."""
    return json.dumps(value, ensure_ascii=False).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _unique(pairs: list[tuple[str, Json]]) -> Mapping[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is repeated")
    return found


def _no_constant(name: str) -> Callable[[], None]:
    raise ValueError(f"{name} is no number")
