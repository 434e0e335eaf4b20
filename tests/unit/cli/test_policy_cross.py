"""`tabard policy cross`: what it prints, and its exit codes."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from tabard_sidecar import exit_codes
from tabard_sidecar.cli.policy import policy

from tests.support.policy import write

RULES = """\
package policy.desk

start contains {"code": "begin"} if input.operation == "start_task"

grant contains {"code": "pay"} if contains(input.task.statement, input.tool.arguments.to)

grant contains {"code": "loose"} if contains(input.task.statement, "anything")

ask contains {"code": "unsure", "approvers": ["a"], "reason": "?", "uses": 1, "ttl_seconds": 60} if {
	not contains(input.task.statement, "anything")
	input.tool.arguments.to == "bob"
}
"""
CASES = """\
cases:
  - {name: ann, statement: pay ann and not bob, tool: pay, arguments: {to: ann}, expect: {effect: allow}}
  - {name: bob, statement: anything, tool: pay, arguments: {to: bob}, expect: {effect: allow}}
  - {name: eve, statement: pay carl, tool: pay, arguments: {to: eve}, expect: {effect: deny}}
"""


def run(*arguments):
    return CliRunner().invoke(policy, ["cross", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path):
    found = write(tmp_path / "policy", desk=RULES)
    (found / "desk_cases.yaml").write_text(CASES)
    return found


def test_what_is_allowed_is_printed_with_its_request(folder):
    result = run(folder)
    assert result.exit_code == exit_codes.OK
    assert result.stdout.splitlines() == [
        "bob: anything",
        '  allow  pay {"to": "ann"}  by loose (of ann)',
        '  allow  pay {"to": "eve"}  by loose (of eve)',
        "2 requests, 4 calls of others: 2 allow, 1 ask, 1 deny",
        "  allow by tool: pay 2",
        "  ask by tool: pay 1",
    ]


def test_asks_are_printed_on_demand(folder):
    assert '  ask    pay {"to": "bob"}  by unsure (of bob)' in run(folder, "--asks").stdout.splitlines()


@pytest.mark.parametrize(("flags", "code"), [([], 0), (["--fail-on", "allow"], 1), (["--fail-on", "ask"], 1)])
def test_exit_codes(folder, flags, code):
    assert run(folder, *flags).exit_code == code


def test_nothing_allowed_fails_on_nothing(folder):
    (folder / "desk_cases.yaml").write_text(CASES.replace("statement: anything", "statement: pay dora"))
    assert run(folder, "--fail-on", "allow").exit_code == exit_codes.OK
    assert run(folder, "--fail-on", "ask").exit_code == exit_codes.NEGATIVE


def test_json(folder):
    found = json.loads(run(folder, "--json", "--asks").stdout)
    assert {key: found[key] for key in ("decided", "allow", "ask", "deny")} == {
        "decided": 4, "allow": 2, "ask": 1, "deny": 1,
    }  # fmt: skip
    assert found["calls"][-1] == {
        "request": "bob", "statement": "anything", "effect": "allow", "codes": ["loose"],
        "tool": "pay", "arguments": {"to": "eve"}, "of": "eve",
    }  # fmt: skip


def test_named_files_need_not_state_what_they_expect(folder, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "cases:\n  - {name: r, statement: anything, tool: pay, arguments: {to: x}}\n"
        "matrices:\n  - {name: m, requests: [hello], calls: [{tool: pay, arguments: {to: z}}]}\n"
    )
    result = run(folder, "--cases", file)
    assert 'allow  pay {"to": "z"}' in result.stdout
    assert "2 requests" in result.stdout


def test_a_policy_without_requests_is_a_usage_error(folder):
    (folder / "desk_cases.yaml").unlink()
    result = run(folder)
    assert (result.exit_code, "no request has a call" in result.output) == (exit_codes.USAGE, True)


def test_a_broken_policy_is_told(folder):
    (folder / "desk.rego").write_text("package policy.desk\n\ndenny := 1\n")
    assert run(folder).exit_code == exit_codes.POLICY


def test_run_chooses_requests(folder):
    assert run(folder, "--run", "^ann$").stdout.splitlines() == [
        "1 request, 2 calls of others: 0 allow, 1 ask, 1 deny",
        "  ask by tool: pay 1",
    ]
    assert run(folder, "--run", "(").exit_code == exit_codes.USAGE
