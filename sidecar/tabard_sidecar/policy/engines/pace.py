"""Says how long to pause between two requests to a server that gives bundles."""

from __future__ import annotations

import random

_FIRST_RETRY_SECONDS = 1.0
_MOST_DOUBLINGS = 20
_SHORTEST_TURN_SECONDS = 1.0


class Pace:
    """Chooses pauses.

    Args:
        shortest: of the pauses after a success, in seconds.
        longest: of all pauses, in seconds.
        chance: makes the pauses of several sidecars differ.
    """

    def __init__(self, shortest: float, longest: float, chance: random.Random | None = None) -> None:
        self._shortest = shortest
        self._longest = longest
        # The pauses needn't be hard to guess.
        self._chance = chance or random.Random()  # noqa: S311
        self._failures = 0

    def failed(self) -> float:
        """Return the pause after a failure: about a second at first, and up to twice as long after each further one."""
        most = min(self._longest, _FIRST_RETRY_SECONDS * 2 ** min(self._failures, _MOST_DOUBLINGS))
        self._failures += 1
        return self._chance.uniform(most / 2, most)

    def answered(self) -> float:
        """Return the pause after an answer."""
        self._failures = 0
        return self._chance.uniform(self._shortest, self._longest)

    def waited(self, seconds: float) -> float:
        """Return the pause after an answer of a server that waits for changes, and took so many seconds.

        It is none, unless the server didn't wait: then there is a request per second.
        """
        self._failures = 0
        return max(0.0, _SHORTEST_TURN_SECONDS - seconds)
