"""Requests of people with all their calls, in files with decision cases."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from tabard_sidecar import exit_codes
from tabard_sidecar.cli.policy import policy as command
from tabard_sidecar.policy.authoring.case_files import read_case_file
from tabard_sidecar.policy.authoring.cases import Catalogues, run_cases
from tabard_sidecar.policy.catalogue import Catalogue
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.problems import PolicyBrokenError

from tests.support.policy import write

RULES = """\
package policy.desk

start contains {"code": "started"} if input.subject.id != ""

_tool := input.tool.name

_jwt := {"kind": "jwt", "audience": "https://desk.internal", "scopes": ["s"], "ttl_seconds": 60, "single_use": true}

grant contains {"code": "read", "credential": _jwt, "notes": ["belongs"]} if _tool == "read"

grant contains {"code": "send"} if {
	_tool == "send"
	_sends
	"m1:bob" in input.task.facts.belongs
}

grant contains {"code": "pay"} if _tool == "pay"

ask contains {"code": "pays", "approvers": ["boss"], "reason": "pays", "uses": 1, "ttl_seconds": 60} if {
	_tool == "pay"
	_sends
}

_sends if {
	contains(input.task.statement, "send")
	input.subject.claims.role == "clerk"
}
"""
REQUESTS = """\
people:
  ann: {role: clerk}
  eve: {role: guest}
requests:
  - says: send it
    person: ann
    does:
      - read: {id: m1}
        signs: {belongs: ["m1:bob"]}
      - send: {to: bob}
      - pay:
        expect: ask
    never:
      - drop: {}
  - says: Please
       send it, too
    name: eve sends
    person: eve
    claims: {guest: true}
    does:
      - send: {to: bob}
        expect: deny
"""


@pytest.fixture
def policy(tmp_path):
    return write(tmp_path / "policy", desk=RULES)


def run(engine, policy, text):
    (policy / "desk_cases.yaml").write_text(text)
    return run_cases(engine, policy, CompileOptions(), Catalogues(Catalogue()))


def table(policy, text, *options):
    file = policy.parent / "requests.yaml"
    file.write_text(text)
    arguments = ["eval", str(policy), "--cases", str(file), *options]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == exit_codes.OK, result.output
    return result.stdout


def faults(folder, text):
    file = folder / "requests.yaml"
    file.write_text(text)
    with pytest.raises(PolicyBrokenError) as caught:
        read_case_file(file)
    return [(problem.row, problem.message) for problem in caught.value.problems]


def test_each_call_is_a_case_that_finds_what_the_one_before_left(engine, policy):
    report = run(engine, policy, REQUESTS)
    assert report.failed == ()
    assert [(result.case.name, result.effect) for result in report.results] == [
        ("send it: 1 read", "allow"),
        ("send it: 2 send", "allow"),
        ("send it: 3 pay", "ask"),
        ("send it: never 1 drop", "deny"),
        ("eve sends: 1 send", "deny"),
    ]
    assert [result.case.line for result in report.results] == [8, 10, 11, 14, 21]


def test_the_claims_are_those_of_the_person_and_of_the_request(tmp_path):
    file = tmp_path / "requests.yaml"
    file.write_text(REQUESTS)
    assert read_case_file(file)[-1].keys.claims == {"role": "guest", "guest": True}


def test_a_call_that_must_never_run_fails_if_it_does(engine, policy):
    report = run(
        engine, policy, "requests: [{says: read it, does: [{read: {id: a}}], never: [{read: {id: b}}]}]"
    )
    assert [result.case.name for result in report.failed] == ["read it: never 1 read"]


NEVER_FACTS = """\
never_facts: {belongs: ["m1:bob"]}
people: {ann: {role: clerk}}
requests:
  - says: send it
    person: ann
    does:
      - send: {to: bob}
        expect: deny
    never:
      - send: {to: bob}
"""


def test_a_call_that_must_never_run_finds_the_facts_of_an_attack_too(engine, policy):
    report = run(engine, policy, NEVER_FACTS)
    assert [(result.case.name, result.effect) for result in report.results] == [
        ("send it: 1 send", "deny"),
        ("send it: never 1 send", "allow"),
    ]


@pytest.mark.parametrize(
    ("facts", "message"),
    [("{belong: [a]}", "no grant notes the fact 'belong'"), ("{belongs: 1}", "is a set")],
)
def test_facts_of_an_attack_are_those_of_the_policy(engine, policy, facts, message):
    with pytest.raises(PolicyBrokenError, match=message):
        run(engine, policy, NEVER_FACTS.replace('{belongs: ["m1:bob"]}', facts))


def test_the_table_says_what_runs_whole(policy):
    text = REQUESTS.replace("        expect: ask\n", "").replace("        expect: deny\n", "")
    told = table(policy, text)
    assert told.splitlines()[0] == "whole, asks 1: send it"
    assert "    ask    pays  3 pay  (approved: allow by pay)" in told
    assert "1 read" not in told
    assert "refused: eve sends" in told
    assert told.splitlines()[-1] == (
        "2 requests: 1 whole, 1 of 4 calls asked (25 %); of 1 that must never run 0 allowed, 0 asked"
    )


def test_the_table_has_the_requests_of_all_files(policy):
    more = policy.parent / "more.yaml"
    more.write_text("requests: [{says: read it, does: [{read: {id: a}}]}]")
    told = table(policy, REQUESTS, "--cases", str(more))
    assert "whole: read it" in told
    assert told.splitlines()[-1].startswith("3 requests: 2 whole")


def test_the_table_explains_what_is_refused_with_rules_for_this_tool_only(policy):
    told = table(policy, REQUESTS, "--explain", "--run", "eve sends")
    assert "send stops where" in told
    assert 'input.subject.claims.role == "clerk"' in told
    assert "read stops" not in told
    assert "pay stops" not in told


def test_an_expression_is_told_for_the_calls_that_are_not_as_wanted(policy):
    told = table(policy, REQUESTS, "--show", "input.tool.name")
    assert 'input.tool.name = "pay"' in told
    assert 'input.tool.name = "read"' not in told
    assert 'input.tool.name = "read"' in table(
        policy, REQUESTS, "--show", "input.tool.name", "--run", "send it"
    )


def test_what_a_request_lets_through_is_told(policy):
    told = table(
        policy, "requests: [{says: read, does: [{read: {id: a}}], never: [{read: {id: b}}, {pay: {}}]}]"
    )
    assert "whole, lets 2 through: read" in told
    assert "    allow  read  never 1 read" in told


def test_json_has_the_sums(policy):
    found = json.loads(table(policy, REQUESTS, "--json"))
    assert found["requests"] == {"all": 2, "whole": 1, "calls": 4, "asked": 1}
    assert found["never"] == {"all": 1, "allowed": 0, "asked": 0}
    assert {case["request"] for case in found["cases"]} == {"send it", "eve sends"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{says: a, does: [{}]}", "requests.0.does.0: names no tool"),
        ("{says: a, does: [{b: {}, c: {}}]}", "requests.0.does.0: names several tools: b, c"),
        ("{says: a, does: [{b: c}]}", "requests.0.does.0.b: must be a mapping of arguments"),
        (
            "{says: a, does: [{b: {}, expect: alow}]}",
            "requests.0.does.0.expect: must be allow, ask or deny, or a list of these",
        ),
        (
            "{says: a, does: [{b: {}, signs: {c: d}}]}",
            "requests.0.does.0.signs: must be lists of texts, by the name of the fact",
        ),
        (
            "{says: a, person: anne, does: [{b: {}}]}",
            "requests.0.person: the file has no person 'anne'; did you mean 'ann'?",
        ),
        ("{says: a, tool: b, does: [{b: {}}]}", "requests.0.tool: a request with calls has no such key"),
        ("{says: a, does: []}", "requests.0.does: must hold at least 1 item"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path, line, message):
    ((_, told),) = faults(tmp_path, f"people: {{ann: {{}}}}\nrequests:\n  - {line}\n")
    assert told.startswith(message)


def test_two_requests_have_two_names(tmp_path):
    text = "requests:\n  - {says: a, does: [{b: {}}]}\n  - {says: a, does: [{c: {}}]}\n"
    assert faults(tmp_path, text) == [(3, "requests.1: another one has the name 'a'")]
