"""Formats tasks for operators, as one line or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tabard_sidecar.cli.revoke import seconds
from tabard_sidecar.cli.terminal import moment, style, visible

if TYPE_CHECKING:
    from tabard.authz.v1 import task_operator_service_pb2 as pb

    from tabard_sidecar.cli.operator import Operator

_COLOURS = {"live": "green"}


def fetch(asked: Operator, limit: int) -> list[dict[str, Any]]:
    """Return the zone's tasks as ``--json`` prints them.

    Raises:
        Failure: no sidecar answered.
    """
    from tabard.authz.v1 import task_operator_service_pb2 as pb  # noqa: PLC0415
    from tabard.authz.v1 import task_operator_service_pb2_grpc as pb_grpc  # noqa: PLC0415

    stub = pb_grpc.TaskOperatorServiceStub(asked.channel)
    found = asked.call(stub.ListTasks, pb.ListTasksRequest(limit=limit))
    return [describe(task) for task in found.tasks]


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


def summary(row: dict[str, Any]) -> str:
    """Return a task in one line for a terminal."""
    state = style(f"{row['state']:<15}", fg=_COLOURS.get(row["state"], "red"))
    labels = f"  [{visible(' '.join(row['labels']))}]" if row["labels"] else ""
    return (
        f"{row['task_id']}  {state}  {moment(row['started_at'])}  {visible(row['subject']['id'])}  "
        f'{visible(row["workload"])}  "{visible(row["purpose"])}"{labels}'
    )


def budget_lines(found: pb.GetTaskTreeResponse) -> list[str]:
    """Return the spending of a task's budgets, one line each, by name."""
    lines = []
    for budget_id, amount in found.spent.items():
        budget = found.budgets.get(budget_id)
        name = visible(budget.name) if budget is not None else ""
        of = f"{budget.limit} {name}" if budget is not None else "an unknown limit"
        lines.append((name, budget_id, f"{amount} of {of}  (budget {budget_id[:12]})"))
    return [line for _, _, line in sorted(lines)]
