"""Matrices of decision cases."""

from __future__ import annotations

import json

import pytest
from tabard_sidecar.policy.authoring import case_files
from tabard_sidecar.policy.authoring.case_files import read_case_file, read_cases
from tabard_sidecar.policy.authoring.cases import Catalogues, run_cases
from tabard_sidecar.policy.authoring.matrices import MAX_CELLS
from tabard_sidecar.policy.catalogue import Catalogue
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.problems import PolicyBrokenError

from tests.support.policy import write

RULES = """\
package policy.desk

start contains {"code": "started"} if input.subject.id == "alice"

grant contains {"code": "send"} if {
	input.tool.name == "send"
	contains(input.task.statement, "send")
}

ask contains {"code": "large", "approvers": ["boss"], "reason": "large", "uses": 1, "ttl_seconds": 60} if {
	input.tool.arguments.cents > 10
}
"""
MATRIX = """\
defaults: {arguments: {cents: 1}}
matrices:
  - name: m
    requests:
      - send it
      - {name: lists, statement: list them}
    calls:
      - send
      - {name: dear, tool: send, arguments: {cents: 20}}
      - {tool: delete}
    expect: deny
    cells:
      - {request: send it, call: [send, dear], expect: allow}
      - {request: send it, call: dear, expect: [ask, allow]}
"""


@pytest.fixture
def policy(tmp_path):
    return write(tmp_path / "policy", desk=RULES)


def run(engine, policy, text):
    (policy / "desk_cases.yaml").write_text(text)
    return run_cases(engine, policy, CompileOptions(), Catalogues(Catalogue()))


def faults(folder, text):
    (folder / "x_cases.yaml").write_text(text)
    with pytest.raises(PolicyBrokenError) as caught:
        read_cases(folder)
    return [(problem.row, problem.message) for problem in caught.value.problems]


def test_each_request_meets_each_call(engine, policy):
    report = run(engine, policy, MATRIX)
    assert [(one.case.line, one.case.name, one.effect) for one in report.results] == [
        (5, "m: send it / send", "allow"),
        (5, "m: send it / dear", "ask"),
        (5, "m: send it / delete", "deny"),
        (6, "m: lists / send", "deny"),
        (6, "m: lists / dear", "deny"),
        (6, "m: lists / delete", "deny"),
    ]
    assert report.failed == ()
    (failed,) = run(engine, policy, MATRIX.replace("[ask, allow]", "allow")).failed
    assert failed.case.name == "m: send it / dear"
    assert list(map(str, failed.differences)) == ["effect: expected allow, got ask"]


def test_of_two_cells_the_later_holds_and_a_cell_may_be_a_row_or_column(engine, policy):
    lines = (
        "      - {call: dear, expect: deny}\n",
        "      - {request: send it, expect: [deny, allow, ask]}\n",
    )
    assert run(engine, policy, MATRIX + "".join(lines)).failed == ()


def test_a_policy_that_fails_is_no_denial_that_a_cell_means(engine, policy):
    write(policy, broken='package policy.broken\n\ndeny contains {"code": input.task.statement, "message": "x"} if true\n')  # fmt: skip
    failed = run(engine, policy, MATRIX).failed
    assert [one.codes[-1] for one in failed] == ["policy_error"] * 6


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("call: dear, expect: [ask", "call: deer, expect: [ask", (14, "matrices.0.cells.1.call: the matrix has no call 'deer'; did you mean 'dear'?")),
        ("{tool: delete}", "{tool: send}", (10, "matrices.0.calls.2: another one has the name 'send'")),
        ("{tool: delete}", "{arguments: {}}", (10, "matrices.0.calls.2: has no name")),
        ("{tool: delete}", "{name: none}", (10, "matrices.0.calls.2: the tool is missing")),
        ("{request: send it, call: dear, expect", "{expect", (14, "matrices.0.cells.1: names neither a request nor a call")),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_line(policy, old, new, told):
    assert old in MATRIX
    assert faults(policy, MATRIX.replace(old, new)) == [told]


def test_names_are_unique_beyond_a_matrix(policy):
    text = MATRIX + MATRIX[MATRIX.index("  - name: m") :]
    assert faults(policy, text) == [(15, "matrices.1.name: another case has the name 'm: send it / send'")]


def test_cells_and_bytes_are_bounded(policy):
    wide = {"name": "m", "requests": ["r"] * 200, "calls": ["c"] * 101, "expect": "deny"}
    ((row, message),) = faults(policy, json.dumps({"matrices": [wide]}))
    assert (row, message) == (1, f"matrices: 20200 cells; a file may have {MAX_CELLS}")
    assert "larger than" in faults(policy, "#" * (case_files.MAX_BYTES + 1))[0][1]


def test_a_file_has_cases_or_matrices(policy):
    assert "has neither cases nor matrices" in faults(policy, "defaults: {tool: x}\n")[0][1]


def test_a_file_to_be_decided_needs_no_expectations(tmp_path):
    file = tmp_path / "any.yaml"
    file.write_text("cases:\n  - {name: a, tool: t}\nmatrices:\n  - {name: m, requests: [r], calls: [c]}\n")
    assert [case.name for case in read_case_file(file)] == ["a", "m: r / c"]


AFTER = """\
cases:
  - {name: a task, operation: start_task, subject: alice, statement: send it, expect: {effect: allow}}
  - {name: one sent, after: a task, tool: send, expect: {effect: allow, facts: {sent: ["1"]}}}
matrices:
  - name: m
    requests:
      - {name: fresh, after: a task}
      - {after: one sent}
    calls: [send]
    expect: deny
    cells:
      - {request: fresh, call: send, expect: allow}
"""
ONCE = """\
package policy.desk

start contains {"code": "started"} if input.subject.id == "alice"

grant contains {"code": "send", "facts": {"sent": {"1"}}} if {
	input.tool.name == "send"
	contains(input.task.statement, "send")
	count(input.task.facts.sent) == 0
}
"""


def test_a_request_may_follow_a_case_and_finds_what_it_left(engine, tmp_path):
    policy = write(tmp_path / "policy", desk=ONCE)
    report = run(engine, policy, AFTER)
    assert report.failed == ()
    assert [(one.case.name, one.effect) for one in report.results][2:] == [
        ("m: fresh / send", "allow"),
        ("m: one sent / send", "deny"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{after: one sent}", "{after: one sen}", (8, "matrices.0.requests.1.after: no case has the name 'one sen'; did you mean 'one sent'?")),
        ("{after: one sent}", "{after: one sent, facts: {sent: []}}", (8, "matrices.0.requests.1.facts: a request after a case has what that one left")),
        ("[send]", "[{tool: send, after: a task}]", (9, "matrices.0.calls.0.after: a call follows no case")),
    ],
)  # fmt: skip
def test_mistakes_in_what_a_request_follows(tmp_path, old, new, told):
    policy = write(tmp_path / "policy", desk=ONCE)
    assert old in AFTER
    assert faults(policy, AFTER.replace(old, new)) == [told]
