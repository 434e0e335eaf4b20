"""Budgets as operators see them."""

from __future__ import annotations

from tabard.authz.v1 import task_operator_service_pb2 as pb
from tabard_sidecar.cli.task_view import budget_lines, describe_tree

FOUND = pb.GetTaskTreeResponse(
    spent={"b" * 64: 200, "a" * 64: 7, "c" * 64: 200, "d" * 64: 1},
    budgets={
        "b" * 64: pb.TaskBudget(name="cents", limit=1000),
        "c" * 64: pb.TaskBudget(name="cents", limit=300),
        "a" * 64: pb.TaskBudget(name="rows\u202e", limit=9),
    },
)


def test_budgets_are_named_with_their_limits():
    """By name, one line for every place that states one; what an older version charged has no name."""
    assert budget_lines(FOUND) == [
        "1 of an unknown limit  (budget dddddddddddd)",
        "200 of 1000 cents  (budget bbbbbbbbbbbb)",
        "200 of 300 cents  (budget cccccccccccc)",
        "7 of 9 rows\\u202e  (budget aaaaaaaaaaaa)",
    ]


def test_scripts_get_amounts_and_limits_by_id():
    shown = describe_tree(FOUND)
    assert shown["spent"]["b" * 64] == 200
    assert shown["budgets"]["b" * 64] == {"name": "cents", "limit": 1000}
    assert "d" * 64 not in shown["budgets"]
