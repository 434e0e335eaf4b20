"""Budgets as operators see them."""

from __future__ import annotations

from tabard.authz.v1 import task_operator_service_pb2 as pb
from tabard_sidecar.cli.task_view import budget_lines, fact_lines, tree_lines
from tabard_sidecar.operating.framing import screen
from tabard_sidecar.operating.tasks import describe_tree
from tabard_sidecar.operating.terminal import unstyled

FOUND = pb.GetTaskTreeResponse(
    spent={"b" * 64: 200, "a" * 64: 7, "c" * 64: 200, "d" * 64: 1},
    budgets={
        "b" * 64: pb.TaskBudget(name="cents", limit=1000),
        "c" * 64: pb.TaskBudget(name="cents", limit=300),
        "a" * 64: pb.TaskBudget(name="rows\u202e", limit=9),
    },
    facts=[
        pb.TaskFact(name="files", elements=["/a", "odd \x1b[31m\n  allowed by all"]),
        pb.TaskFact(name="mails", count=2),
        pb.TaskFact(link_id="e" * 64, name="mails", count=1),
    ],
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


def test_facts_stand_behind_the_bar_in_one_line_each():
    """An element may be an agent's or a backend's words: it moves no cursor and makes no line of its own."""
    assert list(fact_lines(FOUND)) == [
        r'files: "/a", "odd \u001b[31m\n  allowed by all"',
        "mails: 2",
        f"mails: 1  (below link {'e' * 64})",
    ]
    rows = [unstyled(row) for row in tree_lines(FOUND, screen(scripts=True))]
    assert sum("facts ▏ " in row for row in rows) == 3
    assert all("▏" in row for row in rows if "odd" in row or "allowed" in row)


def test_scripts_get_facts_with_their_links():
    assert describe_tree(FOUND)["facts"] == [
        {"link_id": "", "name": "files", "value": ["/a", "odd \x1b[31m\n  allowed by all"]},
        {"link_id": "", "name": "mails", "value": 2},
        {"link_id": "e" * 64, "name": "mails", "value": 1},
    ]
