"""States an expectation in files with decision cases where none is stated; nothing is compared with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def complete(value: dict[str, Any]) -> None:
    """Add what is missing to the content of a file, in place. What has another form stays: it is told as a mistake."""
    for case in _mappings(value.get("cases")):
        case.setdefault("expect", {"effect": ["allow", "ask"] if "approved" in case else "allow"})
    for matrix in _mappings(value.get("matrices")):
        matrix.setdefault("expect", ["allow", "ask", "deny"])
    for sentence in _mappings(value.get("requests")):
        for call in _mappings(sentence.get("does")):
            call.setdefault("expect", ["allow", "ask"])


def _mappings(listed: object) -> Iterator[dict[str, Any]]:
    return (one for one in listed if isinstance(one, dict)) if isinstance(listed, list) else iter(())
