"""Coverage, profiles, and the same rules with other data."""

from __future__ import annotations

import json
import subprocess

import pytest
from tabard_opa import EngineError, EvaluationError, FileCoverage
from tabard_opa_cli import opa_binary

LIBRARY = """package tabard.lib.lists

has(list, item) if {
	some one in list
	one == item
}
"""
DESK = """package policy.desk

import data.tabard.lib.lists

_most := 5

_pair(a, b) := {"a": a, "b": b}

grant contains _pair(1, 2) if {
	input.tool == "read"
	input.n < _most
}

grant contains {"code": "scan"} if {
	input.tool == "scan"
	some person in data.people
	person.id == input.id
}

grant contains {"code": "look"} if data.by_id[input.id].name == "Ann"

grant contains {"code": "library"} if {
	input.tool == "library"
	lists.has(data.names, input.id)
}
"""
MODULES = {"desk.rego": DESK, "lists.rego": LIBRARY}
GRANT = "data.policy.desk.grant"


def data(size):
    people = [{"id": f"u{number}", "name": "Eve"} for number in range(size)]
    return {
        "people": people,
        "by_id": {one["id"]: one for one in people},
        "names": [one["id"] for one in people],
    }


@pytest.fixture
def policy(engine):
    with engine.compile(MODULES, data(4), entrypoints=[GRANT], as_written=True) as made:
        yield made


def document(**members):
    return json.dumps(members).encode()


def rows(found, file="desk.rego"):
    covered = found.files[file]
    return tuple(
        sorted({row for part in parts for row in part.rows()})
        for parts in (covered.covered, covered.not_covered)
    )


def test_what_ran_is_covered_also_constants_and_constructors(policy):
    found = policy.cover(GRANT, document(tool="read", n=3, id="x"), ["desk.rego"], deadline_seconds=5)
    covered, not_covered = rows(found)
    assert found.error is None
    assert {5, 7, 9, 10, 11, 20} <= set(covered)
    assert not_covered == [14, 15, 17, 20, 22, 23, 24]
    assert found.files.keys() == {"desk.rego"}


def test_coverage_is_the_one_that_opa_tells(policy, tmp_path):
    """The ranges of ``opa test``, so that both can be put together."""
    (tmp_path / "desk.rego").write_text(DESK)
    (tmp_path / "lists.rego").write_text(LIBRARY)
    (tmp_path / "data.json").write_text(json.dumps(data(4)))
    given = {"tool": "scan", "id": "u1", "n": 9}
    (tmp_path / "desk_test.rego").write_text(
        f"package policy.desk_test\n\ntest_it if count(data.policy.desk.grant) > 0 with input as {json.dumps(given)}\n"
    )
    command = [opa_binary(), "test", "--coverage", "--format", "json", "."]
    told = json.loads(subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout)
    found = policy.cover(GRANT, document(**given), ["desk.rego"], deadline_seconds=5)
    assert found.files["desk.rego"] == FileCoverage.of(told["files"]["desk.rego"])


def test_what_ran_before_a_failure_is_covered(engine):
    module = "package a\n\np := x if {\n\tinput.a\n\tx := to_number(input.t)\n\tinput.b\n}\n"
    with engine.compile({"a.rego": module}, {}, entrypoints=["data.a.p"], as_written=True) as policy:
        found = policy.cover("data.a.p", document(a=1, t="x", b=1), ["a.rego"], deadline_seconds=5)
    assert (found.error.code, found.error.row) == ("builtin_error", 5)
    assert rows(found, "a.rego") == ([4, 5], [3, 5, 6])


def test_a_policy_that_is_not_as_written_knows_no_module(engine):
    with engine.compile(MODULES, data(1), entrypoints=[GRANT]) as policy:
        found = policy.cover(GRANT, document(tool="read", n=3), ["desk.rego", "other"], deadline_seconds=5)
    assert not any(one.not_covered for one in found.files.values())


@pytest.mark.parametrize("ask", ["cover", "profile"])
def test_a_rule_that_is_not_there_is_an_error(policy, ask):
    arguments = ([],) if ask == "cover" else ()
    with pytest.raises(EvaluationError) as caught:
        getattr(policy, ask)("data.policy.desk.none", b"{}", *arguments, deadline_seconds=5)
    assert caught.value.code == "invalid_query"


def steps(policy, **given):
    found = policy.profile(GRANT, document(**given), deadline_seconds=20)
    assert found.error is None
    assert found.ns > 0
    return {
        (one.row, one.text, one.inside.rpartition(":")[0]): (one.evals, one.solutions) for one in found.steps
    }


@pytest.mark.parametrize("size", [4, 400])
def test_a_profile_counts_what_iterates(policy, size):
    """Once for each element; a lookup once, however many there are."""
    with policy.with_data(data(size)) as grown:
        scan = steps(grown, tool="scan", id="nobody")
        assert scan[16, "some person in data.people", ""] == (1, size)
        assert scan[17, "person.id == input.id", ""] == (size, 0)
        assert scan[20, 'data.by_id[input.id].name == "Ann"', ""] == (1, 0)
        library = steps(grown, tool="library", id="nobody")
        assert library[24, "lists.has(data.names, input.id)", "lists.rego:4"] == (1, size)
        assert library[24, "lists.has(data.names, input.id)", "lists.rego:5"][0] == size


def test_a_profile_of_what_takes_too_long_tells_what_took_the_time(engine):
    module = (
        "package a\n\np if {\n\tsome x in numbers.range(1, 9000)\n\tsome y in numbers.range(1, 9000)\n"
        "\tx * y == input.n\n}\n"
    )
    with engine.compile({"a.rego": module}, {}, entrypoints=["data.a.p"], as_written=True) as policy:
        found = policy.profile("data.a.p", document(n=-1), deadline_seconds=0.3)
    assert found.error.code == "timeout"
    assert max(found.steps, key=lambda one: one.evals).row in {5, 6}


def test_other_data_leaves_the_policy_as_it_is(policy):
    given = document(tool="scan", id="u5")
    with policy.with_data(data(9)) as grown:
        assert json.loads(grown.evaluate_blocking(GRANT, given, deadline_seconds=5)) == [{"code": "scan"}]
        assert grown.entrypoints == policy.entrypoints
    assert json.loads(policy.evaluate_blocking(GRANT, given, deadline_seconds=5)) == []


def test_other_data_is_checked_as_at_first(policy):
    for wrong, code in (
        ({"x": float("nan")}, "data_error"),
        ({"policy": {"desk": {"grant": 1}}}, "rego_compile_error"),
    ):
        with pytest.raises(EngineError) as caught:
            policy.with_data(wrong)
        assert caught.value.errors[0].code == code
    policy.close()
    with pytest.raises(EvaluationError):
        policy.with_data({})
