"""Tells people which lines of a decision log aren't records as the sidecar writes them."""

from __future__ import annotations

from tabard_sidecar.operating.terminal import echo, visible
from tabard_sidecar.records.lines import Oddity

_TOLD = 20


class OddLines:
    """Tells people of odd lines, at once: the first ones with their places, the others by their number."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, oddity: Oddity) -> None:
        """Tell of one."""
        self.count += 1
        if self.count <= _TOLD:
            echo(f"{visible(oddity.file)}:{oddity.line}: {oddity.problem}", err=True)

    def finish(self) -> None:
        """Tell how many there were and what to do next."""
        if self.count > _TOLD:
            echo(f"and {self.count - _TOLD} more odd lines", err=True)
        if self.count:
            echo(
                "next: the sidecar writes no such lines; see what `tabard audit verify` says of the log",
                err=True,
            )
