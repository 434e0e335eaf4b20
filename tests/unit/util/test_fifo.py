"""The bounded dictionary, held against a list of pairs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tabard_sidecar.util.fifo import FifoDict


@given(st.lists(st.tuples(st.integers(0, 9), st.integers())), st.integers(1, 5))
def test_the_newest_keys_are_kept(pairs: list[tuple[int, int]], limit: int) -> None:
    kept: FifoDict[int, int] = FifoDict(limit)
    expected: list[tuple[int, int]] = []
    for key, value in pairs:
        kept[key] = value
        if key in dict(expected):
            expected = [(k, value if k == key else v) for k, v in expected]
        else:
            expected = [*expected, (key, value)][-limit:]
    assert list(kept.items()) == expected
