"""Laws: redaction takes time in proportion to a record, and finds every token wherever it stands."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard_sidecar.records.redaction import RecordRedaction, redact_text

TOKEN = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL3gifQ.c2ln"
"""A JWT of the issuer ``https://x``."""
REDACTION = RecordRedaction(["https://x"])
LARGE = [b"eyJ", b"eyJaaaaaaaa.", b"eyJaaaaaaaa.bb.", b"AgEGdGFiYXJk", b"MDA", b"eyJ.", b"Age"]


@pytest.mark.parametrize("piece", LARGE)
@pytest.mark.parametrize("redact", [REDACTION, lambda text: redact_text(text.decode())])
def test_four_times_the_text_takes_little_more_than_four_times_as_long(redact, piece):
    def took(size: int) -> float:
        text = b'{"x":"' + piece * (size // len(piece)) + b'"}'
        began = time.process_time()
        redact(text)
        return time.process_time() - began

    small = min(took(60_000) for _ in range(3))
    assert took(240_000) < max(0.05, 10 * small)


_AROUND = st.lists(st.sampled_from([b"eyJ", b"a", b"-_", b".", b" ", b'"', b"eyJaaaaaaaa"]), max_size=8).map(
    b"".join
)


@given(before=_AROUND, after=_AROUND)
def test_a_token_among_other_letters(before, after):
    """Letters before it, and whatever comes after, don't hide it."""
    left = REDACTION(before + b'"' + TOKEN + b'"' + after)
    assert b"c2ln" not in left


@pytest.mark.parametrize("before", [b"x", b"eyJaaaaaaaa.bb.", b"eyJaaaaaaaa.eyJaaaaaaaa.", b"a.b."])
def test_a_token_that_other_letters_touch(before):
    """Not even the beginning of another token, whose signature it would be."""
    assert REDACTION(before + TOKEN + b" ").startswith(before + b"[redacted sha256:")
