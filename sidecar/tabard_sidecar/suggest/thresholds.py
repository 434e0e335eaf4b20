"""Says how much evidence a proposal needs; every bound is stated, and printed with each proposal."""

from __future__ import annotations

from typing import Any, Final

from tabard_sidecar.util.lean import dataclass

MOST_MEMBERS: Final = 256
"""Most members of a set that are remembered. A larger one counts as no set."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What has to be seen before something is proposed. A larger value proposes less, except for ``most_members``.

    Attributes:
        decisions: allowed calls.
        tasks: distinct tasks.
        days: distinct days (UTC).
        settled: days of use since a set got its last new member, or a number its extreme.
        repeated: share of a set's members that were seen in several tasks, 0 to 1.
        most_members: members of a set of values.
        slack: by which share a number may exceed what was seen.
        close_lower: whether a number may not be smaller than the smallest one either. Without it a number that was never
            negative only has to stay so: small amounts are seldom a danger, but habits have few of them, so the smallest one
            is known late.
    """

    decisions: int = 10
    tasks: int = 10
    days: int = 5
    settled: int = 3
    repeated: float = 0.9
    most_members: int = 40
    slack: float = 1.0
    close_lower: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the amounts by name."""
        return {name: getattr(self, name) for name in MEANINGS}


MEANINGS: Final = {
    "decisions": "allowed calls that a proposal needs",
    "tasks": "distinct tasks that a proposal needs",
    "days": "distinct days that a proposal needs",
    "settled": "days of use since a set last got a new member, or a number a new extreme",
    "repeated": "share of a set's members that were seen in several tasks",
    "most_members": "most members of a set of values",
    "slack": "share by which a number may exceed what was seen",
}
"""What each threshold is about, for people."""
