"""Bounds what requests without a verified grant or token leave in the decision log.

Every process that reaches the socket can make such requests, as many and as large as they like. So none of their words is
recorded. The first ones of a time leave a short record each: reason code, size and SHA-256 of the request. Further ones are
counted, and the counts are recorded once a minute.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from hashlib import sha256

from tabard_sidecar.interfaces import DecisionRecord, Unverified

BURST = 20
"""Short records in a row."""
REFILL_SECONDS = 10.0
"""One more short record is possible after this time."""
COUNT_SECONDS = 60.0
"""Time between two records of counts."""
_MAX_MESSAGE_CHARS = 256


def short_record(refusal: Unverified) -> DecisionRecord:
    """Return the record of a refusal.

    Digest and size stand for what was asked: those of the arguments, for a call, or of the request as JSON.
    """
    asked = refusal.request()
    tool = json.loads(asked).get("tool", {})
    digest = tool.get("arguments_sha256") or sha256(asked).hexdigest()
    size = tool.get("arguments_bytes") or len(asked)
    reason = {"code": refusal.code, "module": "", "message": refusal.message[:_MAX_MESSAGE_CHARS]}
    return DecisionRecord(
        event="outcome",
        decision_id=refusal.decision_id,
        operation=refusal.operation,
        timestamp=refusal.timestamp,
        input_json=b"",
        result={
            "decision": "deny",
            "reasons": [reason],
            "unverified": {"sha256": digest, "bytes": size},
        },
        policy_revision="",
    )


class UnverifiedBudget:
    """Tells which refusals get a record of their own, and counts the others.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left = float(BURST)
        self._at = clock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def take(self, operation: str, code: str) -> bool:
        """Return whether a refusal gets a record of its own; count it if it doesn't."""
        now = self._clock()
        self._left = min(float(BURST), self._left + (now - self._at) / REFILL_SECONDS)
        self._at = now
        if self._left >= 1:
            self._left -= 1
            return True
        self._counts[operation, code] += 1
        return False

    @property
    def counted(self) -> bool:
        """Whether there are counts that weren't recorded."""
        return bool(self._counts)

    def counts(self) -> list[dict[str, object]]:
        """Return the counts and begin again from zero."""
        found = [
            {"operation": operation, "code": code, "count": count}
            for (operation, code), count in sorted(self._counts.items())
        ]
        self._counts.clear()
        return found
