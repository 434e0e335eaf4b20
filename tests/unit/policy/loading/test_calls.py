"""A function is followed once for the same arguments, and what it finds is told of each call."""

from __future__ import annotations

import pytest
from tabard_sidecar.policy.catalogue import catalogue_of
from tabard_sidecar.policy.loading.bounds import Listed, Origin, Values
from tabard_sidecar.policy.loading.calls import make_call, origins_in
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy
from tabard_sidecar.policy.loading.offered import Offers
from tabard_sidecar.policy.problems import PolicyBrokenError

TOOLS = catalogue_of(
    {
        "tools": [
            {
                "name": f"notes.{name}",
                "inputSchema": {"properties": {field: {}}, "additionalProperties": False},
            }
            for name, field in (("read", "id"), ("write", "text"))
        ]
    },
    "catalogue.yaml",
)
HEAD = """package policy.demo

import data.tabard.lib.clauses
import data.tabard.lib.entities

start contains {"code": "s", "limits": {"tools": ["notes.*"]}} if input.subject.id != ""

"""


def told(engine, rules, *, data=None, offers=None):
    """Return line and code of each problem of a policy with these rules, by line."""
    used = [
        line for line in HEAD.splitlines() if not line.startswith("import") or line.split(".")[-1] in rules
    ]
    head = "\n".join(used) + "\n"
    options = CompileOptions(offers=offers or Offers(tools=TOOLS))
    try:
        compile_policy(engine, {"demo.rego": head + rules}, data or {}, options).close()
    except PolicyBrokenError as error:
        return sorted((one.row - head.count("\n"), one.code) for one in error.problems)
    return []


def test_each_call_with_a_wrong_literal_is_told(engine):
    rules = """grant contains {"code": "one"} if _is("raed")
grant contains {"code": "two"} if _is("renew")
grant contains {"code": "three"} if _is("raed")
grant contains {"code": "four"} if not _is("raed")
_is(name) if input.operation == name
"""
    assert [row for row, _ in told(engine, rules) if row < 5] == [1, 3, 4]


@pytest.mark.parametrize("order", [("read", "write"), ("write", "read")])
def test_a_function_is_followed_for_each_tool_whose_arguments_it_reads(engine, order):
    rule = 'grant contains {{"code": "{0}"}} if {{\n\tinput.tool.name == "notes.{0}"\n\t_short("id")\n}}\n\n'
    rules = "".join(rule.format(name) for name in order)
    helper = "_short(name) if count(_text(name)) < 9\n\n_text(name) := input.tool.arguments[name]\n"
    assert told(engine, rules + helper) == [(3 + 5 * order.index("write"), "argument_unknown")]


def test_literals_of_a_result_are_those_of_the_call(engine):
    rules = """grant contains {"code": "one"} if _chosen("autorize") == input.operation
grant contains {"code": "two"} if _chosen("authorize") == input.operation
grant contains {"code": "three"} if _chosen("autorize") == input.operation
_chosen(name) := name
"""
    assert told(engine, rules) == [(1, "value_unknown"), (3, "value_unknown")]


@pytest.mark.parametrize("upwards", [False, True])
def test_helpers_within_helpers_are_bounded_whatever_their_order(engine, upwards):
    helpers = [f"_h{number}(x) if _h{number + 1}(x)\n" for number in range(40)]
    rules = "".join(reversed(helpers) if upwards else helpers) + '_h40(x) if x != "a"\n'
    found = told(engine, rules + 'grant contains {"code": "one"} if _h0(input.subject.id)\n')
    assert [code for _, code in found] == ["limit"]


def test_many_rules_may_ask_the_library_the_same(engine):
    """Followed one by one, 600 rules of this kind take more steps than a policy may."""
    rules = "".join(
        f'grant contains {{"code": "c{number}"}} if {{\n'
        f'\tentities.ordered(data.people, set(), {{"send"}}) != set()\n'
        f'\tinput.subject.id != "{number}"\n}}\n\n'
        for number in range(600)
    )  # fmt: skip
    data = {"people": {"ann": ["Ann Lee"], "bob": ["Bob Ray"]}}
    assert told(engine, rules, data=data) == []


def test_parts_that_are_shared_are_visited_once():
    """As a tree this shape has 2 ** 60 parts."""
    origin, other = Origin(), Origin()
    shape = Values(("x",), origin)
    for _ in range(60):
        shape = Listed("array", (shape, shape))
    assert list(origins_in(shape)) == [origin]
    call = make_call([shape], [origin], shape, [], 1, of_tool=False)
    moved, _ = call.answer([other])
    assert list(origins_in(moved)) == [other]
    assert moved.items[0] is moved.items[1]
