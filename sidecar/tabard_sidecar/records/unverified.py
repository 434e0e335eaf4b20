"""Bounds what requests without a grant leave in the decision log.

Every process that reaches the socket can make requests without a verified grant or token, as many and as large as they
like. So none of their words is recorded. The first ones of a time leave a short record each: reason code, size and SHA-256
of the request. Further ones are counted, and the counts are recorded once a minute.

With one person's token, used or not, a workload can be refused as often as it likes. The first refusals of a person are
recorded in full. Further ones are treated like those above, but their records and counts name workload and person.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from hashlib import sha256

from cachetools import LRUCache

from tabard_sidecar.interfaces import DecisionRecord, Unverified
from tabard_sidecar.util.jsontext import encode

BURST = 20
"""Short records in a row."""
REFILL_SECONDS = 10.0
"""One more short record is possible after this time."""
COUNT_SECONDS = 60.0
"""Time between two records of counts."""
REFUSALS = 20
"""Refusals of one person that are recorded in full, in a row."""
REFUSAL_SECONDS = 3.0
"""One more is recorded in full after this time."""
_MAX_MESSAGE_CHARS = 256
_MAX_PEOPLE = 1024
_MAX_COUNTS = 1024
_Key = tuple[str, str, str, str]


def short_record(refusal: Unverified) -> DecisionRecord:
    """Return the short record of a refusal.

    Digest and size stand for what was asked: those of the arguments, for a call, or of the request as JSON.
    """
    asked = refusal.request()
    if refusal.verified is not None:
        left = {"sha256": sha256(asked).hexdigest(), "bytes": len(asked)}
        who = encode({"operation": refusal.operation, **refusal.who})
        result = {**refusal.verified.result, "unrecorded": left}
        return refusal.verified._replace(input_json=who, input_parts=(), result=result)
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


class _Allowance:
    """A number of times in a row, and one more after a time.

    Args:
        burst: times in a row.
        refill_seconds: time until one more.
        now: seconds, monotonic.
    """

    def __init__(self, burst: int, refill_seconds: float, now: float) -> None:
        self._burst, self._refill_seconds = burst, refill_seconds
        self._left, self._at = float(burst), now

    def take(self, now: float) -> bool:
        self._left = min(float(self._burst), self._left + (now - self._at) / self._refill_seconds)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class UnverifiedBudget:
    """Tells which refusals get a record, and counts the others.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._unverified = _Allowance(BURST, REFILL_SECONDS, clock())
        self._verified = _Allowance(BURST, REFILL_SECONDS, clock())
        self._people: LRUCache[tuple[str, str], _Allowance] = LRUCache(_MAX_PEOPLE)
        self._counts: Counter[_Key] = Counter()

    def record(self, refusal: Unverified) -> DecisionRecord | None:
        """Return the record that a refusal gets; count it if it gets none."""
        now, person = self._clock(), refusal.person
        short = self._unverified
        if refusal.verified is not None:
            short = self._verified
            allowance = self._people.setdefault(person, _Allowance(REFUSALS, REFUSAL_SECONDS, now))
            if allowance.take(now):
                return refusal.verified
        if short.take(now):
            return short_record(refusal)
        key = (refusal.operation, refusal.code, *person)
        if key not in self._counts and len(self._counts) >= _MAX_COUNTS:
            key = (refusal.operation, refusal.code, "", "")
        self._counts[key] += 1
        return None

    @property
    def counted(self) -> bool:
        """Whether there are counts that weren't recorded."""
        return bool(self._counts)

    def counts(self) -> dict[str, list[dict[str, object]]]:
        """Return the counts, those of people apart, and begin again from zero."""
        found: dict[str, list[dict[str, object]]] = {}
        for (operation, code, subject, issuer), count in sorted(self._counts.items()):
            one: dict[str, object] = {"operation": operation, "code": code, "count": count}
            if subject:
                one["subject"] = {"id": subject, "issuer": issuer}
            found.setdefault("verified" if subject else "unverified", []).append(one)
        self._counts.clear()
        return found
