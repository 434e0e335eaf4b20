"""Keys, key sets and tokens of made-up issuers, and a real HTTP server that publishes them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOW = 1_800_000_000.0
ISSUER = "https://login.example.org"
AUDIENCE = "tabard"


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class SigningKey:
    """A key of an issuer."""

    kid: str
    algorithm: str
    private: Any

    @classmethod
    def make(cls, kid: str, algorithm: str = "ES256") -> SigningKey:
        if algorithm == "EdDSA":
            return cls(kid, algorithm, ed25519.Ed25519PrivateKey.generate())
        if algorithm.startswith(("RS", "PS")):
            return cls(kid, algorithm, rsa.generate_private_key(65537, 2048))
        curve = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}[algorithm]
        return cls(kid, algorithm, ec.generate_private_key(curve()))

    @property
    def public(self) -> Any:
        return self.private.public_key() if hasattr(self.private, "public_key") else self.private

    def jwk(self, **changes: Any) -> dict[str, Any]:
        kinds = {"E": ECAlgorithm, "R": RSAAlgorithm, "P": RSAAlgorithm}
        algorithm = OKPAlgorithm if self.algorithm == "EdDSA" else kinds[self.algorithm[0]]
        found = algorithm.to_jwk(self.public, as_dict=True)
        return found | {"kid": self.kid, "use": "sig", "alg": self.algorithm} | changes

    def pem(self) -> bytes:
        return self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, claims: dict[str, Any], **headers: Any) -> str:
        headers = {"typ": "at+jwt", "kid": self.kid} | headers
        return jwt.encode(
            claims, self.private, self.algorithm, headers={k: v for k, v in headers.items() if v is not None}
        )


def access_claims(**changes: Any) -> dict[str, Any]:
    """Claims of an acceptable access token; ``None`` removes one."""
    claims = {
        "iss": ISSUER,
        "sub": "alice",
        "aud": AUDIENCE,
        "iat": int(NOW) - 10,
        "exp": int(NOW) + 600,
        "jti": "token-1",
        "client_id": "chat",
    } | changes
    return {name: value for name, value in claims.items() if value is not None}


def encode_segment(value: Any) -> str:
    """One segment of a JWT from JSON, or from bytes as they are."""
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def raw_token(key: SigningKey, header: Any, claims: Any) -> str:
    """A JWT with any header and claims, signed properly by an ES256 or EdDSA key."""
    signing_input = f"{encode_segment(header)}.{encode_segment(claims)}"
    algorithm = jwt.get_algorithm_by_name(key.algorithm)
    signature = algorithm.sign(signing_input.encode(), key.private)
    return f"{signing_input}.{encode_segment(signature)}"


@dataclass
class KeyServer:
    """A real HTTP server on loopback with a discovery document and a JWK Set that a test can change."""

    keys: list[dict[str, Any]]
    url: str = ""
    status: int = 200
    body: bytes | None = None
    issuer: str | None = None
    jwks_uri: str | None = None
    requests: list[str] = field(default_factory=list)
    authorization: list[str | None] = field(default_factory=list)
    gate: Any = None

    async def jwks(self, request: web.Request) -> web.StreamResponse:
        self.requests.append("jwks")
        self.authorization.append(request.headers.get("Authorization"))
        if self.gate is not None:
            await self.gate.wait()
        body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
        return web.Response(status=self.status, body=body, content_type="application/json")

    async def discovery(self, _request: web.Request) -> web.StreamResponse:
        self.requests.append("discovery")
        return web.json_response(
            {"issuer": self.issuer or self.url, "jwks_uri": self.jwks_uri or f"{self.url}/jwks"}
        )

    async def redirect(self, _request: web.Request) -> web.StreamResponse:
        self.requests.append("redirect")
        raise web.HTTPFound(f"{self.url}/jwks")

    async def serve(self) -> AsyncIterator[KeyServer]:
        application = web.Application()
        application.router.add_get("/jwks", self.jwks)
        application.router.add_get("/moved", self.redirect)
        application.router.add_get("/.well-known/openid-configuration", self.discovery)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()
