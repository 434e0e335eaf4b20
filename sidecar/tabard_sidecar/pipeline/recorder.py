"""The record that every question leaves behind."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from tabard_sidecar.errors import Refused
from tabard_sidecar.interfaces import Clock, DecisionLog, DecisionRecord
from tabard_sidecar.model import CredentialRequest, Decision, Operation, Reason
from tabard_sidecar.util.jsontext import encode


def new_id() -> str:
    """Return an identifier that nobody can guess (RFC 9562 version 4).

    The same as ``str(uuid.uuid4())`` in half the time.
    """
    raw = bytearray(os.urandom(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@dataclass(slots=True)
class DecisionRecorder:
    """What is known about one question so far, and the way into the decision log.

    ``input_json`` starts as what the caller asked and becomes the policy input once that exists. ``effects`` is what the
    decision did besides: charges, labels, approvals.
    """

    log: DecisionLog
    clock: Clock
    operation: Operation
    input_json: bytes
    request_id: str = ""
    decision_id: str = field(default_factory=new_id)
    policy_revision: str = ""
    effects: dict[str, Any] = field(default_factory=dict)
    _intended: bool = False

    def deny(self, *reasons: Reason) -> Decision:
        """Return a deny with these reasons."""
        return Decision(
            self.decision_id, allowed=False, reasons=reasons, policy_revision=self.policy_revision
        )

    def refused(self, refusal: Refused) -> Decision:
        """Return the deny that a failed check comes to."""
        return self.deny(Reason(refusal.code, refusal.message))

    async def intend(self, request: CredentialRequest) -> None:
        """Record what is about to be issued, with the input that it was decided on.

        Raises:
            NoDecision: the decision log is required and broken; nothing may be issued.
        """
        await self._write(
            "intent",
            {
                "decision": "allow",
                "credential": {
                    "id": request.credential_id,
                    "kind": request.kind,
                    "audience": request.audience,
                    "scopes": list(request.scopes),
                    "expires_at": int(request.expires_at),
                },
            },
        )
        self._intended = True

    async def close(self, decision: Decision, *, replayed: bool = False) -> None:
        """Record how the question was answered. The input is there already if an intent was recorded.

        Raises:
            NoDecision: the decision log is required and broken; the answer may not be given.
        """
        result: dict[str, Any] = {
            "decision": "allow" if decision.allowed else "deny",
            "reasons": [
                {"code": reason.code, "module": reason.module, "message": reason.message}
                for reason in decision.reasons
            ],
        }
        if decision.credential is not None:
            result["credential"] = {"id": decision.credential.credential_id, "kind": decision.credential.kind}
        if replayed:
            result["replayed"] = True
        result |= self.effects
        await self._write("outcome", result)

    async def _write(self, event: str, result: dict[str, Any]) -> None:
        await self.log.record(
            DecisionRecord(
                event=event,
                decision_id=self.decision_id,
                operation=self.operation,
                timestamp=self.clock(),
                input_json=b"" if self._intended else self.input_json,
                result=result,
                policy_revision=self.policy_revision,
                request_id=self.request_id,
            )
        )


def asked(operation: Operation, **parts: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Return what is logged of a question that failed before it became a policy input."""
    return encode({"operation": operation.value, **parts})
