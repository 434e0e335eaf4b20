"""Groups the approvals for which one batch of calls asks, so that a person is shown them as one list."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Self

from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tabard_sidecar.model import Ask, ToolCall, VerifiedGrant
    from tabard_sidecar.state import Approval

GROUP_PREFIX = "group-"
"""How the id of a group begins, so that nothing takes it for an approval's."""

_ID_BYTES = 16
_Alike = tuple[str, str, tuple[str, ...], int, float]


@dataclass(frozen=True, slots=True)
class Asked:
    """A new approval, with the ask and the call."""

    approval: Approval
    ask: Ask
    call: ToolCall


class Batch:
    """The approvals for which one batch asks. Implements :class:`tabard_sidecar.interfaces.Together`.

    What the same holder of the same task asks of the same approvers, for as many uses and as long, is one group.

    Args:
        announce: called once for each new group when the batch ends, with its new approvals; must not block.
    """

    def __init__(self, announce: Callable[[Sequence[Asked]], None]) -> None:
        self._announce = announce
        self._groups: dict[_Alike, str] = {}
        self._moved: dict[str, str] = {}
        self._asked: dict[str, list[Asked]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Announce what was asked, also if the batch was cancelled: it waits."""
        for asked in self._asked.values():
            self._announce(asked)
        self._asked.clear()

    def group_of(self, grant: VerifiedGrant, ask: Ask) -> str:
        """Return the group to which an approval of this ask belongs."""
        return self._groups.setdefault(_alike(grant, ask), _new_group_id())

    def current(self, group_id: str) -> str:
        """Return the group that has the approvals of a group of this batch now."""
        return self._moved.get(group_id, group_id)

    def new(self, asked: Asked) -> None:
        """Note a new approval; it is announced with its group, unless that was announced before."""
        if asked.approval.group_id in self._moved.values():
            return
        self._asked.setdefault(asked.approval.group_id, []).append(asked)

    def joined(self, grant: VerifiedGrant, ask: Ask, other: str) -> None:
        """Note that a group of this batch has become part of another one, which was announced before."""
        group = self._groups[_alike(grant, ask)]
        self._groups[_alike(grant, ask)] = other
        self._moved[group] = other
        self._asked.pop(group, None)


def is_group(name: str) -> bool:
    """Tell whether an id is a group's."""
    return name.startswith(GROUP_PREFIX)


def _alike(grant: VerifiedGrant, ask: Ask) -> _Alike:
    return grant.root_id, grant.holder_id, tuple(sorted(set(ask.approvers))), ask.uses, ask.ttl_seconds


def _new_group_id() -> str:
    return GROUP_PREFIX + secrets.token_hex(_ID_BYTES)
