"""A term that nests too deeply is refused at once, with its place: a tree's JSON takes time by the square of its depth."""

from __future__ import annotations

import time

import pytest
from tabard_opa import EngineError

FORMS = {
    "sum": lambda n: "x := " + " + ".join(["1"] * n),
    "union": lambda n: "x := " + " | ".join(['{"a"}'] * n),
    "parentheses": lambda n: "x := " + "(" * n + "1" + " + 1)" * n,
    "calls": lambda n: "x := " + "abs(" * n + "1" + ")" * n,
    "arrays": lambda n: "x := " + "[" * n + "]" * n,
    "objects": lambda n: "x := " + '{"a": ' * n + "1" + "}" * n,
    "sets": lambda n: "x := " + "{" * n + "1" + "}" * n,
    "references": lambda n: "x := " + "input[" * n + "1" + "]" * n,
    "comprehensions": lambda n: "x := " + "[1 | y := " * n + "1" + "]" * n,
    "sets of all": lambda n: "x := " + "{1 | y := " * n + "1" + "}" * n,
    "every": lambda n: "every x in input.x { " * n + "x == 1" + "}" * n,
}


def module(body: str) -> str:
    return f"package policy.p\n\ndeny contains 1 if {{\n\t{body}\n}}\n"


def otherwise(count: int) -> str:
    return "package policy.p\n\n\n_f := 0 if false" + " else := 1 if false" * count + "\n"


SOURCES = {name: (lambda n, form=form: module(form(n))) for name, form in FORMS.items()} | {"else": otherwise}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_five_thousand_levels_are_refused_within_seconds_with_the_place(engine, source):
    began = time.process_time()
    with pytest.raises(EngineError) as caught:
        engine.parse("p.rego", source(5000))
    (problem,) = caught.value.errors
    assert (problem.file, problem.row, problem.code) == ("p.rego", 4, "limit")
    assert problem.column >= 1
    assert "nested more than 250 levels" in problem.message
    assert time.process_time() - began < 2


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_hundred_levels_are_accepted(engine, source):
    assert engine.parse("p.rego", source(100))["rules"]


def test_what_is_wide_is_not_deep(engine):
    wide = ", ".join(["1"] * 5000)
    assert engine.parse("p.rego", module(f"x := [{wide}]"))["rules"]
