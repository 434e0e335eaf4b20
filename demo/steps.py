"""What was tried, what had to come out of it, and what did."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from dataclasses import dataclass

import tabard


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried: what had to come out, and what did."""

    name: str
    expected: str
    actual: str
    seconds: float = 0.0
    note: str = ""

    @property
    def met(self) -> bool:
        """True if what had to happen did."""
        return self.expected == self.actual


async def tried(name: str, expected: str, attempt: Awaitable[object], note: str = "") -> Step:
    """Try something that a sidecar decides about: ``allowed``, or the code of the refusal."""
    began = time.perf_counter()
    try:
        await attempt
        actual = "allowed"
    except tabard.TabardError as error:
        actual = error.code
    return Step(name, expected, actual, time.perf_counter() - began, note)
