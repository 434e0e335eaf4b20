"""Warnings about what loads and decides, and still isn't meant."""

from __future__ import annotations

import json
import re

import pytest
from tabard_sidecar.policy.authoring import hints as hinted
from tabard_sidecar.policy.authoring.workbench import check
from tabard_sidecar.policy.catalogue import load_catalogue
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.resources import library

from tests.support.policy import write

RULES = """\
package policy.desk

import data.tabard.lib.calls
import data.tabard.lib.entities
import data.tabard.lib.messages

start contains {"code": "started"} if input.subject.id != ""

grant contains {"code": "pay"} if {
	input.tool.name == "pay"
	calls.meaning(object.union(_about, {"thing": "named", "values": [_says]})) == "said"
	"o1" in entities.named(data.orders, {"order"})
}

_about := {
	"acts": {"pay"},
	"matter": {"bill"},
	"kind": "message",
}

_says := messages.meaning({"name": "body", "own": _own, "people": data.orders})

_own := {"a"}
"""
DATA = {"orders": {"o1": ["Ann Lee", "Lee"], "o2": ["Bob Moss"]}, "texts": {"o1": ["one"]}}


def told(engine, folder, rules=RULES, data=None, tools=("pay",)):
    policy = write(folder / "policy", desk=rules)
    (policy / "data.json").write_text(json.dumps(data or DATA, indent=1))
    catalogue = folder / "catalogue.json"
    schema = {"type": "object"}
    catalogue.write_text(json.dumps({"tools": [{"name": name, "inputSchema": schema} for name in tools]}))
    report = check(engine, policy, CompileOptions(), load_catalogue(catalogue))
    assert report.errors == ()
    return [
        (problem.code, problem.file.rpartition("/")[2], problem.row, problem.message)
        for problem in report.problems
    ]


def test_a_policy_without_such_mistakes_gets_no_warning(engine, tmp_path):
    assert told(engine, tmp_path) == []


def test_a_word_that_people_also_use_otherwise_is_told(engine, tmp_path):
    data = DATA | {"orders": {"o1": ["Ann Lee", "Invoice"]}}
    ((code, file, row, message),) = told(engine, tmp_path, data=data)
    assert (code, file, row) == ("name_generic", "data.json", 5)
    assert "the name 'Invoice' of data.orders['o1']" in message


def test_a_name_that_is_a_word_of_another_name_is_told(engine, tmp_path):
    data = DATA | {"orders": {"o1": ["Heron"], "o2": ["Heron paddle"], "o3": ["Heron", "Heron boats"]}}
    ((code, _, _, message), (_, _, _, other)) = told(engine, tmp_path, data=data)
    assert code == "name_clash"
    assert "'Heron' of data.orders['o1'] is a word of a name of 'o2'" in message
    assert "'Heron' of data.orders['o3'] is a word of a name of 'o2'" in other


@pytest.mark.parametrize(
    ("wrong", "right", "code", "says"),
    [
        ('"kind": "mesage"', '"kind": "message"', "call_kind_unknown", "did you mean 'message'?"),
        ('"undoble": true', '"kind": "message"', "call_key_unknown", "did you mean 'undoable'?"),
        (
            '_own := {"a"} if input.subject.id == "ann"',
            '_own := {"a"}',
            "value_undefined",
            "own of a message is _own",
        ),
    ],
)
def test_mistakes_in_what_the_library_is_given_are_told(engine, tmp_path, *, wrong, right, code, says):
    ((found, file, row, message),) = told(engine, tmp_path, RULES.replace(right, wrong))
    assert (found, file) == (code, "desk.rego")
    assert row > 0
    assert says in message


def test_a_key_that_the_module_reads_is_meant(engine, tmp_path):
    rules = RULES.replace('"kind": "message"', '"kinds": {"order"}').replace(
        '{"order"})\n}', "_about.kinds)\n}"
    )
    assert told(engine, tmp_path, rules) == []


def test_a_tool_that_no_rule_names_is_told_in_a_large_catalogue(engine, tmp_path):
    tools = ["pay", *(f"tool{number}" for number in range(12))]
    named = "".join(
        f'\ngrant contains {{"code": "t"}} if input.tool.name == "tool{number}"\n' for number in range(11)
    )
    ((code, _, _, message),) = told(engine, tmp_path, RULES + named, tools=tools)
    assert code == "tool_without_rule"
    assert "'tool11'" in message
    assert (
        told(
            engine,
            tmp_path,
            RULES
            + named
            + '\ndeny contains {"code": "no", "message": "no"} if input.tool.name == "tool11"\n',
            tools=tools,
        )
        == []
    )


def test_the_keys_of_a_call_are_those_that_the_library_reads():
    assert set(hinted._KEYS) == set(re.findall(r"\bcall\.(\w+)", library()["tabard/lib/calls/calls.rego"]))
