"""A rule that is served replaces nothing that was verified; a test may."""

from __future__ import annotations

import pytest
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy
from tabard_sidecar.policy.problems import PolicyBrokenError

HEAD = """package policy.demo

start contains {"code": "s", "limits": {"tools": ["*"]}} if input.subject.id != ""

"""
IMPORT = "package policy.demo\n\nimport data.tabard.lib.intent\n"


def told(engine, rules, tests=None):
    """Return row, code and next step of each problem of a policy with these rules."""
    text = HEAD.replace("package policy.demo\n", IMPORT) if "intent." in rules else HEAD
    data = {"people": {"ann": True}}
    try:
        compile_policy(engine, {"demo.rego": text + rules}, data, CompileOptions(), tests).close()
    except PolicyBrokenError as error:
        return [(one.row - text.count("\n"), one.code, one.next_step) for one in error.problems]
    return []


@pytest.mark.parametrize(
    "replaced",
    [
        "input as {}",
        'input.subject.id as "ann"',
        "input.task as input.request",
        'input.task.intent_source as "signed"',
        'input.task.statement as "pay" with input.subject.id as "ann"',
        'input["subject"].id as "ann"',
        "data.tabard.settings.accept_asserted_intent as true",
        "data.tabard.lib.intent.trusted as true",
        "intent.trusted as true",
        "intent.mentions as true",
        "count as 1",
        "data as {}",
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_what_was_verified_isnt_replaced(engine, replaced, nested):
    condition = f"_known with {replaced}"
    condition = f"count([1 | {condition}]) == 1" if nested else condition
    found = told(
        engine, f'_known if input.subject.id == "ann"\n\ngrant contains {{"code": "g"}} if {condition}\n'
    )
    assert "with_replaces" in {code for _, code, _ in found}
    assert {row for row, code, _ in found if code == "with_replaces"} <= {3}


@pytest.mark.parametrize(
    "replaced",
    [
        'input.task.statement as "pay"',
        "input.context.time as 1795473000",
        'data.people as {"ann": true}',
        "data.people.ann as true",
    ],
)
def test_words_their_day_and_own_data_may_be_replaced(engine, replaced):
    rules = (
        f'_pays if input.task.statement != ""\n\ngrant contains {{"code": "g"}} if _pays with {replaced}\n'
    )
    assert told(engine, rules) == []


def test_tests_may_replace_everything(engine):
    rules = '_known if input.subject.id == "ann"\n\ngrant contains {"code": "g"} if _known\n'
    tests = (
        'package policy.demo_test\n\nimport data.policy.demo\n\ntest_a if demo.grant with input as {"a": 1}\n'
    )
    assert told(engine, rules, {"demo_test.rego": tests}) == []


def test_a_value_with_a_replacement_is_told_how_to_be_written(engine):
    rules = 'grant contains {"code": _code with input.task.statement as "b"} if input.tool.name == "x"\n'
    assert any("in a line of its own" in step for _, _, step in told(engine, rules))
