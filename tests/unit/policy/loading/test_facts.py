"""Facts that rules read are noted by some grant, and each name is of one kind everywhere."""

from __future__ import annotations

import pytest
from tabard_sidecar.facts import MOST_NAMES, FactKind
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy
from tabard_sidecar.policy.problems import PolicyBrokenError

HEAD = """package policy.demo

import data.tabard.lib.facts

start contains {"code": "s", "limits": {"tools": ["*"], "audiences": ["A"]}} if input.subject.id != ""

"""
NOTING = """grant contains {
	"code": "cancel",
	"facts": {"orders": {input.tool.arguments.id}, "mails": 1},
	"notes": ["made"],
	"credential": {"kind": "jwt", "audience": "A", "ttl_seconds": 60},
} if {
	input.tool.name == "cancel"
	facts.size("orders") < 9
}

"""
CREDENTIAL = '"credential": {"kind": "jwt", "audience": "A", "ttl_seconds": 60}'


def problems(engine, rules, **more):
    """Return the codes of what keeps the policy from being loaded, and their messages."""
    modules = {"demo.rego": HEAD + rules} | {f"{name}.rego": source for name, source in more.items()}
    try:
        compile_policy(engine, modules, {}, CompileOptions()).close()
    except PolicyBrokenError as error:
        return [(problem.code, problem.message) for problem in error.problems]
    return []


def denying(conditions):
    return NOTING + f'deny contains {{"code": "d", "message": "no"}} if {{\n\t{conditions}\n}}\n'


@pytest.mark.parametrize(
    "condition",
    [
        "input.tool.arguments.id in input.task.facts.orders",
        'input.tool.arguments.id in input.task.facts["orders"]',
        'facts.has("orders", input.tool.arguments.id)',
        'facts.has_any("made", input.tool.arguments.ids)',
        "count(input.task.facts.orders) > 3",
        "input.task.facts.mails >= 3",
        'facts.value("mails") >= 3',
        'facts.size("made") == 0',
        "some order in input.task.facts.orders; startswith(order, input.tool.arguments.id)",
    ],
)
def test_a_fact_that_a_grant_notes_is_read(engine, condition):
    assert problems(engine, denying(condition)) == []


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("input.tool.arguments.id in input.task.facts.ordres", "fact_unknown"),
        ('input.tool.arguments.id in input.task.facts["ordres"]', "fact_unknown"),
        ('facts.has("ordres", input.tool.arguments.id)', "fact_unknown"),
        ('facts.has_any("ordres", input.tool.arguments.ids)', "fact_unknown"),
        ('facts.has_all("ordres", input.tool.arguments.ids)', "fact_unknown"),
        ('count(facts.elements("ordres")) > 1', "fact_unknown"),
        ('facts.size("ordres") > 3', "fact_unknown"),
        ('facts.value("mials") > 3', "fact_unknown"),
        ("not input.task.facts.ordres", "fact_unknown"),
        ('"a" in input.task.facts.mails', "type_mismatch"),
        ('input.task.facts.mails == "3"', "type_mismatch"),
        ("1 in input.task.facts.orders", "type_mismatch"),
        ('facts.has("mails", input.tool.arguments.id)', "type_mismatch"),
    ],
)
def test_a_fact_that_no_grant_notes_is_refused(engine, condition, code):
    """However it is read, and with the name that was meant; so is one that is read as the other kind."""
    found = problems(engine, denying(condition))
    assert [one for one, _ in found] == [code]
    if code == "fact_unknown":
        assert "did you mean" in found[0][1]


@pytest.mark.parametrize(
    "condition",
    [
        'facts.has(input.tool.arguments.id, "orders")',
        'facts.has(input.tool.name, "a")',
        'facts.has(sprintf("order%s", ["s"]), input.tool.arguments.id)',
        "facts.has_any(input.tool.arguments.name, input.tool.arguments.ids)",
        "facts.has_all(input.tool.arguments.name, input.tool.arguments.ids)",
        "count(facts.elements(lower(input.tool.arguments.name))) > 0",
        "facts.size(input.tool.arguments.name) > 3",
        "facts.value(input.tool.arguments.name) > 3",
        '"a" in input.task.facts[input.tool.arguments.name]',
        '"a" in input.task.facts[object.get(input.tool.arguments, "name", "orders")]',
        '"a" in object.get(input.task.facts, input.tool.arguments.name, [])',
        '"a" in object.get(input, ["task", "facts", input.tool.arguments.name], [])',
        "_noted(input.tool.arguments.name)",
        "name := input.tool.arguments.kind; input.tool.arguments.id in input.task.facts[name]",
    ],
)
@pytest.mark.parametrize("negated", [False, True])
def test_a_name_that_isnt_written_out_is_refused(engine, condition, negated):
    """Else "once", with the name and the element swapped, would hold for ever."""
    if negated:
        condition = f"_ok\n}}\n\n_ok if not _found\n\n_found if {{\n\t{condition}"
    helper = '\n\n_noted(name) if facts.has(name, "a")\n'
    source = denying(condition) + (helper if "_noted" in condition else "")
    found = problems(engine, source)
    assert {one for one, _ in found} == {"fact_unnamed"}


@pytest.mark.parametrize(
    "condition",
    [
        'some name in ["orders", "made"]\n\tfacts.has(name, "a")',
        "some name, _ in input.task.facts\n\tfacts.size(name) > 3",
        'facts.has({"look": "orders", "make": "made"}[input.tool.name], "a")',
        '_noted("orders")\n\t_noted("made")',
    ],
)
def test_a_name_that_is_one_of_those_is_read(engine, condition):
    helper = '\n\n_noted(name) if facts.has(name, "a")\n' if "_noted" in condition else ""
    assert problems(engine, denying(condition) + helper) == []


@pytest.mark.parametrize(
    ("element", "code"),
    [
        ('"facts": {"mails": {"a"}}', "fact_kind"),
        ('"facts": {"orders": 2}', "fact_kind"),
        ('"facts": {"made": 1}', "fact_kind"),
        (f'"notes": ["mails"], {CREDENTIAL}', "fact_kind"),
        ('"facts": {"unclear": input.tool.arguments.id}', "fact_kind"),
        ('"facts": {input.tool.arguments.name: {"a"}}', "fact_unnamed"),
        ('"facts": input.tool.arguments', "fact_unnamed"),
        (f'"notes": [input.tool.arguments.name], {CREDENTIAL}', "fact_unnamed"),
        ('"facts": {"Orders": {"a"}}', "fact_name"),
        (f'"notes": ["a-b"], {CREDENTIAL}', "element"),
        ('"facts": {"orders": [1]}', "element"),
        ('"facts": {"mails": -1}', "element"),
        ('"facts": {"mails": 0.5}', "element"),
        ('"facts": {"orders": "a"}', "element"),
        ('"notes": ["made"]', "element"),
        ('"fact_scope": "all"', "element"),
        ('"fact_scope": "branch"', "element"),
        ('"notes": ["made"], "credential": {"kind": "none"}', "element"),
        ('"facts": {"orders": {5}}', "element"),
        ('"facts": {"orders": {"a", ""}}', "element"),
        ('"facts": {"orders": {"' + "x" * 513 + '"}}', "element"),
        (
            '"reuse": true, "credential": {"kind": "jwt", "audience": "A", "ttl_seconds": 60, "uses": 3}',
            "element",
        ),
        ('"facts": {"orders": ["a"]}, "reuse": true', "element"),
        (f'"notes": ["made"], "reuse": true, {CREDENTIAL}', "element"),
        ('"facts": {' + ", ".join(f'"f{number}": 1' for number in range(MOST_NAMES)) + "}", "limit"),
    ],
)
def test_facts_that_cant_be_meant_are_refused(engine, element, code):
    """Kinds agree between modules, and names are written out."""
    other = (
        f'package policy.other\n\ngrant contains {{"code": "o", {element}}} if input.tool.name == "other"\n'
    )
    assert {one for one, _ in problems(engine, NOTING, other=other)} == {code}


@pytest.mark.parametrize(
    "value",
    [
        '{"a"}',
        '["a"]',
        "[]",
        "{id | some id in input.tool.arguments.ids}",
        "[id | some id in input.tool.arguments.ids]",
        "_ids",
        "input.tool.arguments.ids",
    ],
)
def test_a_set_is_written_in_every_way(engine, value):
    """What isn't known of one grant, another says."""
    other = f"""package policy.other

grant contains {{"code": "o", "facts": {{"orders": {value}}}}} if input.tool.name == "other"

grant contains {{"code": "p", "facts": {{"orders": _ids}}}} if input.tool.name == "more"

_ids := {{input.tool.arguments.id}}
"""
    assert problems(engine, NOTING, other=other) == []


def test_the_policy_knows_its_facts(engine):
    compiled = compile_policy(engine, {"demo.rego": HEAD + NOTING}, {}, CompileOptions())
    try:
        assert compiled.rules.facts == {
            "made": FactKind.SET,
            "mails": FactKind.COUNTER,
            "orders": FactKind.SET,
        }
    finally:
        compiled.close()


def test_a_policy_without_facts_has_none(engine):
    compiled = compile_policy(
        engine,
        {"demo.rego": HEAD.replace("import data.tabard.lib.facts\n", "")},
        {},
        CompileOptions(),
    )
    try:
        assert compiled.rules.facts == {}
    finally:
        compiled.close()
