"""Requests of decision cases crossed with the calls of others."""

from __future__ import annotations

import pytest
from tabard_sidecar.policy.authoring import crossing
from tabard_sidecar.policy.authoring.case_files import read_cases
from tabard_sidecar.policy.authoring.cases import Catalogues
from tabard_sidecar.policy.authoring.crossing import TooManyError, cross, decisions
from tabard_sidecar.policy.catalogue import Catalogue, load_catalogue
from tabard_sidecar.policy.loading.compiling import CompileOptions

from tests.support.policy import write

RULES = """\
package policy.desk

start contains {"code": "started"} if input.subject.id == "alice"

grant contains {"code": "read", "facts": {"texts_read": 1}} if input.tool.name == "read"

grant contains {"code": "pay", "facts": {"paid": {input.tool.arguments.who}}} if {
	input.tool.name == "pay"
	contains(input.task.statement, "pay")
	count(input.task.facts.paid) == 0
}

ask contains {"code": "sure", "approvers": ["boss"], "reason": "sure", "uses": 1, "ttl_seconds": 60} if {
	input.tool.name == "pay"
	input.tool.arguments.who == "eve"
	input.task.facts.texts_read > 0
}
"""
CASES = """\
defaults: {subject: alice}
cases:
  - {name: ann, operation: start_task, statement: pay ann, expect: {effect: allow}}
  - {name: ann.1, after: ann, tool: read, arguments: {id: a}, expect: {effect: allow}}
  - {name: ann.2, after: ann.1, tool: pay, arguments: {who: ann}, expect: {effect: allow}}
  - {name: looks, operation: start_task, statement: look at it, expect: {effect: allow}}
  - {name: looks.1, after: looks, tool: read, arguments: {id: b}, expect: {effect: allow}}
  - {name: bob, statement: pay bob, tool: pay, arguments: {who: bob}, expect: {effect: allow}}
  - {name: ann.x, after: ann.1, tool: pay, arguments: {who: eve}, expect: {effect: [deny, ask]}}
matrices:
  - name: m
    requests: [pay carl]
    calls: [{name: carl, tool: pay, arguments: {who: carl}}, delete]
    expect: deny
    cells: [{request: pay carl, call: carl, expect: allow}]
"""
CATALOGUE = """\
tools:
  - {name: read, annotations: {readOnlyHint: true}}
  - {name: pay}
  - {name: delete}
"""


@pytest.fixture
def policy(tmp_path):
    folder = write(tmp_path / "policy", desk=RULES)
    (folder / "desk_cases.yaml").write_text(CASES)
    return folder


@pytest.fixture
def catalogues(tmp_path):
    (tmp_path / "catalogue.yaml").write_text(CATALOGUE)
    return Catalogues(load_catalogue(tmp_path / "catalogue.yaml"))


def crossed(engine, policy, catalogues, **more):
    found = cross(engine, policy, CompileOptions(), catalogues, read_cases(policy), **more)
    return {(one.statement, one.call.tool, *one.call.arguments.values()): one.effect for one in found}


def test_foreign_calls_are_tried_before_the_first_change_and_at_the_end(engine, policy, catalogues):
    found = crossed(engine, policy, catalogues)
    # Ann is paid at the end: what is allowed before counts. Eve is asked about, since a text was read by then.
    assert found["pay ann", "pay", "bob"] == "allow"
    assert found["pay ann", "pay", "eve"] == "ask"
    assert found["pay ann", "delete"] == "deny"
    assert {effect for (statement, *_), effect in found.items() if statement == "look at it"} == {"deny"}


def test_own_calls_and_reads_are_left_out(engine, policy, catalogues):
    found = crossed(engine, policy, catalogues)
    assert ("pay ann", "pay", "ann") not in found
    assert ("pay carl", "pay", "carl") not in found
    assert not [key for key in found if key[1] == "read"]
    with_reads = crossed(engine, policy, catalogues, reads=True)
    assert with_reads["pay ann", "read", "b"] == "allow"
    assert ("pay ann", "read", "a") not in with_reads


def test_single_cases_and_rows_of_matrices_are_requests(engine, policy, catalogues):
    found = crossed(engine, policy, catalogues)
    assert found["pay bob", "pay", "ann"] == "allow"
    assert found["pay carl", "pay", "ann"] == "allow"
    assert found["pay carl", "delete"] == "deny"


def test_a_foreign_call_finds_the_facts_of_an_attack(engine, policy, catalogues):
    own = "defaults: {subject: alice}\nrequests: [{says: pay dora, does: [{pay: {who: dora}}]}]\n"
    (policy / "more_cases.yaml").write_text(own)
    assert crossed(engine, policy, catalogues, pattern="dora")["pay dora", "pay", "eve"] == "allow"
    (policy / "more_cases.yaml").write_text(f"never_facts: {{texts_read: 1}}\n{own}")
    assert crossed(engine, policy, catalogues, pattern="dora")["pay dora", "pay", "eve"] == "ask"


def test_without_a_catalogue_every_call_may_change_something(engine, policy):
    found = crossed(engine, policy, Catalogues(Catalogue()))
    assert found["pay ann", "read", "b"] == "allow"


def test_progress_counts_every_decision(engine, policy, catalogues):
    told = []
    crossed(engine, policy, catalogues, progress=told.append)
    assert sum(told) == decisions(read_cases(policy), catalogues)


def test_each_request_is_told_as_soon_as_it_is_done(engine, policy, catalogues):
    told, decided = [], []
    cases = read_cases(policy)
    found = cross(
        engine, policy, CompileOptions(), catalogues, cases,
        told=lambda crossings: told.append((len(decided), crossings)), progress=decided.append,
    )  # fmt: skip
    assert tuple(one for _, crossings in told for one in crossings) == found
    assert len(told) == len({one.request for one in found})
    assert told[0][0] < told[-1][0] < len(decided)


def test_sentences_are_requests(engine, policy, catalogues):
    (policy / "desk_cases.yaml").write_text("""\
requests:
  - {says: pay ann, subject: alice, does: [{read: {id: a}}, {pay: {who: ann}}]}
  - {says: look, subject: alice, does: [{read: {id: a}}], never: [{pay: {who: bob}}]}
""")
    found = cross(engine, policy, CompileOptions(), catalogues, read_cases(policy))
    assert [(one.request, one.call.arguments["who"], one.effect) for one in found] == [
        ("pay ann", "bob", "allow"),
        ("look", "ann", "deny"),
        ("look", "bob", "deny"),
    ]


def test_too_many_decisions_are_refused(engine, policy, catalogues, monkeypatch):
    monkeypatch.setattr(crossing, "MAX_DECISIONS", 3)
    with pytest.raises(TooManyError, match="3 are the most"):
        crossed(engine, policy, catalogues)


def test_requests_are_chosen_by_name(engine, policy, catalogues):
    assert {statement for statement, *_ in crossed(engine, policy, catalogues, pattern="^ann")} == {"pay ann"}
