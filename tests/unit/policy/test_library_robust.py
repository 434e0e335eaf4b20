"""No words of a person make a function of the library fail: an error would deny every call of the task."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tabard_sidecar.cli.policy_request import statement_input
from tabard_sidecar.policy.authoring.explaining import Trial
from tabard_sidecar.policy.authoring.words import expressions
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy

POLICY = {
    "p/p.rego": 'package policy.p\n\nstart contains {"code": "s", "limits": {"ttl_seconds": 60}}\n',
}
PEOPLE = {"P-1": ["Ann Lee", "Annie"], "P-2": ["Will Green"], "o'neil": ["Mo O'Neil", "Ing"]}
FUNCTIONS = (
    'data.tabard.lib.clauses.ordered({"move", "cancel", "pay"})',
    'data.tabard.lib.wishes.may({"move", "cancel", "pay"})',
    'data.tabard.lib.entities.ordered({"move"}, data.people, {"order"})',
    'data.tabard.lib.entities.may({"move"}, data.people, {"order"})',
    'data.tabard.lib.entities.meaning("P-1", data.people, {"order"})',
    'data.tabard.lib.figures.counts("P-1", data.people)',
    'data.tabard.lib.figures.cents("P-1", data.people)',
    'data.tabard.lib.figures.strengths("P-1", data.people)',
    'data.tabard.lib.dates.spans("Europe/Berlin")',
    'data.tabard.lib.texts.mentions("body", data.people)',
    'data.tabard.lib.intent.mentions("ann")',
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
def compiled(engine):
    """The whole library beside a directory of people."""
    found = compile_policy(engine, POLICY, {"people": PEOPLE}, CompileOptions(whole_library=True))
    yield found
    found.close()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(statement=STATEMENTS, body=STATEMENTS)
@example(statement="Cancel the -ing form.", body="ing")
@example(statement="ing", body="")
def test_no_function_fails_on_a_persons_words(engine, compiled, statement, body):
    document = dict(statement_input(statement, "2026-11-30T08:00:00Z"))
    document["tool"] = {**document["tool"], "arguments": {"body": body}}
    trial = Trial(compiled, {}, json.dumps(document).encode())
    failed = {
        expression: error
        for expression in (*expressions(engine, {"people": PEOPLE}), *FUNCTIONS)
        if (error := trial.show(expression).error)
    }
    assert failed == {}
