"""Records wait for the candidate in order and within a bound, and whatever is dropped leaves a gap in its place."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from tabard_sidecar.interfaces import DecisionRecord
from tabard_sidecar.shadow.protocol import Given
from tabard_sidecar.shadow.tap import MAX_WAITING_BYTES, Waiting, matters


def record(number, size=0, **more):
    """A record that can be told from others."""
    text = json.dumps({"n": number, "text": "x" * size}).encode()
    return DecisionRecord("outcome", f"d{number}", "authorize", 1.0, text, {}, "r", **more)


def opened(frame):
    """The number of a record's frame; ``None`` for a gap."""
    if frame[:1] == Given.GAP.value:
        return None
    assert frame[:1] == Given.RECORD.value
    assert int.from_bytes(frame[1:5]) == len(frame) - 5
    return json.loads(frame[5:])["input"]["n"]


@given(st.integers(1, 20), st.lists(st.one_of(st.just("offer"), st.integers(1, 8)), max_size=200))
def test_order_bound_and_gaps(most, steps):
    """Against a model: a list of numbers and gaps."""
    waiting, model, number = Waiting(most), [], 0
    for step in steps:
        if step == "offer":
            number += 1
            if waiting.offer(record(number)):
                model.append(number)
            elif model[-1] is not None:
                model.append(None)
        else:
            taken, model = model[:step], model[step:]
            assert [opened(frame) for frame in waiting.take(step)] == taken
        assert len(waiting) == len(model) <= most + 1


def test_bytes_are_bounded():
    """Few large records count as much as many small ones."""
    waiting, size = Waiting(100_000), 1024 * 1024
    kept = sum(waiting.offer(record(number, size)) for number in range(100))
    assert kept * size <= MAX_WAITING_BYTES
    while waiting.take(8):
        pass
    assert waiting.offer(record(0, size))


def test_only_what_a_candidate_has_to_know_is_offered():
    """Decisions and reported outcomes; no revocations."""
    assert matters(record(1))
    assert not matters(record(1, by={"operator": {}}))
    assert matters(record(1, by={"agent": {}})._replace(operation="report_outcome"))
