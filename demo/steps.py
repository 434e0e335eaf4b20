"""Steps of the scenario: an attempt, its expected result and its actual result."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from dataclasses import dataclass

import tabard


@dataclass(frozen=True, slots=True)
class Step:
    """One attempt with its expected and actual result."""

    name: str
    expected: str
    actual: str
    seconds: float = 0.0
    note: str = ""

    @property
    def met(self) -> bool:
        """True if the actual result is the expected one."""
        return self.expected == self.actual


async def tried(name: str, expected: str, attempt: Awaitable[object], note: str = "") -> Step:
    """Make a request; return ``allowed`` or the code of the refusal."""
    began = time.perf_counter()
    try:
        await attempt
        actual = "allowed"
    except tabard.TabardError as error:
        actual = error.code
    return Step(name, expected, actual, time.perf_counter() - began, note)
