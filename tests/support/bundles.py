"""Bundles for tests, signed with keys of their own."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tabard_opa import Engine
from tabard_sidecar.policy.authoring.packing import build_bundle
from tabard_sidecar.policy.authoring.signing import Signer, public_key, sign_bundle
from tabard_sidecar.policy.conf import BundleConfig, BundleKeyConfig
from tabard_sidecar.policy.loading.sources import load_source

from tests.support.policy import START, write


class Key:
    """A key pair (ES256) in two files below ``folder``."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.private = folder / f"{name}.pem"
        self.private.write_bytes(pem)
        self.private.chmod(0o600)
        self.public = folder / f"{name}.pub.pem"
        self.public.write_bytes(public_key(pem, "ES256"))
        self.public.chmod(0o644)

    def sign(self, content: bytes, scope: str = "", expires_at: int = 0) -> bytes:
        """Return the bundle with a signature of this key."""
        signer = Signer(self.private.read_bytes(), "ES256", self.name, scope, expires_at)
        return sign_bundle(content, Path("bundle"), signer)


def trusting(*keys: Key) -> BundleConfig:
    """Return the configuration that accepts signatures of these keys."""
    return BundleConfig(
        keys={key.name: BundleKeyConfig(algorithm="ES256", key_file=key.public) for key in keys}
    )


def bundle(engine: Engine, folder: Path, code: str, sequence: int, more: str = "") -> bytes:
    """Return an unsigned bundle whose policy grants every call with ``code``."""
    grant = f'package policy.demo\n\ngrant contains {{"code": "{code}"}} if input.operation == "authorize"\n{START}'
    path = write(folder / f"{code}-{sequence}", demo=grant + more)
    return build_bundle(engine, load_source(path), path, sequence, revision=f"{code}-{sequence}")
