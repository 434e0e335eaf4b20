"""Collects the facts of one decision, writes its records, and gives back what was taken for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import field
from hashlib import sha256
from time import perf_counter
from typing import Any

from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.facts import Notes
from tabard_sidecar.grants import IndexedGrant
from tabard_sidecar.interfaces import Clock, DecisionLog, DecisionRecord, Unverified
from tabard_sidecar.model import (
    Agent,
    CredentialRequest,
    Decision,
    Introspection,
    IssuedCredential,
    Operation,
    Reason,
    Subject,
    VerifiedGrant,
)
from tabard_sidecar.pipeline.observing import WOULD_DENY
from tabard_sidecar.pipeline.taken import TRIES_AFTER, Taken
from tabard_sidecar.util.ids import new_id
from tabard_sidecar.util.json_parts import JsonText, joined, may_repeat
from tabard_sidecar.util.jsontext import encode
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.rounds import pause

_RECORD_BYTES = 8 * 1024
"""More than a decision's records take beside their input."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision with its grant.

    ``grant`` is the grant that a start or delegation made, secret, and ``verified`` the same after its verification.
    ``replayed`` is True if an earlier request with the same request_id was decided this way.
    """

    decision: Decision
    grant: str = field(default="", repr=False)
    verified: IndexedGrant | None = None
    replayed: bool = False


class DecisionRecorder:
    """Collects the facts of one decision and writes its records.

    Args:
        log: the decision log.
        clock: time in seconds since the epoch.
        operation: what is decided.
        asked: returns the request as JSON. It is recorded if the request fails before it becomes a policy input.
        request_id: the caller's, or empty.

    Attributes:
        waited: seconds for which other items of a batch had their turn.
    """

    def __init__(
        self,
        log: DecisionLog,
        clock: Clock,
        operation: Operation,
        asked: Callable[[], bytes],
        *,
        request_id: str = "",
    ) -> None:
        self.decision_id = new_id()
        self.waited = 0.0
        self._log = log
        self._clock = clock
        self._operation = operation
        self._asked = asked
        self._request_id = request_id
        self._policy_revision = ""
        self._input: JsonText | None = None
        self.taken = Taken()
        self._began = False
        self._kept: Answer | None = None
        self._intended = False
        self._agent: Agent | None = None
        self._grant: VerifiedGrant | None = None
        self._subject: Subject | None = None
        self._tool = ""
        self._observed: tuple[Reason, ...] = ()

    def verified(
        self,
        agent: Agent,
        *,
        grant: VerifiedGrant | None = None,
        subject: Subject | None = None,
        tool: str = "",
    ) -> None:
        """Note who asks, and for which tool: the holder of a verified grant, or a workload with a verified person.

        Until then nothing of the request is recorded but its digest.
        """
        self._agent, self._grant, self._subject, self._tool = agent, grant, subject, tool

    @property
    def tool(self) -> str:
        """The tool that a verified holder asked for; empty if there is none."""
        return self._tool

    @property
    def task_id(self) -> str:
        """The task of the verified grant; empty if there is none."""
        return self._grant.task.id if self._grant is not None else ""

    def read(self, asked: Callable[[], bytes]) -> None:
        """Note that the request was read, and what to record of it from now on."""
        self._asked = asked

    def renews(self, old: Introspection) -> None:
        """Note the verified credential that is to be renewed, and the tool for which it was issued."""
        self._tool = old.tool
        self.taken.effects |= {
            "renews": old.credential_id,
            "tool": old.tool,
            "server": str(old.claims.get("tabard_server", "")),
        }

    def evaluating(self, asked: JsonText, policy_revision: str) -> None:
        """Note the policy input that is evaluated now, and by which policy."""
        self._input = asked
        self._policy_revision = policy_revision

    def observed(self, denials: tuple[Reason, ...]) -> None:
        """Note that policy denies the call, for these reasons, and isn't enforced."""
        self._observed = denials

    def begin(self) -> None:
        """Note that something is taken, asked or made from now on; whatever happens then gets a record.

        Raises:
            NoDecision: the decision log is required and can't be written; nothing may be taken.
        """
        asked = self._input or self._asked_by()
        self._log.hold(self.decision_id, len(asked.text) + _RECORD_BYTES)
        self._began = True

    def take(  # noqa: PLR0913 - one argument per part of what is reserved
        self,
        undo: Callable[[], Awaitable[bool]],
        *,
        charges: Mapping[str, int],
        task_labels: Collection[str] = (),
        branch_labels: Collection[str] = (),
        approvals: Collection[str] = (),
        notes: Notes | None = None,
    ) -> None:
        """Note what is about to be reserved: charges by budget, labels, ids of approvals, facts.

        ``undo`` releases it, and returns False if it isn't there. Follow with :meth:`Taken.took` or
        :meth:`Taken.took_nothing`; if neither comes, it is unknown whether the store took it.

        Raises:
            NoDecision: see :meth:`begin`.
        """
        self.begin()
        wanted: dict[str, Any] = {}
        if charges:
            wanted["charges"] = dict(charges)
        if task_labels or branch_labels:
            wanted["labels"] = sorted({*task_labels, *branch_labels})
        only = set(branch_labels).difference(task_labels) if branch_labels else ()
        if only:
            wanted["branch_labels"] = sorted(only)
        if approvals:
            wanted["approvals"] = list(approvals)
        facts = notes.as_json() if notes is not None else {}
        if notes is not None and facts:
            wanted["facts"] = facts
            if names := notes.branch_names():
                wanted["branch_facts"] = names
        self.taken.take(undo, wanted)

    def inherited(self, labels: Collection[str]) -> None:
        """Note labels that a new task has from earlier ones."""
        if labels:
            self.taken.effects["labels"] = sorted(labels)

    def keeps(self, answer: Answer) -> Answer:
        """Note that a repeated request may get this answer, so that it stands whatever happens now; return it."""
        self._kept = answer
        self.taken.keep()
        return answer

    @property
    def answer_is_stored(self) -> bool:
        """Whether the answer is kept for a repeated request, and so leaves this process before it is given."""
        return bool(self._request_id)

    async def pause(self) -> None:
        """Let the other items of a batch go on (:func:`~tabard_sidecar.util.rounds.pause`), and add the seconds to ``waited``."""
        began = perf_counter()
        await pause()
        self.waited += perf_counter() - began

    @property
    def left(self) -> bool:
        """Whether something of the answer may have left this process before it is given."""
        return self._intended or self._kept is not None

    @property
    def unfinished(self) -> bool:
        """Whether a failure from now on leaves something behind that needs a record."""
        return self._began or self._intended

    async def give_back(self, tries_after: Collection[float] = TRIES_AFTER[:1]) -> None:
        """Release what was taken for an answer that isn't given.

        ``tries_after`` are the seconds before each try, if it is unknown whether the store took it. If the store can't be
        asked, the record says what may have been taken.
        """
        await self.taken.give_back(tries_after)

    async def settle(self, error: BaseException, tries_after: Collection[float] = TRIES_AFTER[:1]) -> None:
        """Give back what was taken for a decision that failed, and record that; an answer that was kept is recorded.

        If the decision log can't be written, there is no record.
        """
        await self.give_back(tries_after)
        if isinstance(error, NoDecision) and error.code == "audit_unavailable":
            return
        answer = self._kept or Answer(self.deny(_reason_of(error)))
        with suppress(NoDecision):
            await (self._log.record(self._outcome(answer)) if self.unfinished else self.close(answer))

    def made(self, grant: VerifiedGrant) -> None:
        """Note which task was started, or which holder it was handed to: the task's id and the new link."""
        self.taken.effects |= {"task_id": grant.task.id, "link": grant.holder_id}

    def asked_for(self, approval_ids: Collection[str]) -> None:
        """Note the approvals that were requested."""
        self.taken.effects["approvals_asked"] = list(approval_ids)

    def deny(self, *reasons: Reason) -> Decision:
        """Return a deny with these reasons."""
        return Decision(
            self.decision_id, allowed=False, reasons=reasons, policy_revision=self._policy_revision
        )

    def allow(self, reasons: tuple[Reason, ...], **parts: Any) -> Decision:  # noqa: ANN401 - fields of Decision
        """Return an allow with these reasons and further fields of :class:`Decision`."""
        return Decision(
            self.decision_id, allowed=True, reasons=reasons, policy_revision=self._policy_revision, **parts
        )

    def refused(self, refusal: Refused) -> Decision:
        """Return the deny for a failed check."""
        return self.deny(Reason(refusal.code, refusal.message, argument=refusal.argument))

    async def intend(self, request: CredentialRequest) -> None:
        """Record the credential that is about to be issued, with the policy input of the decision.

        Raises:
            NoDecision: the decision log is required and broken; nothing may be issued.
        """
        await self._log.record(
            self._record("intent", {"decision": "allow", "credential": _described(request)})
        )
        self._intended = True

    async def close(self, answer: Answer) -> None:
        """Record the decision. The input is recorded already if an intent was.

        Raises:
            NoDecision: the decision log is required and broken; the answer may not be given.
        """
        decision = answer.decision
        if self._agent is None and not decision.allowed:
            await self._close_unverified(decision, None)
            return
        record = self._outcome(answer)
        if self._grant is None and not self.taken.effects and (answer.replayed or not decision.allowed):
            # With one person's token any number of these can come.
            await self._close_unverified(decision, record)
            return
        await self._log.record(record)

    def _outcome(self, answer: Answer) -> DecisionRecord:
        decision = answer.decision
        would_deny = decision.allowed and any(reason.code == WOULD_DENY for reason in decision.reasons)
        reasons = self._observed if would_deny and self._observed else decision.reasons
        result: dict[str, Any] = {
            "decision": WOULD_DENY if would_deny else "allow" if decision.allowed else "deny",
            "reasons": [
                {"code": reason.code, "module": reason.module, "message": reason.message}
                for reason in reasons
            ],
        }
        if decision.credential is not None:
            result["credential"] = _described(decision.credential)
        if answer.replayed:
            # The record belongs to the decision that the first request got.
            self.decision_id, self._policy_revision = decision.decision_id, decision.policy_revision
            result["replayed"] = True
        return self._record("outcome", result | self.taken.effects)

    async def _close_unverified(self, decision: Decision, verified: DecisionRecord | None) -> None:
        reason = decision.reasons[0]
        await self._log.unverified(
            Unverified(
                self.decision_id,
                self._operation,
                self._clock(),
                reason.code,
                reason.message,
                self._asked,
                verified,
                self._who() if verified is not None else {},
            )
        )

    def _who(self) -> dict[str, Any]:
        """Return who asked, as in a policy input."""
        agent, grant, subject = self._agent, self._grant, self._subject
        who: dict[str, Any] = {"agent": {"id": agent.id}} if agent is not None else {}
        if grant is not None:
            subject = grant.subject
            who["task"] = {"id": grant.task.id}
        if subject is not None:
            who["subject"] = {"id": subject.id, "issuer": subject.issuer}
        return who

    def _asked_by(self) -> JsonText:
        """Return the request as JSON, with who asked."""
        grant = self._grant
        begun = b"%b,%b" % (self._asked().removesuffix(b"}"), encode(self._who())[1:])
        if grant is None:
            return JsonText(begun)
        chain = encode([{"holder": link.holder, "sub_agent": link.sub_agent} for link in grant.links])
        long = may_repeat(chain, b"null", "delegation.chain")
        return joined(begun[:-1], b',"delegation":{"chain":', long, b"}}")

    def _record(self, event: str, result: dict[str, Any]) -> DecisionRecord:
        asked = JsonText(b"") if self._intended else self._input or self._asked_by()
        return DecisionRecord(
            event=event,
            decision_id=self.decision_id,
            operation=self._operation,
            timestamp=self._clock(),
            input_json=asked.text,
            input_parts=asked.parts,
            result=result,
            policy_revision=self._policy_revision,
            request_id=self._request_id,
            root_holder=self._root_holder(),
        )

    def _root_holder(self) -> str:
        """Return the workload that started the task, if another one asks: the policy input doesn't name it."""
        agent, grant = self._agent, self._grant
        return "" if grant is None or agent is None or grant.root_holder == agent.id else grant.root_holder


def _described(credential: CredentialRequest | IssuedCredential) -> dict[str, Any]:
    """Return what is recorded of a credential; never its value."""
    described: dict[str, Any] = {
        "id": credential.credential_id,
        "kind": credential.kind,
        "audience": credential.audience,
        "scopes": list(credential.scopes),
        "expires_at": int(credential.expires_at),
    }
    if isinstance(credential, CredentialRequest) and credential.role:
        described["role"] = credential.role
    return described


def _reason_of(error: BaseException) -> Reason:
    if isinstance(error, NoDecision | Refused):
        return Reason(error.code, error.message)
    if isinstance(error, asyncio.CancelledError):
        return Reason("cancelled", "the caller went away, or the time for the request was over")
    return Reason("internal", f"unexpected {type(error).__name__}; the sidecar's log has the stack trace")


def unread(arguments_json: bytes) -> dict[str, Any]:
    """Return what is recorded of arguments that weren't read: size and SHA-256."""
    return {
        "arguments_bytes": len(arguments_json),
        "arguments_sha256": sha256(arguments_json).hexdigest(),
    }


def asked_json(operation: Operation, **parts: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Return the logged form of a request that failed before it became a policy input."""
    return encode({"operation": operation.value, **parts})
