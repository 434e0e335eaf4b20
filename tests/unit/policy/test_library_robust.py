"""No words of a person make a function of the library fail: an error would deny every call of the task."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tabard_opa import EvaluationError
from tabard_sidecar.cli.policy_request import statement_input
from tabard_sidecar.policy.authoring.words import expressions
from tabard_sidecar.policy.loading.compiling import library_modules

PEOPLE = {"P-1": ["Ann Lee", "Annie"], "P-2": ["Will Green"], "o'neil": ["Mo O'Neil", "Ing"]}
FUNCTIONS = (
    'data.tabard.lib.clauses.ordered({"move", "cancel", "pay"})',
    'data.tabard.lib.wishes.may({"move", "cancel", "pay"})',
    'data.tabard.lib.entities.ordered({"move"}, data.people, {"order"})',
    'data.tabard.lib.entities.may({"move"}, data.people, {"order"})',
    'data.tabard.lib.entities.meaning("P-1", data.people, {"order"})',
    'data.tabard.lib.wishes.stated({"move", "take"}, {"order"})',
    'data.tabard.lib.entities.within(data.tabard.lib.clauses.ordered({"move"}), data.people, set())',
    'data.tabard.lib.scopes.of("P-1", data.people)',
    'data.tabard.lib.figures.counts("P-1", data.people)',
    'data.tabard.lib.figures.cents("P-1", data.people)',
    'data.tabard.lib.figures.strengths("P-1", data.people)',
    'data.tabard.lib.dates.spans("Europe/Berlin")',
    'data.tabard.lib.texts.mentions("body", data.people)',
    'data.tabard.lib.texts.unsaid("body", {"Ann Lee", "2026-12-02T14:00"})',
    'data.tabard.lib.forms.fields("body")',
    'data.tabard.lib.forms.known("body", {"Ann Lee"})',
    'data.tabard.lib.intent.mentions("ann")',
    'data.tabard.lib.demands.within(input.tool.arguments.body, {"Ann Lee"})',
    'data.tabard.lib.doses.meaning({"name": "body", "id": "P-1", "directory": data.people, "record": "5 mg daily"})',
    "data.tabard.lib.doses.rhythms(input.tool.arguments.body)",
    'data.tabard.lib.figures.beside("P-1", data.people)',
    'data.tabard.lib.messages.refused({"name": "body", "own": {"Ann"}, "people": data.people, "about": {"P-1"}})',
    'data.tabard.lib.choices.picked({"P-1": 3, "P-2": 5}, "price")',
    'data.tabard.lib.choices.meaning({"name": "body", "options": {"a": {"two"}, "Ann": {"half", "o\'neil (x"}}})',
    "data.tabard.lib.quantities.count_within_limits(12)",
)
WORDS = ["ing", "-ing", "s", "es", "ies", "'s", "'", '"', "(", ")", ",", ".", ";", ":", "-", "!", "?", "/", "@", "%", "0", "00", "1.000,5", "1,2", "-5", "9999999999999999999", "two", "half", "past", "quarter", "to", "noon", "25:61", "24:00", "12am", "31", "February", "3rd", "31st", "tomorrow", "next", "last", "this", "Friday", "week", "not", "all", "but", "except", "don't", "without", "instead", "of", "rather", "than", "tell", "Ann", "Lee", "Annie's", "Will", "Green", "O'Neil", "Mo", "and", "or", "it", "them", "move", "cancel", "pay", "send", "order", "P-1", "p1", "https://", "http://x", "ann@shop.example", "ann@", "..", "../", "C:\\"]  # fmt: skip
WORDS += [
    chr(code)
    for code in (0, 9, 10, 0xDF, 0x130, 0x131, 0x200B, 0x202E, 0x2013, 0x2026, 0x20AC, 0x4F60, 0xFB01)
]
STATEMENTS = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join),
    st.lists(st.sampled_from(WORDS), max_size=6).map("".join),
    st.text(max_size=60),
)


@pytest.fixture
def expressions_by_rule(engine):
    """What the library can be asked about a request, by name of a rule that asks it."""
    every = (*expressions(engine, {"people": PEOPLE}), *FUNCTIONS)
    return {f"expression_{number}": expression for number, expression in enumerate(every)}


@pytest.fixture
def policy(engine, expressions_by_rule):
    """The whole library, a directory of people, and rules that ask everything: each alone, and all together."""
    rules = [f"{rule} := [found | found := {one}]" for rule, one in expressions_by_rule.items()]
    modules = {**library_modules(), "asked.rego": "\n\n".join(["package asked", *rules])}
    entrypoints = ["data.asked", *(f"data.asked.{rule}" for rule in expressions_by_rule)]
    with engine.compile(modules, {"people": PEOPLE}, entrypoints=entrypoints) as found:
        yield found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(statement=STATEMENTS, body=STATEMENTS)
@example(statement="Cancel the -ing form.", body="ing")
@example(statement="ing", body="")
@example(statement="Ann", body="a=1&a=2")
@example(statement="Ann", body='{"a": "1", "A": {"b": 2}}')
@example(statement="Don't", body="")
@example(statement="Don't pay Ann, all but Mo. Send 20 to Will, not Green, tomorrow at noon.", body="Ann")
def test_no_function_fails_on_a_persons_words(policy, expressions_by_rule, statement, body):
    document = dict(statement_input(statement, "2026-11-30T08:00:00Z"))
    document["tool"] = {**document["tool"], "arguments": {"body": body}}
    text = json.dumps(document).encode()
    found, error = evaluated(policy, "data.asked", text)
    if error:
        errors = {
            one: evaluated(policy, f"data.asked.{rule}", text)[1] for rule, one in expressions_by_rule.items()
        }
        assert {one: error for one, error in errors.items() if error} == {}
    assert found.keys() == expressions_by_rule.keys()


def evaluated(policy, entrypoint, document):
    """Return what an entrypoint is worth, and why its evaluation failed."""
    try:
        return json.loads(policy.evaluate_blocking(entrypoint, document, deadline_seconds=20)), ""
    except EvaluationError as error:
        return {}, str(error)
