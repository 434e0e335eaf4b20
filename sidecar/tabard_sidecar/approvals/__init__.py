"""Approvals by people. A pending approval is a row in the state store; no connection or thread waits for it.

Policy requires an approval (:mod:`~tabard_sidecar.approvals.requesting`), the agent polls
(:mod:`~tabard_sidecar.approvals.status`), an approver decides with their own token
(:mod:`~tabard_sidecar.approvals.deciding`), and the agent makes the call with a grant that is valid for this call only
(:mod:`~tabard_sidecar.approvals.call_grant`).

The names below are imported when they are first used, so that reading the configuration doesn't import them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.util.late import late_names

if TYPE_CHECKING:
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

__getattr__ = late_names(
    __name__,
    {
        "ApprovalAnswer": "status",
        "ApprovalDecider": "deciding",
        "ApprovalParts": "build",
        "ApprovalRequester": "requesting",
        "ApprovalState": "status",
        "ApprovalStatusService": "status",
        "ApprovalView": "deciding",
        "ApprovalsConfig": "conf",
        "build_approvals": "build",
    },
)
