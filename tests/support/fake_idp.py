"""A fake of an identity provider that exchanges tokens, for replies that no real one gives. Real ones are in tests/integration."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jwt
from tabard_sidecar.credentials.exchange.replies import ACCESS_TOKEN

from tests.support.fake_vault import Answer, Asked, FakeVault
from tests.support.tokens import ISSUER, SigningKey

TOKEN, REVOKE = "/token", "/revoke"


def claims_of(token: str) -> dict[str, Any]:
    """Claims of a token, unverified."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def without(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values without those that a change removed."""
    return {name: value for name, value in values.items() if value is not None}


class FakeIdp(FakeVault):
    """Exchanges tokens as it was asked to, unless ``answers`` says otherwise. ``revoked`` holds what was revoked."""

    @staticmethod
    def read(body: bytes) -> Any:
        return dict(parse_qsl(body.decode(), strict_parsing=True))

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        super().__init__(tls)
        self.key = SigningKey.make("idp")
        self.answers = {TOKEN: self.exchange, REVOKE: Answer()}

    @property
    def revoked(self) -> list[str]:
        return [asked.body["token"] for asked in self.asked if asked.path == REVOKE]

    @property
    def exchanges(self) -> list[dict[str, str]]:
        return [asked.body for asked in self.asked if asked.path == TOKEN]

    def subject_token(self, person: str = "alice", **claims: Any) -> str:
        """A token of a person, for Tabard."""
        now = int(time.time())
        return self.key.sign(
            without(
                {
                    "iss": ISSUER,
                    "sub": person,
                    "aud": "tabard",
                    "iat": now,
                    "exp": now + 600,
                    "client_id": "chat",
                    **claims,
                }
            )
        )

    def token(self, asked: Asked, key: SigningKey | None = None, **changes: Any) -> str:
        """The token that fits a request, with changes of claims; ``None`` removes one."""
        subject, now = claims_of(asked.body["subject_token"]), int(time.time())
        kept = {name: subject[name] for name in ("authorization_details", "act") if name in subject}
        claims = {
            "iss": subject["iss"],
            "sub": subject["sub"],
            "aud": asked.body["audience"],
            "scope": asked.body.get("scope", ""),
            "iat": now,
            "exp": now + 300,
            "jti": str(len(self.asked)),
            "client_id": "sidecar",
        }
        return (key or self.key).sign(without({**claims, **kept, **changes}))

    def reply(self, token: str, **changes: Any) -> Answer:
        """The reply with a token, with changes of members; ``None`` removes one."""
        body = {
            "access_token": token,
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": 300,
        }
        return Answer(body=without({**body, **changes}))

    def exchange(self, asked: Asked) -> Answer:
        """What it answers by itself."""
        return self.reply(self.token(asked))

    def claims(self, key: SigningKey | None = None, **changes: Any) -> None:
        """Answer with tokens with changed claims from now on."""
        self.answers[TOKEN] = lambda asked: self.reply(self.token(asked, key, **changes))

    def members(self, **changes: Any) -> None:
        """Answer with changed members of the reply from now on."""
        self.answers[TOKEN] = lambda asked: self.reply(self.token(asked), **changes)


@contextmanager
def fake_idp(tls: tuple[Path, Path] | None = None) -> Iterator[FakeIdp]:
    """Run a fake for the block."""
    fake = FakeIdp(tls)
    try:
        yield fake
    finally:
        fake.close()
