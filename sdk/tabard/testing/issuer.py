"""A fake issuer: makes credentials as a sidecar does, with keys that a test owns. Needs the extra ``verify``."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from tabard import base64url, macaroon
from tabard.arguments import call_digest, canonical
from tabard.jwk import public_jwk

ISSUER = "urn:tabard:zone:fake"


class FakeIssuer:
    """Makes credentials for the tests of a backend.

    ::

        issuer = FakeIssuer("refunds")
        verifier = Verifier("refunds", issuer=issuer.name, jwks=issuer.write_jwks(tmp_path / "jwks.json"), ...)
        token = issuer.jwt("refunds.create", {"amount": 20})

    Args:
        audience: audience of the credentials.
        name: ``iss`` of the credentials.
        clock: seconds since the epoch.
    """

    def __init__(self, audience: str, name: str = ISSUER, clock: Callable[[], float] = time.time) -> None:
        self.audience = audience
        self.name = name
        self._clock = clock
        self._numbers = itertools.count(1)
        self._keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self._audience_key = os.urandom(32)
        self._kid = ""
        self.rotate()

    def rotate(self, *, keep: bool = True) -> None:
        """Sign with a new key from now on; ``keep`` leaves the old ones in the key set."""
        self._kid = f"signing-{next(self._numbers)}"
        self._keys = {**(self._keys if keep else {}), self._kid: ec.generate_private_key(ec.SECP256R1())}

    def jwks(self) -> dict[str, Any]:
        """Return the key set."""
        keys = []
        for kid, key in self._keys.items():
            keys.append({**public_jwk(key.public_key()), "kid": kid, "alg": "ES256", "use": "sig"})
        return {"keys": keys}

    def write_jwks(self, path: Path) -> Path:
        """Write the key set to a file and return its path."""
        _replace(path, self.jwks())
        return path

    def write_audience_keys(self, path: Path) -> Path:
        """Write what ``tabard keys export --audience`` would, and return its path."""
        encoded = base64url.encode(self._audience_key)
        keys = [{"kty": "oct", "kid": "root-fake", "k": encoded}]
        _replace(path, {"audience": self.audience, "keys": keys})
        return path

    def claims(  # noqa: PLR0913  # what differs between credentials
        self,
        tool: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        server: str = "",
        scopes: Sequence[str] = (),
        ttl_seconds: int = 60,
        single_use: bool = False,
        uses: int = 0,
        **changes: Any,  # noqa: ANN401  # any claim
    ) -> dict[str, Any]:
        """Return the claims of a credential, for ``uses`` uses if that isn't 0; ``changes`` replace claims, or remove those that are ``None``."""
        now = int(self._clock())
        root, agent = "spiffe://fake.invalid/orchestrator", "spiffe://fake.invalid/agent"
        claims: dict[str, Any] = {
            "iss": self.name,
            "aud": self.audience,
            "sub": "fake-subject",
            "sub_iss": "https://issuer.invalid",
            "iat": now,
            "exp": now + ttl_seconds,
            "jti": f"fake-{next(self._numbers)}-{os.urandom(8).hex()}",
            "txn": "fake-task",
            "scope": " ".join(sorted(scopes)),
            "req_wl": agent,
            "tctx": {"purpose": "testing", "intent_source": "asserted", "started_at": now},
            "rctx": {"decision_id": "fake-decision", "agent_issuer": "https://cluster.invalid"},
            "act": {"sub": agent, "act": {"sub": root}},
            "tabard_zone": "fake",
            "tabard_link": os.urandom(32).hex(),
            "tabard_chain": [{"kind": "root", "holder": root}, {"kind": "hop", "holder": agent}],
            "tabard_tool": tool,
            "tabard_call": call_digest(tool, server, canonical(dict(arguments or {}))),
        }
        if server:
            claims["tabard_server"] = server
        if single_use or uses:
            claims["tabard_single_use"] = True
        if uses > 1:
            claims["tabard_uses"] = uses
        return {name: value for name, value in {**claims, **changes}.items() if value is not None}

    def jwt(
        self,
        tool: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        header: Mapping[str, Any] | None = None,
        **options: Any,  # noqa: ANN401  # see claims
    ) -> str:
        """Return a credential of kind ``jwt``; takes what :meth:`claims` takes, and changes to the header."""
        fields = {"kid": self._kid, "typ": "tabard+jwt", **(header or {})}
        claims = self.claims(tool, arguments, **options)
        return jwt.encode(claims, self._keys[self._kid], algorithm="ES256", headers=fields)

    def macaroon(
        self,
        tool: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        caveats: Sequence[bytes] = (),
        kind: str = "credential",
        **options: Any,  # noqa: ANN401  # see claims
    ) -> str:
        """Return a credential of kind ``macaroon``; takes what :meth:`claims` takes, and encoded caveats."""
        claims = self.claims(tool, arguments, **options)
        identifier = canonical({"claims": claims, "kid": "root-fake", "type": kind, "version": 1})
        return macaroon.mint(self._audience_key, identifier, caveats)


def _replace(path: Path, document: Mapping[str, Any]) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(document), encoding="utf-8")
    temporary.replace(path)
