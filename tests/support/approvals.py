"""Approvals with everything real beneath them: SQLite, keyring, grants, signed tokens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

from tabard_sidecar.approvals import ApprovalsConfig, build_approvals
from tabard_sidecar.identity.agent import StaticAgent
from tabard_sidecar.identity.keyset import parse
from tabard_sidecar.identity.sources import StaticKeys
from tabard_sidecar.identity.subject import Issuer, SubjectTokens
from tabard_sidecar.model import Agent, Ask, IntentSource, Subject, Task
from tabard_sidecar.pipeline.store_epoch import StoreEpoch
from tabard_sidecar.pipeline.task_state_cache import TaskStateCache
from tabard_sidecar.pipeline.task_states import TaskStates
from tabard_sidecar.revocation import build_revocation
from tabard_sidecar.revocation.conf import RevocationConfig
from tabard_sidecar.state import Chain, Reservation, TaskRecord
from tabard_sidecar.state.sqlite import SQLiteStateStore

from tests.support.grants import ALICE, WIDE, make_kit, tool_call
from tests.support.tokens import ISSUER, NOW, FakeClock, SigningKey, access_claims

if TYPE_CHECKING:
    from pathlib import Path

    from tabard.caveats import Limits
    from tabard_sidecar.approvals import ApprovalView
    from tabard_sidecar.interfaces import Together
    from tabard_sidecar.model import PendingApproval, ToolCall
    from tabard_sidecar.state import Reserved

SUBJECT_ISSUER = "https://idp.example.org"
"""Issuer of the person for whom :class:`~tests.support.grants.GrantKit` makes grants; their id is ``u-1``."""
AGENT = Agent(ALICE, "test")
ASK = Ask("payments", "large_payment", ("finance",), "payments over 100 need a second person", 1, 600.0)
CALL = tool_call("payments.send", amount=500, to="ACME")
ROLES: dict[str, Any] = {
    "finance": {"claim": "groups", "value": "finance"},
    "owner": {"subject": True},
    "named": {"ids": [{"issuer": ISSUER, "id": "dora"}]},
}
_ISSUERS = (ISSUER, SUBJECT_ISSUER)


class ApprovalWorld:
    """One sidecar's approvals, with a clock that tests move and an issuer whose tokens they sign."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.kit = make_kit(folder / "keys", clock=self.clock)
        self.state = SQLiteStateStore(folder / "state.db", zone="shop")
        self.key = SigningKey.make("key-1")
        keys = StaticKeys(parse(json.dumps({"keys": [self.key.jwk()]}).encode()))
        self.subjects = SubjectTokens(
            [
                Issuer(
                    issuer=name,
                    audiences=frozenset({"tabard"}),
                    algorithms=frozenset({"ES256"}),
                    types=frozenset({"at+jwt"}),
                    keys=keys,
                )
                for name in _ISSUERS
            ],
            agent=StaticAgent(ALICE),
            clock=self.clock,
            skew_seconds=30,
        )
        self.config = ApprovalsConfig(**({"roles": ROLES} | config))
        self.revoking = build_revocation(
            RevocationConfig(), self.state, clock=self.clock, max_task_seconds=3600
        )
        cache = TaskStateCache()
        self.standings = TaskStates(
            self.state,
            cache,
            StoreEpoch(self.state, self.clock, (cache.clear,)),
            self.revoking.checks,
            self.clock,
        )
        self.parts = build_approvals(
            self.config,
            state=self.state,
            keyring=self.kit.keyring,
            grants=self.kit.service,
            subjects=self.subjects,
            agent=StaticAgent(ALICE),
            revocations=self.revoking.checks,
            standings=self.standings,
            clock=self.clock,
        )
        self.grant = self.kit.mint()
        self._tokens = 0
        self._tasks = 1

    async def __aenter__(self) -> Self:
        await self.state.open()
        await self.open_task(self.grant)
        await self.revoking.start()
        await self.parts.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.parts.close()
        await self.revoking.stop()
        await self.state.close()

    async def open_task(self, grant: str) -> None:
        """Make the store know the task of a grant."""
        found = self.kit.verify(grant)
        task, subject = found.task, found.subject
        await self.state.open_task(
            TaskRecord(
                found.root_id, task.id, subject.issuer, subject.id, ALICE, task.purpose, NOW, task.expires_at
            ),
            labels_since=NOW,
        )

    async def other_task(self, *requested: Limits) -> str:
        """Return a grant of another task of the same person."""
        self._tasks += 1
        task = Task(f"task-{self._tasks}", "refunds", "Work off more.", IntentSource.SIGNED, NOW, NOW + 3600)
        grant = self.kit.service.mint(
            task=task,
            subject=Subject("u-1", SUBJECT_ISSUER),
            holder=ALICE,
            offered=(WIDE,),
            requested=requested,
            now=NOW,
        )
        await self.open_task(grant)
        return grant

    def token(self, who: str = "cleo", **changes: Any) -> str:
        """Return a fresh approver's token."""
        self._tokens += 1
        claims = {
            "sub": who,
            "aud": "tabard-approval",
            "auth_time": int(self.clock.now) - 20,
            "iat": int(self.clock.now) - 10,
            "exp": int(self.clock.now) + 300,
            "jti": f"approver-{self._tokens}",
            "groups": ["staff", "finance"],
        }
        return self.key.sign(access_claims(**(claims | changes)))

    async def ask(
        self,
        *asks: Ask,
        call: ToolCall = CALL,
        grant: str = "",
        discharges: tuple[str, ...] = (),
        known_tool: bool = False,
        together: Together | None = None,
    ) -> tuple[PendingApproval, ...]:
        """Ask about a call, as the pipeline does."""
        presented = grant or self.grant
        verified = self.kit.service.verify(presented, discharges)
        return await self.parts.requester.ask(
            presented,
            verified,
            AGENT,
            call,
            asks or (ASK,),
            known_tool=known_tool,
            now=self.clock(),
            together=together,
        )

    async def ask_together(
        self, *calls: ToolCall, asks: tuple[Ask, ...] = (), grant: str = ""
    ) -> list[PendingApproval]:
        """Ask about the calls of one batch, as the pipeline does."""
        with self.parts.requester.together() as together:
            found = [await self.ask(*asks, call=call, grant=grant, together=together) for call in calls]
        return [pending for waiting in found for pending in waiting]

    async def decide_group(self, group_id: str, token: str = "", **verdicts: bool) -> list[ApprovalView]:
        """Decide about a group by the approvals' ids."""
        return await self.parts.decider.decide_group(group_id, token or self.token(), verdicts)

    async def approve(self, pending: PendingApproval, token: str = "") -> None:
        """Approve one call."""
        await self.parts.decider.decide(pending.approval_id, token or self.token(), approve=True)

    async def discharge(self, pending: PendingApproval) -> str:
        """Poll once and return the discharge."""
        return (await self.parts.status_service.status(pending.call_grant, pending.approval_id)).discharge

    async def approved(self, *asks: Ask, call: ToolCall = CALL) -> tuple[str, list[str]]:
        """Return call grant and discharges of a call that every approver approved."""
        waiting = await self.ask(*asks, call=call)
        for pending in waiting:
            await self.approve(pending)
        return waiting[0].call_grant, [await self.discharge(pending) for pending in waiting]

    async def met(self, grant: str, discharges: list[str], call: ToolCall = CALL):
        """Verify, check and look up, as the pipeline does."""
        verified = self.kit.service.verify(grant, discharges)
        return await self.parts.requester.met(verified, call, now=self.clock())

    async def use(self, approval_id: str, decision_id: str) -> Reserved:
        """Take one use of an approval, as an allowed call does."""
        found = self.kit.verify(self.grant)
        return await self.state.reserve(
            Reservation(
                chain=Chain(found.link_ids),
                decision_id=decision_id,
                tool=CALL.name,
                charges={},
                task_labels=(),
                branch_labels=(),
                label_version=(await self.state.look_up(Chain(found.link_ids))).label_version,
                approvals=(approval_id,),
                now=self.clock(),
            )
        )
