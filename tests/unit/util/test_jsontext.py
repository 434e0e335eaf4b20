"""JSON is written compactly, and anything that a strict parser accepts can be written again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard_sidecar.util.jsontext import encode

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(value=_VALUES)
def test_what_is_written_is_read_as_the_same_value(value):
    """Also integers beyond 64 bits and unpaired surrogates, which orjson refuses."""
    assert json.loads(encode(value)) == value


def test_text_is_compact_and_in_utf8():
    assert encode({"a": [1, "é"]}) == '{"a":[1,"é"]}'.encode()


def test_what_is_no_json_is_refused():
    with pytest.raises(TypeError):
        encode({"a": object()})
