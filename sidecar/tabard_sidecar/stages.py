"""What the pipelines are made of, and the checks that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tabard_sidecar.credentials import Issuers
from tabard_sidecar.grants import GrantService, children_to_register
from tabard_sidecar.interfaces import (
    AgentIdentitySource,
    Catalogue,
    Clock,
    DecisionLog,
    Observer,
    PolicyRuntime,
    ToolSpec,
)
from tabard_sidecar.model import Agent, ToolCall, VerifiedGrant
from tabard_sidecar.policy_input import PolicyInput
from tabard_sidecar.refusal import Refused
from tabard_sidecar.replies import Replies
from tabard_sidecar.state import Child, StateStore


@dataclass(frozen=True, slots=True)
class Stages:
    """Everything a question passes through, in order."""

    agent: AgentIdentitySource
    grants: GrantService
    catalogue: Catalogue
    policy: PolicyRuntime
    issuers: Issuers
    state: StateStore
    replies: Replies
    log: DecisionLog
    inputs: PolicyInput
    observer: Observer
    clock: Clock

    def verify_held(self, grant: str, discharges: Sequence[str] = ()) -> tuple[Agent, VerifiedGrant]:
        """Verify a grant and that this workload is the one that may use it.

        Raises:
            Refused: the grant doesn't verify or is held by another workload.
            Unanswerable: this sidecar has no identity.
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

    async def check_alive(self, grant: VerifiedGrant) -> int:
        """Check that no part of the chain was ended and count its links; return the holder's children.

        Raises:
            Refused: part of the chain was ended, or a holder has too many children.
            Unanswerable: the state store is out of reach.
        """
        standing = await self.state.look_up(grant.link_ids)
        if standing.ended:
            what = "the task" if standing.ended == grant.root_id else "this part of the task"
            raise Refused("task_ended", f"{what} was ended (link {standing.ended[:12]})")
        if grant.links:
            children = [Child(*child) for child in children_to_register(grant)]
            # Counted for as long as the task lasts: a copy of the child that expires early doesn't give the place back.
            refused = await self.state.register_children(children, expires_at=grant.task.expires_at)
            if refused is not None:
                raise Refused(
                    "children_exceeded",
                    f"holder {refused.parent_id[:12]} may have {refused.limit} children and has that many already",
                )
        return standing.children
