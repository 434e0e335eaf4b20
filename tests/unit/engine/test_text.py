"""Data reaches the engine as Python's own encoder writes it, in pieces."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard_opa import _text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON, st.integers(1, 3))
def test_pieces_join_to_what_the_encoder_writes(value, at_once):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_text, "_AT_ONCE", at_once)
        assert _text.json_text(value) == json.dumps(value, separators=(",", ":"))


def test_large_values_are_written_in_pieces(monkeypatch):
    longest = []
    dumps = json.dumps
    monkeypatch.setattr(
        _text.json, "dumps", lambda value, **more: longest.append(len(dumps(value))) or dumps(value, **more)
    )
    _text.json_text({"people": {f"u{i}": {"roles": [i]} for i in range(20_000)}, "ids": list(range(20_000))})
    assert max(longest) < 20_000


@pytest.mark.parametrize("value", [{"a": math.nan}, [math.inf], {"a": {"b": [object()]}}])
def test_what_is_no_json_is_refused(value):
    with pytest.raises((TypeError, ValueError)):
        _text.json_text(value)
