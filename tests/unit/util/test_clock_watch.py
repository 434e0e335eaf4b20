"""Noticing a clock that jumps."""

from __future__ import annotations

import time

import pytest
from tabard_sidecar.util.clock_watch import STEADY_SECONDS, ClockWatch, uptime

START = 1_800_000_000.0


class Times:
    """A clock and the time that passes, each set by the test."""

    def __init__(self):
        self.clock, self.up = START, 1000.0

    def passes(self, seconds):
        """Let time pass, which the clock follows."""
        self.clock += seconds
        self.up += seconds


@pytest.fixture
def times():
    """The machine's times."""
    return Times()


@pytest.fixture
def watch(times):
    """A watch that has seen the clock be steady."""
    watch = ClockWatch(lambda: times.clock, lambda: times.up)
    times.passes(STEADY_SECONDS)
    assert watch.steady()
    return watch


def test_a_clock_is_steady_after_a_while(times):
    """The first minutes after a start show nothing."""
    watch = ClockWatch(lambda: times.clock, lambda: times.up)
    assert not watch.steady()
    times.passes(STEADY_SECONDS - 1)
    assert not watch.steady()
    assert watch.problem == ""
    times.passes(1)
    assert watch.steady()


@pytest.mark.parametrize(("jump", "way"), [(7200.0, "ahead"), (11.0, "ahead"), (-3_000_000.0, "back")])
def test_a_jump_is_told_until_the_clock_was_steady(times, watch, caplog, jump, way):
    """In either direction, and once in the log."""
    times.clock += jump
    times.passes(5)
    assert not watch.steady()
    watch.look()
    assert f"set {way} by {abs(jump):.0f} s" in watch.problem
    assert [record.message for record in caplog.records] == ["clock jumped"]
    times.passes(STEADY_SECONDS - 6)
    assert not watch.steady()
    times.passes(6)
    assert watch.steady()
    assert watch.problem == ""


def test_a_clock_that_comes_back_begins_again(times, watch):
    """What happens within ten minutes is never taken for right."""
    times.clock += 3600
    for _ in range(3):
        times.passes(STEADY_SECONDS - 100)
        assert not watch.steady()
        times.clock -= 600


def test_drift_and_sleep_are_no_jumps(times, watch):
    """Time servers correct a clock little by little, and a machine that sleeps has both times go on."""
    for _ in range(100):
        times.passes(30)
        times.clock += 0.5
        assert watch.steady()
    times.passes(86_400)
    assert watch.steady()


def test_uptime_never_goes_back():
    """And isn't moved by a change of the clock."""
    first, later = uptime(), uptime()
    assert later >= first > 0


def test_the_machine_has_both_times():
    """Nothing jumps where nothing happens."""
    watch = ClockWatch(time.time)
    watch.look()
    assert watch.problem == ""
