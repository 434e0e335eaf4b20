"""The exceptions that code raises which reads data of another form than it expects."""

from __future__ import annotations

MALFORMED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)
"""Catch them only around the reading of another program's reply, so that the reply counts as its failure."""
