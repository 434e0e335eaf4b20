"""Configuration of token exchange, section ``exchange``: the identity providers, and the backends that policy names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tabard_sidecar.util.client_tls import CaFile

KIND = "exchange"
"""Kind of these credentials, as policy names it."""

Name = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Text = Annotated[str, Field(min_length=1, max_length=512)]
# RFC 6749, section 3.3.
ScopeToken = Annotated[str, Field(max_length=256, pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$")]
CHECKED = frozenset({"iss", "sub", "aud", "exp", "scope", "scp", "authorization_details", "act"})
"""Claims that are compared with what was asked for in every token."""


def _extra_claim(value: str) -> str:
    if value in CHECKED:
        raise ValueError(
            f"{value} is compared with what was asked for and with the person's token; it can't be accepted unseen"
        )
    return value


ExtraClaim = Annotated[Text, AfterValidator(_extra_claim)]


def _endpoint(value: str) -> str:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("can't be parsed") from None
    if parts.scheme not in {"https", "http"} or not parts.hostname or port == 0:
        raise ValueError("must be https://host:port/path")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must name scheme, host, port and path only")
    return value


Endpoint = Annotated[Text, AfterValidator(_endpoint)]


class ExchangeAudienceConfig(BaseModel):
    """A backend that policy names, and what its tokens may hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scopes: Annotated[tuple[ScopeToken, ...], Field(max_length=100)] = Field(
        default=(),
        description="Scopes that may be asked for. If there are none, a token with any scope is refused.",
    )
    resource: str = Field(
        default="",
        max_length=512,
        description="URI of the backend, sent as `resource` (RFC 8707) beside `audience`, for identity providers that "
        "want it. The token may then name it in `aud` in place of the audience.",
    )
    max_ttl_seconds: float = Field(
        default=900.0,
        ge=10,
        le=86_400,
        description="Longest life of a token. One that lives longer is refused, since it can't be shortened.",
    )
    reuse: bool = Field(
        default=True,
        description="Give further allowed calls of the same holder, audience and scopes the same token, while half of its "
        "life is left. Never for a credential whose uses are counted.",
    )
    extra_claims: Annotated[tuple[ExtraClaim, ...], Field(max_length=100)] = Field(
        default=(),
        description="Claims that a token may have though the person's token doesn't, whatever they say: name only those that "
        "allow nothing, or no more than this backend needs. Of Keycloak's `resource_access` only the part of this audience "
        "is accepted.",
    )


class ExchangeConfig(BaseModel):
    """An identity provider that exchanges tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token_endpoint: Endpoint = Field(
        description="URL of the token endpoint: `https://`, or `http://` with `insecure.allow_http`. Redirects aren't followed."
    )
    revocation_endpoint: Endpoint | None = Field(
        default=None,
        description="URL of the revocation endpoint (RFC 7009). With it a token ends when its task, workload or person is "
        "revoked, and if its answer isn't given; otherwise it ends by itself.",
    )
    ca_file: CaFile = None
    subject_issuer: Text = Field(
        description="Whose people's tokens it exchanges, and who signs the new ones: one of `identity.issuers`."
    )
    client_id: Text = Field(description="The sidecar's client at the identity provider.")
    client_secret_file: Path | None = Field(
        default=None, description="The client's secret, of mode 0600, read for every exchange."
    )
    private_key_file: Path | None = Field(
        default=None,
        description="Private key (PEM, of mode 0600: RSA, EC P-256 or Ed25519) that signs the client's assertions "
        "(`private_key_jwt`, RFC 7523), read for every exchange.",
    )
    key_id: str = Field(
        default="", max_length=256, description="`kid` of assertions that `private_key_file` signs."
    )
    assertion_audience: str = Field(
        default="",
        max_length=512,
        description="`aud` of assertions that `private_key_file` signs. By default the token endpoint.",
    )
    assertion_file: Path | None = Field(
        default=None,
        description="A token of this sidecar that is the client's assertion, for example a projected service account token, "
        "read for every exchange. Project it for an audience that only the identity provider accepts, into the "
        "sidecar's container alone.",
    )
    actor_token_file: Path | None = Field(
        default=None,
        description="A JWT of this workload, sent as `actor_token`, read for every exchange. The new token must then name its "
        "`sub` in `act`, and the person's token may name it in `may_act`. Only for identity providers that delegate; others "
        "ignore it, and what they issue is refused.",
    )
    actor_token_grant: Literal["client_credentials"] | None = Field(
        default=None,
        description="In place of `actor_token_file`: the sidecar obtains the actor token at `token_endpoint`, by this grant "
        "(RFC 6749, section 4.4), and renews it. It then acts as its client, so let each workload have a client of its own.",
    )
    opaque: bool = Field(
        default=False,
        description="The new tokens aren't JWTs. Nothing in them can be checked then, only what the reply says beside them, "
        "and tokens of people whose claims narrow them aren't exchanged.",
    )
    audiences: Annotated[dict[Text, ExchangeAudienceConfig], Field(min_length=1)] = Field(
        description="Backends by the name that policies write in `credential.audience`, and the identity provider knows."
    )
    timeout_seconds: float = Field(
        default=3.0,
        gt=0,
        le=60,
        description="Longest time to obtain one token before the call fails as UNAVAILABLE; less than "
        "`limits.request_seconds`. "
        "While all connections are busy, a call waits for its turn, which `limits.request_seconds` bounds.",
    )
    max_connections: int = Field(
        default=16,
        ge=4,
        le=256,
        description="Most connections at once. A quarter of them is kept for revoking tokens.",
    )

    @model_validator(mode="after")
    def _one_authentication(self) -> Self:
        ways = [self.client_secret_file, self.private_key_file, self.assertion_file]
        if sum(way is not None for way in ways) != 1:
            raise ValueError("set one of client_secret_file, private_key_file and assertion_file")
        if (self.key_id or self.assertion_audience) and self.private_key_file is None:
            raise ValueError("key_id and assertion_audience belong to private_key_file, which isn't set")
        acting = [
            name for name in ("actor_token_file", "actor_token_grant") if getattr(self, name) is not None
        ]
        if len(acting) > 1:
            raise ValueError("set one of actor_token_file and actor_token_grant")
        if self.opaque and acting:
            raise ValueError(f"{acting[0]} needs tokens whose act can be read; it can't be with opaque")
        return self


def _once(servers: dict[str, ExchangeConfig]) -> dict[str, ExchangeConfig]:
    homes: dict[tuple[str, str], str] = {}
    for name, server in servers.items():
        for audience in server.audiences:
            home = homes.setdefault((server.subject_issuer, audience), name)
            if home != name:
                raise ValueError(
                    f"the audience {audience} is in {home} and in {name} for the same subject_issuer; policies name it alone"
                )
    return servers


Exchanges = Annotated[dict[Name, ExchangeConfig], AfterValidator(_once)]
"""Identity providers by name."""


def exchange_scopes(servers: Mapping[str, ExchangeConfig]) -> dict[str, frozenset[str]]:
    """Return the scopes of every audience that policies can name."""
    found: dict[str, frozenset[str]] = {}
    for server in servers.values():
        for name, audience in server.audiences.items():
            found[name] = found.get(name, frozenset()) | frozenset(audience.scopes)
    return found
