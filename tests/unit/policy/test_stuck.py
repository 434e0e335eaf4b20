"""The engine is asked for stuck evaluations as long as their number can change, and an idle one isn't asked."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from tabard_opa import EngineError
from tabard_sidecar.policy.engines.stuck import StuckCount

DEADLINE, LATE = 0.25, 4.0
"""What an evaluation may take, and how long after it the engine has counted one that goes on, at the latest."""


@dataclass
class _Stats:
    stuck: int
    ever_stuck: int


class _Engine:
    """Counts evaluations by a clock: each is (begun, counted as stuck from, ended)."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked = 0
        self.evaluations: list[tuple[float, float]] = []
        self.closed = False

    def stats(self) -> _Stats:
        self.asked += 1
        if self.closed:
            raise EngineError([])
        counted = [(since, end) for since, end in self.evaluations if since <= self.now]
        return _Stats(sum(self.now < end for _, end in counted), len(counted))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["evaluate", "stick", "wait"]),
            st.floats(0.0, 20.0),
            st.floats(0.5, LATE),
        ),
        max_size=30,
    )
)
def test_what_is_told_is_what_the_engine_counts(steps):
    """Whatever happens, and at most once more after it has become quiet."""
    engine = _Engine()
    count = StuckCount(engine, lambda: engine.now)
    for kind, seconds, late in steps:
        if kind != "wait":
            count.began(DEADLINE)
        if kind == "stick":
            engine.evaluations.append((engine.now + DEADLINE + late, engine.now + DEADLINE + late + seconds))
        engine.now += seconds if kind == "wait" else 0.1
        told = count.read()
        stats = _Engine.stats(engine)
        assert told == (stats.stuck, stats.ever_stuck)
    engine.now += 100
    count.read()
    before = engine.asked
    assert count.read() == (0, len(engine.evaluations))
    assert engine.asked == before


def test_a_stuck_one_is_followed_until_it_ends():
    engine = _Engine()
    count = StuckCount(engine, lambda: engine.now)
    count.began(DEADLINE)
    engine.evaluations.append((1.0, 1000.0))
    for engine.now in (0.5, 2.0, 100.0, 999.0):
        assert count.read() == ((0, 0) if engine.now < 1 else (1, 1))
    engine.now = 1001.0
    assert count.read() == (0, 1)


def test_a_closed_engine_evaluates_nothing():
    engine = _Engine()
    engine.closed = True
    assert StuckCount(engine, lambda: engine.now).read() == (0, 0)
