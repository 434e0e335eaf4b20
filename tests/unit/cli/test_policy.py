"""`tabard policy`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
from click.testing import CliRunner
from tabard_opa import Engine
from tabard_opa_cli import opa_binary
from tabard_sidecar import exit_codes
from tabard_sidecar.cli.policy import policy
from tabard_sidecar.policy.authoring.starter import TEMPLATES

from tests.support.policy import DESK, GRANT_ALL, REPOSITORY, START, SUPPORT, policy_input, tool, write

BROKEN = (
    'package policy.broken\n\ndenny contains {"code": "no", "message": "no"}\n\ndeny if input.subjct.id\n'
)


def run(*arguments, **more):
    return CliRunner().invoke(policy, [str(argument) for argument in arguments], **more)


def as_json(*arguments, **more):
    result = run(*arguments, "--json", **more)
    return result.exit_code, json.loads(result.stdout)


def test_check_of_a_good_policy():
    """The report has the modules and the revision, and no problems."""
    code, report = as_json("check", SUPPORT / "policy", "--catalogue", SUPPORT / "catalogue.yaml")
    assert (code, report["ok"], report["modules"], report["problems"]) == (0, True, ["refunds"], [])
    assert len(report["revision"]) == 64


def test_check_tells_every_problem_with_its_line_and_exits_4(tmp_path):
    write(tmp_path, broken=BROKEN)
    code, report = as_json("check", tmp_path)
    assert code == exit_codes.POLICY
    assert {(problem["row"], problem["code"]) for problem in report["problems"]} == {
        (3, "public_rule"), (5, "rule_shape"), (5, "rego_type_error"),
    }  # fmt: skip
    shown = run("check", tmp_path)
    assert (
        f"{tmp_path}/broken.rego:3:1: error denny is no rule of the contract; did you mean 'deny'?"
        in shown.output
    )
    assert "\x1b[" not in shown.output


UNREADABLE = {
    "one.rego": "package policy.one\n\ngrant contains {\n",
    "two.rego": "package policy.two\n\ngrant contains {} if [\n",
    "three_test.rego": "package three_test\n\ntest_x if {\n",
    "four.rego": "# METADATA\n# description: one: two\npackage policy.four\n",
    "lib/five.rego": "package lib.five\n\nf(x\n",
    "data.json": '{"a": }',
    "six/data.yaml": "a: [1\n",
}


@pytest.mark.parametrize("left_out", [[], ["data.json", "six/data.yaml"]])
def test_every_file_that_can_not_be_parsed_is_told_at_once(tmp_path, left_out):
    """Whatever kind it is, and on one line each; a file with decision cases, too, where those run."""
    wanted = sorted(UNREADABLE.keys() - left_out)
    for name in wanted:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(UNREADABLE[name])
    _, report = as_json("check", tmp_path)
    assert sorted({problem["file"] for problem in report["problems"]}) == [
        f"{tmp_path}/{one}" for one in wanted
    ]
    assert not any("\n" in problem["message"] for problem in report["problems"])
    assert "put quotes around" in str(report["problems"])
    (tmp_path / "one_cases.yaml").write_text("cases: [\n")
    output = run("test", tmp_path).output
    assert all(f"{tmp_path}/{name}:" in output for name in [*wanted, "one_cases.yaml"])


def test_arguments_and_tools_that_the_catalogue_lacks_are_errors(tmp_path):
    rules = """\
package policy.demo

import data.tabard.lib.arguments

grant contains {"code": "a"} if {
	input.tool.name == "refunds.create"
	input.tool.arguments.amount_cent <= 100
}

grant contains {"code": "b"} if {
	input.tool.name == "refund.create"
	arguments.in_range("ammount", 1, 3)
}

deny contains {"code": "c", "message": "c"} if arguments.text("ordr_id") == "x"
"""
    write(tmp_path, demo=rules + START)
    code, report = as_json("check", tmp_path, "--catalogue", SUPPORT / "catalogue.yaml")
    assert code == exit_codes.POLICY
    assert [(problem["row"], problem["code"]) for problem in report["problems"]] == [
        (7, "argument_unknown"), (11, "tool_unknown"), (12, "argument_unknown"), (15, "argument_unknown"),
    ]  # fmt: skip
    assert "did you mean 'amount_cents'?" in report["problems"][0]["message"]


NEGATIONS = [
    ("not data.limits[input.tool.arguments.id] < 10", True),
    ("not _m[input.tool.arguments.list[input.tool.arguments.at + 1]] >= 10", True),
    ("not count(_m[lower(input.tool.name)]) > 1", True),
    ("not input.tool.arguments.cents > 10", True),
    ('not startswith(input.tool.arguments.path, "/home/")', True),
    ("not input.tool.arguments.to in data.limits", True),
    ("not lower(input.tool.arguments.to) == input.subject.id", True),
    ("not _small(_m[input.tool.name])", True),
    ('not object.get(input.tool.arguments, "cents", 0) > 10', False),
    ("not count([x | x := input.tool.arguments.list[_]]) > 10", False),
    ('not _m[input.tool.name] == "done"', False),
    ("not _m[input.tool.name]", False),
    ("not input.tool.name in data.limits", False),
    ("_m[input.tool.name] < 10", False),
]
"""Conditions, and whether a value that is missing keeps them from holding."""


@pytest.mark.parametrize(("condition", "warned"), NEGATIONS)
@pytest.mark.parametrize("rule", ["deny", "ask", "grant"])
def test_a_value_that_is_missing_under_not_is_told(tmp_path, rule, condition, warned):
    """Where a rule denies or asks: it doesn't, as the next test shows. A grant is on the safe side."""
    element = {
        "deny": '"message": "x"',
        "ask": '"message": "x", "approvers": ["requester"]',
        "grant": '"expires_in": 10',
    }
    source = f"""package policy.demo
{START}
_m := {{"a": 1}}

_small(x) if x < 3

{rule} contains {{"code": "x", {element[rule]}}} if {{
	input.tool.name == "pay"
	_small(2)
	_m.a == 1
	{condition}
}}
"""
    write(tmp_path, demo=source)
    (tmp_path / "data.json").write_text('{"limits": {"a": 1}}')
    _, report = as_json("check", tmp_path)
    told = [(one["code"], one["row"]) for one in report["problems"] if one["code"] == "undefined_under_not"]
    row = next(row for row, line in enumerate(source.splitlines(), 1) if line.strip() == condition)
    assert told == ([("undefined_under_not", row)] if warned and rule != "grant" else [])


KEYS = {
    '_key := input.tool.arguments.key if input.tool.name == "pay"': True,
    '_key := "a" if {\n\tinput.tool.name == "pay"\n} else := "b" if {\n\tinput.tool.name == "send"\n}': True,
    '_key := "a" if {\n\tinput.tool.name == "pay"\n} else := "b"': False,
    'default _key := ""\n\n_key := "a" if input.tool.name == "pay"': False,
    "_key := input.tool.arguments.key": False,
}
"""Helpers, and whether they are defined under conditions only."""


@pytest.mark.parametrize(("helper", "warned"), KEYS.items())
@pytest.mark.parametrize("stated", ["", '\n\t_key != "x"'])
def test_a_fact_whose_key_may_be_undefined_is_told_in_a_grant(tmp_path, helper, warned, stated):
    source = f"""package policy.demo

import data.tabard.lib.facts
{START}
{helper}

grant contains {{"code": "x", "facts": {{"done": {{_key}}}}}} if {{
	input.tool.name in {{"pay", "send"}}
	not facts.has("done", _key){stated}
}}
"""
    write(tmp_path, demo=source)
    _, report = as_json("check", tmp_path)
    told = [one["message"] for one in report["problems"] if one["code"] == "undefined_under_not"]
    assert len(told) == (1 if warned and not stated else 0)
    assert all("_key" in one and "nothing is granted" in one for one in told)


@pytest.mark.parametrize("required", [["cents"], []])
def test_an_argument_that_its_tools_require_is_never_missing(tmp_path, required):
    rule = 'deny contains {"code": "y", "message": "y"} if not input.tool.arguments.cents > 10\n'
    write(tmp_path / "policy", demo=f"package policy.demo\n{START}\n{rule}")
    schema = {"type": "object", "properties": {"cents": {"type": "integer"}}, "required": required}
    catalogue = {"tools": [{"name": "pay", "inputSchema": schema}]}
    (tmp_path / "catalogue.yaml").write_text(json.dumps(catalogue))
    _, report = as_json("check", tmp_path / "policy", "--catalogue", tmp_path / "catalogue.yaml")
    assert [one["code"] for one in report["problems"]] == ([] if required else ["undefined_under_not"])


@pytest.mark.parametrize(("condition", "warned"), NEGATIONS)
def test_a_negation_of_what_is_missing_is_what_the_warning_says(condition, warned):
    """OPA looks values up before it calls a function with them, also under ``not``."""
    module = f"package a\n\n_m := data.limits\n\n_small(x) if x < 3\n\nholds if {condition}\n"
    nothing = b'{"tool": {"name": "zzz", "arguments": {}}, "subject": {"id": "x"}}'
    with (
        Engine() as engine,
        engine.compile({"a.rego": module}, {"limits": {"a": 1}}, entrypoints=["data.a"]) as policy,
    ):
        answer = json.loads(policy.evaluate_blocking("data.a", nothing, deadline_seconds=10))
    assert ("holds" in answer) == (condition.startswith("not") and not warned)


def test_check_measures(tmp_path):
    """With --measure the report has the time of each rule."""
    write(tmp_path, demo=GRANT_ALL)
    code, report = as_json("check", tmp_path, "--measure")
    assert code == exit_codes.OK
    assert sorted(one["rule"] for one in report["measurements"]) == [
        "policy.demo.grant",
        "policy.demo.start",
        "tabard.decision",
    ]
    assert all(one["median_us"] > 0 for one in report["measurements"])


def test_check_of_the_configured_policy(tmp_path):
    """Without a path the command checks the policy of the configuration."""
    write(tmp_path / "rules", demo=GRANT_ALL)
    (tmp_path / "tabard.yaml").write_text("policy:\n  path: rules\n")
    assert run("check", "--config", tmp_path / "tabard.yaml").exit_code == exit_codes.OK


VAULT_CONFIG = """policy: {path: rules}
vault:
  main:
    address: https://vault.example:8200
    auth: {method: jwt, role: tabard, token_file: token}
    roles: {orders-read: {engine: database, name: r, audiences: [postgres://orders]}}
"""
VAULT_RULES = """package policy.demo

import data.tabard.lib.credentials

start contains {"code": "s", "limits": {"audiences": ["postgres://orders", "postgres://bills"]}} if input.subject.id != ""

grant contains {"code": "a", "credential": credentials.vault("orders-read", "postgres://orders", 60)} if {
	input.tool.name == "a"
}

grant contains {"code": "b", "credential": credentials.vault("ordres-read", "postgres://orders", 60)} if {
	input.tool.name == "b"
}

grant contains {"code": "c", "credential": credentials.vault("orders-read", "postgres://bills", 60)} if {
	input.tool.name == "c"
}
"""


def test_check_finds_roles_that_no_configured_vault_has(tmp_path):
    """With the configuration, since it names the roles; one that is named without it isn't known."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "demo.rego").write_text(VAULT_RULES)
    (tmp_path / "tabard.yaml").write_text(VAULT_CONFIG)
    code, report = as_json("check", "--config", tmp_path / "tabard.yaml")
    assert code == exit_codes.POLICY
    assert [(problem["row"], problem["code"]) for problem in report["problems"]] == [
        (11, "credential_role_unknown"),
        (15, "credential_audience_unknown"),
    ]
    assert "did you mean 'orders-read'?" in report["problems"][0]["message"]
    assert run("check", tmp_path / "rules").exit_code == exit_codes.OK
    (tmp_path / "tabard.yaml").write_text("policy: {path: rules}\n")
    code, report = as_json("check", "--config", tmp_path / "tabard.yaml")
    assert {problem["code"] for problem in report["problems"]} == {"kind_unknown", "credential_role_unknown"}


EXCHANGE_CONFIG = """policy: {path: rules}
identity: {issuers: [{issuer: https://idp.example, audiences: [tabard], keys_file: jwks.json}]}
exchange:
  main:
    token_endpoint: https://idp.example/token
    subject_issuer: https://idp.example
    client_id: tabard
    client_secret_file: secret
    audiences: {orders: {scopes: ["orders:read"]}}
"""
EXCHANGE_RULES = """package policy.demo

import data.tabard.lib.credentials

start contains {"code": "s", "limits": {"audiences": ["orders", "bills"], "scopes": ["orders:read", "orders:write"]}} if {
	input.subject.id != ""
}

grant contains {"code": "a", "credential": credentials.exchange("orders", ["orders:read"], 60)} if {
	input.tool.name == "a"
}

grant contains {"code": "b", "credential": credentials.exchange("bills", ["orders:read"], 60)} if {
	input.tool.name == "b"
}

grant contains {"code": "c", "credential": credentials.exchange("orders", ["orders:write"], 60)} if {
	input.tool.name == "c"
}
"""


def test_check_finds_audiences_and_scopes_that_no_identity_provider_is_asked_for(tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "demo.rego").write_text(EXCHANGE_RULES)
    (tmp_path / "tabard.yaml").write_text(EXCHANGE_CONFIG)
    code, report = as_json("check", "--config", tmp_path / "tabard.yaml")
    assert code == exit_codes.POLICY
    assert [(problem["row"], problem["code"]) for problem in report["problems"]] == [
        (13, "exchange_audience_unknown"),
        (17, "exchange_scope_unknown"),
    ]
    assert "did you mean 'orders:read'?" in report["problems"][1]["message"]
    assert run("check", tmp_path / "rules").exit_code == exit_codes.OK


def test_check_without_a_policy_says_what_to_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("check")
    assert result.exit_code == exit_codes.USAGE
    assert "tabard policy check PATH" in result.output


def test_a_broken_catalogue_exits_4(tmp_path):
    (tmp_path / "c.yaml").write_text("tools: 3\n")
    result = run("check", SUPPORT / "policy", "--catalogue", tmp_path / "c.yaml")
    assert result.exit_code == exit_codes.POLICY


def evaluate(*more):
    return as_json(
        "eval", SUPPORT / "policy", "--catalogue", SUPPORT / "catalogue.yaml", "--tool", "refunds.create",
        "--arg", "order_id=o", "--arg", "customer_id=c", "--purpose", "refunds", "--agent", f"{DESK}/refunds", *more,
    )  # fmt: skip


def test_eval_shows_the_decision_and_the_deciding_rule():
    code, shown = evaluate("--arg", "amount_cents=500")
    assert (code, shown["allowed"], shown["credential"]["scopes"]) == (0, True, ["refunds:write"])
    (reason,) = shown["reasons"]
    assert (reason["code"], reason["module"]) == ("refund", "policy.refunds")
    assert reason["rule"].endswith("refunds.rego:70")


def test_eval_of_a_denial_exits_1_and_names_the_rule():
    code, shown = evaluate("--arg", "amount_cents=50000")
    assert (code, shown["allowed"]) == (exit_codes.NEGATIVE, False)
    (reason,) = shown["reasons"]
    assert (reason["code"], reason["message"]) == (
        "amount_too_high",
        "amount_cents is 50000, the limit is 10000",
    )
    assert reason["rule"].endswith("refunds.rego:94")


def test_eval_of_an_asserted_purpose():
    """With --asserted the purpose counts as asserted, and the example denies."""
    code, shown = evaluate("--arg", "amount_cents=1", "--asserted")
    assert (code, [reason["code"] for reason in shown["reasons"]]) == (1, ["purpose_mismatch"])


def test_eval_of_an_operation_without_a_tool():
    result = run("eval", SUPPORT / "policy", "--operation", "start_task", "--tool", "x")
    assert (result.exit_code, "start_task has no tool" in result.output) == (exit_codes.USAGE, True)
    result = run("eval", SUPPORT / "policy", "--operation", "delegate")
    assert (result.exit_code, "the holder is missing" in result.output) == (exit_codes.USAGE, True)


def test_eval_composes_with_the_approvals_of_the_input(tmp_path):
    rules = GRANT_ALL + (
        '\nask contains {"code": "odd", "approvers": ["a"], "reason": "odd", "uses": 1, "ttl_seconds": 60}\n'
    )
    document = policy_input(tool=tool("read"))
    arguments = ("eval", write(tmp_path, demo=rules), "--input", "-")
    code, shown = as_json(*arguments, input=json.dumps(document))
    assert (code, [reason["rule"] for reason in shown["reasons"]]) == (1, [f"{tmp_path}/demo.rego:7"])
    approver = {"id": "lead", "issuer": "https://idp.example"}
    document["approvals"] = [{"module": "demo", "code": "odd", "approver": approver, "approved_at": 1.0}]
    assert run(*arguments, input=json.dumps(document)).exit_code == exit_codes.OK


def test_eval_tells_what_the_catalogue_refuses():
    result = run(
        "eval",
        SUPPORT / "policy",
        "--catalogue",
        SUPPORT / "catalogue.yaml",
        "--tool",
        "tickets.read",
        "--arg",
        "id=1",
    )
    assert result.exit_code == exit_codes.USAGE


def test_eval_of_a_whole_input(tmp_path):
    """An input may come from a file or standard input; one that breaks the schema is a usage error."""
    document = policy_input(tool=tool("tickets.read", ticket_id="1"))
    code, shown = as_json("eval", SUPPORT / "policy", "--input", "-", input=json.dumps(document))
    assert (code, shown["reasons"][0]["code"]) == (0, "read")
    document["subjct"] = {}
    (tmp_path / "input.json").write_text(json.dumps(document))
    result = run("eval", SUPPORT / "policy", "--input", tmp_path / "input.json")
    assert result.exit_code == exit_codes.USAGE


def test_eval_of_a_broken_policy_exits_4(tmp_path):
    assert run("eval", write(tmp_path, broken=BROKEN), "--tool", "x").exit_code == exit_codes.POLICY


def test_eval_for_people():
    """Without --json the command prints the decision and its reasons in lines."""
    result = run("eval", SUPPORT / "policy", "--tool", "exports.create", "--agent", f"{DESK}/refunds")
    assert result.exit_code == exit_codes.NEGATIVE
    assert result.output.startswith("deny\n  no_grant")


@pytest.mark.parametrize("name", ["support", "quickstart", "bank", "callbacks"])
def test_the_examples_pass_their_tests_with_every_line_covered(name):
    code, report = as_json("test", REPOSITORY / "rego" / "examples" / name / "policy", "--threshold", "100")
    assert (code, report["coverage"], report["failed"], report["uncovered"]) == (0, 100, [], {})


@pytest.mark.parametrize("name", ["support", "quickstart", "bank"])
def test_the_examples_pass_the_check_without_a_warning(name):
    example = REPOSITORY / "rego" / "examples" / name
    code, report = as_json("check", example / "policy", "--catalogue", example / "catalogue.yaml")
    assert (code, report["problems"]) == (0, [])


def test_tests_of_the_library_pass(tmp_path):
    """Those of two modules; tests/integration/cli/test_library.py runs all."""
    for name in ("budgets", "labels"):
        shutil.copy(REPOSITORY / "rego" / "tabard" / "lib" / name / f"{name}_test.rego", tmp_path)
    code, report = as_json("test", tmp_path, "--no-coverage")
    assert (code, report["passed"], report["failed"]) == (0, 7, [])


def test_a_failing_test_exits_1(tmp_path):
    write(tmp_path, demo=GRANT_ALL, demo_test="package policy.demo_test\n\ntest_no if false\n")
    code, report = as_json("test", tmp_path)
    assert code == exit_codes.NEGATIVE
    assert report["failed"][0].endswith("demo_test.rego:3 data.policy.demo_test.test_no")


@pytest.mark.parametrize(
    "call",
    ['http.send({"method": "get", "url": "http://127.0.0.1:1"})', "opa.runtime()", 'net.lookup_ip_addr("a")'],
)
def test_tests_reach_neither_network_nor_environment(tmp_path, call):
    write(tmp_path, demo=GRANT_ALL, demo_test=f"package policy.demo_test\n\ntest_out if {call}\n")
    result = run("test", tmp_path)
    assert result.exit_code == exit_codes.POLICY
    assert f"undefined function {call.partition('(')[0]}" in result.output


def test_tests_may_ask_for_the_time(tmp_path):
    write(tmp_path, demo=GRANT_ALL, demo_test="package policy.demo_test\n\ntest_now if time.now_ns() > 0\n")
    assert run("test", tmp_path).exit_code == exit_codes.OK


def test_lines_that_no_test_reaches_are_told(tmp_path):
    write(tmp_path, demo=GRANT_ALL, demo_test="package policy.demo_test\n\ntest_yes if true\n")
    assert run("test", tmp_path).exit_code == exit_codes.OK
    result = run("test", tmp_path, "--threshold", "50")
    assert result.exit_code == exit_codes.NEGATIVE
    assert "demo.rego: 0 % covered; no test or case reaches lines 3, 5" in result.output
    assert "at least 50 % of the lines have to be covered" in result.output


def test_no_tests_are_no_success(tmp_path):
    assert run("test", write(tmp_path, demo=GRANT_ALL)).exit_code == exit_codes.NEGATIVE


CASES = """\
cases:
  - {name: reading, tool: read, expect: {effect: allow, code: ok}}
  - {name: writing, tool: write, expect: {effect: deny}}
"""


def with_cases(folder, text=CASES):
    write(folder, demo=GRANT_ALL)
    (folder / "demo_cases.yaml").write_text(text)
    return folder


def test_cases_run_beside_the_rego_tests(tmp_path):
    write(tmp_path, demo_test="package policy.demo_test\n\ntest_yes if true\n")
    code, report = as_json("test", with_cases(tmp_path))
    assert (code, report["ok"], report["passed"]) == (exit_codes.NEGATIVE, False, 2)
    assert report["failed"] == [f"{tmp_path}/demo_cases.yaml:3 writing"]
    assert report["cases"]["passed"] == 1
    (failed,) = report["cases"]["failed"]
    assert (failed["line"], failed["name"]) == (3, "writing")
    assert failed["differences"] == [{"part": "effect", "expected": "deny", "actual": "allow"}]


def test_every_rego_test_is_told_on_demand(tmp_path):
    write(tmp_path, demo_test="package policy.demo_test\n\ntest_yes if true\n")
    folder = with_cases(tmp_path)
    assert "test_yes: PASS" in run("test", folder, "--run", "yes", "-v").output
    assert "test_yes" not in run("test", folder, "--run", "yes").output
    write(tmp_path, demo_test="package policy.demo_test\n\ntest_yes if true\n\ntest_no if false\n")
    assert "test_no: FAIL" in run("test", folder, "--run", "yes|no").output


def test_failed_cases_for_people(tmp_path):
    result = run("test", with_cases(tmp_path), "--no-coverage")
    assert result.exit_code == exit_codes.NEGATIVE
    assert result.output == (
        f"{tmp_path}/demo_cases.yaml:3: FAIL writing\n"
        "    effect: expected deny, got allow\n"
        f"    decided by ok by policy.demo ({tmp_path}/demo.rego:3)\n"
        "1 passed (0 tests, 1 case), 1 failed\n"
    )


def test_cases_alone_are_enough(tmp_path):
    folder = with_cases(tmp_path)
    code, report = as_json("test", folder, "--run", "reading")
    assert (code, report["passed"], report["coverage"]) == (exit_codes.OK, 1, 50)
    assert report["uncovered"] == {f"{tmp_path}/demo.rego": [5]}
    assert run("test", folder, "--run", "nothing").exit_code == exit_codes.NEGATIVE
    assert "demo_cases.yaml:2: PASS reading" in run("test", folder, "-v").output


TWO_TOOLS = """\
package policy.demo

import data.lib.limits

_most := 5

grant contains {"code": "read"} if {
	input.tool.name == "read"
	input.tool.arguments.amount < _most
}

grant contains {"code": "write"} if {
	input.tool.name == "write"
	limits.small(input.tool.arguments.amount)
}
"""
SMALL = "package lib.limits\n\nsmall(n) if {\n\tn < 3\n\tn > 0\n}\n"
READS = """\
cases:
  - {name: reads, tool: read, arguments: {amount: 1}, expect: {effect: allow}}
"""
WRITES = """\
package policy.demo_test

import data.policy.demo

test_writes if demo.grant == {{"code": "write"}} with input as {"tool": {"name": "write", "arguments": {"amount": 1}}}
"""


def test_coverage_is_of_tests_and_cases_together(tmp_path):
    """Each alone leaves lines out, also in helpers and of constants; both together leave none."""
    write(tmp_path, demo=TWO_TOOLS + START)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "limits.rego").write_text(SMALL)
    (tmp_path / "demo_cases.yaml").write_text(READS)
    demo, limits = f"{tmp_path}/demo.rego", f"{tmp_path}/lib/limits.rego"
    code, report = as_json("test", tmp_path)
    assert code == exit_codes.OK
    # The rule of START has no case: that its budgets are read isn't a test of it.
    start = TWO_TOOLS.count("\n") + 2
    assert report["uncovered"] == {demo: [12, 13, 14, start], limits: [3, 4, 5]}
    assert 0 < report["coverage"] < 100
    assert report["modules"][limits] == {"coverage": 0, "covered": 0, "uncovered": [3, 4, 5]}
    shown = run("test", tmp_path, "--minimum-coverage", "99")
    assert shown.exit_code == exit_codes.NEGATIVE
    assert f"{limits}: 0 % covered; no test or case reaches lines 3-5" in shown.output
    (tmp_path / "demo_cases.yaml").write_text(
        f"{READS}  - {{name: starts, operation: start_task, expect: {{effect: allow}}}}\n"
    )
    write(tmp_path, demo_test=WRITES)
    code, report = as_json("test", tmp_path, "--minimum-coverage", "100")
    assert (code, report["coverage"], report["uncovered"]) == (exit_codes.OK, 100, {})
    assert f"{limits}: 100 % covered" in run("test", tmp_path, "-v").output
    _, report = as_json("test", tmp_path, "--run", "writes")
    assert set(report["uncovered"][demo]) > {5, 7, 9}
    assert as_json("test", tmp_path, "--no-coverage")[1]["coverage"] is None


def test_a_failure_leaves_coverage_unmeasured(tmp_path):
    folder = with_cases(tmp_path)
    write(tmp_path, demo_test="package policy.demo_test\n\ntest_no if false\n")
    code, report = as_json("test", folder)
    assert (code, report["coverage"], report["modules"]) == (exit_codes.NEGATIVE, None, {})
    assert run("test", folder, "--minimum-coverage", "1").exit_code == exit_codes.NEGATIVE


def test_a_wrong_file_with_cases_exits_4(tmp_path):
    result = run("test", with_cases(tmp_path, "cases:\n  - {name: a, tol: x, expect: {effect: deny}}\n"))
    assert result.exit_code == exit_codes.POLICY
    assert f'{tmp_path}/demo_cases.yaml:2:15: error case: cases.0.tol: unknown key "tol"' in result.output
    assert 'Did you mean "tool"?' in result.output


def test_cases_need_the_folder_of_their_policy(tmp_path):
    result = run("test", with_cases(tmp_path) / "demo_cases.yaml")
    assert result.exit_code == exit_codes.USAGE
    assert "name the policy's folder" in result.output


def test_a_pattern_that_is_none_is_a_usage_error(tmp_path):
    assert run("test", with_cases(tmp_path), "--run", "(").exit_code == exit_codes.USAGE


def test_cases_use_the_configured_options_and_catalogue(tmp_path):
    rules = GRANT_ALL.replace('if input.operation == "authorize"', "if data.tabard.lib.intent.trusted")
    write(tmp_path / "rules", demo=rules)
    (tmp_path / "rules" / "demo_cases.yaml").write_text("""\
defaults: {tool: read, intent_source: asserted}
cases:
  - {name: asserted, arguments: {id: 1}, expect: {effect: allow}}
  - {name: refused, arguments: {id: x}, expect: {effect: deny, code: arguments_invalid}}
""")
    (tmp_path / "tools.yaml").write_text(
        "tools: [{name: read, inputSchema: {properties: {id: {type: integer}}}}]\n"
    )
    (tmp_path / "tabard.yaml").write_text(
        "policy: {path: rules}\ncatalogue: {path: tools.yaml}\ninsecure: {accept_asserted_intent: true}\n"
    )
    code, report = as_json("test", "--config", tmp_path / "tabard.yaml")
    assert (code, report["cases"]["passed"], report["cases"]["failed"]) == (exit_codes.OK, 2, [])
    code, report = as_json("test", tmp_path / "rules", "--catalogue", tmp_path / "tools.yaml")
    assert [case["name"] for case in report["cases"]["failed"]] == ["asserted"]


def test_a_decision_that_a_sidecar_may_cut_is_told(tmp_path):
    """By its processor time, beside the configured deadline; where that is far away, nothing is told."""
    slow = "count([1 | some a in numbers.range(1, 300); some b in numbers.range(1, 300); a * b == 7]) == 2"
    rules = GRANT_ALL.replace('if input.operation == "authorize"', f"if {slow}")
    write(tmp_path / "rules", demo=rules)
    cases = tmp_path / "rules" / "demo_cases.yaml"
    cases.write_text("cases:\n  - {name: slow, tool: read, expect: {effect: allow}}\n")
    config = tmp_path / "tabard.yaml"
    config.write_text("policy: {path: rules, deadline_seconds: 0.005}\n")
    for command in (("test",), ("eval", "--cases", cases)):
        shown = run(*command, "--config", config)
        assert re.search(
            r"warning: .*demo_cases\.yaml:2: deciding 'slow' takes \d+ ms; a sidecar denies after 5 ms",
            shown.output,
        )
        assert shown.exit_code == exit_codes.OK
        assert "warning" not in run(*command, tmp_path / "rules").output
    _, report = as_json("test", "--config", config)
    slowest = report["cases"]["slowest"]
    assert (slowest["name"], slowest["line"], slowest["deadline_seconds"]) == ("slow", 2, 0.005)
    assert slowest["seconds"] > 0.005


def test_the_schema_of_cases_is_printed():
    schema = json.loads(run("case-schema").output)
    assert (schema["title"], schema["additionalProperties"]) == ("Decision cases of a policy", False)


def test_modules_that_do_not_compile_exit_4(tmp_path):
    assert (
        run("test", write(tmp_path, demo="package policy.demo\n\ndeny contains {\n")).exit_code
        == exit_codes.POLICY
    )


def test_data_is_where_the_sidecar_puts_it(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "data.json").write_text('{"b": 1}')
    (tmp_path / "data.yaml").write_text("c: 2\n")
    source = "package policy.demo_test\n\ntest_data if {\n\tdata.a.b == 1\n\tdata.c == 2\n}\n"
    assert run("test", write(tmp_path, demo=GRANT_ALL, demo_test=source)).exit_code == exit_codes.OK


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_new_module_passes_check_and_tests_with_every_line_covered(tmp_path, template):
    assert run("new", "two_words", "--template", template, "--into", tmp_path).exit_code == exit_codes.OK
    code, report = as_json("check", tmp_path)
    assert (code, report["problems"]) == (exit_codes.OK, [])
    code, report = as_json("test", tmp_path, "--coverage")
    assert (code, report["coverage"], report["failed"]) == (exit_codes.OK, 100, [])
    assert report["cases"]["passed"] >= 4
    formatted = subprocess.run([opa_binary(), "fmt", "--list", tmp_path], capture_output=True, check=True)
    assert formatted.stdout == b""


def test_the_starter_passes_with_its_catalogue():
    starter = REPOSITORY / "rego" / "starter"
    options = (starter / "policy", "--catalogue", starter / "catalogue.yaml")
    code, report = as_json("check", *options)
    assert (code, report["problems"]) == (exit_codes.OK, [])
    code, report = as_json("test", *options)
    assert (code, report["failed"]) == (exit_codes.OK, [])
    assert report["cases"]["passed"] >= 100


def test_the_rules_of_a_new_module_read_its_data(tmp_path):
    run("new", "hr_desk", "--into", tmp_path)
    data = tmp_path / "hr_desk" / "data.yaml"
    data.write_text(data.read_text().replace('"hr_desk"', '"other"'))
    assert run("test", tmp_path).exit_code == exit_codes.NEGATIVE


def test_the_templates_are_those_that_the_command_names():
    (choice,) = (one.type.choices for one in policy.commands["new"].params if one.name == "template")
    assert list(choice) == list(TEMPLATES)
    result = run("new", "x", "--template", "none")
    assert result.exit_code == exit_codes.USAGE


def test_a_new_module_overwrites_nothing(tmp_path):
    assert run("new", "hr", "--into", tmp_path).exit_code == exit_codes.OK
    before = (tmp_path / "hr" / "hr.rego").read_text()
    assert run("new", "hr", "--into", tmp_path).exit_code == exit_codes.USAGE
    assert (tmp_path / "hr" / "hr.rego").read_text() == before


@pytest.mark.parametrize("name", ["", "A", "../x", "a.b", "a-b", "x_test", "1a", "if", "lib"])
def test_a_name_that_is_none_is_refused(tmp_path, name):
    assert run("new", "--into", tmp_path, "--", name).exit_code == exit_codes.USAGE


def test_check_warns_of_what_serving_would_refuse_for_its_mode(tmp_path):
    """A build machine may check files that belong to another user; a sidecar doesn't serve them."""
    folder = write(tmp_path / "rules", demo=GRANT_ALL + START)
    folder.chmod(0o777)
    code, report = as_json("check", folder)
    assert code == exit_codes.OK
    assert [(one["code"], one["severity"]) for one in report["problems"]] == [("untrusted", "warning")]


def test_check_tells_which_data_is_ignored(tmp_path):
    """Also where the policy is broken because of it. Cases, catalogues, hidden files and read data aren't told."""
    folder = write(tmp_path, demo=GRANT_ALL)
    for name in ("data.json", "catalogue.json", ".hidden.json", "sub/employees.yaml", "suppliers.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    (folder / "x_cases.yaml").write_text("")
    code, report = as_json("check", folder)
    told = [(problem["file"], problem["severity"]) for problem in report["problems"]]
    assert (code, told) == (
        0,
        [(f"{folder}/sub/employees.yaml", "warning"), (f"{folder}/suppliers.json", "warning")],
    )
    write(tmp_path, demo=GRANT_ALL + "\n_known := data.suppliers\n")
    code, report = as_json("check", folder)
    assert code == exit_codes.POLICY
    assert f"{folder}/suppliers.json" in {problem["file"] for problem in report["problems"]}


def test_a_misspelt_field_is_one_mistake_and_names_the_right_one(tmp_path):
    """Whether the element is constant or not."""
    for mesage in ('"no"', 'sprintf("%s", [input.tool.name])'):
        rules = (
            GRANT_ALL + f'\ndeny contains {{"code": "no", "mesage": {mesage}}} if input.tool.name == "x"\n'
        )
        code, report = as_json("check", write(tmp_path, demo=rules))
        (problem,) = report["problems"]
        assert (code, problem["message"]) == (exit_codes.POLICY, "deny: 'mesage' is not a known name")
        assert "did you mean 'message'?" in problem["next_step"]


@pytest.mark.parametrize(
    ("rule", "step"),
    [
        ('grant contains {"code": "a"} if intent.purpose_is("x")', "Add `import data.tabard.lib.intent`"),
        ('grant contains {"code": "a"} if labels.untrusted', "Add `import data.tabard.lib.labels`"),
        ('grant[x] { x := {"code": "a"} }', "Write Rego v1: `grant contains"),
    ],
)
def test_mistakes_that_opa_tells_have_a_next_step(tmp_path, rule, step):
    """A missing import and the syntax of Rego v0."""
    _, report = as_json("check", write(tmp_path, demo=f"package policy.demo\n{START}\n{rule}\n"))
    assert any(problem["next_step"].startswith(step) for problem in report["problems"])


def test_a_helper_that_cannot_be_parsed_is_told_alone(tmp_path):
    """Not followed by an error for every rule that uses it."""
    helper = 'package lib.desk\n\n# METADATA\n# description: One: two\nopen if input.subject.id == "a"\n'
    rules = 'package policy.demo\n\nimport data.lib.desk\n\ngrant contains {"code": "a"} if desk.open\n'
    folder = write(tmp_path, demo=rules + START)
    (folder / "lib").mkdir()
    (folder / "lib" / "desk.rego").write_text(helper)
    _, report = as_json("check", folder)
    assert {problem["file"] for problem in report["problems"]} == {f"{folder}/lib/desk.rego"}


MATRIX = """\
matrices:
  - {name: m, requests: [hello, "good bye"], calls: [read, write], expect: deny}
"""


def test_a_failed_cell_is_one_line(tmp_path):
    folder = with_cases(tmp_path, MATRIX)
    lines = run("test", folder).output.splitlines()
    assert lines[0] == (
        f"{tmp_path}/demo_cases.yaml:2: FAIL m: hello / read: effect: expected deny, got allow; allow by ok"
    )
    assert (len(lines), lines[-1]) == (5, "0 passed (0 tests, 0 cases), 4 failed")
    assert "    decided by ok by policy.demo" in run("test", folder, "-v").output


def test_many_failed_cases_are_a_line_each(tmp_path):
    cases = "".join(f"  - {{name: c{n}, tool: t, expect: {{effect: deny}}}}\n" for n in range(11))
    assert len(run("test", with_cases(tmp_path, f"cases:\n{cases}")).output.splitlines()) == 12


def test_eval_prints_what_the_policy_says_about_each_case(tmp_path):
    write(
        tmp_path / "p", demo=GRANT_ALL.replace('input.operation == "authorize"', 'input.tool.name == "read"')
    )
    file = tmp_path / "calls.yaml"
    file.write_text(MATRIX.replace(", expect: deny", ""))
    result = run("eval", tmp_path / "p", "--cases", file)
    assert (result.exit_code, result.output.splitlines()) == (
        exit_codes.OK,
        [
            "allow  ok        m: hello / read",
            "deny   no_grant  m: hello / write",
            "allow  ok        m: good bye / read",
            "deny   no_grant  m: good bye / write",
            "4 decided: 2 allow, 0 ask, 2 deny",
        ],
    )
    _, told = as_json("eval", tmp_path / "p", "--cases", file)
    assert [(one["effect"], one["codes"]) for one in told["cases"]][:2] == [
        ("allow", ["ok"]),
        ("deny", ["no_grant"]),
    ]
    refused = run("eval", tmp_path / "p", "--cases", file, "--tool", "read")
    assert refused.exit_code == exit_codes.USAGE
    assert "--cases and --tool exclude each other" in refused.output


def test_eval_chooses_among_cases_and_shows_expressions(tmp_path):
    write(
        tmp_path / "p", demo=GRANT_ALL.replace('input.operation == "authorize"', 'input.tool.name == "read"')
    )
    file = tmp_path / "calls.yaml"
    file.write_text(MATRIX.replace(", expect: deny", ""))
    choice = ("--cases", file, "--run", "hello|none", "--effect", "deny", "--show", "input.tool.name")
    result = run("eval", tmp_path / "p", *choice)
    assert (result.exit_code, result.output.splitlines()) == (
        exit_codes.OK,
        [
            "deny   no_grant  m: hello / write",
            '       input.tool.name = "write"',
            "1 chosen: 0 allow, 0 ask, 1 deny",
        ],
    )
    _, told = as_json("eval", tmp_path / "p", *choice)
    assert [(one["name"], one["shown"][0]["values"]) for one in told["cases"]] == [
        ("m: hello / write", ["write"])
    ]
    _, plain = as_json("eval", tmp_path / "p", "--cases", file)
    assert "shown" not in plain["cases"][0]
    nothing = run("eval", tmp_path / "p", "--cases", file, "--effect", "ask", "--show", "input")
    assert nothing.output.splitlines() == ["0 chosen: 0 allow, 0 ask, 0 deny"]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--effect", "deny"), "--effect needs --cases FILE"),
        (("--run", "x"), "--run needs --cases FILE"),
        (("--run", "(", "--cases", "calls.yaml"), "--run: '(' is no regular expression"),
        (("--show", "no_such", "--cases", "calls.yaml"), "--show: "),
    ],
)
def test_eval_refuses_a_choice_that_is_none(tmp_path, monkeypatch, flags, told):
    write(tmp_path / "p", demo=GRANT_ALL)
    (tmp_path / "calls.yaml").write_text(MATRIX.replace(", expect: deny", ""))
    monkeypatch.chdir(tmp_path)
    result = run("eval", "p", *flags)
    assert result.exit_code == exit_codes.USAGE
    assert told in result.output
