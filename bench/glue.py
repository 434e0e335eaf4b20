"""Hand-written baseline: PyJWT for the person's token and one signed JWT per hop, requests to an OPA server.

It does less than Tabard (no attenuation, no fan-out, no replay protection, no intent, no log), and is
measured in the caller's process, without the hop to a sidecar.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Any

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True, slots=True)
class Issuer:
    """A signer: its name, its private key and its public key."""

    name: str
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def new(cls, name: str) -> Issuer:
        """Create an issuer with a new P-256 key."""
        return cls(name, ec.generate_private_key(ec.SECP256R1()))

    def sign(self, claims: dict[str, Any]) -> str:
        """Sign claims with ES256."""
        return jwt.encode({"iss": self.name, **claims}, self.key, algorithm="ES256")


class Glue:
    """Verifies tokens and hops, asks OPA, signs a credential."""

    def __init__(self, opa_url: str, depth: int, policy_input: dict[str, Any]) -> None:
        self._session = requests.Session()
        self._url = opa_url
        self._person = Issuer.new("https://issuer.example")
        self._hops = [Issuer.new(f"spiffe://example.org/agent/{index}") for index in range(depth)]
        self._own = Issuer.new("https://glue.example")
        later = time.time() + 3600
        self._token = self._person.sign({"sub": "person", "aud": "agents", "exp": later})
        self._chain = [
            hop.sign(
                {
                    "sub": f"spiffe://example.org/agent/{index + 1}",
                    "aud": "agents",
                    "exp": later,
                    "tools": ["*"],
                }
            )
            for index, hop in enumerate(self._hops)
        ]
        self._input = policy_input

    def authorize(self, tool: str, arguments: dict[str, Any]) -> str:
        """Decide about one call and return the credential for it."""
        person = jwt.decode(
            self._token, self._person.key.public_key(), algorithms=["ES256"], audience="agents"
        )
        chain = [
            jwt.decode(token, hop.key.public_key(), algorithms=["ES256"], audience="agents")
            for token, hop in zip(self._chain, self._hops, strict=True)
        ]
        body = {
            **self._input,
            "subject": {**self._input["subject"], "claims": {"sub": person["sub"]}},
            "tool": {"name": tool, "server": "", "arguments": arguments, "annotations": {}},
        }
        answer = self._session.post(self._url, json={"input": body}, timeout=5)
        answer.raise_for_status()
        decision = answer.json().get("result")
        if not decision or decision["deny"] or not decision["grant"]:
            raise PermissionError(tool)
        now = int(time.time())
        return self._own.sign(
            {
                "sub": person["sub"],
                "aud": "backend",
                "jti": str(uuid.uuid4()),
                "iat": now,
                "exp": now + 60,
                "tool": tool,
                "chain": [link["sub"] for link in chain],
            }
        )
