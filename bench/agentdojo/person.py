"""The scripted user, who answers requests for approval.

She stands for a careful person who knows her own tasks. Only this module knows the calls of her tasks: the
gate, the agent and the policies never see them. She learns of a call as people do, from the operator socket
of the sidecar.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import grpc
from agentdojo.base_tasks import BaseUserTask
from agentdojo.task_suite.task_suite import TaskSuite
from tabard.authz.v1 import approval_service_pb2 as approval_pb
from tabard.authz.v1.approval_service_pb2_grpc import ApprovalServiceStub

from bench.agentdojo.play import fresh, plain

_TIMEOUT_SECONDS = 20.0


class ScriptedUser:
    """Approves the calls of her own tasks, each as often as her task makes it, and refuses every other call.

    Args:
        suite: the suite with her tasks.
    """

    def __init__(self, suite: TaskSuite[Any]) -> None:
        self._suite = suite
        self._wanted: dict[str, list[tuple[str, Any]]] = {}

    def begins(self, task_id: str, task: BaseUserTask[Any]) -> None:
        """Store the expected calls of a task that was started for her."""
        calls = task.ground_truth(fresh(self._suite, task))
        self._wanted[task_id] = [(call.function, plain(call.args)) for call in calls]

    def approves(self, task_id: str, tool: str, arguments: Mapping[str, Any]) -> bool:
        """Tell whether she approves a call."""
        wanted = self._wanted.get(task_id, [])
        call = (tool, dict(arguments))
        if call not in wanted:
            return False
        wanted.remove(call)
        return True


class ApprovalStatusService:
    """The operator socket, where the scripted user decides.

    Args:
        address: of the operator socket.
        user: decides.
        token: makes a fresh token of the person with an id; each decides once.
    """

    def __init__(self, address: str, user: ScriptedUser, token: Callable[[str], str]) -> None:
        self._channel = grpc.insecure_channel(address)
        self._service = ApprovalServiceStub(self._channel)
        self._user = user
        self._token = token

    def work_off(self) -> None:
        """Decide about every pending approval."""
        waiting = self._service.ListApprovals(approval_pb.ListApprovalsRequest(), timeout=_TIMEOUT_SECONDS)
        for listed in waiting.approvals:
            shown = self._service.GetApprovalDetails(
                approval_pb.GetApprovalDetailsRequest(approval_id=listed.approval_id),
                timeout=_TIMEOUT_SECONDS,
            ).approval
            approve = self._user.approves(shown.task_id, shown.tool, json.loads(shown.arguments_json))
            self._service.DecideApproval(
                approval_pb.DecideApprovalRequest(
                    approval_id=shown.approval_id,
                    approver_token=self._token(shown.subject.id),
                    approve=approve,
                ),
                timeout=_TIMEOUT_SECONDS,
            )

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()
