"""Defines the whole configuration, composed of the sections that the packages define."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tabard_sidecar.approvals.conf import ApprovalsConfig
from tabard_sidecar.config.brokers import check_audiences, check_times
from tabard_sidecar.config.sections import InsecureConfig, LimitsConfig, ListenConfig
from tabard_sidecar.credentials.conf import CredentialsConfig
from tabard_sidecar.http.conf import HttpConfig, IntrospectionConfig
from tabard_sidecar.identity.conf import HandoverConfig, IdentityConfig
from tabard_sidecar.keys.conf import KeysConfig
from tabard_sidecar.policy.conf import CatalogueConfig, PolicyConfig
from tabard_sidecar.records.conf import AuditConfig, TelemetryConfig
from tabard_sidecar.revocation.conf import RevocationConfig
from tabard_sidecar.state.conf import StateConfig
from tabard_sidecar.util.late_type import LateType

if TYPE_CHECKING:
    from tabard_sidecar.credentials.exchange.conf import Exchanges
    from tabard_sidecar.credentials.vault.conf import Vaults
else:
    # Their many classes cost 0.3 MB and a fiftieth of a start, and few sidecars have them.
    Exchanges = Annotated[dict[str, Any], LateType("tabard_sidecar.credentials.exchange.conf", "Exchanges")]
    Vaults = Annotated[dict[str, Any], LateType("tabard_sidecar.credentials.vault.conf", "Vaults")]


class Settings(BaseModel):
    """Everything that can be configured. Relative paths count from the configuration file's directory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zone: str = Field(
        default="default",
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$",
        description="Name of the zone: the sidecars that share one state store and one keyring. Grants of another "
        "zone are refused.",
    )
    listen: ListenConfig = Field(default_factory=ListenConfig)
    http: HttpConfig = Field(default_factory=HttpConfig)
    introspection: IntrospectionConfig = Field(default_factory=IntrospectionConfig)
    identity: IdentityConfig = Field(default_factory=IdentityConfig)
    handover: HandoverConfig = Field(default_factory=HandoverConfig)
    keys: KeysConfig = Field(default_factory=KeysConfig)
    policy: PolicyConfig = Field(default_factory=PolicyConfig)
    catalogue: CatalogueConfig = Field(default_factory=CatalogueConfig)
    credentials: CredentialsConfig = Field(default_factory=CredentialsConfig)
    vault: Vaults = Field(
        default={},
        description="Vaults by name, for credentials of kind `vault`: HashiCorp Vault or OpenBao. The journal of leases "
        "keeps the name, so it is the same on every sidecar of the zone. Needs the extra `tabard-sidecar[vault]`.",
    )
    exchange: Exchanges = Field(
        default={},
        description="Identity providers by name, for credentials of kind `exchange`: each exchanges the token of the person "
        "who started a task for one that a single backend accepts (RFC 8693). That token is then kept, encrypted, until it "
        "expires or the task ends.",
    )
    state: StateConfig = Field(default_factory=StateConfig)
    revocation: RevocationConfig = Field(default_factory=RevocationConfig)
    approvals: ApprovalsConfig = Field(default_factory=ApprovalsConfig)
    audit: AuditConfig = Field(default_factory=AuditConfig)
    telemetry: TelemetryConfig = Field(default_factory=TelemetryConfig)
    limits: LimitsConfig = Field(default_factory=LimitsConfig)
    insecure: InsecureConfig = Field(default_factory=InsecureConfig)

    @model_validator(mode="after")
    def _brokers(self) -> Self:
        check_audiences(self.exchange, self.identity, self.approvals)
        if self.zone in {*self.handover.to, *(each.zone for each in self.handover.accept)}:
            raise ValueError("handover names this zone itself; within a zone grants are delegated")
        check_times(self.vault, self.exchange, self.limits)
        if self.insecure.observe and self.catalogue.path is None:
            raise ValueError(
                "insecure.observe needs catalogue.path: only tools that it lists are let through"
            )
        return self
