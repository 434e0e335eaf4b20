"""Bundles: policy and data in one signed tarball, as OPA builds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key that may sign bundles.

    ``key`` is a public key or certificate in PEM form, or the shared secret for the HS algorithms. ``algorithm`` is a JWS
    name such as ``ES256``.
    """

    key: str = field(repr=False)
    algorithm: str


@dataclass(frozen=True, slots=True)
class BundleVerification:
    """How a bundle's signature is checked.

    ``keys`` are by key id. ``key_id``, if given, is the one to use whatever the signature names. ``scope`` has to equal
    the signature's, if given. ``exclude`` are globs of files that needn't be signed.
    """

    keys: Mapping[str, VerificationKey]
    key_id: str = ""
    scope: str = ""
    exclude: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the form the library reads."""
        return {
            "keys": {name: {"key": key.key, "algorithm": key.algorithm} for name, key in self.keys.items()},
            "key_id": self.key_id,
            "scope": self.scope,
            "exclude": list(self.exclude),
        }


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a bundle holds.

    ``modules`` are sources by path inside the bundle. ``roots`` are the paths it owns; OPA has checked that nothing lies
    outside them; ``("",)`` is everything. ``metadata`` is whatever else its builder wrote into the manifest. ``signed``
    means that the signature was verified.
    """

    revision: str
    roots: tuple[str, ...]
    metadata: Mapping[str, Any]
    modules: Mapping[str, str]
    data: Mapping[str, Any]
    signed: bool


def bundle_from(content: dict[str, Any]) -> Bundle:
    """Build a bundle from the library's JSON."""
    manifest = content["manifest"]
    roots = manifest.get("roots")
    return Bundle(
        revision=manifest.get("revision", ""),
        roots=("",) if roots is None else tuple(roots),
        metadata=manifest.get("metadata") or {},
        modules=content["modules"],
        data=content["data"] or {},
        signed=content["signed"],
    )
