"""Fetches and describes tasks."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from tabard_sidecar.operating.revocations import seconds

if TYPE_CHECKING:
    from tabard.authz.v1 import task_operator_service_pb2 as pb

    from tabard_sidecar.operating.operator import Operator

_PAGE = 500
"""Tasks that the sidecar examines at once."""


def fetch(asked: Operator, limit: int, **wanted: str) -> list[dict[str, Any]]:
    """Return the zone's tasks as ``--json`` prints them, newest first.

    Args:
        asked: the sidecar.
        limit: how many at most.
        wanted: ``subject_id``, ``workload`` and ``label`` of the tasks.

    Raises:
        Failure: no sidecar answered.
    """
    from tabard.authz.v1 import task_operator_service_pb2 as pb  # noqa: PLC0415
    from tabard.authz.v1 import task_operator_service_pb2_grpc as pb_grpc  # noqa: PLC0415

    stub = pb_grpc.TaskOperatorServiceStub(asked.channel)
    request = pb.ListTasksRequest(limit=_PAGE if wanted else limit, **wanted)
    pages = asked.pages(stub.ListTasks, request)
    return list(islice((describe(task) for page in pages for task in page.tasks), limit))


def describe(task: pb.TaskOverview) -> dict[str, Any]:
    """Return a task as ``--json`` prints it; times are seconds since the epoch."""
    from tabard.authz.v1 import task_operator_service_pb2 as pb  # noqa: PLC0415

    state = pb.TaskOverviewState.Name(task.state).removeprefix("TASK_OVERVIEW_STATE_").lower()
    return {
        "task_id": task.task_id,
        "root_id": task.root_id,
        "state": state,
        "subject": {"issuer": task.subject.issuer, "id": task.subject.id},
        "workload": task.workload,
        "purpose": task.purpose,
        "started_at": seconds(task.start_time),
        "expires_at": seconds(task.expire_time),
        "labels": list(task.labels),
        "children": task.children,
    }


def describe_tree(found: pb.GetTaskTreeResponse) -> dict[str, Any]:
    """Return a task with everything below it as ``--json`` prints it."""
    return describe(found.task) | {
        "calls": found.calls,
        "spent": dict(sorted(found.spent.items())),
        "budgets": {
            budget_id: {"name": budget.name, "limit": budget.limit}
            for budget_id, budget in sorted(found.budgets.items())
        },
        "facts": [
            {
                "link_id": fact.link_id,
                "name": fact.name,
                "value": list(fact.elements) if fact.elements else fact.count,
            }
            for fact in found.facts
        ],
        "nodes": [
            {
                "link_id": node.link_id,
                "parent_id": node.parent_id,
                "depth": node.depth,
                "holder": node.holder,
                "sub_agent": node.sub_agent,
                "children": node.children,
                "ended": node.ended,
                "inactive": node.inactive,
            }
            for node in found.nodes
        ],
        "truncated": found.truncated,
    }
