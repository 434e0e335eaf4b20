"""Formats tasks for operators, as rows or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tabard_sidecar.cli.framing import quoted
from tabard_sidecar.cli.revoke import seconds
from tabard_sidecar.cli.terminal import moment, style, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tabard.authz.v1 import task_operator_service_pb2 as pb

    from tabard_sidecar.cli.framing import Screen
    from tabard_sidecar.cli.operator import Operator

_COLOURS = {"live": "green"}
_SAID_COLOUR = "yellow"
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
    rows: list[dict[str, Any]] = []
    token = ""
    while True:
        request = pb.ListTasksRequest(limit=_PAGE if wanted else limit, page_token=token, **wanted)
        found = asked.call(stub.ListTasks, request)
        rows += [describe(task) for task in found.tasks]
        token = found.next_page_token
        if not token or len(rows) >= limit:
            return rows[:limit]


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


def summary(row: dict[str, Any], where: Screen, event: str = "") -> Iterator[str]:
    """Yield the few rows that show a task in a list, each cut to the terminal's width.

    Purpose and labels may be an agent's words; they stand behind a bar.
    """
    yield f"{event}{head(row)}"
    yield where.own_cut("person", row["subject"]["id"])
    yield where.own_cut("workload", row["workload"])
    yield where.cut("said", quoted(row["purpose"]), _SAID_COLOUR)
    if row["labels"]:
        yield where.cut("labels", _labels(row), _SAID_COLOUR)


def tree_lines(
    found: pb.GetTaskTreeResponse, where: Screen, *, leases: Sequence[dict[str, Any]] = ()
) -> Iterator[str]:
    """Yield the rows that show a task with every holder, its link and the leases that it holds."""
    row = describe(found.task)
    yield head(row)
    yield from where.own("person", f"{row['subject']['id']} at {row['subject']['issuer']}")
    yield from where.own("workload", row["workload"])
    yield from where.own("expires", moment(row["expires_at"]))
    yield from where.own("calls", f"{found.calls} stored")
    for line in budget_lines(found):
        yield from where.own("spent", line)
    yield from where.foreign("said", [quoted(row["purpose"])], _SAID_COLOUR)
    if row["labels"]:
        yield from where.foreign("labels", [_labels(row)], _SAID_COLOUR)
    if found.facts:
        yield from where.foreign("facts", list(fact_lines(found)), _SAID_COLOUR)
    for node in found.nodes:
        ended, inactive = style("  ended", fg="red", bold=True), style("  inactive", fg="red")
        yield f"link {node.link_id}{ended if node.ended else inactive if node.inactive else ''}"
        yield from where.own(f"level {node.depth}", node.holder)
        if node.sub_agent:
            yield from where.foreign("agent", [f"sub-agent {quoted(node.sub_agent)}"], _SAID_COLOUR)
        for lease in leases:
            if lease["link_id"] == node.link_id:
                yield from where.own("lease", _lease_line(lease))
    yield from _leases_elsewhere(found, leases, where)
    if found.truncated:
        yield f"… and more; only {len(found.nodes)} holders are shown"


def _leases_elsewhere(
    found: pb.GetTaskTreeResponse, leases: Sequence[dict[str, Any]], where: Screen
) -> Iterator[str]:
    """Yield the rows of leases whose holder isn't shown."""
    shown = {node.link_id for node in found.nodes}
    for lease in leases:
        if lease["link_id"] not in shown:
            yield from where.own("lease", f"{_lease_line(lease)} of {lease['holder']}")


def _lease_line(lease: dict[str, Any]) -> str:
    """Return a lease in one row: its credential, what it is for and until when."""
    state = style("ending", fg="red") if lease["ending"] else style("live", fg="green")
    return f"{lease['credential_id']}  {state}  {lease['role']} of {lease['source']} until {moment(lease['expires_at'])}"


def head(row: dict[str, Any]) -> str:
    """Return the row of a task that holds nothing but the zone's own words."""
    state = style(f"{row['state']:<15}", fg=_COLOURS.get(row["state"], "red"))
    return f"{row['task_id']}  {state}  {moment(row['started_at'])}"


def _labels(row: dict[str, Any]) -> str:
    return ", ".join(map(quoted, row["labels"]))


def fact_lines(found: pb.GetTaskTreeResponse) -> Iterator[str]:
    """Yield what calls have noted, one line for each name at each place. Elements may come from an agent or a backend."""
    for fact in found.facts:
        below = f"  (below link {visible(fact.link_id)})" if fact.link_id else ""
        value = ", ".join(map(quoted, fact.elements)) if fact.elements else str(fact.count)
        yield f"{visible(fact.name)}: {value}{below}"


def budget_lines(found: pb.GetTaskTreeResponse) -> list[str]:
    """Return the spending of a task's budgets, one line each, by name."""
    lines = []
    for budget_id, amount in found.spent.items():
        budget = found.budgets.get(budget_id)
        name = visible(budget.name) if budget is not None else ""
        of = f"{budget.limit} {name}" if budget is not None else "an unknown limit"
        lines.append((name, budget_id, f"{amount} of {of}  (budget {budget_id[:12]})"))
    return [line for _, _, line in sorted(lines)]
