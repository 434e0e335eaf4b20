"""Calls of simple functions are replaced before elements are checked, within bounds."""

from __future__ import annotations

import pytest
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy
from tabard_sidecar.policy.problems import PolicyBrokenError

TEMPLATE = """package policy.demo

_f(x) := {{"kind": x, "scopes": [{f}]}}

_g(x) := [{g}]

grant contains {{"code": "a", "credential": {credential}}} if input.operation == "authorize"

start contains {{"code": "begin"}} if input.operation == "start_task"
"""


def load(engine, credential, *, size=1):
    """Compile a policy whose functions return lists of ``size`` items."""
    source = TEMPLATE.format(
        f=", ".join(['"s"'] * size), g=", ".join(["_f(x)"] * size), credential=credential
    )
    return compile_policy(engine, {"demo.rego": source}, {}, CompileOptions())


def test_an_element_that_breaks_its_contract_behind_a_call_is_refused(engine):
    """The list that ``_g`` returns is no credential."""
    with pytest.raises(PolicyBrokenError, match=r"credential"):
        load(engine, '_g("jwt")')


def test_a_call_that_returns_too_much_is_left_to_evaluation(engine):
    """130 x 130 terms aren't written out; the policy loads, and the element is checked when it is evaluated."""
    load(engine, '_g("jwt")', size=130).close()
