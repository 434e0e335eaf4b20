"""Reads of facts that give the same for all that a fact can be are refused when the policy is loaded."""

from __future__ import annotations

import pytest
from tabard_sidecar.facts import MOST_COUNT, MOST_ELEMENT_BYTES, MOST_ELEMENTS

from tests.unit.policy.loading.test_facts import CREDENTIAL, problems

NOTING = f"""grant contains {{
	"code": "cancel",
	"facts": {{"orders": {{input.tool.arguments.id}}, "steps": {{"seen", "sent"}}, "mails": 1, "points": 5}},
	"notes": ["made"],
	{CREDENTIAL},
}} if {{
	input.tool.name == "cancel"
	facts.size("orders") < 9
}}

"""

NEVER = [
    # An element of a text that no grant notes.
    ('facts.has("orders", "")', "value_unknown"),
    ('"" in input.task.facts.orders', "value_unknown"),
    ('facts.has("made", "")', "value_unknown"),
    (f'facts.has("orders", "{"x" * (MOST_ELEMENT_BYTES + 1)}")', "value_unknown"),
    ('facts.has("steps", "snet")', "value_unknown"),
    ('facts.has_all("steps", ["seen", "snet"])', "value_unknown"),
    ('facts.has_any("steps", {"snet"})', "value_unknown"),
    ('some one in input.task.facts.steps; one == "snet"', "value_unknown"),
    ('some one in input.task.facts.steps; startswith(one, "x")', "value_unknown"),
    ('some one in input.task.facts.orders; one == ""', "value_unknown"),
    ('some one in input.task.facts.orders; one < ""', "value_unknown"),
    ('some one in facts.elements("orders"); count(one) == 0', "value_unknown"),
    ('some one in facts.elements("orders"); count(one) > 512', "value_unknown"),
    ('every one in input.task.facts.steps { one == "snet" }', "value_unknown"),
    ('every one in input.task.facts.orders { one != "" }', "value_unknown"),
    ('count({one | some one in input.task.facts.steps; one == "snet"}) > 0', "value_unknown"),
    ('input.task.facts.orders[_] == ""', "value_unknown"),
    ('input.task.facts.orders[0] == ""', "value_unknown"),
    ('"snet" == input.task.facts.steps[_]', "value_unknown"),
    ("input.task.facts.orders[-1]", "input_unknown"),
    ("input.task.facts.orders[256]", "input_unknown"),
    ("input.task.facts.steps[2]", "input_unknown"),
    # A whole set.
    ('input.task.facts.orders == [""]', "value_unknown"),
    ('input.task.facts.orders == ["b", "a"]', "value_unknown"),
    ('input.task.facts.orders == ["a", "a"]', "value_unknown"),
    ('input.task.facts.orders = ["a", 1]', "value_unknown"),
    ('input.task.facts.steps == ["snet"]', "value_unknown"),
    ('["seen", "sent", "snet"] == input.task.facts.steps', "value_unknown"),
    ('input.task.facts.orders == {"a"}', "type_mismatch"),
    ("input.task.facts.orders == null", "type_mismatch"),
    ('[one, ""] = input.task.facts.orders; one != input.task.id', "value_unknown"),
    ("[_, _, _] := input.task.facts.steps", "type_mismatch"),
    # A size.
    ('facts.size("orders") < 0', "value_unknown"),
    (f'facts.size("orders") > {MOST_ELEMENTS}', "value_unknown"),
    ('facts.size("steps") == 3', "value_unknown"),
    ("count(input.task.facts.steps) > 2", "value_unknown"),
    ("2 < count(input.task.facts.steps)", "value_unknown"),
    ('facts.size("orders") == 1.5', "type_mismatch"),
    ('facts.size("orders") >= 0', "value_unknown"),
    ("count(input.task.facts.orders, 300)", "value_unknown"),
    # A counter.
    ("input.task.facts.mails < 0", "value_unknown"),
    ("0 > input.task.facts.mails", "value_unknown"),
    ('facts.value("mails") <= -1', "value_unknown"),
    ('facts.value("mails") == -1', "value_unknown"),
    ('facts.value("mails") != -1', "value_unknown"),
    ('facts.value("mails") >= 0', "value_unknown"),
    ('not facts.value("mails") >= 0', "value_unknown"),
    ('facts.value("mails") > -1', "value_unknown"),
    (f'facts.value("mails") > {MOST_COUNT}', "value_unknown"),
    ('facts.value("mails") == 1.5', "type_mismatch"),
    ('facts.value("points") == 7', "value_unknown"),
    ('facts.value("points") in {7, -5}', "value_unknown"),
    ("n := input.task.facts.mails; n < 0", "value_unknown"),
    ('_mails < 0\n}\n\n_mails := facts.value("mails") if {\n\tinput.subject.id != ""', "value_unknown"),
    ('_below("mails", 0)\n}\n\n_below(name, most) if {\n\tinput.task.facts[name] < most', "value_unknown"),
    ('object.get(input.task.facts, "mails", 0) < 0', "value_unknown"),
    ('object.get(input, ["task", "facts", "mails"], -1) == -1', "value_unknown"),
    # A builtin that takes another type.
    ("count(input.task.facts.mails) > 3", "type_mismatch"),
    ('facts.size("mails") > 3', "type_mismatch"),
    ("some one in input.task.facts.mails", "type_mismatch"),
    ("every one in input.task.facts.mails { one != input.task.id }", "type_mismatch"),
    ("sum(input.task.facts.orders) > 3", "type_mismatch"),
    ('startswith(input.task.facts.orders, "a")', "type_mismatch"),
    ("input.task.facts.orders + 1 > 3", "type_mismatch"),
    ("lower(input.task.facts.mails) == input.task.id", "type_mismatch"),
    ("is_string(input.task.facts.mails)", "type_mismatch"),
    # What is always there.
    ("input.task.facts.mails", "always_holds"),
    ("not input.task.facts.orders", "always_holds"),
    ('facts.value("mails")', "always_holds"),
    ('facts.size("orders")', "always_holds"),
    ("n := input.task.facts.mails; n", "always_holds"),
    ("not input.task.facts", "always_holds"),
    # All facts at once.
    ('walk(input.task.facts, [["ordres", _], input.task.id])', "fact_unknown"),
    ('walk(input.task.facts, [[_, _], ""])', "value_unknown"),
    ('walk(input.task.facts, [["steps", _], "snet"])', "value_unknown"),
    ('walk(input.task, [["facts", "ordres", _], input.subject.id])', "fact_unknown"),
    ("walk(input.task.facts, [[input.tool.arguments.name, _], input.tool.arguments.id])", "fact_unnamed"),
    ('walk(input.task.facts, [path, input.tool.arguments.id]); path[0] == "ordres"', "fact_unknown"),
    ("walk(input.task.facts, [_, value]); value == true", "type_mismatch"),
    ('{"ordres": ids} := input.task.facts; input.tool.arguments.id in ids', "fact_unknown"),
    ('{"orders": ids} := input.task.facts; input.tool.arguments.id in ids', "input_unknown"),
    ('input.task.facts = {"orders": ids}; input.tool.arguments.id in ids', "input_unknown"),
    ("[n] := input.task.facts.mails; n > 3", "type_mismatch"),
    ('object.subset(input.task.facts, {"steps": ["snet"]})', "value_unknown"),
    ('json.filter(input.task.facts, ["ordres"]) != {}', "fact_unknown"),
    ('{name | some name, _ in input.task.facts} == {"ordres"}', "fact_unknown"),
]
READS = [
    'facts.has("orders", "#W1")',
    'facts.has("steps", "seen")',
    'facts.has("steps", input.tool.arguments.id)',
    'facts.has_all("steps", ["seen", "sent"])',
    'not facts.has("steps", "sent")',
    'every one in input.task.facts.orders { startswith(one, "#") }',
    'input.task.facts.orders == ["a", "b"]',
    "input.task.facts.orders == []",
    'input.task.facts.steps != ["seen"]',
    "[one] := input.task.facts.orders; one == input.tool.arguments.id",
    "[one, other] := input.task.facts.steps; one != other",
    "input.task.facts.steps[1] == input.tool.arguments.id",
    f'facts.size("orders") == {MOST_ELEMENTS}',
    'facts.size("orders") < 1',
    'facts.size("steps") > 1',
    "count(input.task.facts.orders, n); n > 3",
    'some one in facts.elements("orders"); count(one) > 1',
    'facts.value("mails") <= 0',
    'facts.value("mails") > 0',
    'facts.value("mails") < 1',
    "input.task.facts.mails == 0",
    "0 < input.task.facts.mails",
    'facts.value("points") == 15',
    'facts.value("points") > 7',
    'facts.value("points") + facts.value("mails") > 3',
    "input.task.facts.mails + 1 < 0",
    'sprintf("%d", [input.task.facts.mails]) == input.tool.arguments.id',
    '_few\n}\n\n_few if {\n\tfacts.value("mails") < 3',
    "_mails > 2\n}\n\n_mails := input.task.facts.mails if {\n\tinput.subject.id == input.task.id",
    "_mails\n}\n\n_mails := input.task.facts.mails if {\n\tinput.subject.id == input.task.id",
    '_noted("mails")\n}\n\n_noted(name) := input.task.facts[name] if {\n\tinput.task.facts[name] > 3',
    "is_array(input.task.facts.orders); count(input.task.facts.orders) > 3",
    "some ids in input.task.facts; is_array(ids); input.tool.arguments.id in ids",
    "walk(input.task.facts, [_, input.tool.arguments.id])",
    'walk(input.task.facts, [["orders", _], input.tool.arguments.id])',
    "walk(input.tool.arguments, [_, value]); value in input.task.facts.orders",
    'walk(input.task.facts, [path, input.tool.arguments.id]); path[0] == "orders"',
    "walk(input.task.facts, [_, value]); value == 5",
    'walk(input.task, [["facts", "orders", _], input.tool.arguments.id])',
    "walk(input, [_, value]); value == input.tool.arguments.id",
    '{"orders": ids, "steps": _, "mails": _, "points": _, "made": _} := input.task.facts; count(ids) > 3',
    'object.subset(input.task.facts, {"steps": ["seen", "sent"]})',
    'json.filter(input.task.facts, ["orders"]) != {}',
]
"""Reads that may hold or not."""


def read_by(rule, condition):
    element = '{"code": "d", "message": "no"}' if rule == "deny" else '{"code": "d"}'
    return NOTING + f"{rule} contains {element} if {{\n\t{condition}\n}}\n"


@pytest.mark.parametrize(("condition", "code"), NEVER)
def test_a_read_that_always_gives_the_same_is_refused(engine, condition, code):
    assert {one for one, _ in problems(engine, read_by("deny", condition))} == {code}


@pytest.mark.parametrize("condition", READS)
@pytest.mark.parametrize("rule", ["deny", "grant"])
def test_a_read_that_may_hold_is_accepted(engine, condition, rule):
    assert problems(engine, read_by(rule, condition)) == []


STARTS = [
    'facts.has("orders", input.subject.id)',
    'not facts.has("orders", input.subject.id)',
    "input.task.facts.mails < 3",
    "count({id | some id in input.task.facts.orders}) == 0",
    'object.get(input.task, ["facts", "mails"], 0) < 3',
    "walk(input.task.facts, [_, input.subject.id])",
    '_few\n}\n\n_few if {\n\tfacts.value("mails") < 3',
    "_few\n}\n\n_few if _less\n\n_less if {\n\tinput.task.facts.mails < 3",
    "_below(3)\n}\n\n_below(most) if {\n\tinput.task.facts.mails < most",
    "some id in input.task.facts.orders; id == input.subject.id",
]


@pytest.mark.parametrize("condition", STARTS)
def test_a_rule_that_starts_a_task_reads_no_facts(engine, condition):
    """No task has any before it starts, so each condition on them is the same for every start."""
    start = f'start contains {{"code": "t", "limits": {{}}}} if {{\n\t{condition}\n}}\n'
    assert {one for one, _ in problems(engine, NOTING + start)} == {"fact_unstarted"}
    deny = 'deny contains {"code": "d", "message": "no"} if {\n\tinput.operation == "start_task"\n\t'
    assert {one for one, _ in problems(engine, NOTING + deny + condition + "\n}\n")} == {"fact_unstarted"}


@pytest.mark.parametrize(
    "helper",
    [
        '_few if input.operation == "start_task"\n\n_few if facts.value("mails") < 3\n',
        'default _few := true\n\n_few := false if input.subject.id == ""\n',
        "_few if input.subject.id != input.subject.issuer\n",
    ],
)
def test_a_helper_that_also_means_something_before_the_start_is_shared(engine, helper):
    rules = f"""start contains {{"code": "t", "limits": {{}}}} if _few

grant contains {{"code": "g"}} if _few

{helper}"""
    assert problems(engine, NOTING + rules) == []


@pytest.mark.parametrize(
    "value",
    ["[]", "set()", "0", "_none"],
)
def test_a_fact_that_every_grant_leaves_empty_is_refused(engine, value):
    """A name that nothing ever stands under; beside a grant that notes something it is one way to note nothing."""
    empty = f'grant contains {{"code": "e", "facts": {{"none": {value}}}}} if input.tool.name == "e"\n\n'
    empty += "_none := []\n" if value == "_none" else ""
    assert {one for one, _ in problems(engine, NOTING + empty)} == {"fact_empty"}
    some = "1" if value == "0" else '{"a"}'
    other = f'grant contains {{"code": "f", "facts": {{"none": {some}}}}} if input.tool.name == "f"\n\n'
    assert problems(engine, NOTING + empty + other) == []
