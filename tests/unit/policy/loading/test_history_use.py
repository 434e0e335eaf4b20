"""A policy's use of history: found in its text, and assumed where the text isn't certain."""

from __future__ import annotations

import pytest
from tabard_opa import Engine
from tabard_sidecar.policy.loading.checks import index_rules
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy, parse_modules
from tabard_sidecar.policy.loading.rules import RuleIndex

from tests.support.policy import START

BASE = 'package policy.m\n\ngrant contains {"code": "ok"} if input.tool.name == "t"\n' + START


@pytest.mark.parametrize(
    ("rule", "history", "calls"),
    [
        ("", False, False),
        ('deny contains {"code": "a", "message": "b"} if input.task.purpose == "x"', False, False),
        ('deny contains {"code": "a", "message": "b"} if "x" in input.history.labels', True, False),
        ('deny contains {"code": "a", "message": "b"} if count(input.history.calls) > 3', True, True),
        ('deny contains {"code": "a", "message": "b"} if "x" in input["history"].labels', True, False),
        (
            'deny contains {"code": "a", "message": "b"} if { some part; input[part].labels[_] == "x" }',
            True,
            True,
        ),
        ('deny contains {"code": "a", "message": "b"} if object.get(input, "history", {}) != {}', True, True),
        (
            'deny contains {"code": "a", "message": "b"} if { some k, v in input; k == "history"; v.labels }',
            True,
            True,
        ),
        (
            'deny contains {"code": "a", "message": "b"} if { h := input.history; "x" in h.labels }',
            True,
            True,
        ),
        ('deny contains {"code": "a", "message": "b"} if [input][0].history.labels[_] == "x"', True, True),
        (
            'deny contains {"code": "a", "message": "b"} if {"a": input.history.calls}.a[_].tool == "x"',
            True,
            True,
        ),
        (
            'deny contains {"code": "a", "message": "b"} if [c | c := input.history.calls[_]][0].tool == "x"',
            True,
            True,
        ),
        (
            'deny contains {"code": "a", "message": "b"} if json.filter(input, ["history"]).history.calls != []',
            True,
            True,
        ),
        ('deny contains {"code": "a", "message": "b"} if data.tabard.lib.labels.has("x")', True, False),
        ('deny contains {"code": "a", "message": "b"} if data.tabard.lib.history.called({"x"})', True, True),
        ('deny contains {"code": "a", "message": "b"} if { lib := data.tabard.lib; lib.clock }', True, True),
        ('deny contains {"code": "a", "message": "b"} if { some name; data.tabard.lib[name] }', True, True),
    ],
)
def test_what_a_rule_looks_at(rule, history, calls):
    """A part that isn't named by a constant may be any part."""
    with Engine() as engine:
        compiled = compile_policy(engine, {"m.rego": BASE + rule + "\n"}, {}, CompileOptions())
        try:
            found = compiled.rules
            assert (found.reads_history, found.reads_calls) == (history, calls)
        finally:
            compiled.close()


def test_what_the_library_looks_at_counts_through_its_other_modules():
    """A helper that asks another helper looks at what that one looks at."""
    sources = {
        "a": "package tabard.lib.a\n\nf(x) if data.tabard.lib.b.f(x)\n",
        "b": "package tabard.lib.b\n\nf(x) if data.tabard.lib.c.f(x)\n",
        "c": "package tabard.lib.c\n\nf(x) if x in input.history.labels\n",
        "d": "package tabard.lib.d\n\nf(x) if x == input.tool.name\n",
    }
    with Engine() as engine:
        library = parse_modules(engine, sources)
        for name, reads in (("a", True), ("d", False)):
            rule = f'deny contains {{"code": "a", "message": "b"}} if data.tabard.lib.{name}.f("x")\n'
            found = index_rules(parse_modules(engine, {"m.rego": BASE + rule}), library)
            assert (found.reads_history, found.reads_calls) == (reads, False)


def test_without_an_index_everything_is_read():
    """Nothing is left out because a kind of use was forgotten."""
    assert RuleIndex().reads_history
    assert RuleIndex().reads_calls
