"""Configuration of trusted issuers: of people's tokens, of this workload's identity, and of signed intents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tabard_sidecar.identity import spiffe
from tabard_sidecar.identity.media_types import normal_type

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
Name = Annotated[str, Field(min_length=1, max_length=512)]
Algorithms = Annotated[tuple[Algorithm, ...], Field(min_length=1)]


def _checked_trust_domain(value: str) -> str:
    if not spiffe.is_trust_domain(value):
        raise ValueError("a trust domain holds 1 to 255 of a-z, 0-9, '.', '-' and '_'")
    return value


class KeySourceConfig(BaseModel):
    """Source of an issuer's public keys: at most one of the three."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    discovery_url: str = Field(
        default="",
        description="URL of the issuer's discovery document, which names its JWK Set. If neither this nor jwks_url nor "
        "keys_file is set: the issuer's identifier followed by /.well-known/openid-configuration.",
    )
    jwks_url: str = Field(default="", description="URL of the issuer's JWK Set.")
    keys_file: Path | None = Field(
        default=None,
        description="File with the issuer's JWK Set, or with one public key in PEM. It is read again when it changes.",
    )
    ca_file: Path | None = Field(
        default=None,
        description="Certificate authorities (PEM) to trust for the URLs, in place of the system's.",
    )
    bearer_token_file: Path | None = Field(
        default=None,
        description="File whose content is sent as a bearer token to the server of `jwks_url` or `discovery_url`; for a Kubernetes API server.",
    )
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        default=5.0, description="How long fetching one document may take."
    )
    refresh_seconds: Annotated[float, Field(ge=1, le=86400)] = Field(
        default=300.0, description="Age from which keys are fetched again in the background."
    )
    min_refetch_seconds: Annotated[float, Field(ge=1, le=3600)] = Field(
        default=10.0,
        description="Shortest time between two fetches, for any number of tokens with an unknown kid.",
    )
    max_stale_seconds: Annotated[float, Field(ge=1, le=7 * 86400)] = Field(
        default=3600.0,
        description="Greatest age of keys that stay in use while the issuer, or the file, can't be read.",
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        places = [self.discovery_url, self.jwks_url, self.keys_file]
        if sum(bool(place) for place in places) > 1:
            raise ValueError("set only one of discovery_url, jwks_url and keys_file")
        if self.refresh_seconds > self.max_stale_seconds:
            raise ValueError("refresh_seconds must not exceed max_stale_seconds")
        return self


class IssuerConfig(KeySourceConfig):
    """An issuer whose access tokens identify people."""

    issuer: Name = Field(description="The issuer's identifier, exactly as its tokens carry it in iss.")
    audiences: Annotated[tuple[Name, ...], Field(min_length=1)] = Field(
        description="Accepted audiences. A token must have exactly one audience, and it must be "
        "one of these. Choose an audience that only Tabard accepts, because the agent "
        "holds this token."
    )
    algorithms: Algorithms = Field(
        default=("RS256", "ES256"),
        description="Signature algorithms that the issuer uses. Public-key ones only.",
    )
    types: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        default=("at+jwt",),
        description="Accepted values of the header typ; a leading application/ is ignored. Issuers that don't "
        'follow RFC 9068 need "JWT", or "" for no typ; their tokens must then carry scope, scp, client_id or cid, or '
        "say in a claim that they are access tokens.",
    )
    subject_claim: Name = Field(
        default="sub",
        description="Claim that names the person. It must be unique and never reassigned to another person.",
    )
    required_claims: tuple[Name, ...] = Field(
        default=(), description="Claims that must be present and not empty."
    )
    kept_claims: tuple[Name, ...] = Field(
        default=(), description="Claims that policies see as subject.claims. They travel in every grant."
    )
    max_token_age_seconds: Annotated[float, Field(gt=0)] | None = Field(
        default=86400.0,
        description="Greatest age of a token, by its iat, even before its exp. null: no limit, and iat isn't required.",
    )
    max_auth_age_seconds: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="Longest time since the person authenticated, by auth_time, which is then required.",
    )

    @field_validator("types")
    @classmethod
    def _normal_types(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(normal_type(item) for item in value)


class InitiatorConfig(KeySourceConfig):
    """A front end whose signed intents are accepted."""

    issuer: Name = Field(description="The initiator's identifier, exactly as its intents carry it in iss.")
    algorithms: Algorithms = Field(
        default=("ES256", "EdDSA"), description="Signature algorithms that the initiator uses."
    )

    @model_validator(mode="after")
    def _some_place(self) -> Self:
        if not (self.discovery_url or self.jwks_url or self.keys_file):
            raise ValueError("set one of keys_file, jwks_url and discovery_url")
        return self


ZoneName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]


class TrustedZoneConfig(KeySourceConfig):
    """A zone whose handovers are accepted. It is believed what it says about its people and tasks."""

    zone: ZoneName = Field(description="Name of the zone.")
    issuer: Annotated[str, Field(max_length=512)] = Field(
        default="", description="`credentials.issuer` of that zone. If empty: urn:tabard:zone:<zone>."
    )
    subject_issuers: Annotated[tuple[Name, ...], Field(min_length=1)] = Field(
        description="Issuers of the people of whom the zone may speak, as `input.subject.issuer` names them."
    )
    kept_claims: tuple[Name, ...] = Field(
        default=(),
        description="Claims about people that are taken over from that zone as `input.subject.claims`.",
    )

    @property
    def stated_issuer(self) -> str:
        """``iss`` of the zone's handovers."""
        return self.issuer or f"urn:tabard:zone:{self.zone}"

    @model_validator(mode="after")
    def _some_place(self) -> Self:
        if not (self.jwks_url or self.keys_file):
            raise ValueError("set jwks_url or keys_file")
        if self.discovery_url:
            raise ValueError("a zone has no discovery document; set jwks_url or keys_file")
        return self


class HandoverConfig(BaseModel):
    """Tasks that cross zones. Without this section none does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: tuple[ZoneName, ...] = Field(
        default=(),
        description="Zones to whose workloads tasks may be handed, if the policy's delegate rules allow it.",
    )
    accept: tuple[TrustedZoneConfig, ...] = Field(
        default=(),
        description="Zones from which tasks are accepted, if the policy's start rules allow it; each once.",
    )
    max_per_task: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=16,
        description="How often one task may be handed to other zones. Each time it gets their budgets anew.",
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for values in (
            [each.zone for each in self.accept],
            [each.stated_issuer for each in self.accept],
            self.to,
        ):
            if len(set(values)) != len(values):
                raise ValueError("a zone or its issuer is listed twice")
        return self


class ServiceAccountConfig(KeySourceConfig):
    """A projected Kubernetes service-account token as this workload's identity."""

    token_file: Path = Field(
        default=Path("/var/run/secrets/tabard/token"),
        description="The projected token. It is read again when the kubelet renews it.",
    )
    issuer: Name = Field(description="The cluster's service-account issuer, as the token carries it in iss.")
    audience: Name = Field(
        default="tabard", description="The one audience that the token must be projected for."
    )
    trust_domain: str = Field(
        description="Trust domain of the SPIFFE-form id: spiffe://<trust_domain>/ns/<namespace>/sa/<service account>."
    )
    algorithms: Algorithms = Field(
        default=("RS256", "ES256"), description="Signature algorithms that the cluster uses."
    )

    @field_validator("trust_domain")
    @classmethod
    def _is_trust_domain(cls, value: str) -> str:
        return _checked_trust_domain(value)


class SpiffeConfig(BaseModel):
    """An SVID of the SPIFFE Workload API as this workload's identity."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    socket: Path = Field(
        default=Path("/run/spire/agent-sockets/spire-agent.sock"),
        description="The Workload API's unix socket. Its folder is root's or this user's, and no other user may write there: "
        "who could replace the socket could name any workload.",
    )
    trust_domain: str = Field(description="Trust domain that the identity must belong to.")
    svid: Literal["x509", "jwt"] = Field(
        default="x509",
        description="Kind of document that proves the identity: an X.509-SVID, of whose renewal the API tells, or a JWT-SVID, "
        "which is asked for again after half of its life.",
    )
    audience: Name = Field(default="tabard", description="Audience of the JWT-SVID.")
    spiffe_id: str = Field(
        default="",
        max_length=2048,
        description="Which identity, if the API gives several. Empty: it must give one.",
    )

    @field_validator("trust_domain")
    @classmethod
    def _is_trust_domain(cls, value: str) -> str:
        return _checked_trust_domain(value)

    @field_validator("spiffe_id")
    @classmethod
    def _is_spiffe_id(cls, value: str) -> str:
        if value and not spiffe.is_spiffe_id(value):
            raise ValueError("a SPIFFE ID looks like spiffe://example.org/ns/shop/sa/orders")
        return value

    @model_validator(mode="after")
    def _of_the_trust_domain(self) -> Self:
        if self.spiffe_id and not self.spiffe_id.startswith(f"spiffe://{self.trust_domain}/"):
            raise ValueError(f"spiffe_id isn't of the trust domain {self.trust_domain}")
        return self


class AgentConfig(BaseModel):
    """Source of this sidecar's own workload identity: at most one of the two."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service_account: ServiceAccountConfig | None = Field(
        default=None, description="A projected Kubernetes service-account token."
    )
    spiffe: SpiffeConfig | None = Field(
        default=None,
        description="An SVID of the SPIFFE Workload API. Needs the extra `tabard-sidecar[spiffe]`.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.service_account is not None and self.spiffe is not None:
            raise ValueError("set either service_account or spiffe, not both")
        return self


class IdentityConfig(BaseModel):
    """Issuers of identities that the sidecar trusts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuers: tuple[IssuerConfig, ...] = Field(
        default=(), description="Issuers of people's access tokens, each once."
    )
    agent: AgentConfig = Field(default=AgentConfig(), description="This workload's own identity.")
    initiators: tuple[InitiatorConfig, ...] = Field(
        default=(), description="Front ends whose signed intents are accepted, each once."
    )
    clock_skew_seconds: Annotated[float, Field(ge=0, le=300)] = Field(
        default=30.0,
        description="By how much the clocks of issuers and initiators may differ from the sidecar's.",
    )
    tasks_per_token: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=1,
        description="How many tasks one subject token may start with an asserted intent. Signed intents don't count.",
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for what, listed in (("issuers", self.issuers), ("initiators", self.initiators)):
            names = [item.issuer for item in listed]
            if len(set(names)) != len(names):
                raise ValueError(f"{what} lists an issuer twice")
        return self
