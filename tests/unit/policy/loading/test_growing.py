"""Rules that name each other twice make a value of 2^59 parts in a few lines. What such a value can be is found out in time."""

from __future__ import annotations

import time

import pytest
from tabard_sidecar.policy.loading.compiling import parse_modules
from tabard_sidecar.policy.loading.offered import Offers
from tabard_sidecar.policy.loading.reach import check_reach

HEAD = """package policy.demo

start contains {"code": "s", "limits": {"ttl_seconds": 900}} if input.subject.id != ""

grant contains {"code": "g"} if input.tool.name == "a.b"

"""
FORMS = {
    "array": "[{0}, {0}]",
    "object": '{{"a": {0}, "b": {0}}}',
    "set": "{{[{0}, 1], [{0}, 2]}}",
    "array of something unknown": "[{0}, input.tool.arguments, {0}]",
    "concat": 'concat("", [{0}, {0}])',
    "sprintf": 'sprintf("%v%v", [{0}, {0}])',
    "object.union": 'object.union({{"a": {0}}}, {{"b": {0}}})',
    "comprehension": "[y | some y in [{0}, {0}]]",
}
CONDITIONS = (
    "_x59 == input.tool.name",
    "input.tool.arguments == _x59",
    "input.delegation.chain == _x59",
    "input.tool.name in _x59",
    '_x59[0] == "a"',
    "_x59[input.tool.name]",
)


@pytest.mark.parametrize("form", FORMS)
def test_a_value_that_doubles_with_every_rule_is_looked_at_in_time(engine, form):
    """Whatever it is compared with: seconds, where it took hours or all memory."""
    doubled = "".join(f"_x{n} := {FORMS[form].format(f'_x{n - 1}')}\n\n" for n in range(1, 60))
    rules = "".join(f'deny contains {{"code": "no", "message": "no"}} if {one}\n\n' for one in CONDITIONS)
    text = f'{HEAD}_x0 := "a"\n\n{doubled}{rules}'
    began = time.monotonic()
    reach = check_reach(parse_modules(engine, {"demo.rego": text}), {}, {}, Offers())
    assert time.monotonic() - began < 30
    assert all(problem.code != "limit" for problem in reach.problems)


def test_a_value_of_many_parts_is_still_compared(engine):
    """A long list that is written out, or put together of two, keeps its meaning."""
    names = ", ".join(f'"t{number}"' for number in range(3000))
    text = f'{HEAD}_known := [["a", "b"], [{names}]]\n\ndeny contains {{"code": "no", "message": "no"}} if input.task.purpose == _known\n'
    reach = check_reach(parse_modules(engine, {"demo.rego": text}), {}, {}, Offers())
    assert {problem.code for problem in reach.problems} == {"type_mismatch"}
