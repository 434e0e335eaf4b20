"""``tabard policy words``: what the library reads in a request."""

from __future__ import annotations

import json

import pytest
from tabard_sidecar.cli import main

POLICY = """
package policy.desk

start contains {"code": "desk", "limits": {"tools": ["*"], "ttl_seconds": 60}}

grant contains {"code": "ann"} if data.people.ann
"""


@pytest.fixture
def policy(tmp_path):
    """A policy with a directory, and data that is none."""
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "desk.rego").write_text(POLICY)
    data = {"people": {"ann": ["Ann Lee"], "bob": ["Bob Moss"]}, "limits": {"euros": 20}, "empty": {}}
    (folder / "data.json").write_text(json.dumps(data))
    return folder


def told(capsys, *arguments):
    """Return exit code and what is printed as JSON."""
    code = main(["policy", "words", *map(str, arguments), "--json"])
    return code, {row["expression"]: row["value"] for row in json.loads(capsys.readouterr().out)["words"]}


def test_what_the_words_say_is_told_by_expressions_of_policies(policy, capsys):
    code, found = told(capsys, "Refund Ann Lee 20.50 euros and tell Bob Moss.", policy)
    assert code == 0
    assert found["entities.named(data.people, set())"] == ["ann", "bob"]
    assert found["entities.told(data.people)"] == ["bob"]
    assert "refund" in found["clauses.ordered({act})"]
    assert 20.5 in found["amounts.said"]


def test_what_the_words_rule_out_and_may_mean_is_told(policy, capsys):
    """Each function gets its arguments in its own order; those of an act are shown for each verb."""
    _, found = told(capsys, "Cancel all but Bob's. Ann Lee needs to be refunded.", policy)
    assert found["entities.ruled_out(clauses.verbs, data.people, set())"] == ["bob"]
    assert found["entities.may({act}, data.people, set())"]["refund"] == ["ann"]
    assert "refund" in found["wishes.may({act})"]
    assert found["entities.ordered({act}, data.people, set())"]["cancel"] == ["ann"]


def test_what_the_words_leave_open_isnt_told(policy, capsys):
    """No directory that isn't one, no value that every request has."""
    _, found = told(capsys, "What is the weather like?", policy)
    assert not [name for name in found if name.startswith(("entities", "quantities.c", "amounts"))]
    assert "wording.send" not in found


def test_dates_and_times_of_the_words_are_told(policy, capsys):
    """Functions of a time zone alone are shown for UTC."""
    words = "Move Ann's visit to tomorrow at half past nine"
    _, found = told(capsys, words, policy, "--time", "2026-11-30T12:00:00Z")
    assert found['dates.said("UTC")'] == ["2026-12-01"]
    assert found["times.said"] == ["09:30", "21:30"]
    _, found = told(capsys, "What is the weather like?", policy)
    assert {name for name in found if name.startswith(("dates", "times"))} == {
        "dates.none_said",
        "times.none_said",
    }


def test_people_get_a_line_each(policy, capsys):
    assert main(["policy", "words", "Refund Ann Lee", str(policy)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("  ")[0] for line in lines if "people" in line] == [
        "entities.named(data.people, set())",
        "entities.ordered({act}, data.people, set())",
        "entities.may({act}, data.people, set())",
    ]


@pytest.mark.parametrize("arguments", [("",), ("x", "--time", "noon")])
def test_what_cannot_be_read_is_said(policy, capsys, arguments):
    """Exit codes: 1 for a request without words, 2 for a wrong time."""
    code = main(["policy", "words", arguments[0], str(policy), *arguments[1:]])
    assert code == (2 if len(arguments) > 1 else 1)
    assert capsys.readouterr().err


def test_a_policy_whose_data_cannot_be_read(policy, capsys):
    (policy / "data.json").write_text("{")
    assert main(["policy", "words", "x", str(policy)]) == 4
    assert "data.json" in capsys.readouterr().err
