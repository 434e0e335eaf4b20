"""Starting, handing on and ending tasks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from tabard.caveats import limits_json

from tabard_sidecar.errors import Refused
from tabard_sidecar.grants import check_delegation
from tabard_sidecar.interfaces import IntentVerifier, SubjectVerifier
from tabard_sidecar.model import (
    Agent,
    Decision,
    Intent,
    IntentSource,
    Operation,
    Reason,
    Subject,
    Task,
    VerifiedGrant,
)
from tabard_sidecar.pipeline.decision_codec import decode_decision, encode_decision
from tabard_sidecar.pipeline.idempotency import IdempotencyStore
from tabard_sidecar.pipeline.recorder import DecisionRecorder, asked, new_id
from tabard_sidecar.pipeline.requests import DelegateTaskRequest, StartTaskRequest
from tabard_sidecar.pipeline.stages import Stages
from tabard_sidecar.revocation.targets import ENDED_BY_HOLDER
from tabard_sidecar.state import Revocation, RevocationKind, TaskRecord
from tabard_sidecar.state.store import LABELS_PER_TASK


@dataclass(frozen=True, slots=True)
class TaskRules:
    """How tasks may start.

    ``tasks_per_token`` is how many tasks one subject token may start when the intent is only asserted;
    ``max_ttl_seconds`` bounds every grant. ``label_carry_seconds`` is how long labels of a task reach later tasks of the
    same person and workload.
    """

    tasks_per_token: int = 1
    max_ttl_seconds: float = 8 * 3600.0
    label_carry_seconds: float = 900.0


@dataclass(frozen=True, slots=True)
class Granted:
    """A decision about a grant, with the grant if it is an allow. ``grant`` is secret."""

    decision: Decision
    grant: str = ""

    def __repr__(self) -> str:
        return f"Granted(decision={self.decision!r})"


class Tasks:
    """Decides about tasks."""

    def __init__(
        self, stages: Stages, subjects: SubjectVerifier, intents: IntentVerifier, rules: TaskRules
    ) -> None:
        self._stages = stages
        self._subjects = subjects
        self._intents = intents
        self._rules = rules

    async def start(self, question: StartTaskRequest) -> Granted:
        """Decide whether a task may start and mint its root grant.

        Raises:
            NoDecision: no decision could be made.
        """
        trail = self._trail(Operation.START_TASK, {"request": {"limits": limits_json(question.limits)}})
        trail.request_id = question.request_id
        return await self._finish(trail, self._start(question, trail))

    async def delegate(self, question: DelegateTaskRequest) -> Granted:
        """Decide whether a grant may be handed to another workload and seal the hop.

        Raises:
            NoDecision: no decision could be made.
        """
        request = {"holder": question.holder, "limits": limits_json(question.limits)}
        trail = self._trail(Operation.DELEGATE, {"request": request})
        return await self._finish(trail, self._delegate(question, trail, request))

    async def describe(self, grant: str) -> tuple[VerifiedGrant, bool]:
        """Return a held grant and whether its holder's part of the task was ended.

        Raises:
            Refused: the grant doesn't verify.
        """
        _, verified = self._stages.verify_held(grant)
        return verified, bool((await self._stages.state.look_up(verified.chain, calls=0)).ended)

    async def end(self, grant: str) -> VerifiedGrant:
        """End the presented holder's part of the task, durably.

        Raises:
            Refused: the grant doesn't verify, or is one child too many or too deep, so that nobody can use it.
            NoDecision: the state store is out of reach.
        """
        _, verified = self._stages.verify_held(grant)
        if verified.refusal is not None:
            raise Refused(*verified.refusal)
        if await self._stages.state.ended_at_or_above(verified.holder_id):
            # An operator's revocation stays an operator's, with its reason.
            return verified
        # Branches are made offline and without end. Only those that count are remembered as ended.
        await self._stages.ledger.count_children(verified)
        # The root's own end, not this grant's: a sibling made from the same link may expire later.
        ended = Revocation(
            RevocationKind.LINK,
            verified.holder_id,
            self._stages.clock(),
            verified.task.expires_at,
            ENDED_BY_HOLDER,
        )
        await self._stages.state.revoke(ended)
        return verified

    def expires_at(self, grant: str) -> float:
        """Return when a grant that was just made expires, in seconds since the epoch."""
        return self._stages.grants.verify(grant).expires_at

    def _trail(self, operation: Operation, parts: Mapping[str, Any]) -> DecisionRecorder:
        return DecisionRecorder(self._stages.log, self._stages.clock, operation, asked(operation, **parts))

    async def _finish(self, trail: DecisionRecorder, work: Awaitable[tuple[Granted, bool]]) -> Granted:
        began = perf_counter()
        replayed = False
        try:
            granted, replayed = await work
        except Refused as refusal:
            granted = Granted(trail.refused(refusal))
        await trail.close(granted.decision, replayed=replayed)
        self._stages.observer.decided(trail.operation, granted.decision, perf_counter() - began)
        return granted

    async def _start(self, question: StartTaskRequest, trail: DecisionRecorder) -> tuple[Granted, bool]:
        stages = self._stages
        agent = stages.agent.current()
        if not question.subject_token:
            raise Refused("subject_token_missing", "the request carries no subject token")
        with stages.observer.stage("verify"):
            subject = await self._subjects.verify(question.subject_token)
            await stages.revocations.check_start(
                agent, subject, issued_at=subject.issued_at, now=stages.clock()
            )
            intent = await self._intent(question, subject)
        if not question.request_id:
            return await self._mint(question, agent, subject, intent, trail), False

        async def decide() -> tuple[bytes, float | None]:
            granted = await self._mint(question, agent, subject, intent, trail)
            reply = {"decision": encode_decision(granted.decision).decode(), "grant": granted.grant}
            until = stages.grants.verify(granted.grant).expires_at if granted.grant else None
            return json.dumps(reply).encode(), until

        credential = hashlib.sha256(question.subject_token.encode()).hexdigest()
        key = IdempotencyStore.key("start_task", agent.id, credential, question.request_id)
        reply, replayed = await stages.replies.once(key, question.body_digest, decide)
        value = json.loads(reply)
        granted = Granted(decode_decision(value["decision"].encode()), value["grant"])
        if replayed and granted.grant:
            _, ended = await self.describe(granted.grant)
            if ended:
                raise Refused("task_ended", "the task that this request_id started was ended")
        trail.decision_id = granted.decision.decision_id
        trail.policy_revision = granted.decision.policy_revision
        return granted, replayed

    async def _intent(self, question: StartTaskRequest, subject: Subject) -> Intent:
        if not question.intent_token:
            return Intent(question.purpose, question.statement, IntentSource.ASSERTED)
        intent = await self._intents.verify(question.intent_token, subject)
        for name, said, signed in (
            ("purpose", question.purpose, intent.purpose),
            ("statement", question.statement, intent.statement),
        ):
            if said not in {"", signed}:
                raise Refused("intent_invalid", f"the request's {name} differs from the signed one")
        return intent

    async def _mint(
        self,
        question: StartTaskRequest,
        agent: Agent,
        subject: Subject,
        intent: Intent,
        trail: DecisionRecorder,
    ) -> Granted:
        stages = self._stages
        now = stages.clock()
        task = Task(
            id="",
            purpose=intent.purpose,
            statement=intent.statement,
            intent_source=intent.source,
            started_at=now,
            expires_at=now + self._rules.max_ttl_seconds,
        )
        trail.input_json = stages.inputs.start_task(agent, subject, intent, task, question.limits, now=now)
        with stages.observer.stage("evaluate"):
            verdict = await stages.policy.decide(Operation.START_TASK, trail.input_json)
        trail.policy_revision = verdict.revision
        if not verdict.allowed:
            return Granted(trail.deny(*verdict.denials))
        await self._spend(subject, intent, now)
        asked_limits = [question.limits] if intent.limits is None else [question.limits, intent.limits]
        grant = stages.grants.mint(
            task=replace(task, id=new_id()),
            subject=subject,
            holder=agent.id,
            offered=verdict.limits,
            requested=asked_limits,
            now=now,
        )
        await self._open(stages.grants.verify(grant), trail)
        return Granted(_allow(trail, verdict.granted_by), grant)

    async def _open(self, grant: VerifiedGrant, trail: DecisionRecorder) -> None:
        """Let the zone know of the task; it inherits what this person's tasks here have read lately.

        Raises:
            Refused: that is more than a task may have read.
            NoDecision: the state store is out of reach.
        """
        task = grant.task
        record = TaskRecord(
            root_id=grant.root_id,
            task_id=task.id,
            subject_issuer=grant.subject.issuer,
            subject_id=grant.subject.id,
            workload=grant.root_holder,
            purpose=task.purpose,
            started_at=task.started_at,
            expires_at=task.expires_at,
        )
        since = task.started_at - self._rules.label_carry_seconds
        inherited = await self._stages.state.open_task(record, labels_since=since)
        if len(inherited) > LABELS_PER_TASK:
            raise Refused(
                "labels_exceeded",
                f"this person's latest tasks here have more than {LABELS_PER_TASK} labels, which a new one would inherit",
            )
        if inherited:
            trail.effects["labels"] = list(inherited)

    async def _spend(self, subject: Subject, intent: Intent, now: float) -> None:
        """Use up what may start only so many tasks."""
        state = self._stages.state
        if intent.source is IntentSource.SIGNED:
            name = f"intent:{intent.token_id}"
            if not await state.consume(name, limit=1, now=now, expires_at=intent.expires_at):
                raise Refused("intent_replayed", "the signed intent has already started a task")
            return
        limit = self._rules.tasks_per_token
        if not await state.consume(
            f"token:{subject.token_id}", limit=limit, now=now, expires_at=subject.expires_at
        ):
            raise Refused(
                "subject_token_used",
                f"the subject token has started {limit} task(s) already, the most it may with an asserted intent",
            )

    async def _delegate(
        self, question: DelegateTaskRequest, trail: DecisionRecorder, request: Mapping[str, Any]
    ) -> tuple[Granted, bool]:
        stages = self._stages
        with stages.observer.stage("verify"):
            agent, grant = stages.verify_held(question.grant)
            check_delegation(grant, question.holder, now=stages.clock())
            standing = await stages.check_alive(agent, grant)
        trail.input_json = stages.inputs.without_tool(
            Operation.DELEGATE, agent, grant, standing=standing, now=stages.clock(), request=request
        )
        with stages.observer.stage("evaluate"):
            verdict = await stages.policy.decide(Operation.DELEGATE, trail.input_json)
        trail.policy_revision = verdict.revision
        if not verdict.allowed:
            return Granted(trail.deny(*verdict.denials)), False
        handed = stages.grants.delegate(
            question.grant,
            grant,
            holder=question.holder,
            limits=(*verdict.limits, question.limits),
            now=stages.clock(),
        )
        # The child is counted now, so that a limit is met here and not at the child's first call.
        await self._count_child(handed)
        return Granted(_allow(trail, verdict.granted_by), handed), False

    async def _count_child(self, handed: str) -> None:
        await self._stages.ledger.count_children(self._stages.grants.verify(handed))


def _allow(trail: DecisionRecorder, granted_by: tuple[Reason, ...]) -> Decision:
    return Decision(
        trail.decision_id, allowed=True, reasons=granted_by, policy_revision=trail.policy_revision
    )
