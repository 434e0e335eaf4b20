"""Defines the sections of the configuration that belong to no other package."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from tabard.address import AGENT, OPERATOR, default_address

from tabard_sidecar.util.addresses import UnixAddress, check_unix_address
from tabard_sidecar.util.health_address import health_beside


class ListenConfig(BaseModel):
    """Sockets of the gRPC server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    agent: UnixAddress = Field(
        default_factory=lambda: default_address(AGENT),
        validate_default=True,
        description="Socket for agents: `unix:` and a path of at most 107 bytes. By "
        "default the paths where clients look: `$TABARD_ADDRESS`, else "
        "`/run/tabard/agent/tabard.sock` if its directory exists, else "
        "`agent/tabard.sock` below `$XDG_RUNTIME_DIR/tabard` or `/tmp/tabard-$UID`.",
    )
    agent_mode: Literal["0660", "0666"] = Field(
        default="0660",
        description="Mode of the agents' socket. With `0666` every user who can reach its directory may connect: for a "
        "pod, where the socket has a volume of its own and agents run as users of their own.",
    )
    operator: UnixAddress = Field(
        default_factory=lambda: default_address(OPERATOR),
        validate_default=True,
        description="Socket for operators, in a directory of its own that agents can't reach. By default "
        "`$TABARD_OPERATOR_ADDRESS`, else `operator/tabard.sock` as for agents.",
    )
    health: UnixAddress | None = Field(
        default=None,
        description="Socket of `tabard health`: `/healthz` and `/readyz` with all details over HTTP. Agents and other "
        "machines can't reach it, so they can't take its places. By default beside `listen.operator`, with "
        "the suffix `.health`.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_unix_address(self.health_address)
        agents = _directory(self.agent)
        for name, address in (("operator", self.operator), ("health", self.health_address)):
            if _directory(address).is_relative_to(agents):
                raise ValueError(
                    f"listen.{name} ({address}) is in the agents' directory, which is all that agents may reach; give it a "
                    "directory of its own"
                )
        return self

    @property
    def health_address(self) -> str:
        """Address of the health socket."""
        return self.health or health_beside(self.operator)


def _directory(address: str) -> Path:
    return Path(os.path.normpath(address.removeprefix("unix:"))).parent


class LimitsConfig(BaseModel):
    """Limits on the sidecar's load and on the life of tasks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_in_flight: int = Field(
        default=128,
        ge=1,
        le=65536,
        description="Requests and streams that are open at once, and requests that are decided at once. More are "
        "refused with `RESOURCE_EXHAUSTED`.",
    )
    max_connections: int = Field(
        default=128,
        ge=4,
        le=4096,
        description="Connections of agents at once; each process of an agent has one. One more is closed.",
    )
    max_message_bytes: int = Field(
        default=512 * 1024,
        ge=64 * 1024,
        le=64 * 1024 * 1024,
        description="Largest gRPC message that is read. With `max_in_flight` it bounds the memory that requests take.",
    )
    request_seconds: float = Field(
        default=5.0,
        gt=0,
        le=300,
        description="Longest time one request may take, whatever deadline the caller sets.",
    )
    max_task_seconds: float = Field(
        default=8 * 3600.0,
        ge=1,
        le=30 * 86400,
        description="Longest time for which a task's grant may be used, whatever policy says.",
    )
    label_carry_seconds: float = Field(
        default=900.0,
        ge=0,
        le=3600,
        description="How long labels (what was read) reach tasks that start later, of the same person and of every "
        "workload of the chain, so that a new task doesn't lose them. The time begins when the call's credential "
        "expires; 30 seconds are added, because clocks differ.",
    )
    drain_seconds: float = Field(
        default=10.0,
        ge=0,
        le=600,
        description="Time that requests in flight get to finish when the sidecar stops.",
    )


class InsecureConfig(BaseModel):
    """Switches that weaken security. `tabard serve` warns about each that is on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    agent_id: str | None = Field(
        default=None,
        max_length=2048,
        pattern=r"^spiffe://[a-z0-9._-]+/[A-Za-z0-9._/-]+$",
        description="SPIFFE ID that this sidecar claims for its workload without any proof.",
    )
    local_subjects: Path | None = Field(
        default=None,
        description="Key file with which `tabard token` mints subject tokens that this sidecar accepts.",
    )
    accept_asserted_intent: bool = Field(
        default=False,
        description="Let guardrails that read purpose or statement, and the limit `purposes`, accept an asserted intent.",
    )
    tasks_per_token: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Tasks that one subject token may start without a signed intent; overrides "
        "`identity.tasks_per_token`.",
    )
    allow_http: bool = Field(
        default=False,
        description="Fetch issuers' and initiators' keys over plain HTTP on other machines, too, and speak to vaults and "
        "token endpoints over plain HTTP at all: without it not even at a loopback address, where the agent can listen.",
    )
    audit_optional: bool = Field(
        default=False,
        description="Give decisions although their records can't be written. The failure only shows in "
        "`tabard_audit_failures_total` and in health.",
    )
    capabilities: tuple[str, ...] = Field(
        default=(),
        description="Names of Rego builtins that policies may call although they use the network "
        "or aren't deterministic, for example `http.send`.",
    )
    observe: tuple[
        Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")], ...
    ] = Field(
        default=(),
        description="Kubernetes namespaces in which policy isn't enforced yet: a tool call that only policy denies is recorded "
        "as `would_deny` and allowed without a credential. Everything else denies as ever. Only tools of the catalogue are "
        "let through, so `catalogue.path` has to be set.",
    )


def insecure_switches(insecure: InsecureConfig) -> list[str]:
    """Return one sentence per switch that is on, beginning with its key."""
    found = {
        "insecure.agent_id": (
            insecure.agent_id is not None,
            "this workload's identity is claimed, not proven",
        ),
        "insecure.local_subjects": (
            insecure.local_subjects is not None,
            "a user with the key file can speak for any person",
        ),
        "insecure.accept_asserted_intent": (
            insecure.accept_asserted_intent,
            "guardrails accept an unsigned purpose and statement",
        ),
        "insecure.tasks_per_token": (
            insecure.tasks_per_token is not None,
            f"one subject token starts up to {insecure.tasks_per_token} tasks without a signed intent",
        ),
        "insecure.allow_http": (
            insecure.allow_http,
            "who can read the network, or listens at a loopback address, gets logins and tokens and can replace keys",
        ),
        "insecure.audit_optional": (
            insecure.audit_optional,
            "decisions are given although their records can't be written",
        ),
        "insecure.observe": (
            bool(insecure.observe),
            f"in {', '.join(insecure.observe)} calls that policy denies are made, without a credential",
        ),
        "insecure.capabilities": (
            bool(insecure.capabilities),
            f"policies may call {', '.join(insecure.capabilities)}",
        ),
    }
    return [f"{key}: {text}" for key, (on, text) in found.items() if on]
