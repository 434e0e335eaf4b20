"""Passes what the decision log records on to the candidate, off the caller's way and within a bound."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from tabard_sidecar.interfaces import DecisionLog, DecisionRecord, Unverified
from tabard_sidecar.records.composing import Composer
from tabard_sidecar.shadow.protocol import Given, given

MAX_WAITING_BYTES = 16 * 1024 * 1024
_RECORD_BYTES = 1024
"""What a record takes beside its input, about."""
_OUTCOMES = "report_outcome"


class TappedLog:
    """A decision log whose written records are offered to someone else, too.

    Args:
        log: the decision log.
        offer: takes a record at once; never raises.
    """

    def __init__(self, log: DecisionLog, offer: Callable[[DecisionRecord], None]) -> None:
        self._log = log
        self._offer = offer

    def hold(self, decision_id: str, size: int) -> None:
        """Keep room for the records of a decision; see the interface."""
        self._log.hold(decision_id, size)

    async def record(self, record: DecisionRecord) -> None:
        """Write one record, then offer it.

        Raises:
            NoDecision: it wasn't written, and the log is required.
        """
        await self._log.record(record)
        self._offer(record)

    async def unverified(self, refusal: Unverified) -> None:
        """Note a refused request without a verified grant; see the interface."""
        await self._log.unverified(refusal)


class Waiting:
    """Records that wait for the candidate.

    Args:
        most: how many at most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._records: deque[DecisionRecord | None] = deque()
        self._bytes = 0
        self._some = asyncio.Event()
        self._composer: Final = Composer({}, None)

    def __len__(self) -> int:
        """How many wait."""
        return len(self._records)

    def offer(self, record: DecisionRecord) -> bool:
        """Keep a record, or return False if there is no room for it. A gap is then noted in its place."""
        if len(self._records) >= self._most or self._bytes >= MAX_WAITING_BYTES:
            if self._records and self._records[-1] is not None:
                self._records.append(None)
            return False
        self._records.append(record)
        self._bytes += _size(record)
        self._some.set()
        return True

    def clear(self) -> None:
        """Forget what waits."""
        self._records.clear()
        self._bytes = 0
        self._some.clear()

    async def some(self) -> None:
        """Wait until there is something."""
        await self._some.wait()

    def take(self, most: int) -> list[bytes]:
        """Return frames of the oldest records, which don't wait any more; none if there are none."""
        frames: list[bytes] = []
        while self._records and len(frames) < most:
            record = self._records.popleft()
            if record is None:
                frames.append(given(Given.GAP))
                continue
            self._bytes -= _size(record)
            frames.append(given(Given.RECORD, self._composer.compose(record).text() + b"}"))
        if not self._records:
            self._some.clear()
        return frames


def matters(record: DecisionRecord) -> bool:
    """Tell whether a candidate has to know a record: a decision, or what an agent or a backend reported of a call."""
    return record.by is None or record.operation == _OUTCOMES


def _size(record: DecisionRecord) -> int:
    return len(record.input_json) + _RECORD_BYTES
