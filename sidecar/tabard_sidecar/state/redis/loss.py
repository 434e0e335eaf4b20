"""Noticing that the server lost what it had acknowledged."""

from __future__ import annotations

import time

from tabard_sidecar.state.redis.link import WRITER_SECONDS

_TRUSTED_SECONDS = WRITER_SECONDS * 0.9


class Acknowledged:
    """What the server acknowledged to this sidecar.

    The zone's epoch alone wouldn't do: other sidecars may write so much after a loss that it passes what it was before. So
    the server counts every sidecar's writes, and a sidecar whose count goes back has lost some.
    """

    def __init__(self) -> None:
        self._writes = 0
        self._epoch = 0
        self._at = time.monotonic()

    def mark(self) -> tuple[int, int]:
        """Return what is acknowledged by now; taken before a question is sent, since answers may overtake each other."""
        if time.monotonic() - self._at > _TRUSTED_SECONDS:
            # The server may have forgotten a sidecar that didn't write for so long.
            self._writes = 0
        return self._writes, self._epoch

    def lost(self, mark: tuple[int, int], writes: int, epoch: int) -> bool:
        """Tell whether an answer shows less than was acknowledged when its question was sent; remember what it shows."""
        if writes < mark[0] or epoch < mark[1]:
            self._writes, self._epoch = writes, epoch
            return True
        self.wrote(writes)
        self._epoch = max(self._epoch, epoch)
        return False

    def wrote(self, writes: int) -> None:
        """Remember that so many writes are acknowledged."""
        if writes > self._writes:
            self._writes = writes
            self._at = time.monotonic()
