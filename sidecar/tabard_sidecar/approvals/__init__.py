"""Approvals by people: a call waits in the state store, and no connection and no thread waits with it.

Policy asks (:mod:`~tabard_sidecar.approvals.requesting`), the agent polls (:mod:`~tabard_sidecar.approvals.status`), a person
decides with a token of their own (:mod:`~tabard_sidecar.approvals.deciding`), and the agent makes the call with a grant
that is good for this call only (:mod:`~tabard_sidecar.approvals.call_grant`).
"""

from tabard_sidecar.approvals.build import ApprovalParts, build_approvals
from tabard_sidecar.approvals.conf import ApprovalsConfig
from tabard_sidecar.approvals.deciding import ApprovalDecider, ApprovalView
from tabard_sidecar.approvals.requesting import ApprovalRequester
from tabard_sidecar.approvals.status import ApprovalAnswer, ApprovalState, ApprovalStatusService

__all__ = [
    "ApprovalAnswer",
    "ApprovalDecider",
    "ApprovalParts",
    "ApprovalRequester",
    "ApprovalState",
    "ApprovalStatusService",
    "ApprovalView",
    "ApprovalsConfig",
    "build_approvals",
]
