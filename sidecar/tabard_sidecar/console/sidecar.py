"""Asks the sidecar, or the control service, on behalf of pages. Answers have the form that commands print with ``--json``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tabard_sidecar.operating import approval_calls, leases, revocations, shadowing, tasks
from tabard_sidecar.operating.approval_prompt import describe as describe_approval
from tabard_sidecar.operating.operator import Operator
from tabard_sidecar.operating.remote import is_remote
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from tabard.authz.v1 import revocation_service_pb2 as revocation_pb

_MOST_LEASES = 1000
_MOST_REVOCATIONS = 1000
_SHADOW_GROUPS = 100


@dataclass(frozen=True, slots=True)
class Listed:
    """A part of a list, and where it goes on; empty at its end."""

    rows: list[dict[str, Any]]
    next_page: str
    total: int = 0


class Sidecar:
    """A connection to the operator surface. Every method waits for an answer.

    Args:
        asked: calls the surface.
        explaining: calls the one that explains decisions, which takes longer.

    Every method raises:
        Failure: nothing answered, or with an error.
    """

    def __init__(self, asked: Operator, explaining: Operator) -> None:
        self._asked = asked
        self._explaining = explaining

    @property
    def remote(self) -> bool:
        """Whether it is a control service, which decides nothing itself."""
        return is_remote(self._asked.address)

    @property
    def address(self) -> str:
        """Where it listens."""
        return self._asked.address

    def told(self) -> dict[str, Any]:
        """Return which sidecar answered: ``zone``, ``config`` and ``pid``; only ``address`` as long as none did."""
        found: dict[str, Any] = self._asked.told()["sidecar"]
        return found

    def tasks(self, size: int, page: str, **wanted: str) -> Listed:
        """Return a part of the zone's tasks, newest first. ``wanted`` as :func:`tabard_sidecar.operating.tasks.fetch` has it."""
        from tabard.authz.v1 import task_operator_service_pb2 as pb  # noqa: PLC0415 - gRPC takes a while to import
        from tabard.authz.v1 import task_operator_service_pb2_grpc as pb_grpc  # noqa: PLC0415

        stub = pb_grpc.TaskOperatorServiceStub(self._asked.channel)
        request = pb.ListTasksRequest(limit=size, page_token=page, **wanted)
        found = self._asked.call(stub.ListTasks, request)
        return Listed([tasks.describe(task) for task in found.tasks], found.next_page_token)

    def task(self, task_id: str) -> dict[str, Any]:
        """Return one task with everything below it and its ``leases``."""
        from tabard.authz.v1 import task_operator_service_pb2 as pb  # noqa: PLC0415
        from tabard.authz.v1 import task_operator_service_pb2_grpc as pb_grpc  # noqa: PLC0415

        stub = pb_grpc.TaskOperatorServiceStub(self._asked.channel)
        found = self._asked.call(stub.GetTaskTree, pb.GetTaskTreeRequest(task_id=task_id))
        held = leases.fetch(self._asked, _MOST_LEASES, task_id=task_id)
        return tasks.describe_tree(found) | {"leases": held}

    def revocations(self) -> list[dict[str, Any]]:
        """Return the revocations in force, newest first."""
        from tabard.authz.v1 import revocation_service_pb2 as pb  # noqa: PLC0415
        from tabard.authz.v1 import revocation_service_pb2_grpc as pb_grpc  # noqa: PLC0415

        stub = pb_grpc.RevocationServiceStub(self._asked.channel)
        found = self._asked.call(stub.ListRevocations, pb.ListRevocationsRequest(limit=_MOST_REVOCATIONS))
        return [revocations.describe(entry) for entry in found.revocations]

    def revoke(self, kind: str, target: str, issuer: str, reason: str) -> dict[str, Any]:
        """Revoke; return the revocation with its ``impact``."""
        from tabard.authz.v1 import revocation_service_pb2_grpc as pb_grpc  # noqa: PLC0415

        request = _revocation(kind, target, issuer, reason)
        answer = self._asked.call(pb_grpc.RevocationServiceStub(self._asked.channel).Revoke, request)
        impact = answer.impact
        counted = {"live_tasks": impact.live_tasks, "holders": impact.holders, "complete": impact.complete}
        return revocations.describe(answer.revocation) | {"impact": counted}

    def approvals(self, page: str, *, decided: bool, **filters: str) -> Listed:
        """Return a part of the approvals that wait and, with ``decided``, of those that were decided."""
        found = approval_calls.fetch(self._asked, decided=decided, page=page, **filters)
        return Listed(
            [describe_approval(one) for one in found.approvals], found.next_page_token, found.total_size
        )

    def approval(self, approval_id: str) -> dict[str, Any]:
        """Return one approval in full."""
        return describe_approval(approval_calls.details(self._asked, approval_id))

    def group(self, group_id: str) -> list[dict[str, Any]]:
        """Return the approvals of a group in full, also those that were decided."""
        found = approval_calls.fetch_group(self._asked, group_id, decided=True)
        return [describe_approval(one) for one in found]

    def decide(self, approval_id: str, token: str, *, approve: bool) -> dict[str, Any]:
        """Approve or deny one call with an approver's token; return the approval."""
        from tabard.authz.v1 import approval_service_pb2 as pb  # noqa: PLC0415

        request = pb.DecideApprovalRequest(approval_id=approval_id, approver_token=token, approve=approve)
        stub = approval_calls.stub(self._asked)
        return describe_approval(self._asked.call(stub.DecideApproval, request).approval)

    def decide_group(
        self, group_id: str, token: str, *, approved: list[str], denied: list[str]
    ) -> list[dict[str, Any]]:
        """Decide about all calls of a group that wait, with an approver's token; return the approvals."""
        from tabard.authz.v1 import approval_service_pb2 as pb  # noqa: PLC0415

        request = pb.DecideApprovalGroupRequest(
            group_id=group_id, approver_token=token, approve_ids=approved, deny_ids=denied
        )
        answer = self._asked.call(approval_calls.stub(self._asked).DecideApprovalGroup, request)
        return [describe_approval(one) for one in answer.approvals]

    def explain(self, decision_id: str) -> dict[str, Any]:
        """Return why a decision was made, as the sidecar's own log and policy say."""
        from tabard.authz.v1 import decision_operator_service_pb2 as pb  # noqa: PLC0415
        from tabard.authz.v1 import decision_operator_service_pb2_grpc as pb_grpc  # noqa: PLC0415

        stub = pb_grpc.DecisionOperatorServiceStub(self._explaining.channel)
        request = pb.ExplainDecisionRequest(decision_id=decision_id)
        found: dict[str, Any] = json.loads(
            self._explaining.call(stub.ExplainDecision, request).explanation_json
        )
        return found

    def shadow(self) -> dict[str, Any]:
        """Return how the candidate policy fares and, if it runs, its ``differences``."""
        status = shadowing.fetch_status(self._asked)
        running = status["state"] == "running"
        return status | {
            "differences": shadowing.fetch_changes(self._asked, _SHADOW_GROUPS) if running else None
        }


def _revocation(kind: str, target: str, issuer: str, reason: str) -> revocation_pb.RevokeRequest:
    from tabard.authz.v1 import revocation_service_pb2 as pb  # noqa: PLC0415

    make: dict[str, Callable[[], revocation_pb.RevokeRequest]] = {
        "task": lambda: pb.RevokeRequest(task_id=target, reason=reason),
        "link": lambda: pb.RevokeRequest(link_id=target, reason=reason),
        "agent": lambda: pb.RevokeRequest(agent_id=target, reason=reason),
        "subject": lambda: pb.RevokeRequest(
            subject=pb.RevokeSubject(issuer=issuer, id=target), reason=reason
        ),
        "credential": lambda: pb.RevokeRequest(credential_id=target, reason=reason),
    }
    return make[kind]()
