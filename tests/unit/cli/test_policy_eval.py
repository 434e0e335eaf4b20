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
