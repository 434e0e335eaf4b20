"""A pattern is only said to match nothing if OPA says so, too."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tabard_opa import EvaluationError
from tabard_sidecar.policy.loading.patterns import may_match_glob, may_match_regex

MODULE = """package p

by_glob := glob.match(input.pattern, input.delimiters, input.text)

by_regex := regex.match(input.pattern, input.text)
"""
TEXTS = st.text("ab./-", max_size=4)
PARTS = ["a", "b", ".", "/", "-", "*", "?", "+", "^", "$", ",", "!", "{a,b}", "[ab]", "[!a]", r"\.", "**", "(a)", "{0,2}", "a|b"]  # fmt: skip
PATTERNS = st.lists(st.sampled_from(PARTS), max_size=4).map("".join)


@pytest.fixture(scope="module")
def matches(engine):
    with engine.compile({"p.rego": MODULE}, {}, entrypoints=["data.p.by_glob", "data.p.by_regex"]) as policy:

        def ask(rule, pattern, text, delimiters=()):
            given = json.dumps({"pattern": pattern, "text": text, "delimiters": delimiters}).encode()
            try:
                found = policy.evaluate_blocking(f"data.p.by_{rule}", given, deadline_seconds=5)
            except EvaluationError:
                return False
            return bool(found) and json.loads(found) is True

        yield ask


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PATTERNS, TEXTS, st.sampled_from([(), (".",), ("/",), None]))
def test_a_glob_that_matches_may_match(matches, pattern, text, delimiters):
    assert may_match_glob(text, pattern) or not matches("glob", pattern, text, delimiters)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PATTERNS.map("^".__add__), TEXTS)
def test_an_expression_that_matches_may_match(matches, pattern, text):
    assert may_match_regex(text, pattern) or not matches("regex", pattern, text)


def test_matches_are_seen(matches):
    """The properties above don't hold for want of matches."""
    assert matches("glob", "a*", "ab")
    assert matches("regex", "^ab*", "a")
    assert not may_match_glob("ab", "b*")
    assert not may_match_regex("ab", "^b")
