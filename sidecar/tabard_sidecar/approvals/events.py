"""Builds the events that tell a webhook of new approvals: enough to notify an approver, and no secret."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tabard_sidecar.approvals.grouping import Asked


def event(asked: Sequence[Asked]) -> dict[str, Any]:
    """Return the event for one new approval, or for the new approvals of one group.

    Tools and servers are asserted by the agent. Arguments aren't sent.
    """
    return _of_group(asked) if len(asked) > 1 else _of_one(asked[0])


def _of_one(asked: Asked) -> dict[str, Any]:
    approval, ask, call = asked.approval, asked.ask, asked.call
    return {
        "type": "approval.requested",
        "approval_id": approval.approval_id,
        "task_id": approval.task_id,
        "module": approval.module,
        "code": approval.code,
        "reason": ask.reason,
        "approvers": list(ask.approvers),
        "asserted": {"tool": call.name, "server": call.server},
        "created_at": round(approval.created_at, 3),
        "expires_at": round(approval.expires_at, 3),
    }


def _of_group(asked: Sequence[Asked]) -> dict[str, Any]:
    first = asked[0]
    rules = dict.fromkeys((one.approval.module, one.approval.code, one.ask.reason) for one in asked)
    tools = Counter((one.call.name, one.call.server) for one in asked)
    return {
        "type": "approval_group.requested",
        "group_id": first.approval.group_id,
        "approval_ids": [one.approval.approval_id for one in asked],
        "task_id": first.approval.task_id,
        "rules": [{"module": module, "code": code, "reason": reason} for module, code, reason in rules],
        "approvers": list(first.ask.approvers),
        "asserted": {
            "calls": [
                {"tool": name, "server": server, "count": count} for (name, server), count in tools.items()
            ]
        },
        "created_at": round(first.approval.created_at, 3),
        "expires_at": round(min(one.approval.expires_at for one in asked), 3),
    }
