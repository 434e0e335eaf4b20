"""Constants with which a builtin fails on every call are errors when the policy is loaded."""

from __future__ import annotations

import pytest
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy
from tabard_sidecar.policy.problems import PolicyBrokenError

HEAD = """package policy.demo

start contains {"code": "s", "limits": {"ttl_seconds": 900}} if input.subject.id != ""

grant contains {"code": "g"} if input.tool.name == "a.b"

"""
PURPOSE = "input.task.purpose"


def problems(engine, condition):
    text = f'{HEAD}deny contains {{"code": "no", "message": "no"}} if {condition}\n'
    try:
        compile_policy(engine, {"demo.rego": text}, {}, CompileOptions()).close()
    except PolicyBrokenError as error:
        return {(problem.row, problem.code) for problem in error.problems}
    return set()


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        (f'regex.match("(?=a)", {PURPOSE})', "pattern_invalid"),
        (f"regex.match(`(?<!a)b`, {PURPOSE})", "pattern_invalid"),
        (f'not regex.match("a(?!b)", {PURPOSE})', "pattern_invalid"),
        (rf"regex.match(`(a)\1`, {PURPOSE})", "pattern_invalid"),
        (f'regex.replace({PURPOSE}, "(?=a)", "") == "x"', "pattern_invalid"),
        (f'count([x | some x in regex.split("(?=a)", {PURPOSE})]) > 1', "pattern_invalid"),
        (f'glob.match("a*", ["::"], {PURPOSE})', "pattern_invalid"),
        (f'glob.match("a*", ["."  , ""], {PURPOSE})', "pattern_invalid"),
        ("time.clock(input.context.time)[0] > 8", "time_unit"),
        ('time.clock([input.context.time, "UTC"])[0] > 8', "time_unit"),
        ('time.weekday(input.context["time"]) == "Sunday"', "time_unit"),
        ("time.diff(input.context.time, 0)[0] > 8", "time_unit"),
    ],
)
def test_a_call_that_always_fails_is_refused(engine, condition, code):
    assert (7, code) in problems(engine, condition)


@pytest.mark.parametrize(
    "condition",
    [
        f'regex.match("[(?=]", {PURPOSE})',
        rf"regex.match(`\\1\(?=`, {PURPOSE})",
        rf"regex.match(`[^]\1]`, {PURPOSE})",
        rf"regex.match(`(?i)(?:a)(?P<n>b)\x41`, {PURPOSE})",
        f'glob.match("a*", ["."], {PURPOSE})',
        f'glob.match("a*", [], {PURPOSE})',
        "time.clock(input.context.time * 1000000000)[0] > 8",
        'time.clock([input.context.time * 1000000000, "UTC"])[0] > 8',
        f'time.weekday(time.parse_rfc3339_ns({PURPOSE})) == "Sunday"',
    ],
)
def test_one_that_can_succeed_is_not(engine, condition):
    assert not {code for _, code in problems(engine, condition)} & {"pattern_invalid", "time_unit"}
