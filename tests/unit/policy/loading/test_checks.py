"""Mistakes in a policy that are refused: with each of them plain OPA evaluates as if a rule didn't exist."""

from __future__ import annotations

import pytest
from tabard_sidecar.policy.loading.compiling import CompileOptions, capabilities, compile_policy
from tabard_sidecar.policy.problems import PolicyBrokenError

from tests.support.policy import GRANT_ALL, START

HEAD = "package policy.demo\n\n"
DATA = {"people": {"blocked": {"eve": True}}}


def found(engine, source, *, data=DATA, **more):
    """Return (file, row, code, severity) of every problem of one module and others beside it."""
    modules = {"demo.rego": source, **{f"{name}.rego": text for name, text in more.items()}}
    try:
        compiled = compile_policy(engine, modules, data, CompileOptions())
    except PolicyBrokenError as error:
        return [(problem.file, problem.row, problem.code) for problem in error.problems]
    compiled.close()
    return []


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ('deny if input.agent.id == "x"', "rule_shape"),
        ("deny := true", "rule_shape"),
        ("default deny := false", "rule_shape"),
        ("grant := {}", "rule_shape"),
        ('grant := {"code": "ok"} if input.agent.id == "x"', "rule_shape"),
        ('grant["code"] := "ok"', "rule_shape"),
        ('grant[x] if x := "ok"', "rule_shape"),
        ('grant.demo contains {"code": "ok"}', "rule_shape"),
        ('deny(x) := {"code": "no", "message": "no"} if x', "rule_shape"),
        ('denny contains {"code": "no", "message": "no"}', "public_rule"),
        ("allow := true", "public_rule"),
        ("default allow := false", "public_rule"),
        ("helper := 1", "public_rule"),
        ("violation contains 1", "public_rule"),
        ('deny contains {"code": "no", "mesage": "no"}', "element"),
        ('deny contains {"code": "no"}', "element"),
        ('deny contains {"code": "No!", "message": "no"}', "element"),
        ('deny contains "no"', "element"),
        ('deny contains {"code": "no", "mesage": input.agent.id}', "element"),
        ('grant contains {"code": "ok", "credental": {"kind": "jwt"}}', "element"),
        ('grant contains {"code": "ok", "credential": {"kind": "jwtt", "audience": input.agent.id}}', "element"),
        ('grant contains {"code": "ok", "credential": {"kind": "jwt", "scope": [input.agent.id]}}', "element"),
        ('grant contains {"code": "ok", "credential": {"kind": "jwt", "audience": "a"}}', "element"),
        ('grant contains {"code": "ok", "charges": {"cents": 1}, "reuse": true}', "element"),
        ('grant contains {"code": "ok", "charges": {"cents": input.tool.arguments.n}, "credential": {"kind": "jwt", "audience": "a", "ttl_seconds": 9, "single_use": false}}', "element"),
        ('grant contains {"code": "ok", "credential": {"kind": "jwt", "audience": "a", "ttl_seconds": 9, "single_use": true, "uses": 2}}', "element"),
        ('grant contains {"code": "ok", "charges": {"cents": 1}, "reuse": true, "credential": {"kind": "jwt", "audience": "a", "ttl_seconds": 9, "uses": 2}}', "element"),
        ('grant contains {"code": "ok", "credential": {"kind": "jwt", "audience": "a", "ttl_seconds": 9, "uses": 101}}', "element"),
        ('grant contains {"code": "ok", "credential": {"kind": "none", "uses": 2}}', "element"),
        ('start contains {"code": "ok", "limits": {"tool": ["x"]}}', "element"),
        ('deny contains {"code": "task_ended", "message": "m"}', "element"),
        ('grant contains {"code": "ok", "labels": ["reported:x"]}', "element"),
        ('ask contains {"code": "ok", "approvers": [], "reason": "r", "uses": 1, "ttl_seconds": 1}', "element"),
        ('renew contains {"code": "ok"}', "element"),
    ],
)  # fmt: skip
def test_a_rule_that_would_never_be_asked_is_refused_with_its_line(engine, rule, code):
    assert ("demo.rego", 3, code) in found(engine, HEAD + rule + "\n")


IMPORT = "package policy.demo\n\nimport data.tabard.lib.credentials\n\n"


@pytest.mark.parametrize(
    ("element", "path"),
    [
        ('{"code": "ok", "credential": credentials.jwt("a", "read", 60)}', "credential.scopes"),
        (
            '{"code": "ok", "credential": credentials.at_edge(credentials.jwt("a", "read", 60))}',
            "credential.scopes",
        ),
        ('{"code": "ok", "credential": credentials.once("a", ["read"], 0)}', "credential.ttl_seconds"),
        ('{"code": input.agent.id, "credential": credentials.once("", [input.agent.id], 9)}', "credential.audience"),
        ('{"code": "ok", "credential": _for(["read"])}', "credential.scopes.0"),
        ('_element("Not lower case")', "code"),
    ],
)  # fmt: skip
def test_an_element_that_simple_functions_make_is_checked_like_a_literal(engine, element, path):
    helpers = (
        '\ngrant contains _element("ok") if false\n'
        '\n_for(scope) := credentials.jwt("a", [scope], 60)\n'
        '\n_element(code) := {"code": code, "credential": _for("read")}\n'
    )
    source = IMPORT + f'grant contains {element} if input.tool.name == "x"\n' + helpers
    with pytest.raises(PolicyBrokenError) as caught:
        compile_policy(engine, {"demo.rego": source}, {}, CompileOptions())
    (problem,) = caught.value.problems
    assert (problem.row, problem.code) == (5, "element")
    assert problem.message.startswith(f"grant: '{path}' ")


@pytest.mark.parametrize(
    "helper",
    [
        '_made(code) := {"code": code} if input.agent.id != ""',
        '_made(code) := {"code": "Not lower case"} if code == "x"\n\n_made(code) := {"code": code} if code != "x"',
        '_made("x") := {"code": "Not lower case"}',
        '_made(code) := {"code": lower(code)}',
        '_made(code) := {"code": _codes[code]}\n\n_codes := {"Yes": "yes"}',
    ],
)
def test_what_a_function_returns_is_not_guessed(engine, helper):
    """Nothing is refused that may turn out right."""
    source = HEAD + f'grant contains _made("Yes") if input.agent.id == "a"\n\n{helper}\n'
    assert found(engine, source + START) == []


def test_a_rule_whose_element_a_function_makes_is_found_by_its_code(engine):
    source = (
        IMPORT
        + (
            'grant contains _made("first") if input.tool.name == "a"\n\n'
            'grant contains _made("second") if input.tool.name == "b"\n\n'
            '_made(code) := {"code": code, "credential": credentials.jwt("a", [], 60)}\n'
        )
        + START
    )
    compiled = compile_policy(engine, {"demo.rego": source}, {}, CompileOptions())
    compiled.close()
    assert compiled.rules.locate("demo", "grant", "second") == "demo.rego:7"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("data.policy.other.grant != set()", "reads_policy"),
        ("data.policy[_].grant != set()", "reads_policy"),
        ("count(data.policy) > 0", "reads_policy"),
        ("[data.policy.other.grant][0] != set()", "reads_policy"),
        ('object.get({}, "x", data.policy.other).grant != set()', "reads_policy"),
        ("data[input.agent.id]", "data_whole"),
        ('walk(data, [["x"], _])', "data_whole"),
        ("count(data) > 0", "data_whole"),
        ("data.tabard.decision", "reads_reserved"),
        ("data.tabard.settings.accept_asserted_intent", "reads_reserved"),
        ("data.tabard", "reads_reserved"),
        ("data.system.log.mask", "reads_reserved"),
        ("data.tabard.lib.chain.dept_at_most(3)", "rule_unknown"),
        ("data.lib.absent.rule", "rule_unknown"),
        ("data.peeple.blocked.eve", "data_unknown"),
        ("input.subjct.id", "rego_type_error"),
        ("input.subject.name", "rego_type_error"),
        ("input.tool.args.amount > 3", "rego_type_error"),
        ("input.delegation.chain[0].holdr", "rego_type_error"),
        ("input.operation.name", "rego_type_error"),
        ('http.send({"method": "get", "url": "http://localhost"})', "rego_type_error"),
        ("time.now_ns() > 3", "rego_type_error"),
        ('rand.intn("x", 3) > 1', "rego_type_error"),
        ('uuid.rfc4122("x")', "rego_type_error"),
        ("opa.runtime()", "rego_type_error"),
        ('net.lookup_ip_addr("x")', "rego_type_error"),
        ("undefined_function(3)", "rego_type_error"),
        ("unsafe == 3", "rego_unsafe_var_error"),
    ],
)  # fmt: skip
def test_a_reference_that_leads_nowhere_or_too_far_is_refused_with_its_line(engine, body, code):
    source = HEAD + f'deny contains {{"code": "no", "message": "no"}} if {{\n\t{body}\n}}\n'
    other = 'package policy.other\n\ngrant contains {"code": "ok"} if false\n'
    assert ("demo.rego", 4, code) in found(engine, source, other=other)


@pytest.mark.parametrize(
    ("package", "code"),
    [
        ("policy", "package"),
        ("policy.demo.extra", "package"),
        ("policies.demo", "package"),
        ("demo", "package"),
        ("lib", "package"),
        ("system", "package"),
        ("system.authz", "package"),
        ("tabard", "package_reserved"),
        ("tabard.lib.intent", "package_reserved"),
    ],
)
def test_a_package_that_would_never_be_asked_is_refused(engine, package, code):
    source = f'package {package}\n\ndeny contains {{"code": "no", "message": "no"}}\n'
    assert ("demo.rego", 1, code) in found(engine, source, other=GRANT_ALL)


def test_reading_another_module_through_an_import_is_refused(engine):
    source = 'package policy.demo\n\nimport data.policy.other\n\ndeny contains {"code": "no", "message": "no"} if other.grant\n'
    other = 'package policy.other\n\ngrant contains {"code": "ok"} if false\n'
    problems = found(engine, source, other=other)
    assert ("demo.rego", 3, "reads_policy") in problems
    assert ("demo.rego", 5, "reads_policy") in problems


def test_replacing_another_modules_rules_is_refused(engine):
    source = (
        HEAD + 'deny contains {"code": "no", "message": "no"} if {\n\ttrue with data.policy.other as {}\n}\n'
    )
    assert ("demo.rego", 4, "reads_policy") in found(engine, source)


def test_helpers_that_read_policies_are_refused(engine):
    source = "package lib.sly\n\nall := data.policy.demo.grant\n"
    assert ("sly.rego", 3, "reads_policy") in found(engine, GRANT_ALL, sly=source)


def test_every_problem_of_every_file_is_told_at_once(engine):
    broken = "package policy.broken\n\ndeny contains {\n"
    problems = found(engine, HEAD + "deny if true\n\nallow := 1\n", broken=broken, stray="package stray\n")
    assert {(file, code) for file, _, code in problems} == {
        ("broken.rego", "rego_parse_error"),
        ("demo.rego", "public_rule"),
        ("demo.rego", "rule_shape"),
        ("stray.rego", "package"),
    }


def test_a_module_may_read_its_own_rules_helpers_library_and_data(engine):
    source = """\
package policy.demo

import data.lib.desk
import data.people
import data.tabard.lib.intent

_blocked if people.blocked[input.subject.id]

deny contains {"code": "blocked", "message": "blocked"} if _blocked

grant contains {"code": "ok"} if {
	intent.purpose_is("x")
	desk.open
	count(deny) == 0
	not data.people.blocked.eve == false
}
"""
    helper = "package lib.desk\n\nopen if input.context.time > 3\n"
    assert found(engine, source + START, desk=helper) == []


def test_a_misspelt_name_is_told_with_the_nearest(engine):
    with pytest.raises(PolicyBrokenError, match="did you mean 'deny'\\?"):
        compile_policy(engine, {"demo.rego": HEAD + "denny contains 1\n"}, {}, CompileOptions())


def test_a_policy_without_modules_is_refused(engine):
    assert found(engine, "package lib.alone\n\nx := 1\n") == [("demo.rego", 0, "empty")]


def test_a_mask_is_checked_against_its_own_input(engine):
    mask = 'package system.log\n\nmask contains "/input/tool/arguments" if input.result.allowed == false\n'
    assert found(engine, GRANT_ALL, mask=mask) == []


def test_a_rule_of_the_log_that_is_never_asked_is_refused(engine):
    log = "package system.log\n\ndrop := true\n"
    assert found(engine, GRANT_ALL, log=log) == [("log.rego", 3, "system_rule")]


@pytest.mark.parametrize("insecure", [frozenset(), frozenset({"json.match_schema"})])
def test_schemas_of_an_opa_server_are_withheld(insecure):
    """A server other than ours opens the files that a schema refers to."""
    here = {one["name"] for one in capabilities(CompileOptions())["builtins"]}
    there = {
        one["name"]
        for one in capabilities(CompileOptions(insecure_builtins=insecure, remote=True))["builtins"]
    }
    assert here - there == {"json.match_schema", "json.verify_schema"} - insecure


def test_more_rego_than_is_accepted_is_refused_before_it_is_parsed(engine):
    much = GRANT_ALL + "\n_x := [" + "1," * 300_000 + "1]\n"
    assert found(engine, much) == [("", 0, "limit")]


def test_withheld_builtins_come_back_only_by_name():
    names = {builtin["name"] for builtin in capabilities(CompileOptions())["builtins"]}
    assert names.isdisjoint({"http.send", "time.now_ns", "opa.runtime"})
    assert capabilities(CompileOptions())["allow_net"] == []
    some = capabilities(CompileOptions(insecure_builtins=frozenset({"time.now_ns"})))
    assert "time.now_ns" in {builtin["name"] for builtin in some["builtins"]}
    assert some["allow_net"] == []
    assert "allow_net" not in capabilities(CompileOptions(insecure_builtins=frozenset({"http.send"})))


def test_the_library_cannot_be_told_that_intents_are_signed(engine):
    source = (
        HEAD
        + 'grant contains {"code": "ok"} if {\n\tdata.tabard.lib.intent.trusted with data.tabard.settings as {}\n}\n'
    )
    assert ("demo.rego", 4, "reads_reserved") in found(engine, source)
