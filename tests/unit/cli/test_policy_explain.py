"""``tabard policy eval --explain`` follows helpers to the condition that failed, and ``--show`` prints what is worth what."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner
from tabard_opa import Engine
from tabard_sidecar import exit_codes
from tabard_sidecar.cli.policy import policy
from tabard_sidecar.policy.authoring import explaining
from tabard_sidecar.policy.authoring.explaining import ExpressionError, trial
from tabard_sidecar.policy.loading.compiling import CompileOptions

DESK = """\
package policy.desk

import data.lib.people
import data.tabard.lib.intent

start contains {"code": "begin", "limits": {"purposes": ["refund"]}} if input.operation == "start_task"

_limits := {"eur": 100}

_below(amount, currency) if amount < _limits[currency]

_below(amount, "usd") if amount < 10

_blocked if input.subject.id == "mallory"

_blocked if {
	some label in input.history.labels
	label == "tainted"
}

grant contains {"code": "pay"} if {
	input.tool.name == "pay"
	not _blocked
	_below(input.tool.arguments.amount, "eur")
	people.known(input.tool.arguments.to)
	intent.purpose_is("refund")
}

grant contains {"code": "pay"} if {
	input.tool.name == "pay"
	not _blocked
	_below(input.tool.arguments.amount, "usd")
	count(input.tool.arguments.items) < 3
}

grant contains {"code": "each"} if {
	input.tool.name == "each"
	some item in input.tool.arguments.items
	_good(item)
	item.name in people.all
}

_good(item) if item.size < 3
"""
PEOPLE = """\
package lib.people

known(who) if who in all

all contains "ann"

all contains "bob" if input.task.purpose == "bobs"
"""
PAY = ("--tool", "pay", "--arg", "to=bob", "--arg", "items=[1,2,3,4]")


@pytest.fixture
def desk(tmp_path):
    folder = tmp_path / "policy"
    (folder / "lib").mkdir(parents=True)
    (folder / "desk.rego").write_text(DESK)
    (folder / "lib" / "people.rego").write_text(PEOPLE)
    return folder


def run(*arguments):
    return CliRunner().invoke(policy, [*map(str, arguments)])


def evaluated(folder, *arguments):
    result = run("eval", folder, *arguments)
    assert result.exit_code in {exit_codes.OK, exit_codes.NEGATIVE}, result.output
    return result.output


def explained(folder, *arguments):
    return json.loads(evaluated(folder, "--explain", "--json", *arguments))["explanation"]["tried"]


def row_of(text, source=DESK):
    return next(row for row, line in enumerate(source.splitlines(), 1) if text in line)


def way(one):
    """Return the conditions from a rule's own down to the innermost."""
    found = [one["failed"]]
    while len(one["helper"]) == 1:
        (one,) = one["helper"]
        found.append(one["failed"])
    return found


SECOND = row_of('	_below(input.tool.arguments.amount, "usd")') - 3
"""Where the second rule of the code ``pay`` begins."""


def test_helpers_in_other_packages_are_followed_to_the_condition_that_failed(desk):
    first, second = explained(desk, *PAY, "--arg", "amount=5")
    assert way(first) == [
        "people.known(input.tool.arguments.to)", "who in all", 'input.task.purpose == "bobs"',
    ]  # fmt: skip
    (known,) = first["helper"]
    assert known["values"] == {"who": '"bob"', "all": '["ann"]'}
    assert known["at"] == f"{desk}/lib/people.rego:{row_of('known(who)', PEOPLE)}"
    assert second["values"] == {"count(input.tool.arguments.items)": "4"}


def test_functions_are_followed_with_their_arguments_and_without_clauses_for_others(desk):
    first, second = explained(desk, *PAY, "--arg", "amount=500")
    assert way(first) == ['_below(input.tool.arguments.amount, "eur")', "amount < _limits[currency]"]
    assert first["helper"][0]["values"] == {"amount": "500", "_limits[currency]": "100"}
    assert [one["failed"] for one in second["helper"]] == [
        "_limits[currency] has no value", "amount < 10",
    ]  # fmt: skip


def test_of_a_negation_the_clause_that_holds_is_named_also_where_its_result_was_known(desk):
    for one in explained(desk, *PAY, "--arg", "amount=5", "--label", "tainted"):
        assert (one["failed"], one["negated"]) == ("not _blocked", True)
        (held,) = one["helper"]
        assert (held["failed"], held["place"]) == ("", f"{desk}/desk.rego:{row_of('_blocked if {')}")


def test_of_an_iteration_the_way_that_came_furthest_is_told(desk):
    items = json.dumps([{"size": 9, "name": "ann"}, {"size": 1, "name": "eve"}, {"size": 7, "name": "x"}])
    (one,) = explained(desk, "--tool", "each", "--arg", f"items={items}")
    assert one["failed"] == "item.name in people.all"
    assert one["values"] == {"item.name": '"eve"', "people.all": '["ann"]'}


def test_the_library_is_followed_to_its_first_condition_and_no_further(desk):
    (first, _) = explained(desk, *PAY[:2], "--arg", "to=ann", "--arg", "amount=5", "--purpose", "chat")
    assert first["failed"] == 'intent.purpose_is("refund")'
    assert [one["failed"] for one in first["helper"]] == ["input.task.purpose == purpose"]


def test_only_the_rule_that_held_is_named(desk):
    """Two rules have one code."""
    output = evaluated(desk, *PAY[:2], "--arg", "to=eve", "--arg", "amount=5", "--arg", "items=[1]")
    assert f"pay by policy.desk ({desk}/desk.rego:{SECOND})" in output


def test_a_failed_case_names_only_the_rule_that_held(desk):
    (desk / "desk_cases.yaml").write_text(
        "cases:\n  - {name: pays, tool: pay, arguments: {to: eve, amount: 5, items: []}, expect: {effect: deny}}\n"
    )
    output = run("test", desk).output
    assert f"decided by pay by policy.desk ({desk}/desk.rego:{SECOND})" in output


def test_an_explanation_for_people_shows_the_values(desk):
    output = evaluated(desk, *PAY, "--arg", "amount=500", "--explain")
    assert "amount < _limits[currency]  (amount is 500, _limits[currency] is 100)" in output


WORTH = {
    "_limits": [{"eur": 100}],
    "desk._limits.eur": [100],
    "data.policy.desk._limits": [{"eur": 100}],
    "people.all": [["ann"]],
    "data.lib.people.all": [["ann"]],
    "intent.trusted": [True],
    'clauses.ordered({"pay"})': [[]],
    "count(input.tool.arguments.items) + 1": [5],
    "input.tool.arguments.items[_]": [1, 2, 3, 4],
    "[x | some x in input.tool.arguments.items; x > 2]": [[3, 4]],
    '_below(3, "usd")': [True],
    '"ann" in people.all': [True],
    '_below(300, "eur")': [],
}


def test_expressions_are_shown_as_rules_see_them(desk):
    flags = [part for expression in WORTH for part in ("--show", expression)]
    shown = json.loads(evaluated(desk, *PAY, "--json", *flags))["shown"]
    assert {one["expression"]: one["values"] for one in shown} == WORTH
    assert not any(one["error"] or one["more"] for one in shown)


def test_what_is_not_defined_says_why(desk):
    output = evaluated(desk, *PAY, "--show", '_below(300, "eur")', "--show", "_limits")
    assert '_below(300, "eur") isn\'t defined' in output
    assert "amount < _limits[currency]  (amount is 300, _limits[currency] is 100)" in output
    assert '_limits = {"eur": 100}' in output


@pytest.fixture
def tried(desk):
    document = json.loads(run("eval", desk, *PAY, "--template").stdout)
    with Engine() as engine, trial(engine, desk, CompileOptions(), document) as tried:
        yield tried


REFUSED = {
    "nobody": "nothing is called nobody",
    "nobody.here": "nothing is called nobody",
    "data.policy.desk.nope": "nothing is called data.policy.desk.nope",
    "data": "means all data",
    "data[x]": "means all data",
    "not _blocked": "one expression with a value",
    "x := 1": "one expression with a value",
    "1; 2": "one expression with a value",
    "[": "rego_parse_error",
    "_limits.nope": "undefined ref",
    'http.send({"url": "http://127.0.0.1", "method": "get"})': "undefined function http.send",
}


def test_what_can_not_be_shown_says_why(tried):
    for expression, told in REFUSED.items():
        with pytest.raises(ExpressionError, match=re.escape(told)):
            tried.show(expression)


def test_what_can_not_be_shown_is_a_usage_error(desk):
    result = run("eval", desk, *PAY, "--show", "nobody")
    assert result.exit_code == exit_codes.USAGE
    assert "--show: nothing is called nobody here" in result.output


def test_what_is_shown_is_bounded(tried, monkeypatch):
    assert "larger than 65536 bytes" in tried.show("numbers.range(1, 50000)").error
    many = tried.show("numbers.range(1, 1000)[_]")
    assert (len(many.values), many.more) == (100, True)
    monkeypatch.setattr(explaining, "DEADLINE_SECONDS", 0.3)
    pairs = "count([1 | numbers.range(1, 9000)[_] < numbers.range(1, 9000)[_]])"
    assert "deadline" in tried.show(pairs).error
