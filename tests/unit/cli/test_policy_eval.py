"""`tabard policy eval`: where its input comes from and what it shows."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from tabard_sidecar import exit_codes
from tabard_sidecar.cli.policy import policy

from tests.support.policy import write

RULES = """\
package policy.desk

import data.tabard.lib.clock
import data.tabard.lib.history

start contains {"code": "begin", "limits": {"budgets": {"cents": 100}}} if input.operation == "start_task"

grant contains {"code": "read", "labels": ["seen"]} if {
	input.tool.name == "read"
	clock.weekday("UTC")
}

grant contains {"code": "pay"} if {
	input.tool.name == "pay"
	input.budgets.cents.remaining > 10
	"seen" in input.history.labels
	history.called({"read"})
}

ask contains {"code": "large", "approvers": ["a"], "reason": "Is it so?", "uses": 1, "ttl_seconds": 60} if {
	input.tool.arguments.cents > 5
}

ask contains {"code": "odd", "approvers": ["a"], "reason": "large: no", "uses": 1, "ttl_seconds": 60} if {
	input.tool.arguments.cents > 7
}

deny contains {"code": "closed", "message": "closed"} if input.tool.name == "never"

deny contains {"code": "shut", "message": "shut"} if input.tool.name == "never"
"""


def run(*arguments, **more):
    return CliRunner().invoke(policy, ["eval", *map(str, arguments)], **more)


def as_json(*arguments, **more):
    result = run(*arguments, "--json", **more)
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path, desk=RULES)


@pytest.mark.parametrize(("day", "code"), [("2026-01-05", 0), ("2026-01-03", 1)])
def test_the_time_of_the_request(folder, day, code):
    assert run(folder, "--tool", "read", "--time", f"{day}T12:00:00Z").exit_code == code


@pytest.mark.parametrize("time", ["noon", "2026-01-05T12:00:00", "5"])
def test_a_time_that_is_none_is_a_usage_error(folder, time):
    result = run(folder, "--tool", "read", "--time", time)
    assert (result.exit_code, "--time: must" in result.output) == (exit_codes.USAGE, True)


def test_what_the_task_did_and_has(folder):
    whole = ["--tool", "pay", "--label", "seen", "--budget", "cents=50:20", "--history", "read"]
    assert run(folder, *whole).exit_code == exit_codes.OK
    for at in (2, 4, 6):
        without = whole[:at] + whole[at + 2 :]
        assert run(folder, *without).exit_code == exit_codes.NEGATIVE, without
    assert run(folder, *whole[:4], "--budget", "cents=50:45", *whole[6:]).exit_code == exit_codes.NEGATIVE


@pytest.mark.parametrize("budget", ["cents", "=5", "cents=x", "cents=5:", "cents=-1", "cents=5:1:2"])
def test_a_budget_that_is_none_is_a_usage_error(folder, budget):
    result = run(folder, "--tool", "pay", "--budget", budget)
    assert (result.exit_code, "write NAME=LIMIT" in result.output) == (exit_codes.USAGE, True)
    repeated = run(folder, "--tool", "pay", "--budget", "a=1", "--budget", "a=2")
    assert repeated.exit_code == exit_codes.USAGE


@pytest.mark.parametrize("operation", ["authorize", "start_task", "delegate", "renew", "filter_tools"])
def test_a_template_is_a_whole_input(folder, operation):
    result = run("--template", "--operation", operation, "--label", "seen")
    assert json.loads(result.stdout)["history"]["labels"] == ["seen"]
    assert run(folder, "--input", "-", input=result.stdout).exit_code == (operation != "start_task")


def test_a_template_states_the_arguments_of_the_catalogue(tmp_path):
    catalogue = tmp_path / "catalogue.yaml"
    catalogue.write_text(
        "tools:\n  - name: pay\n    inputSchema: {type: object, properties: {cents: {type: integer}, to: {type: string}}}\n"
    )
    result = run("--template", "--catalogue", catalogue, "--tool", "pay", "--arg", "to=me")
    assert json.loads(result.stdout)["tool"]["arguments"] == {"cents": 1, "to": "me"}


def test_every_fault_of_an_input_is_told_at_once(folder):
    document = json.loads(run("--template").stdout)
    document["subjct"] = document.pop("subject")
    del document["task"]["purpose"]
    document["context"]["time"] = "now"
    result = run(folder, "--input", "-", input=json.dumps(document))
    assert result.exit_code == exit_codes.USAGE
    for told in (
        "input.subject is missing",
        "input.subjct is not a known name; did you mean 'subject'?",
        "input.task.purpose is missing",
        "input.context.time must be of type number",
        "--template",
    ):
        assert told in result.output
    flood = run(folder, "--input", "-", input=json.dumps({str(name): 1 for name in range(5000)}))
    assert len(flood.output.splitlines()) < 30


def test_each_ask_has_its_own_place(folder):
    """Not that of the other asks or of denials: the reason's text can't mislead either."""
    pay = (
        "--tool",
        "pay",
        "--label",
        "seen",
        "--budget",
        "cents=50",
        "--history",
        "read",
        "--arg",
        "cents=9",
    )
    code, shown = as_json(folder, *pay)
    assert code == exit_codes.NEGATIVE
    places = {reason["message"].partition(":")[0]: reason["rule"] for reason in shown["reasons"]}
    lines = RULES.splitlines()
    for name in ("large", "odd"):
        row = next(row for row, line in enumerate(lines, 1) if f'"{name}"' in line)
        assert places[name] == f"{folder}/desk.rego:{row}"


def test_the_sources_of_an_input_exclude_each_other(folder):
    assert run(folder, "--input", "-", "--template").exit_code == exit_codes.USAGE
    assert run(folder, "--log", "x").exit_code == exit_codes.USAGE


def test_a_logged_decision_that_is_not_there(folder, tmp_path):
    log = tmp_path / "decisions.jsonl"
    log.write_text("")
    result = run(folder, "--from-log", "d-1", "--log", log)
    assert (result.exit_code, "no decision 'd-1'" in result.output) == (exit_codes.NEGATIVE, True)


def test_what_a_decision_leaves_behind_is_shown(folder):
    """Limits of a task with budgets, and charges and labels of a call, as JSON and for people."""
    code, shown = as_json(folder, "--operation", "start_task")
    assert (code, shown["limits"]) == (0, [{"budgets": {"cents": 100}}])
    code, shown = as_json(folder, "--tool", "read", "--time", "2026-01-05T12:00:00Z")
    assert (code, shown["labels"], shown["charges"]) == (0, {"task": ["seen"], "branch": []}, {})
    assert (
        'labels of the task ["seen"]'
        in run(folder, "--tool", "read", "--time", "2026-01-05T12:00:00Z").output
    )


EXPLAINED = """\
package policy.desk

start contains {"code": "begin"} if input.operation == "start_task"

_small if {
	input.tool.arguments.cents < 10
}

_small if input.subject.id == "chief"

grant contains {"code": "pay"} if {
	input.tool.name == "pay"
	input.task.purpose == "shopping"
	_small
}

grant contains {"code": "pay_some"} if {
	input.tool.name == "pay"
	some one in input.tool.arguments.items
	one > 3
	one < 5
}

grant contains {"code": "other"} if input.tool.name == "other"

grant contains {"code": sprintf("c_%s", [input.tool.arguments.name])} if {
	input.tool.name == "pay"
}
"""


def explained(folder, *arguments):
    _, shown = as_json(folder, "--explain", *arguments)
    return shown["explanation"]


def row_of(text):
    return next(row for row, line in enumerate(EXPLAINED.splitlines(), 1) if text in line)


def test_the_first_condition_that_fails_is_named_for_each_rule_of_the_tool(tmp_path):
    """Although OPA's index would leave out rules that can't match; of an iteration the furthest condition."""
    folder = write(tmp_path, desk=EXPLAINED)
    found = explained(folder, "--tool", "pay", "--arg", "items=[1, 9, 2]")
    named, some, computed = found["tried"]
    assert (named["code"], named["failed"]) == ("pay", 'input.task.purpose == "shopping"')
    assert named["at"] == f"{folder}/desk.rego:{row_of('purpose ==')}"
    assert (some["code"], some["failed"]) == ("pay_some", "one < 5")
    assert (computed["code"], computed["failed"]) == ("", "input.tool.arguments.name has no value")
    assert (found["for_other_tools"], found["errors"]) == (1, [])

    (named, *_) = explained(folder, "--tool", "pay", "--purpose", "shopping", "--arg", "cents=20")["tried"]
    assert named["failed"] == "_small"
    assert [one["failed"] for one in named["helper"]] == [
        "input.tool.arguments.cents < 10", 'input.subject.id == "chief"',
    ]  # fmt: skip
    (named, *_) = explained(folder, "--tool", "pay", "--purpose", "shopping", "--arg", "cents=2")["tried"]
    assert (named["failed"], named["helper"]) == ("", [])


def test_an_explanation_for_people(tmp_path):
    folder = write(tmp_path, desk=EXPLAINED)
    output = run(folder, "--tool", "pay", "--purpose", "shopping", "--explain").output
    assert f"line {row_of('	_small')}: _small" in output
    assert f"    line {row_of('cents < 10')}: input.tool.arguments.cents has no value" in output
    assert "1 other rule is for other tools" in output
    assert "no rule that could grant is for this request" in run(folder, "--tool", "none", "--explain").output


SURE = """\
package policy.desk

start contains {"code": "begin"} if input.operation == "start_task"

_sure contains "pay" if {
	input.tool.name == "pay"
	input.tool.arguments.cents < 10
}

_sure contains "send" if {
	input.tool.name == "send"
	input.task.purpose == "mail"
}

grant contains {"code": "sure"} if input.tool.name in _sure
"""


def test_a_set_that_tools_share_is_followed_for_this_tool_only(tmp_path):
    (one,) = explained(write(tmp_path, desk=SURE), "--tool", "pay", "--arg", "cents=20")["tried"]
    assert one["failed"] == "input.tool.name in _sure"
    assert [inner["failed"] for inner in one["helper"]] == ["input.tool.arguments.cents < 10"]


def test_an_explanation_of_much_work_is_one_line(tmp_path):
    """However many times an iteration fails: what is kept is bounded by the number of rules."""
    rules = """\
package policy.desk

start contains {"code": "begin"} if input.operation == "start_task"

grant contains {"code": "many"} if {
	some a in input.tool.arguments.items
	some b in input.tool.arguments.items
	some c in input.tool.arguments.items
	a + b + c < 0
}
"""
    items = json.dumps(list(range(30)))
    (one,) = explained(write(tmp_path, desk=rules), "--tool", "x", "--arg", f"items={items}")["tried"]
    assert one["failed"] == "a + b + c < 0"


SHOP = """\
package policy.shop

grant contains {
	"code": "cancel",
	"facts": {"cancelled": {input.tool.arguments.id}, "mails": 1},
	"notes": ["made"],
	"credential": {"kind": "jwt", "audience": "A", "ttl_seconds": 60},
} if {
	input.tool.name == "cancel"
	not input.tool.arguments.id in input.task.facts.cancelled
	input.task.facts.mails < 3
}
"""
CANCEL = ("--tool", "cancel", "--arg", "id=W1")


@pytest.fixture
def shop(folder):
    """Return a folder with a policy that notes facts."""
    (folder / "shop.rego").write_text(SHOP)
    return folder


def test_facts_of_the_task_and_of_the_call(shop):
    """What isn't stated is empty, as the sidecar sends it; what the grant notes is shown."""
    code, shown = as_json(shop, *CANCEL)
    assert (code, shown["facts"]) == (0, {"task": {"cancelled": ["W1"], "mails": 1}, "branch": {}})
    assert shown["notes"] == {"made": "task"}
    told = run(shop, *CANCEL).output
    assert 'facts of the task {"cancelled": ["W1"], "mails": 1}' in told
    assert 'facts that the backend may note ["made"]' in told
    for facts, exit_code in (
        (["cancelled=W1"], exit_codes.NEGATIVE),
        (["cancelled=W2", "cancelled=W3", "mails=2"], exit_codes.OK),
        (['cancelled=["W2","W1"]'], exit_codes.NEGATIVE),
        (['cancelled="17"', "mails=3"], exit_codes.NEGATIVE),
        (["cancelled=true"], exit_codes.OK),
    ):
        stated = [part for fact in facts for part in ("--fact", fact)]
        assert run(shop, *CANCEL, *stated).exit_code == exit_code, facts
    template = json.loads(run("--template", "--fact", "cancelled=W1", "--fact", "mails=2").stdout)
    assert template["task"]["facts"] == {"cancelled": ["W1"], "mails": 2}
    assert "cancelled" in run(shop, *CANCEL, "--fact", "cancelled=W1", "--explain").output


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (["canceled=W1"], "did you mean 'cancelled'?"),
        (["cancelled=17"], "write a list of texts"),
        (["mails=many"], "write a number"),
        (["mails=1", "mails=2"], "one number, or texts"),
        (["cancelled=a", "cancelled=17"], None),
        (["cancelled=[1]"], "one number, or texts"),
        (["cancelled"], "write NAME=VALUE"),
        (["=a"], "write NAME=VALUE"),
    ],
)
def test_a_fact_that_is_none_is_a_usage_error(shop, facts, told):
    result = run(shop, *CANCEL, *(part for fact in facts for part in ("--fact", fact)))
    assert result.exit_code == (exit_codes.USAGE if told else exit_codes.OK)
    assert told is None or told in result.output
