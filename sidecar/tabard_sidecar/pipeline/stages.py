"""What the pipelines are made of, and the checks that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tabard_sidecar.credentials import Issuers
from tabard_sidecar.errors import Refused
from tabard_sidecar.grants import GrantService, PlannedGrant
from tabard_sidecar.interfaces import (
    AgentIdentitySource,
    Approvals,
    Catalogue,
    Clock,
    DecisionLog,
    Observer,
    PolicyRuntime,
    Revocations,
    ToolSpec,
)
from tabard_sidecar.model import Agent, ToolCall
from tabard_sidecar.pipeline.idempotency import IdempotencyStore
from tabard_sidecar.pipeline.policy_input import PolicyInput
from tabard_sidecar.pipeline.reservations import Reservations
from tabard_sidecar.state import StateStore, TaskState


@dataclass(frozen=True, slots=True)
class Stages:
    """Everything a question passes through, in order."""

    agent: AgentIdentitySource
    grants: GrantService
    catalogue: Catalogue
    policy: PolicyRuntime
    issuers: Issuers
    state: StateStore
    ledger: Reservations
    revocations: Revocations
    approvals: Approvals
    replies: IdempotencyStore
    log: DecisionLog
    inputs: PolicyInput
    observer: Observer
    clock: Clock

    def verify_held(self, grant: str, discharges: Sequence[str] = ()) -> tuple[Agent, PlannedGrant]:
        """Verify a grant and that this workload is the one that may use it.

        Raises:
            Refused: the grant doesn't verify or is held by another workload.
            NoDecision: this sidecar has no identity.
        """
        agent = self.agent.current()
        if not grant:
            raise Refused("grant_missing", "the request carries no grant")
        verified = self.grants.verify(grant, discharges)
        if verified.holder != agent.id:
            raise Refused(
                "holder_mismatch", f"the grant is held by {verified.holder}, this workload is {agent.id}"
            )
        return agent, verified

    def known_tool(self, call: ToolCall) -> ToolSpec | None:
        """Look a tool up.

        Raises:
            Refused: the tool isn't known and has to be.
        """
        spec = self.catalogue.lookup(call.name, call.server)
        if spec is None and self.catalogue.required:
            raise Refused("tool_unknown", f"the catalogue doesn't know the tool {call.name!a}")
        return spec

    async def check_alive(self, agent: Agent, grant: PlannedGrant, *, remembered: bool = False) -> TaskState:
        """Check that nobody in the chain was ended or revoked, count its links, and return how it stands.

        The past calls are there if the policy that is active when this returns looks at them. With ``remembered`` it may be
        how the chain stood before; see :meth:`Reservations.remembered`.

        Raises:
            Refused: part of the chain was ended or revoked, a holder has too many children, or the store doesn't know
                the task.
            NoDecision: the state store is out of reach.
        """
        while True:
            reads_calls = self.policy.reads_calls
            standing = self._remembered(grant, reads_calls=reads_calls) if remembered else None
            if standing is None:
                standing = await self.ledger.standing(grant, reads_calls=reads_calls)
            await self.revocations.check(agent, grant, newest=standing.revocations, now=self.clock())
            await self.ledger.count_children(grant)
            if reads_calls or not self.policy.reads_calls:
                return standing

    def _remembered(self, grant: PlannedGrant, *, reads_calls: bool) -> TaskState | None:
        return self.ledger.remembered(grant, reads_calls=reads_calls, revocations=self.revocations.newest)
