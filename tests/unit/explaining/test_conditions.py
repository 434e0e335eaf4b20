"""Each condition of a clause is told apart and judged by itself, also those that Rego never reached."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_opa import Engine
from tabard_sidecar.policy.authoring.conditions import Module, clause_at, conditions
from tabard_sidecar.policy.authoring.explaining import trial
from tabard_sidecar.policy.authoring.samples import sample_call, sample_input
from tabard_sidecar.policy.loading.compiling import CompileOptions

POLICY = """package policy.desk

start contains {"code": "task", "limits": {"tools": ["*"]}}

_most := 5

grant contains {"code": "pay"} if {
	input.tool.name == "pay" # the tool
	input.tool.arguments.n < _most; input.task.purpose == "refunds"
	note := input.tool.arguments.note
	startswith(note, "ok; {")
	some label in input.history.labels
	label ==
		"paid"
	not _closed
	every one in [1, 2] {
		one > input.tool.arguments.n
	}
}

_closed if input.subject.id == "eve"

grant contains {"code": "short"} if input.tool.name == "short" # }

grant contains {"code": "always"}
"""
PAY = "grant contains"


@pytest.fixture(scope="module")
def engine():
    """One for all tests."""
    with Engine() as started:
        yield started


@pytest.fixture
def told(engine, tmp_path):
    """Judges the conditions of a clause, by the text of its first line."""

    def tell(begin, policy=POLICY, **members):
        folder = tmp_path / "policy"
        folder.mkdir(exist_ok=True)
        (folder / "desk.rego").write_text(policy)
        document = sample_input("authorize", 1_700_000_000.0, tool=sample_call("pay", None))
        for name, value in members.items():
            *path, last = name.split("__")
            inner = document
            for part in path:
                inner = inner[part]
            inner[last] = value
        file = (folder / "desk.rego").as_posix()
        module = Module(file, policy, engine.parse(file, policy))
        row = next(number for number, line in enumerate(policy.splitlines(), 1) if line.startswith(begin))
        with trial(engine, folder, CompileOptions(), document) as tried:
            return conditions(tried, module, clause_at(module, row))

    return tell


def test_every_condition_is_judged(told):
    """The first fails and the rest is told nevertheless; with values, places and what can't be told."""
    found = told(
        PAY,
        tool__name="other",
        tool__arguments={"n": 7, "note": "ok; {} more"},
        history__labels=["paid"],
        subject__id="eve",
    )
    assert [(one.text, one.holds) for one in found] == [
        ('input.tool.name == "pay"', False),
        ("input.tool.arguments.n < _most", False),
        ('input.task.purpose == "refunds"', False),
        ("note := input.tool.arguments.note", True),
        ('startswith(note, "ok; {")', True),
        ("some label in input.history.labels", True),
        ('label == "paid"', True),
        ("not _closed", False),
        ("every one in [1, 2] { one > input.tool.arguments.n }", False),
    ]
    assert found[1].values == {"input.tool.arguments.n": "7", "_most": "5"}
    assert [one.at.rpartition(":")[2] for one in found] == ["8", "9", "9", "10", "11", "12", "13", "15", "16"]


def test_what_depends_on_a_missing_value_cannot_be_told(told):
    """The argument is missing, so no text can begin with anything; nor is there a label."""
    found = {one.text: one.holds for one in told(PAY, tool__arguments={"n": 1})}
    assert found["input.tool.arguments.n < _most"] is True
    assert found["note := input.tool.arguments.note"] is False
    assert found['startswith(note, "ok; {")'] is None
    assert found["every one in [1, 2] { one > input.tool.arguments.n }"] is None


def test_clauses_without_a_body_or_braces(told):
    """A condition after ``if`` ends with its line; a clause may have none."""
    (only,) = told('grant contains {"code": "short"}')
    assert (only.text, only.holds) == ('input.tool.name == "short"', False)
    assert told('grant contains {"code": "always"}') == ()


BRANCHES = """package policy.desk

start contains {"code": "task", "limits": {"tools": ["*"]}}

_most := 100 if {
	input.task.purpose == "refunds"
	input.subject.id == "ann"
} else := 50 if {
	input.task.purpose == "sales"
} else := 10

_may if {
	input.subject.id == "ann"
} else if {
	input.subject.id == "bob"
	input.task.purpose == "sales"
}

_size(n) := "small" if {
	n < 10
} else := "large" if {
	n > 100
}

grant contains {"code": "pay"} if {
	input.tool.name == "pay"
	input.tool.arguments.n <= _most
	_may
	_size(input.tool.arguments.n) == "small"
	input.tool.arguments.n < _most
}
"""


@pytest.mark.parametrize(
    ("purpose", "most", "branches"),
    [
        ("sales", "50", [(5, 'input.task.purpose == "refunds"'), (8, "")]),
        (
            "other",
            "10",
            [(5, 'input.task.purpose == "refunds"'), (8, 'input.task.purpose == "sales"'), (10, "")],
        ),
        ("refunds", "10", [(5, 'input.subject.id == "ann"'), (8, 'input.task.purpose == "sales"'), (10, "")]),
    ],
)
def test_else_is_taken_apart(told, purpose, most, branches):
    """Which branch gave the value that is too small, and why none before it did; also where it is read again."""
    found = told(PAY, BRANCHES, tool__arguments={"n": 60}, task__purpose=purpose, subject__id="eve")
    _, within, may, size, below = found
    for condition in (within, below):
        assert condition.holds is False
        assert condition.values["_most"] == most
        shown = [(int(one.place.rpartition(":")[2]), one.failed) for one in condition.helper]
        assert shown == branches
        assert [one.branch for one in condition.helper] == [*range(1, len(branches) + 1)]
    assert [one.failed for one in may.helper] == ['input.subject.id == "ann"', 'input.subject.id == "bob"']
    assert [(one.failed, one.values) for one in size.helper] == [
        ("n < 10", {"n": "60"}),
        ("n > 100", {"n": "60"}),
    ]


@settings(max_examples=15)
@given(st.data())
def test_a_clause_grants_exactly_if_all_its_conditions_hold(engine, tmp_path_factory, data):
    """Whatever the conditions and the input are: OPA's own verdict on the clause agrees."""
    parts = [
        ('input.tool.name == "pay"',),
        ("input.tool.arguments.n > 3",),
        ("n := input.tool.arguments.n", "n < 4"),
        ("some label in input.history.labels", 'label == "a"'),
        ('not input.task.purpose == "refunds"',),
        ('contains(input.subject.id, "a # {")',),
        ("_helper",),
    ]
    drawn = data.draw(st.lists(st.sampled_from(parts), min_size=1, max_size=5, unique=True))
    chosen = [text for part in drawn for text in part]
    joint = data.draw(st.sampled_from(["\n\t", "; ", " # note }\n\t"]))
    policy = (
        'package policy.desk\n\nstart contains {"code": "task", "limits": {"tools": ["*"]}}\n\n'
        'grant contains {"code": "it"} if {\n\t' + joint.join(chosen) + "\n}\n\n"
        'grant contains {"code": "other"} if _helper\n\n_helper if count(input.history.labels) == 1\n'
    )
    folder = tmp_path_factory.mktemp("policy")
    (folder / "desk.rego").write_text(policy)
    document = sample_input("authorize", 1_700_000_000.0, tool=sample_call("pay", None))
    document["tool"]["name"] = data.draw(st.sampled_from(["pay", "read"]))
    document["tool"]["arguments"] = data.draw(st.sampled_from([{}, {"n": 3}, {"n": 4}]))
    document["history"]["labels"] = data.draw(st.sampled_from([[], ["a"], ["a", "b"]]))
    document["subject"]["id"] = data.draw(st.sampled_from(["eve", "a # {"]))
    document["task"]["purpose"] = data.draw(st.sampled_from(["refunds", "other"]))
    file = (folder / "desk.rego").as_posix()
    with trial(engine, folder, CompileOptions(), document) as tried:
        matched = f"{file}:5" in {one.place for one in tried.explain().tried if not one.failed}
        module = Module(file, policy, engine.parse(file, policy))
        found = conditions(tried, module, clause_at(module, 5))
    assert [one.text for one in found] == chosen
    assert matched is all(one.holds is True for one in found)
