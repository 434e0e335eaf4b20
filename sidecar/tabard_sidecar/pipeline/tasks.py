"""Starts, delegates, describes and ends tasks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tabard.caveats import limits_json

from tabard_sidecar.errors import Refused
from tabard_sidecar.grants import CLOCK_SKEW_SECONDS, IndexedGrant, check_delegation
from tabard_sidecar.interfaces import (
    IntentVerifier,
    SubjectTokenKeeper,
    SubjectVerifier,
)
from tabard_sidecar.model import (
    Agent,
    Handover,
    Intent,
    IntentSource,
    Operation,
    Subject,
    Task,
    VerifiedGrant,
)
from tabard_sidecar.pipeline.changes import holder
from tabard_sidecar.pipeline.crossing import Crossing, Origin, check_said
from tabard_sidecar.pipeline.idempotency import request_key
from tabard_sidecar.pipeline.recorder import Answer, DecisionRecorder, asked_json
from tabard_sidecar.pipeline.requests import DelegateTaskRequest, StartTaskRequest
from tabard_sidecar.pipeline.stages import Stages, evaluate
from tabard_sidecar.state import KeptToken, Revocation, RevocationKind, RevocationOrigin, TaskRecord
from tabard_sidecar.util.ids import new_id
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.whole import whole

if TYPE_CHECKING:
    from tabard_sidecar.pipeline.handing_over import HandingOver


@dataclass(frozen=True, slots=True)
class TaskRules:
    """Rules for starting tasks.

    ``tasks_per_token`` is the number of tasks that one subject token may start when the intent is only
    asserted; ``max_ttl_seconds`` bounds every grant. ``label_carry_seconds`` is how long labels of a task
    reach later tasks of the same person and workload.
    """

    tasks_per_token: int = 1
    max_ttl_seconds: float = 8 * 3600.0
    label_carry_seconds: float = 900.0


class Tasks:
    """Decides about the lifecycle of tasks.

    Args:
        stages: what requests pass through.
        subjects: verifies people's tokens.
        intents: verifies signed intents.
        rules: rules for starting tasks.
        kept: seals people's tokens for exchanges; ``None`` if none is configured.
        crossing: hands tasks to other zones, and verifies what they hand over; ``None`` for what isn't configured.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - one argument per dependency
        self,
        stages: Stages,
        subjects: SubjectVerifier,
        intents: IntentVerifier,
        rules: TaskRules,
        kept: SubjectTokenKeeper | None = None,
        crossing: Crossing | None = None,
    ) -> None:
        self._stages = stages
        self._subjects = subjects
        self._intents = intents
        self._rules = rules
        self._kept = kept
        self._crossing = crossing or Crossing()

    async def start(self, request: StartTaskRequest) -> Answer:
        """Decide whether a task may start and mint its root grant.

        Raises:
            NoDecision: no decision could be made.
        """

        async def work(recorder: DecisionRecorder) -> Answer:
            return await self._start(request, recorder)

        def asked() -> bytes:
            return asked_json(Operation.START_TASK, request={"limits": limits_json(request.limits)})

        return await self._stages.decisions.run(
            Operation.START_TASK, work, asked=asked, request_id=request.request_id
        )

    async def delegate(self, request: DelegateTaskRequest) -> Answer:
        """Decide whether a grant may be handed to another workload and seal the hop.

        Raises:
            NoDecision: no decision could be made.
        """
        wanted = {"holder": request.holder, "limits": limits_json(request.limits)}
        if request.zone:
            wanted["zone"] = request.zone

        async def work(recorder: DecisionRecorder) -> Answer:
            return await self._delegate(request, wanted, recorder)

        def asked() -> bytes:
            return asked_json(Operation.DELEGATE, request=wanted)

        return await self._stages.decisions.run(Operation.DELEGATE, work, asked=asked)

    async def describe(self, grant: str) -> tuple[IndexedGrant, bool]:
        """Return a held grant and whether its holder's part of the task was ended.

        Raises:
            Refused: the grant doesn't verify, has expired or was revoked.
            NoDecision: the state store is out of reach.
        """
        agent, verified = self._stages.verify_held(grant)
        return verified, await self._has_ended(agent, verified)

    async def end(self, grant: str) -> VerifiedGrant:
        """End the presented holder's part of the task, durably.

        Raises:
            Refused: the grant doesn't verify, has expired or was revoked, or is one child too many or too deep, so that it
                can't be used.
            NoDecision: the state store is out of reach.
        """
        agent, verified = self._stages.verify_held(grant)
        # Any number of branches can be made offline. Only those within the limits are stored as ended.
        if await self._has_ended(agent, verified):
            return verified
        # The root's own end, not this grant's: a sibling made from the same link may expire later.
        ended = Revocation(
            RevocationKind.LINK,
            verified.holder_id,
            self._stages.clock(),
            verified.task.expires_at,
            origin=RevocationOrigin.HOLDER,
        )
        await self._stages.changes.make(
            "end_task",
            by=holder(verified),
            about={"link": verified.holder_id},
            work=lambda: self._stages.state.revoke(ended),
            told=lambda sequence: {"sequence": sequence},
        )
        return verified

    async def _has_ended(self, agent: Agent, grant: IndexedGrant) -> bool:
        """Tell whether a part of the chain was ended, if the holder has its standing otherwise."""
        try:
            await self._stages.task_states.standing(agent, grant)
        except Refused as refused:
            if refused.code != "task_ended":
                raise
            return True
        return False

    async def _start(self, request: StartTaskRequest, recorder: DecisionRecorder) -> Answer:
        stages = self._stages
        agent = stages.agent.current()
        if not request.subject_token:
            raise Refused("subject_token_missing", "the request carries no subject token")
        with stages.observer.stage("verify"):
            origin = await self._origin(request, agent)
            subject = origin.subject
            recorder.verified(agent, subject=subject)
            await stages.revocations.check_start(
                agent, subject, issued_at=origin.issued_at, now=stages.clock()
            )
            origin = await self._with_intent(origin, request)

        async def decide() -> Answer:
            return recorder.keeps(await self._mint(request, agent, origin, recorder))

        if not request.request_id:
            return await decide()
        credential = hashlib.sha256(request.subject_token.encode()).hexdigest()
        key = request_key("start_task", agent.id, credential, request.request_id)
        # To its end: a retry must find the answer, because the token and the intent are spent.
        answer = await whole(stages.idempotency.once(key, request.body_digest, decide))
        if not answer.replayed or not answer.grant:
            return answer
        verified, ended = await self.describe(answer.grant)
        if ended:
            raise Refused("task_ended", "the task that this request_id started was ended")
        return replace(answer, verified=verified)

    async def _origin(self, request: StartTaskRequest, agent: Agent) -> Origin:
        """Return whose task it is: that of the person of an access token, or one that another zone hands over."""
        if not self._crossing.says(request.subject_token):
            return Origin(await self._subjects.verify(request.subject_token))
        handover = await self._crossing.accepted(request.subject_token, agent.id)
        if request.intent_token:
            raise Refused("handover_invalid", "a handover brings its intent along; send no intent token")
        return Origin(handover.subject, handover.intent, handover)

    async def _with_intent(self, origin: Origin, request: StartTaskRequest) -> Origin:
        """Return the origin with its intent."""
        if origin.handover is None:
            return replace(origin, intent=await self._intent(request, origin.subject))
        check_said(request, origin.handover.intent, "handover_invalid")
        return origin

    async def _intent(self, request: StartTaskRequest, subject: Subject) -> Intent:
        if not request.intent_token:
            return Intent(request.purpose, request.statement, IntentSource.ASSERTED)
        intent = await self._intents.verify(request.intent_token, subject)
        check_said(request, intent, "intent_invalid")
        return intent

    async def _mint(
        self,
        request: StartTaskRequest,
        agent: Agent,
        origin: Origin,
        recorder: DecisionRecorder,
    ) -> Answer:
        stages, subject, intent, handover = self._stages, origin.subject, origin.intent, origin.handover
        now = stages.clock()
        ends = [now + self._rules.max_ttl_seconds, *([handover.task_expires_at] if handover else [])]
        task = Task(
            id="",
            purpose=intent.purpose,
            statement=intent.statement,
            intent_source=intent.source,
            started_at=now,
            expires_at=min(ends),
        )
        with stages.policy.lease() as policy:
            asked = stages.inputs.start_task(
                agent, subject, intent, task, request.limits, now=now, facts=policy.facts, handover=handover
            )
            decision = await evaluate(policy, Operation.START_TASK, asked, recorder, stages.observer)
        if not decision.allowed:
            return Answer(recorder.deny(*decision.denials))
        requested = [request.limits] if intent.limits is None else [request.limits, intent.limits]
        grant = stages.grants.mint(
            task=replace(task, id=new_id()),
            subject=subject,
            holder=agent.id,
            offered=decision.limits,
            requested=requested,
            now=now,
            carried=() if handover is None else handover.caveats,
        )
        verified = stages.grants.verify(grant)
        if verified.refusal is not None:
            # A limit that this task can never meet, for example on its purpose.
            raise Refused(*verified.refusal)
        # Spent after everything that can refuse the request, so that a request that can't succeed burns no intent.
        recorder.begin()
        await whole(self._spend_and_open(origin, verified, request.subject_token, recorder))
        return Answer(recorder.allow(decision.granted_by), grant, verified)

    async def _spend_and_open(
        self, origin: Origin, grant: VerifiedGrant, token: str, recorder: DecisionRecorder
    ) -> None:
        handover = origin.handover
        if handover is None:
            await self._spend(origin.subject, origin.intent, grant.task.started_at)
            await self._open(grant, self._sealed(token, origin.subject, grant), recorder)
        else:
            await self._spend_handover(handover, grant.task.started_at)
            await self._open(grant, None, recorder, handover.labels)
        recorder.made(grant)

    def _sealed(self, token: str, subject: Subject, grant: VerifiedGrant) -> KeptToken | None:
        """Return what is kept of the person's token; nothing unless a call may exchange it."""
        if self._kept is None:
            return None
        sealed = self._kept.sealed(token, subject, grant.root_id, until=grant.task.expires_at)
        return None if sealed is None else KeptToken(*sealed)

    async def _open(
        self,
        grant: VerifiedGrant,
        token: KeptToken | None,
        recorder: DecisionRecorder,
        labels: Sequence[str] = (),
    ) -> None:
        """Register the task in the store; it inherits labels of this person's recent tasks here.

        Raises:
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
        # The clock of the sidecar that adds a label may be behind.
        since = task.started_at - self._rules.label_carry_seconds - CLOCK_SKEW_SECONDS
        inherited = await self._stages.state.open_task(record, labels_since=since, token=token, labels=labels)
        recorder.inherited(inherited)

    async def _spend(self, subject: Subject, intent: Intent, now: float) -> None:
        """Spend the subject token and the signed intent, which may start a limited number of tasks."""
        state, revocations = self._stages.state, self._stages.revocations
        if intent.source is IntentSource.SIGNED:
            revocations.check_unspent(issued_at=intent.issued_at, now=now)
            name = f"intent:{intent.token_id}"
            if not await state.consume(name, limit=1, now=now, expires_at=intent.expires_at):
                raise Refused("intent_replayed", "the signed intent has already started a task")
            return
        revocations.check_unspent(issued_at=subject.issued_at, now=now)
        limit = self._rules.tasks_per_token
        if not await state.consume(
            f"token:{subject.token_id}", limit=limit, now=now, expires_at=subject.expires_at
        ):
            raise Refused(
                "subject_token_used",
                f"the subject token has started {limit} task(s) already, the most it may with an asserted intent",
            )

    async def _spend_handover(self, handover: Handover, now: float) -> None:
        """Spend a handover, which starts one task."""
        self._stages.revocations.check_unspent(issued_at=handover.issued_at, now=now)
        name = f"handover:{handover.token_id}"
        if not await self._stages.state.consume(name, limit=1, now=now, expires_at=handover.expires_at):
            raise Refused("handover_replayed", "the handover has already started a task")

    async def _delegate(
        self, request: DelegateTaskRequest, wanted: Mapping[str, Any], recorder: DecisionRecorder
    ) -> Answer:
        stages = self._stages
        with stages.observer.stage("verify"):
            agent, grant = stages.verify_held(request.grant)
            recorder.verified(agent, grant=grant)
        crossing = self._crossing.to(request.zone)
        with stages.policy.lease() as policy:
            state = await stages.task_states.standing(agent, grant, with_calls=policy.reads_calls)
            check_delegation(grant, request.holder, now=stages.clock())
            asked = stages.inputs.without_tool(
                Operation.DELEGATE,
                agent,
                grant,
                state=state,
                now=stages.clock(),
                request=wanted,
                facts=policy.facts,
            )
            decision = await evaluate(policy, Operation.DELEGATE, asked, recorder, stages.observer)
        if not decision.allowed:
            return Answer(recorder.deny(*decision.denials))
        handed = stages.grants.delegate(
            request.grant,
            grant,
            holder=request.holder,
            limits=(*decision.limits, request.limits),
            now=stages.clock(),
        )
        verified = stages.grants.verify(handed)
        # The child is counted now, so that the limit refuses the delegation and not the child's first call.
        if crossing is not None:
            if verified.refusal is not None:
                raise Refused(*verified.refusal)
            handed = crossing.token(verified, agent.id, state.labels, request.zone)
        recorder.begin()
        await whole(self._count(verified, recorder, crossing))
        return Answer(recorder.allow(decision.granted_by), handed, verified)

    async def _count(
        self, handed: IndexedGrant, recorder: DecisionRecorder, crossing: HandingOver | None
    ) -> None:
        if crossing is not None:
            await crossing.count(handed)
        await self._stages.task_states.count_children(handed)
        recorder.made(handed)
