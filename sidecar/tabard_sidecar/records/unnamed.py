"""Remembers what was made although its record couldn't be written, until the log can name it."""

from __future__ import annotations

from typing import Any

from tabard_sidecar.interfaces import DecisionRecord
from tabard_sidecar.util.jsontext import encode

MOST_NAMED = 32
"""Most records that the log names afterwards; further ones are only counted."""
_MAX_BYTES = 1024
_MADE = ("task_id", "link", "approvals_asked", "may_have_taken", "change", "sequence")


class Unnamed:
    """The records that were lost, as far as they tell of something that stands."""

    def __init__(self) -> None:
        self._found: list[dict[str, Any]] = []

    def add(self, record: DecisionRecord) -> None:
        """Remember a record that wasn't written."""
        made = {name: record.result[name] for name in _MADE if name in record.result}
        if made and len(self._found) < MOST_NAMED and len(encode(made)) <= _MAX_BYTES:
            self._found.append(
                {"decision_id": record.decision_id, "operation": str(record.operation), **made}
            )

    def told(self) -> dict[str, Any]:
        """Return what the log's note says of them."""
        return {"made": list(self._found)} if self._found else {}

    def forget(self) -> None:
        """Forget them: they were named."""
        self._found.clear()
