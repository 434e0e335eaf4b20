"""A read of facts is refused if and only if it gives the same in each state that a task can have."""

from __future__ import annotations

import json
from itertools import combinations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tabard_opa import Engine
from tabard_sidecar.facts import MOST_COUNT, MOST_ELEMENTS
from tabard_sidecar.policy.resources import library

from tests.unit.policy.loading.test_fact_reads import read_by
from tests.unit.policy.loading.test_facts import problems

TEXTS = ["", "a", "seen", "sent", "snet"]
NOTED = ["seen", "sent"]


def subsets(texts):
    return [sorted(found) for size in range(len(texts) + 1) for found in combinations(texts, size)]


FULL = sorted(f"{number}" for number in range(MOST_ELEMENTS - 1))
STATES = {
    "orders": [
        *subsets(TEXTS[1:]),
        *(sorted(FULL[:size]) for size in (3, 5, 7, 10)),
        *([*FULL, text] for text in [*TEXTS[1:], "z"]),
        ["z"],
        ["0", "a"],
    ],
    "steps": subsets(NOTED),
    "mails": [*range(12), 256, 257, MOST_COUNT],
    "points": [0, 5, 10, 15, MOST_COUNT - MOST_COUNT % 5],
}
"""What a task can have under each name: texts of any kind, two that grants write out, and calls that count 1 or 5."""

names = st.sampled_from(["orders", "steps"])
counters = st.sampled_from(["mails", "points"])
texts = st.sampled_from(TEXTS).map(json.dumps)
orders = st.sampled_from(["<", "<=", ">", ">="])
comparisons = orders | st.sampled_from(["==", "!="])
numbers = st.sampled_from([-5, -1, 0, 1, 2, 3, 5, 7, 10, 256, 257, MOST_COUNT, MOST_COUNT + 1])
sides = st.booleans()


def compared(left, sign, right, turned):
    return f"{right} {sign} {left}" if turned else f"{left} {sign} {right}"


def counter(name):
    return st.sampled_from([f"input.task.facts.{name}", f'facts.value("{name}")'])


def size(name):
    return st.sampled_from([f"count(input.task.facts.{name})", f'facts.size("{name}")'])


CONDITIONS = st.one_of(
    st.builds(compared, counters.flatmap(counter), comparisons, numbers, sides),
    st.builds(compared, names.flatmap(size), comparisons, numbers, sides),
    st.builds('facts.has("{}", {})'.format, names, texts),
    st.builds("{1} in input.task.facts.{0}".format, names, texts),
    st.builds('facts.has_all("{}", {{{}}})'.format, names, texts),
    st.builds(
        "_found\n}}\n\n_found if {{\n\tsome one in input.task.facts.{}\n\tone {} {}".format,
        names,
        orders,
        texts,
    ),
    st.builds("count({{one | some one in input.task.facts.{}; one == {}}}) == 1".format, names, texts),
    st.builds('some one in facts.elements("{}"); startswith(one, {})'.format, names, texts),
    st.builds(
        compared,
        names.map("input.task.facts.{}".format),
        st.sampled_from(["==", "!="]),
        st.lists(st.sampled_from(TEXTS), max_size=3).map(json.dumps),
        sides,
    ),
    st.builds("input.task.facts.{}[{}] == {}".format, names, st.sampled_from([-1, 0, 1, 255, 256]), texts),
)


def answers(condition, name):
    """Return what the condition gives in each state, by the real engine."""
    whole = f'package a\n\nimport data.tabard.lib.facts\n\n_facts := facts.size("orders")\n\n_holds if {{\n\t{condition}\n}}\n'
    module = (
        whole
        + "\nanswers contains given if {\n\tsome state in input\n\tgiven := _given with input as state\n}\n"
    )
    module += "\ndefault _given := false\n\n_given if _holds\n"
    empty = {"orders": [], "steps": [], "made": [], "mails": 0, "points": 0}
    states = [{"task": {"facts": {**empty, name: value}}} for value in STATES[name]]
    lib = {file: text for file, text in library().items() if file.endswith("/facts.rego")}
    with (
        Engine() as engine,
        engine.compile({"a.rego": module, **lib}, {}, entrypoints=["data.a.answers"]) as policy,
    ):
        found = policy.evaluate_blocking("data.a.answers", json.dumps(states).encode(), deadline_seconds=10)
    return set(json.loads(found))


@settings(max_examples=150, deadline=None)
@given(CONDITIONS)
@example("input.task.facts.points < 9007199254740991")
@example('input.task.facts.steps == ["sent", "seen"]')
def test_a_read_is_refused_if_and_only_if_it_gives_the_same_in_each_state(engine, condition):
    name = next(one for one in STATES if one in condition)
    refused = {code for code, _ in problems(engine, read_by("deny", condition))}
    assert bool(refused) == (len(answers(condition, name)) == 1), (condition, refused)
