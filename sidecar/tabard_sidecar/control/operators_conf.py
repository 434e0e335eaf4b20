"""Configuration of operators: who they are, and what they may do in each zone."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tabard_sidecar.identity.conf import IssuerConfig, Name
from tabard_sidecar.util.addresses import Address

_PRINTABLE = r"^[!-~]+$"
_ACCOUNT = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?/[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"


class Role(StrEnum):
    """What someone may do in a zone. Each role holds the first one; none of the other two holds the other."""

    VIEWER = "viewer"
    """List tasks, leases, revocations and approvals, without the arguments of calls."""
    APPROVER = "approver"
    """See calls that wait for a person in full, and decide about them with a token of their own."""
    OPERATOR = "operator"
    """Revoke, and lift revocations."""


class OperatorIssuerConfig(IssuerConfig):
    """An issuer of the access tokens of people who operate zones."""

    groups_claim: Name = Field(
        default="groups",
        description="Claim with the person's groups: a list, or one name.",
    )
    clients: tuple[Name, ...] = Field(
        default=(),
        description="OAuth clients whose tokens are accepted, by `client_id`, `azp`, `cid` or `appid`. Empty: every client. Set "
        "it if agents are clients of the same issuer.",
    )


class OperatorsConfig(BaseModel):
    """What a sidecar's operator socket serves, over TLS, for all zones that are reached."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: Address = Field(
        default="0.0.0.0:8445",
        description="`host:port`, with the certificate of `server`. A port of its own, so that a network policy can keep it "
        "from pods that only need keys.",
    )
    issuers: tuple[OperatorIssuerConfig, ...] = Field(
        default=(), description="Issuers of people's access tokens, each once."
    )
    audience: str = Field(
        default="tabard-operators",
        max_length=256,
        pattern=_PRINTABLE,
        description="Audience of the tokens of ServiceAccounts that operate zones. The API server is asked about each.",
    )
    clock_skew_seconds: Annotated[float, Field(ge=0, le=300)] = Field(
        default=30.0, description="By how much the clocks of issuers may differ from the service's."
    )
    request_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        default=10.0, description="Longest time for one request."
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        names = [issuer.issuer for issuer in self.issuers]
        if len(set(names)) != len(names):
            raise ValueError("issuers lists an issuer twice")
        return self


class RoleBinding(BaseModel):
    """Who has a role in a zone: exactly one of `group`, `person` and `service_account`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Role = Field(description="What they may do.")
    group: str = Field(default="", max_length=512, description="A group of people, as their tokens name it.")
    person: str = Field(
        default="", max_length=512, description="One person, by the claim `subject_claim` of the issuer."
    )
    issuer: str = Field(
        default="",
        max_length=512,
        description="Issuer of the group or person, one of `operators.issuers`. May be left out if there is one only.",
    )
    service_account: Annotated[str, Field(pattern=_ACCOUNT)] | None = Field(
        default=None,
        description="A ServiceAccount, `NAMESPACE/NAME`. Who can create pods in that namespace can use it.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.group) + bool(self.person) + bool(self.service_account) != 1:
            raise ValueError("set exactly one of group, person and service_account")
        if self.service_account and self.issuer:
            raise ValueError("issuer belongs to group or person; a ServiceAccount is the cluster's")
        return self
