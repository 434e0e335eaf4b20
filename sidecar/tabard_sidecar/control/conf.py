"""Configuration of the control service: ``control.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tabard_sidecar.approvals.conf import ApprovalsConfig
from tabard_sidecar.certificates.conf import ManagedForPods
from tabard_sidecar.certificates.section import MANAGED, TlsSection
from tabard_sidecar.control.operators_conf import OperatorsConfig, RoleBinding
from tabard_sidecar.credentials.conf import CredentialsConfig
from tabard_sidecar.http.conf import HttpConfig, IntrospectionClient
from tabard_sidecar.identity.conf import Name
from tabard_sidecar.kubernetes.conf import ApiServerConfig
from tabard_sidecar.records.conf import AuditConfig
from tabard_sidecar.revocation.conf import RevocationConfig
from tabard_sidecar.state.conf import StateConfig
from tabard_sidecar.util.addresses import Address

_PRINTABLE = r"^[!-~]+$"
_NAMESPACE = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"


class ServerConfig(TlsSection):
    """The listener for sidecars and backends, over TLS."""

    listen: Address = Field(default="0.0.0.0:8444", description="`host:port`.")
    managed: ManagedForPods | None = Field(default=None, description=MANAGED)
    drain_seconds: float = Field(
        default=5.0,
        ge=0,
        le=60,
        description="How long the service goes on answering after a signal to stop, while it isn't ready any more.",
    )

    @property
    def client_ca_file(self) -> Path | None:
        """No client needs a certificate: sidecars show tokens."""
        return None


class MasterConfig(BaseModel):
    """The master keys, from which the keys of every zone are derived."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    directory: Path = Field(
        description="Folder with one file for each generation, such as a mounted Secret. `tabard control keys new` makes "
        "them. It is looked at every second; all replicas have the same.",
    )


class ClusterConfig(ApiServerConfig):
    """The API server, which is asked whose a token is (TokenReview)."""

    audience: str = Field(
        default="tabard-control",
        max_length=256,
        pattern=_PRINTABLE,
        description="Audience of the tokens that sidecars show; the same as `control.audience` of the injector. No other "
        "container may have such a token.",
    )
    max_connections: Annotated[int, Field(ge=1, le=256)] = Field(
        default=16, description="Most questions to the API server at once."
    )


class ZoneClientsConfig(BaseModel):
    """Introspection of one zone's credentials (RFC 7662)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    clients: tuple[IntrospectionClient, ...] = Field(
        default=(), description="Backends that may introspect; each asks `POST /zones/NAMESPACE/introspect`."
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        names = [client.id for client in self.clients]
        if len(set(names)) != len(names):
            raise ValueError("two clients have the same id")
        return self


class ZoneConfig(BaseModel):
    """A zone whose state store the service reaches. Every other zone has keys and a JWK Set only."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: StateConfig = Field(
        description="The zone's state store, a Redis or Valkey server: as in the zone's `tabard.yaml`."
    )
    credentials: CredentialsConfig = Field(
        default_factory=CredentialsConfig, description="As in the zone's `tabard.yaml`."
    )
    revocation: RevocationConfig = Field(
        default_factory=RevocationConfig, description="As in the zone's `tabard.yaml`."
    )
    introspection: ZoneClientsConfig = Field(
        default_factory=ZoneClientsConfig, description="Backends that may ask about the zone's credentials."
    )
    operators: tuple[RoleBinding, ...] = Field(
        default=(), max_length=1000, description="Who may see and change what in the zone. Empty: no one."
    )
    approvals: ApprovalsConfig = Field(
        default_factory=ApprovalsConfig,
        description="As in the zone's `tabard.yaml`; approvers' tokens are those of `operators.issuers`. `webhook` and the "
        "limits of what may wait count for sidecars only.",
    )
    subject_issuers: tuple[Name, ...] = Field(
        default=(),
        description="Issuers of the zone's people, as in `identity.issuers` of its `tabard.yaml`. People of other issuers can be "
        "revoked while they have a live task.",
    )

    @model_validator(mode="after")
    def _shared(self) -> Self:
        if not self.state.is_redis:
            raise ValueError("state.url must name the Redis or Valkey server that the zone's sidecars share")
        return self


class ControlSettings(BaseModel):
    """Everything that can be configured. Relative paths count from the file's directory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe level that is logged, as JSON lines on standard error."
    )
    server: ServerConfig
    http: HttpConfig = Field(default_factory=HttpConfig)
    master: MasterConfig
    cluster: ClusterConfig = Field(default_factory=ClusterConfig)
    operators: OperatorsConfig | None = Field(
        default=None, description="The operator surface. Without this section there is none."
    )
    audit: AuditConfig = Field(
        default_factory=AuditConfig,
        description="Records of what operators change: a decision log as a sidecar's.",
    )
    zones: dict[Annotated[str, Field(pattern=_NAMESPACE)], ZoneConfig] = Field(
        default={}, description="Zones whose state store the service reaches, by namespace."
    )

    @model_validator(mode="after")
    def _operators_fit(self) -> Self:
        if self.operators is None:
            given = [name for name, zone in self.zones.items() if zone.operators]
            if given:
                raise ValueError(f"zones.{given[0]}.operators gives roles, and there is no section operators")
            return self
        if self.operators.audience == self.cluster.audience:
            raise ValueError(
                "operators.audience is cluster.audience, so every sidecar would have a token for both"
            )
        for name, zone in self.zones.items():
            problem = _problem(zone, self.operators)
            if problem:
                raise ValueError(f"zones.{name}.{problem}")
        return self


def _problem(zone: ZoneConfig, operators: OperatorsConfig) -> str:
    """Return why the rights in a zone can't be meant; empty if they can."""
    issuers = {issuer.issuer: issuer for issuer in operators.issuers}
    for place, binding in enumerate(zone.operators):
        where = f"operators[{place}]"
        if binding.issuer and binding.issuer not in issuers:
            return f"{where}.issuer isn't one of operators.issuers"
        if not binding.service_account and not binding.issuer and len(issuers) != 1:
            return f"{where} names no issuer, and operators.issuers has {len(issuers)}"
    for issuer in issuers.values():
        if zone.operators and zone.approvals.audience in issuer.audiences:
            return f"approvals.audience is an audience of {issuer.issuer}, so a token for calls could decide, too"
    return ""
