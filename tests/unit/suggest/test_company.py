"""The invented company of the benchmark does what its measure takes for a habit, and the same for each seed."""

from __future__ import annotations

import random

import pytest

from bench.company.authority import ANYTHING
from bench.company.habits import MONTH_ENDS, habitual, pairs, tasks
from bench.company.values import FIRST_DAYS


@pytest.fixture(scope="module")
def everything():
    """Both months of one world."""
    return list(tasks(random.Random(5)))


def test_every_call_is_habitual(everything):
    """Else the measure would count calls of a habit as unused authority."""
    calls = [(task, step) for task in everything for step in task.steps]
    assert len(calls) > 5000
    assert all(habitual(step.agent, task.purpose, step.tool, step.arguments) for task, step in calls)
    assert {(step.agent, task.purpose) for task, step in calls} <= set(pairs())


def test_the_same_seed_makes_the_same_world(everything):
    """And another one another world."""
    assert list(tasks(random.Random(5))) == everything
    assert list(tasks(random.Random(6))) != everything


def test_what_is_drawn_as_anything_is_more_than_a_habit():
    """Of a tool that an agent uses some draws are habitual and some aren't; of one that it doesn't use none is."""
    rng = random.Random(1)
    drawn = [
        {name: source.draw(rng, 40) for name, source in ANYTHING["db.query"].items()} for _ in range(300)
    ]
    fits = [habitual("reporter", "reporting", "db.query", one) for one in drawn]
    assert not all(fits)
    assert not any(habitual("stock", "stock_care", "db.query", one) for one in drawn)


def test_habits_drift(everything):
    """A tool comes into use, one job is done once in the second month, month ends have jobs of their own."""
    first = {
        step.tool for task in everything[:200] for step in task.steps if task.purpose == "answer_customers"
    }
    later = {step.tool for task in everything for step in task.steps if task.purpose == "answer_customers"}
    assert later - first == {"web.get", "orders.cancel"}
    starts = [task.start for task in everything]
    assert starts == sorted(starts)
    days = {int((task.start - starts[0]) // 86_400) for task in everything if task.purpose == "annual_count"}
    assert len(days) == 1
    assert min(days) > FIRST_DAYS
    assert len(MONTH_ENDS) == 4
