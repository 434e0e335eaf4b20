"""Detects that the server lost writes that it had acknowledged."""

from __future__ import annotations

import time

from tabard_sidecar.state.redis.link import WRITER_SECONDS

_TRUSTED_SECONDS = WRITER_SECONDS * 0.9


class Acknowledged:
    """The writes that the server acknowledged to this sidecar.

    The zone's epoch isn't enough: after a loss, other sidecars' writes may move it past its old value. So the server
    also counts each sidecar's writes, and a count that goes back means that writes of this sidecar were lost.
    """

    def __init__(self) -> None:
        self._writes = 0
        self._epoch = 0
        self._at = time.monotonic()

    def mark(self) -> tuple[int, int]:
        """Return the counts acknowledged so far. Call it before sending a request: answers may arrive out of order."""
        if time.monotonic() - self._at > _TRUSTED_SECONDS:
            # The server deletes the count of a sidecar that hasn't written for WRITER_SECONDS.
            self._writes = 0
        return self._writes, self._epoch

    def lost(self, mark: tuple[int, int], writes: int, epoch: int) -> bool:
        """Tell whether an answer counts fewer writes than ``mark``, taken before its request; store the counts."""
        if writes < mark[0] or epoch < mark[1]:
            self._writes, self._epoch = writes, epoch
            return True
        self.wrote(writes)
        self._epoch = max(self._epoch, epoch)
        return False

    def wrote(self, writes: int) -> None:
        """Store that ``writes`` writes are acknowledged."""
        if writes > self._writes:
            self._writes = writes
            self._at = time.monotonic()
