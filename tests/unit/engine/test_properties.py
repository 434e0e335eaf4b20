from __future__ import annotations

import json
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tabard_opa import Engine, EvaluationError
from tabard_opa_cli import opa_binary

MODULE = """package a

echo := input

facts := {
	"type": type_name(input),
	"size": count([1 | walk(input, _)]),
	"leaves": {value | walk(input, [_, value]); not is_object(value); not is_array(value)},
	"numbers": sum([value | walk(input, [_, value]); is_number(value)]),
	"text": concat("|", [value | walk(input, [_, value]); is_string(value)]),
	"pairs": {[key, value] | some key, value in input},
}

number := to_number(input)

computed := to_number(input) + 0

read := [json.unmarshal(input), yaml.unmarshal(input), units.parse(input), {to_number(input): 1}]
"""
NUMBERS = ["number", "computed", "read"]
ALL = """package all

answers := [_facts(value) | some value in input]

_facts(value) := facts if facts := data.a.facts with input as value
"""
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=5)
    ),
    max_leaves=30,
)


@pytest.fixture(scope="module")
def policy():
    with (
        Engine() as engine,
        engine.compile(
            {"a.rego": MODULE}, {}, entrypoints=[f"data.a.{name}" for name in ("echo", "facts", *NUMBERS)]
        ) as policy,
    ):
        yield policy


@given(JSON)
def test_json_goes_through_unchanged(policy, value):
    text = json.dumps(value, ensure_ascii=False).encode()

    assert json.loads(policy.evaluate_blocking("data.a.echo", text, deadline_seconds=10)) == value


@given(st.binary(max_size=300) | st.text(alphabet='{}[]",:\\u0123e+-.tfn ', max_size=60).map(str.encode))
def test_bytes_are_an_error_or_exactly_what_python_reads(policy, text):
    try:
        answer = policy.evaluate_blocking("data.a.echo", text, deadline_seconds=10)
    except EvaluationError as error:
        assert error.code == "invalid_input"  # noqa: PT017 - the only failure there may be
    else:
        assert json.loads(answer) == json.loads(text)


@settings(max_examples=5, deadline=None)
@given(
    st.lists(
        st.lists(JSON, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), JSON, max_size=3),
        min_size=20,
        max_size=40,
    )
)
def test_library_and_command_line_agree(policy, tmp_path_factory, values):
    """One start of ``opa eval`` answers for many inputs."""
    folder = tmp_path_factory.mktemp("opa")
    (folder / "a.rego").write_text(MODULE)
    (folder / "all.rego").write_text(ALL)
    (folder / "input.json").write_text(json.dumps(values))
    command = [
        str(opa_binary()),
        "eval",
        "--format=json",
        "-d",
        str(folder / "a.rego"),
        "-d",
        str(folder / "all.rego"),
    ]
    answer = subprocess.run(
        [*command, "-i", str(folder / "input.json"), "data.all.answers"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    expected = json.loads(answer.stdout)["result"][0]["expressions"][0]["value"]

    found = []
    for value in values:
        text = policy.evaluate_blocking("data.a.facts", json.dumps(value).encode(), deadline_seconds=10)
        found.append(json.loads(text))

    assert found == expected


@given(
    st.from_regex(r"[+-]?[0-9_]{0,5}\.?[0-9_]{0,4}([eE][+-]?[0-9]{1,2})?", fullmatch=True)
    | st.text(alphabet="0123456789+-._eExob", max_size=8)
)
@example("007")
@example("-00.50e+07")
@example("+.5")
@example("5.")
@example("1_000")
def test_numbers_of_texts_come_out_as_json(policy, text):
    """``to_number`` takes more than JSON does: "007" is 7."""
    found = {}
    for name in NUMBERS:
        try:
            answer = policy.evaluate_blocking(
                f"data.a.{name}", json.dumps(text).encode(), deadline_seconds=10
            )
        except EvaluationError as error:
            assert error.code == "builtin_error"  # noqa: PT017 - the only failure there may be
        else:
            found[name] = json.loads(answer)
    if "number" in found:
        assert found["number"] == pytest.approx(float(text))
    if found.keys() >= {"number", "computed"}:
        assert found["computed"] == pytest.approx(found["number"])
