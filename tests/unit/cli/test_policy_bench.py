"""`tabard policy bench`: what iterates is found with its line and named with what to write; a lookup isn't."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from tabard_sidecar import exit_codes
from tabard_sidecar.cli.policy import policy

from tests.support.policy import REPOSITORY, START, policy_input, tool, write

HEAD = "package policy.desk\n\nimport data.tabard.lib.arguments\n" + START

ITERATES = """
grant contains {"code": "scan"} if {
	some person in data.people
	person.id == input.subject.id
}
"""
NESTED = """
grant contains {"code": "nested"} if {
	some one in data.people
	some other in data.people
	one.boss == other.id
	one.id == input.subject.id
}
"""
LOOKUPS = """
grant contains {"code": "lookup"} if {
	some role in data.by_id[input.subject.id].roles
	data.roles[role][input.tool.name]
}

grant contains {"code": "known"} if arguments.all_in("to", data.by_id)

deny contains {"code": "blocked", "message": "blocked"} if _blocked[input.subject.id]

_blocked[person] := true if {
	person := input.subject.id
	data.by_id[person].blocked
}
"""
HIDDEN = """
grant contains {"code": "in"} if input.subject.id in data.names

deny contains {"code": "first", "message": "first"} if data.people[_].id == input.tool.arguments.wanted

grant contains {"code": "library"} if arguments.all_in("to", data.names)

grant contains {"code": "text"} if contains(json.marshal(data.names), input.tool.name)
"""
ARGUMENTS = """
grant contains {"code": "each"} if {
	some item in input.tool.arguments.items
	item.name == "x"
}

deny contains {"code": "twice", "message": "twice"} if {
	some first in input.tool.arguments.items
	some second in input.tool.arguments.items
	first.name == second.twin
}
"""
PEOPLE = [{"id": f"u{number}", "boss": f"u{number + 1}"} for number in range(3)]
DATA = {
    "people": PEOPLE,
    "by_id": {one["id"]: {**one, "roles": ["clerk", "desk"], "blocked": False} for one in PEOPLE},
    "names": [one["id"] for one in PEOPLE],
    "roles": {"clerk": {"other": True}, "desk": {"none": True}},
}


@pytest.fixture
def found(tmp_path):
    """Measures rules and returns exit code, report and what was found, by the text of the line."""

    def run(rules, *options):
        unused = "" if "arguments.all_in" in rules else "import data.tabard.lib.arguments\n"
        text = HEAD.replace(unused or "\0", "") + rules
        folder = write(tmp_path / "policy", desk=text)
        (folder / "data.json").write_text(json.dumps(DATA))
        arguments = {"to": ["u1", "zz"], "wanted": "zz", "items": [{"name": "a", "twin": "b"}]}
        asked = policy_input(
            tool=tool("read", **arguments), subject={"id": "u9", "issuer": "i", "claims": {}}
        )
        (tmp_path / "input.json").write_text(json.dumps(asked))
        given = ["bench", str(folder), "--input", str(tmp_path / "input.json"), *options]
        result = CliRunner().invoke(policy, given)
        if "--json" not in options:
            return result.exit_code, result.output
        report = json.loads(result.stdout)
        lines = text.splitlines()
        seen = {
            lines[int(one["at"].rpartition(":")[2]) - 1].strip(): one
            for one in report["findings"]
            if not one["tolerable"]
        }
        return result.exit_code, report, seen

    return run


def test_a_search_is_found_and_lookups_are_not(found):
    code, report, seen = found(ITERATES + LOOKUPS, "--json")
    assert code == exit_codes.NEGATIVE
    assert {text: (one["collection"], one["degree"]) for text, one in seen.items()} == {
        "some person in data.people": ("data.people", 1)
    }
    (one,) = seen.values()
    assert one["rule"] == "policy.desk.grant"
    assert "Make id the key of data.people" in one["advice"]
    assert "data.people[input.subject.id]" in one["advice"]
    assert one["steps"][1] > one["entries"][1]
    assert {"data.people", "data.by_id", "data.roles", "data.by_id[_].roles"} <= {*report["grown"]}
    assert report["not_grown"] == []
    assert report["decisions_per_second"] > 0
    # A person's own roles are named, and no reason to fail.
    assert {one["collection"] for one in report["findings"] if one["tolerable"]} <= {
        "data.by_id[_].roles",
        "input.tool.arguments.to",
    }


def test_lookups_alone_are_in_order(found):
    code, report, seen = found(LOOKUPS, "--json")
    assert (code, report["ok"], seen) == (exit_codes.OK, True, {})


def test_one_iteration_in_another_is_quadratic(found):
    _, _, seen = found(NESTED, "--json")
    (one,) = seen.values()
    assert (one["degree"], one["text"]) == (2, "some other in data.people")
    assert "data.people[one.boss]" in one["advice"]


def test_what_opa_searches_in_one_step_is_found(found):
    """Membership in a list, a reference with a wildcard, a function of the library, and a builtin on a whole list."""
    _, _, seen = found(HIDDEN, "--json")
    assert {text.partition(" if ")[2]: one["collection"] for text, one in seen.items()} == {
        "input.subject.id in data.names": "data.names",
        "data.people[_].id == input.tool.arguments.wanted": "data.people",
        'arguments.all_in("to", data.names)': "data.names",
        "contains(json.marshal(data.names), input.tool.name)": "data.names",
    }
    advice = {text: one["advice"] for text, one in seen.items()}
    assert any("data.names[input.subject.id]" in one for one in advice.values())
    assert any("data.people[input.tool.arguments.wanted]" in one for one in advice.values())
    assert any("Give the function an object" in one for one in advice.values())


def test_an_argument_may_be_gone_through_and_not_in_itself(found):
    _, report, seen = found(ARGUMENTS, "--json")
    assert {text: one["degree"] for text, one in seen.items()} == {
        "some second in input.tool.arguments.items": 2
    }
    assert [one["at"].rpartition(":")[2] for one in report["findings"] if one["tolerable"]] == ["7"]


def test_for_people_the_line_the_times_and_the_advice(found):
    code, shown = found(ITERATES)
    assert code == exit_codes.NEGATIVE
    assert "decisions a second, one after the other" in shown
    assert "desk.rego:7: linear in data.people: policy.desk.grant\n    some person in data.people\n" in shown
    assert "more entries\n    Make id the key of data.people" in shown
    assert "1 rule iterates where the cost grows" in shown
    assert "\x1b[" not in shown


def test_what_stays_short_can_be_accepted(found):
    code, report, seen = found(ITERATES, "--accept", "data.people", "--json")
    assert (code, seen) == (exit_codes.OK, {})
    assert "data.people" not in report["grown"]


def test_what_is_accepted_has_to_be_there(found):
    code, shown = found(ITERATES, "--accept", "data.peple")
    assert code == exit_codes.USAGE
    assert "--accept data.peple: no rule reads such a collection; did you mean 'data.people'?" in shown


def test_a_broken_policy_exits_4(found):
    code, shown = found("\ndenny contains 1\n")
    assert code == exit_codes.POLICY
    assert "public_rule" in shown or "denny" in shown


def test_the_inputs_are_those_of_the_cases_and_the_catalogue():
    example = REPOSITORY / "rego" / "examples" / "quickstart"
    given = ["bench", str(example / "policy"), "--catalogue", str(example / "catalogue.yaml"), "--json"]
    result = CliRunner().invoke(policy, given)
    report = json.loads(result.stdout)
    assert (result.exit_code, report["findings"]) == (exit_codes.OK, [])
    assert report["inputs"] > 6
    assert report["measurements"][-1]["rule"] == "tabard.decision"
