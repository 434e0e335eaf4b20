"""The library grants no text that does more than tell, knows a dose in any writing, and picks what is outermost."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tabard_sidecar.policy.loading.compiling import library_modules

MODULE = """\
package laws

import data.tabard.lib.choices
import data.tabard.lib.demands
import data.tabard.lib.doses
import data.tabard.lib.messages

own := {text | some text in input.own}

more := own | {text | some text in input.more}

kinds(message) := {kind | some kind, _ in messages.refused(message)}

message(own_, asks) := {"name": "body", "own": own_, "people": {}, "asks": asks}

asked := {kind | some kind in input.asks}

answer := {
	"new": demands.within(input.tool.arguments.body, own),
	"new_with_more": demands.within(input.tool.arguments.body, more),
	"new_with_itself": demands.within(input.tool.arguments.body, {input.tool.arguments.body}),
	"refused": kinds(message(own, set())),
	"refused_but_asked": kinds(message(own, asked)),
	"says": messages.meaning(message(own, set())),
	"says_asked": messages.meaning(message(own, asked)),
}

dose := [doses.strengths(text) | some text in input.texts]

rhythm := [doses.rates(text) | some text in input.texts]

picked := choices.picked(input.values, "price")
"""
KINDS = ["amounts", "doses", "grants", "matters", "orders"]
PARTS = st.sampled_from(
    [
        "please",
        "you",
        "must",
        "take",
        "ring",
        "pay",
        "the",
        "it",
        "driver",
        "5",
        "mg",
        "twice",
        "a",
        "day",
        "12.90",
        "euros",
        "214,300",
        ".",
        ",",
        "and",
        "then",
        "get",
        "money",
        "back",
        "consents",
        "to",
        "discount",
        "revenue",
        "born",
        "Ann",
        "Lee",
        "comes",
        "on",
        "Friday",
        "order",
        "1006",
        "don't",
        "thank",
        "isn't",
    ]
)
TEXTS = st.lists(PARTS, max_size=14).map(" ".join)
SLOW = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def laws(engine):
    """The library and the rules that ask it."""
    entrypoints = ["data.laws.answer", "data.laws.dose", "data.laws.rhythm", "data.laws.picked"]
    with engine.compile({**library_modules(), "laws.rego": MODULE}, {}, entrypoints=entrypoints) as policy:
        yield policy


def asked(laws, rule, statement="", body="", **values):
    """Return what a rule says of a request and a call."""
    document = {
        "task": {"intent_source": "signed", "statement": statement},
        "tool": {"name": "mail.send", "arguments": {"body": body}},
        "own": [],
        "more": [],
        "asks": [],
        **values,
    }
    return json.loads(
        laws.evaluate_blocking(f"data.laws.{rule}", json.dumps(document).encode(), deadline_seconds=20)
    )


@SLOW
@given(statement=TEXTS, body=TEXTS, own=st.lists(TEXTS, max_size=2), more=TEXTS)
def test_what_is_known_is_nothing_new(laws, statement, body, own, more):
    found = asked(laws, "answer", statement, body, own=own, more=[more])
    assert found["new_with_itself"] == {}
    assert found["new_with_more"].keys() <= found["new"].keys()


@SLOW
@given(statement=TEXTS, body=TEXTS, asks=st.sets(st.sampled_from(KINDS)))
def test_only_what_an_author_asks_about_gets_wider(laws, statement, body, asks):
    found = asked(laws, "answer", statement, body, asks=sorted(asks))
    assert set(found["refused"]) - asks == set(found["refused_but_asked"])
    assert (found["says"] == "other") == bool(found["refused"])
    assert found["says"] == found["says_asked"] or (found["says"], found["says_asked"]) == ("other", "none")


@SLOW
@given(statement=TEXTS, body=TEXTS)
def test_an_order_of_which_nothing_speaks_reaches_nobody(laws, statement, body):
    speaks = {"order", "ring"} & set(statement.split())
    found = asked(laws, "answer", statement, f"{body}. Please unplug the printer.")
    assert speaks or found["says"] == "other"


@SLOW
@given(milligrams=st.integers(1, 5000), times=st.integers(2, 9))
def test_a_dose_in_another_writing_is_the_same(laws, milligrams, times):
    grams = f"{milligrams // 1000}.{milligrams % 1000:03d} g"
    texts = [
        f"{milligrams} mg",
        f"{milligrams}mg",
        grams,
        f"{milligrams:,} milligrams",
        f"{milligrams * 1000} mcg",
    ]
    texts = texts if milligrams < 1000 else texts[:-1]
    strengths = asked(laws, "dose", texts=texts)
    assert [strengths[0]] * len(texts) == strengths
    assert len(strengths[0]) == 1
    rhythms = asked(laws, "rhythm", texts=[f"{times} times a day", f"{times} x daily", f"{times}x per day"])
    assert rhythms == [[f"{times} per day"]] * 3


@SLOW
@given(values=st.dictionaries(st.text("abc", min_size=1), st.integers(1, 9), min_size=1))
def test_a_comparison_picks_the_outermost(laws, values):
    cheapest = asked(laws, "picked", "Take the cheapest one", values=values)
    assert set(cheapest) == {one for one, value in values.items() if value == min(values.values())}
    dearest = asked(laws, "picked", "Take the dearest one", values=values)
    assert set(dearest) == {one for one, value in values.items() if value == max(values.values())}
    assert asked(laws, "picked", "Take one", values=values) == []
