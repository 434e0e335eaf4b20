"""base64url without padding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard import base64url


@given(st.binary(max_size=100))
def test_decoding_returns_what_was_encoded(data):
    text = base64url.encode(data)

    assert base64url.decode(text) == data
    assert set(text).isdisjoint("+/=")


@pytest.mark.parametrize(
    ("text", "data"), [("", b""), ("Zg", b"f"), ("Zm8", b"fo"), ("Zm9v", b"foo"), ("-_8", b"\xfb\xff")]
)
def test_vectors_of_rfc_4648_without_padding(text, data):
    assert base64url.encode(data) == text
    assert base64url.decode(text) == data


@pytest.mark.parametrize("text", ["Zg==", "Zh", "Zm9", "Z", "+/8", "Zg\n", " Zg", "Z g", "Zgé", "="])
def test_other_spellings_are_refused(text):
    """Padding, unused bits that are set, an impossible length, the other alphabet, and characters of neither."""
    with pytest.raises(ValueError, match="base64url"):
        base64url.decode(text)
