"""Tokens of pages of the list of tasks."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.server.convert_operator import page_token, position
from tabard_sidecar.state.listing import TaskPosition


@given(
    st.floats(allow_nan=False, allow_infinity=False), st.from_regex(r"[0-9a-zA-Z:._-]{1,256}", fullmatch=True)
)
def test_a_token_names_its_place(started_at, root_id):
    place = TaskPosition(started_at, root_id)
    assert position(page_token(place)) == place


def test_the_beginning_and_the_end_have_no_token():
    assert position("") is None
    assert page_token(None) == ""


@pytest.mark.parametrize(
    "text", ["x", "1", ":a", "1:", "nan:a", "inf:a", "0x1p99999:a", "1:" + "a" * 257, "1:a b", "1:a\n"]
)
def test_another_text_is_refused(text):
    with pytest.raises(NoDecision, match="page_token"):
        position(text)


@given(st.text())
def test_any_text_is_a_place_or_is_refused(text):
    with contextlib.suppress(NoDecision):
        assert position(text) is None or text
