"""A rule that another branch gets around is warned of: a branch doesn't see the facts of another."""

from __future__ import annotations

import time

import pytest
from tabard_sidecar.policy.loading.branch_reads import branch_reads
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy, parse_modules
from tabard_sidecar.policy.loading.program import build_program

from tests.unit.policy.loading.test_facts import HEAD

NOTING = """grant contains {"code": "n", "facts": {"own": {input.tool.arguments.id}, "mine": 1}, "fact_scope": "branch"} if {
	input.tool.name == "note"
	facts.size("all") > 1
}

grant contains {"code": "w", "facts": {"all": {input.tool.arguments.id}, "sum": 1}} if input.tool.name == "whole"

"""
PRESENT = [
    'facts.has("own", input.tool.arguments.id)',
    'facts.has_any("own", {input.tool.arguments.id})',
    "input.tool.arguments.id in input.task.facts.own",
    "some id in input.task.facts.own; id == input.tool.arguments.id",
    'some id in facts.elements("own"); startswith(id, input.subject.id)',
    "input.task.facts.mine > 2",
    "2 < input.task.facts.mine",
    'facts.value("mine") != 0',
    "n := input.task.facts.mine; n >= 2",
    "count(input.task.facts.own) > 2",
    "count({id | some id in input.task.facts.own; id != input.subject.id}) > 2",
    "_found\n}\n\n_found if {\n\tinput.tool.arguments.id in input.task.facts.own",
    '_in("own")\n}\n\n_in(name) if {\n\tfacts.has(name, input.tool.arguments.id)',
    "not _few\n}\n\n_few if {\n\tinput.task.facts.mine < 3",
    '"x" in object.get(input.task.facts, "own", [])',
]
ABSENT = [
    'not facts.has("own", input.tool.arguments.id)',
    "not input.tool.arguments.id in input.task.facts.own",
    'not facts.has_any("own", {input.tool.arguments.id})',
    'facts.size("own") == 0',
    'facts.size("own") < 2',
    "input.task.facts.own == []",
    "input.task.facts.mine <= 2",
    "3 > input.task.facts.mine",
    'n := facts.value("mine"); n < 2',
    "5 - input.task.facts.mine > 2",
    "every id in input.task.facts.own { id != input.tool.arguments.id }",
    "count({id | some id in input.task.facts.own; id != input.subject.id}) < 2",
    "not _found\n}\n\n_found if {\n\tinput.tool.arguments.id in input.task.facts.own",
    '_out("own")\n}\n\n_out(name) if {\n\tnot facts.has(name, input.tool.arguments.id)',
    '_n < 3\n}\n\n_n := input.task.facts.mine if {\n\tinput.subject.id != ""',
]


ELEMENTS = {
    "ask": '{"code": "d", "approvers": ["a"], "reason": "r", "uses": 1, "ttl_seconds": 600}',
    "deny": '{"code": "d", "message": "no"}',
    "grant": '{"code": "d"}',
}


def warned(engine, rule, condition):
    """Return the codes and messages of the warnings about what a rule reads of facts."""
    source = HEAD + NOTING + f"{rule} contains {ELEMENTS[rule]} if {{\n\t{condition}\n}}\n"
    compiled = compile_policy(engine, {"demo.rego": source}, {}, CompileOptions())
    compiled.close()
    return [(one.code, one.message) for one in compiled.warnings if one.code != "undefined_under_not"]


@pytest.mark.parametrize("rule", ELEMENTS)
@pytest.mark.parametrize("condition", [*PRESENT, *ABSENT])
def test_a_rule_that_another_branch_gets_around_is_warned_of(engine, rule, condition):
    """A grant that needs that a fact is absent, and a deny or an approval that needs that it is there."""
    found = warned(engine, rule, condition)
    unsafe = (condition in PRESENT) == (rule != "grant")
    assert {code for code, _ in found} == ({"fact_of_branch"} if unsafe else set())
    assert all("'own'" in message or "'mine'" in message for _, message in found)


@pytest.mark.parametrize("rule", ["grant", "deny"])
@pytest.mark.parametrize("condition", [*PRESENT, *ABSENT])
def test_facts_of_the_whole_task_may_be_read_in_every_way(engine, rule, condition):
    whole = condition.replace("facts.own", "facts.all").replace('"own"', '"all"')
    assert warned(engine, rule, whole.replace("facts.mine", "facts.sum").replace('"mine"', '"sum"')) == []


def test_helpers_that_call_each_other_are_looked_at_within_a_bound(engine):
    """Seven helpers each of which calls the next one ten times would take hours."""
    calls = "\n\t".join(f'_h{{0}}("{number}")' for number in range(10))
    helpers = "".join(f"_h{at}(x) if {{\n\t{calls.format(at + 1)}\n}}\n\n" for at in range(7))
    helpers += "_h7(x) if x != input.subject.id\n\n"
    source = HEAD + NOTING + helpers + f'grant contains {ELEMENTS["grant"]} if _h0("a")\n'
    parsed = parse_modules(engine, {"demo.rego": source})
    program = build_program(parsed, {}, {}, {}, frozenset())
    before = time.monotonic()
    assert list(branch_reads(program, frozenset({"own"}))) == []
    assert time.monotonic() - before < 10
