"""Configuration of approvals by people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Name = Annotated[str, Field(min_length=1, max_length=512)]

MAX_GROUP = 25
"""Most calls that a group can have: an operator gets all of them with their arguments in one message."""


class PersonConfig(BaseModel):
    """One person, named by issuer and id together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: Name = Field(description="Issuer of the person, one of `identity.issuers`.")
    id: Name = Field(description="Id of the person at that issuer.")


class RoleConfig(BaseModel):
    """Who may approve under one role: exactly one of `subject`, `claim` with `value`, and `ids`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: bool = Field(
        default=False,
        description="The person on whose behalf the task runs. Only this role lets people approve "
        "calls of a task of their own.",
    )
    claim: str = Field(
        default="", max_length=512, description="Claim of the approver's token that has to hold `value`."
    )
    value: str = Field(
        default="",
        max_length=512,
        description="Value of the claim or, if the claim is a list, one of its items.",
    )
    issuer: str = Field(
        default="",
        max_length=512,
        description="Only issuer whose `claim` counts. Set it if more than one issuer is configured.",
    )
    ids: tuple[PersonConfig, ...] = Field(
        default=(), max_length=1000, description="People, by issuer and id."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.subject + bool(self.claim) + bool(self.ids) != 1:
            raise ValueError("set exactly one of subject, claim (with value), and ids")
        if bool(self.claim) != bool(self.value):
            raise ValueError("claim and value belong together")
        if self.issuer and not self.claim:
            raise ValueError("issuer belongs to claim; people under ids have their own")
        return self


class WebhookConfig(BaseModel):
    """Webhook that is notified of new approvals."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(
        default="",
        max_length=2048,
        description="URL that receives a signed POST for every new approval. https, or http on loopback. Empty: none.",
    )
    secret_file: Path | None = Field(
        default=None,
        description="File with the secret that signs, at least 32 characters, not readable for others. Read again for "
        "every event.",
    )
    timeout_seconds: float = Field(default=5.0, gt=0, le=60, description="How long one attempt may take.")
    attempts: int = Field(
        default=6, ge=1, le=20, description="Attempts to deliver an event, with growing pauses of 1 to 60 s."
    )
    queue: int = Field(
        default=256, ge=1, le=10_000, description="Events that may wait. One more is dropped and counted."
    )

    @model_validator(mode="after")
    def _signed(self) -> Self:
        if self.url and self.secret_file is None:
            raise ValueError("secret_file is required with url: events must be signed")
        return self


class ApprovalsConfig(BaseModel):
    """Approvers, their tokens, and how long calls wait."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    audience: Name = Field(
        default="tabard-approval",
        description="The only audience of approvers' tokens. Agents must not be able to get tokens for it.",
    )
    roles: dict[Annotated[str, Field(min_length=1, max_length=512)], RoleConfig] = Field(
        default={}, description="Roles by name, as policies list them in an ask's `approvers`."
    )
    clients: tuple[Name, ...] = Field(
        default=(),
        description="OAuth clients whose tokens count as approvers', by `client_id`, `azp`, `cid` "
        "or `appid`. Empty: every client except the workloads that ask. Set it if "
        "agents are clients of the same issuer.",
    )
    max_auth_age_seconds: float = Field(
        default=300.0,
        gt=0,
        le=86_400,
        description="How long ago an approver may have authenticated, by `auth_time`, which the token must carry.",
    )
    wait_seconds: float = Field(
        default=900.0, ge=1, le=7 * 86_400, description="How long a call waits for a person."
    )
    max_pending_per_task: int = Field(
        default=5,
        ge=1,
        le=100,
        description="Questions of one workload in one task that may wait at once: calls, or groups of calls. One more is "
        "denied as `approvals_exceeded`.",
    )
    max_pending_per_group: int = Field(
        default=20,
        ge=1,
        le=MAX_GROUP,
        description="Calls that a person may be shown as one list. One more is denied as `approvals_exceeded`.",
    )
    max_pending_per_person: int = Field(
        default=20,
        ge=1,
        le=1000,
        description="Calls for one person that one workload may let wait at once, over all tasks.",
    )
    max_pending_per_workload: int = Field(
        default=100,
        ge=1,
        le=1000,
        description="Calls of one workload that may wait at once, for all people.",
    )
    webhook: WebhookConfig = Field(
        default_factory=WebhookConfig, description="Webhook for new approval requests."
    )
