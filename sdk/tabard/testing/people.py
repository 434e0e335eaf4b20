"""Approvals of a fake sidecar: calls that wait, and what the test decided about them."""

from __future__ import annotations

import threading

from tabard._lean import dataclass
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import types_pb2
from tabard.testing.rules import Answer

_WAIT_SECONDS = 900
_OPEN = (types_pb2.APPROVAL_STATUS_PENDING, types_pb2.APPROVAL_STATUS_APPROVED)
_STATUSES = {
    "": types_pb2.APPROVAL_STATUS_PENDING,
    "approved": types_pb2.APPROVAL_STATUS_APPROVED,
    "refused": types_pb2.APPROVAL_STATUS_DENIED,
    "expired": types_pb2.APPROVAL_STATUS_EXPIRED,
}


@dataclass(slots=True)
class _Waiting:
    call_grant: str
    discharge: str
    call: bytes
    answer: Answer
    expires_at: float
    asked: tuple[str, bytes]
    group: str = ""
    status: types_pb2.ApprovalStatus.ValueType = types_pb2.APPROVAL_STATUS_PENDING


class FakeApprovals:
    """Calls that wait for a person. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, _Waiting] = {}
        self._groups = 0

    def new_group(self) -> str:
        """Return a name for the calls of one batch, which people are shown as one list."""
        with self._lock:
            self._groups += 1
            return f"fake-group-{self._groups}"

    def ask(  # noqa: PLR0913  # what is known of a call that waits
        self, grant: str, call: bytes, answer: Answer, decided: str, now: float, *, group: str = ""
    ) -> types_pb2.PendingApproval:
        """Return the pending approval of a call for the agent: a new one, unless the same call has one."""
        with self._lock:
            approval_id = f"fake-approval-{len(self._known) + 1}"
            for known_id, known in self._known.items():
                if known.asked == (grant, call) and known.status in _OPEN:
                    approval_id = known_id
            call_grant = f"{grant}.{approval_id}"
            expires_at = now + _WAIT_SECONDS
            waiting = _Waiting(
                call_grant, f"fake-discharge-of-{approval_id}", call, answer, expires_at, (grant, call)
            )
            waiting.status = _STATUSES[decided]
            waiting = self._known.setdefault(approval_id, waiting)
            waiting.group = waiting.group or group
        pending = types_pb2.PendingApproval(
            approval_id=approval_id,
            code="asked_by_test",
            module="policy.test",
            call_grant=call_grant,
            group_id=waiting.group,
        )
        pending.expire_time.FromNanoseconds(int(expires_at * 1e9))
        return pending

    def answer(self, grant: str, call: bytes, discharges: list[str]) -> Answer | None:
        """Return the answer to an approved call and use the approval up; ``None`` if it isn't one."""
        with self._lock:
            for waiting in self._known.values():
                matches = waiting.call_grant == grant and waiting.call == call
                if matches and waiting.discharge in discharges and _approved(waiting):
                    waiting.status = types_pb2.APPROVAL_STATUS_EXPIRED
                    return waiting.answer
        return None

    def status(self, request: authorization_pb.GetApprovalRequest) -> authorization_pb.GetApprovalResponse:
        """Return the status of an approval."""
        with self._lock:
            waiting = self._known.get(request.approval_id)
            if waiting is None or waiting.call_grant != request.call_grant:
                return authorization_pb.GetApprovalResponse(status=types_pb2.APPROVAL_STATUS_EXPIRED)
            response = authorization_pb.GetApprovalResponse(
                status=waiting.status, discharge=waiting.discharge if _approved(waiting) else ""
            )
        response.expire_time.FromNanoseconds(int(waiting.expires_at * 1e9))
        return response

    def waiting(self) -> list[str]:
        """Return the ids of the pending approvals, oldest first."""
        with self._lock:
            return [
                approval_id
                for approval_id, waiting in self._known.items()
                if waiting.status == types_pb2.APPROVAL_STATUS_PENDING
            ]

    def decide(self, approval_id: str, decided: str) -> None:
        """Decide about one call, a group, or all that wait: ``"approved"``, ``"refused"`` or ``"expired"``.

        Raises:
            KeyError: nothing waits under that id.
        """
        ids = self.waiting()
        if approval_id:
            ids = [one for one in ids if approval_id in {one, self._known[one].group}]
            if not ids:
                raise KeyError(approval_id)
        with self._lock:
            for one in ids:
                self._known[one].status = _STATUSES[decided]


def _approved(waiting: _Waiting) -> bool:
    return waiting.status == types_pb2.APPROVAL_STATUS_APPROVED
