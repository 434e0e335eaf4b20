"""Whether a policy looks back: known from its text, and taken for granted where that isn't certain."""

from __future__ import annotations

import pytest
from tabard_opa import Engine
from tabard_sidecar.policy.compiling import CompileOptions, compile_policy
from tabard_sidecar.policy.rules import RuleIndex

BASE = 'package policy.m\n\ngrant contains {"code": "ok"} if input.tool.name == "t"\n'


@pytest.mark.parametrize(
    ("rule", "history", "calls"),
    [
        ("", False, False),
        ('deny contains {"code": "a", "message": "b"} if input.task.purpose == "x"', False, False),
        ('deny contains {"code": "a", "message": "b"} if "x" in input.history.labels', True, False),
        ('deny contains {"code": "a", "message": "b"} if count(input.history.calls) > 3', True, True),
        ('deny contains {"code": "a", "message": "b"} if "x" in input["history"].labels', True, False),
        ('deny contains {"code": "a", "message": "b"} if { some part; input[part].labels[_] == "x" }', True, True),
        ('deny contains {"code": "a", "message": "b"} if object.get(input, "history", {}) != {}', True, True),
        ('deny contains {"code": "a", "message": "b"} if { some k, v in input; k == "history"; v.labels }', True, True),
        ('deny contains {"code": "a", "message": "b"} if { h := input.history; "x" in h.labels }', True, True),
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


def test_without_an_index_everything_is_read():
    """Nothing is left out because somebody forgot to look."""
    assert RuleIndex().reads_history
    assert RuleIndex().reads_calls
