"""Builds the prompt that an approver sees about a call, and encrypts it for the state store."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tabard_sidecar.model import IntentSource
from tabard_sidecar.util.jsontext import encode
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.sealing import SealError, SealingKeys, seal, unseal

if TYPE_CHECKING:
    from tabard_sidecar.model import Agent, Ask, ToolCall, VerifiedGrant

KEYS_INFO = "approval-prompt"
"""Derivation info of the keys that encrypt prompts."""


@dataclass(frozen=True, slots=True)
class Step:
    """One link of the verified chain; ``sub_agent`` is the workload's own name for a branch."""

    kind: str
    holder: str
    sub_agent: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything that an approver sees about a call.

    ``agent_id``, the subject, the root holder and the chain's kinds and holders are verified; module, code, reason,
    approvers, uses and ttl come from policy. Purpose and statement are the person's own if ``signed``. Everything else
    (tool, server, arguments and sub-agents) is asserted by the agent. ``grant_expires_at`` is the end of the agent's
    authority and ``task_expires_at`` of the whole task, in seconds since the epoch.
    """

    subject_issuer: str
    subject_id: str
    purpose: str
    statement: str
    signed: bool
    root_holder: str
    chain: tuple[Step, ...]
    agent_id: str
    tool: str
    server: str
    arguments_json: str
    module: str
    code: str
    reason: str
    approvers: tuple[str, ...]
    uses: int
    ttl_seconds: float
    grant_expires_at: float
    task_expires_at: float

    @property
    def workloads(self) -> frozenset[str]:
        """Every workload that has or had the grant."""
        return frozenset({self.root_holder, self.agent_id, *(step.holder for step in self.chain)})


def prompt_for(grant: VerifiedGrant, agent: Agent, call: ToolCall, ask: Ask) -> Prompt:
    """Return the prompt for a call."""
    return Prompt(
        subject_issuer=grant.subject.issuer,
        subject_id=grant.subject.id,
        purpose=grant.task.purpose,
        statement=grant.task.statement,
        signed=grant.task.intent_source is IntentSource.SIGNED,
        root_holder=grant.root_holder,
        chain=tuple(Step(link.kind, link.holder, link.sub_agent) for link in grant.links),
        agent_id=agent.id,
        tool=call.name,
        server=call.server,
        arguments_json=call.arguments_json.decode(),
        module=ask.module,
        code=ask.code,
        reason=ask.reason,
        approvers=ask.approvers,
        uses=ask.uses,
        ttl_seconds=ask.ttl_seconds,
        grant_expires_at=grant.expires_at,
        task_expires_at=grant.task.expires_at,
    )


def seal_prompt(keys: SealingKeys, approval_id: str, prompt: Prompt) -> bytes:
    """Encrypt a prompt for one approval."""
    return seal(keys, encode(asdict(prompt)), approval_id.encode())


def open_prompt(keys: SealingKeys, approval_id: str, payload: bytes) -> Prompt:
    """Decrypt a prompt.

    Raises:
        SealError: its key is retired, or it belongs to another approval or was changed.
    """
    try:
        found: dict[str, Any] = json.loads(unseal(keys, payload, approval_id.encode()))
        found["chain"] = tuple(Step(**step) for step in found["chain"])
        found["approvers"] = tuple(found["approvers"])
        return Prompt(**found)
    except (TypeError, KeyError, ValueError):  # sealed by a version with other fields
        raise SealError(retired=False) from None
