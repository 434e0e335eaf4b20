"""The facts that caveats are checked against, and the failure of a check."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, NamedTuple

from tabard._lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tabard.caveats.vocabulary import FailureCode

MAX_WORK = 20_000
"""Largest cost of checking one call, over all caveats; one unit is about one comparison with a short
operand."""


class TooMuchWorkError(Exception):
    """The check would take too long for the size of the arguments and constraints."""


class Work:
    """The remaining work that one call may cause."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_WORK

    def spend(self, units: int) -> None:
        """Subtract ``units``.

        Raises:
            TooMuchWorkError: nothing is left.
        """
        self.left -= units
        if self.left < 0:
            raise TooMuchWorkError


@dataclass(frozen=True, slots=True)
class CallFacts:
    """The facts about a tool call; create a new object for each check, because ``work`` is used up.

    ``read_only`` is true if the catalogue marks the tool as read-only. ``arguments`` and ``digest`` are
    ``None`` if only the tool is known, as when tools are filtered.
    """

    tool: str
    arguments: Mapping[str, Any] | None
    digest: str | None
    read_only: bool = False
    work: Work = field(default_factory=Work, repr=False, compare=False)


class CredentialFacts(NamedTuple):
    """The credential that is to be issued."""

    audience: str
    scopes: tuple[str, ...]


class Facts(NamedTuple):
    """The facts that a caveat is checked against.

    ``now`` is in seconds since the epoch; ``depth`` counts the hops and branches of the whole chain, the one about to
    be added included. ``purpose`` is ``None`` if only the agent states one. Only the parts that the operation has are set.
    """

    now: float
    purpose: str | None
    depth: int
    call: CallFacts | None = None
    credential: CredentialFacts | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """The failure of a check: a reason code and the detail, which may quote the caveat.

    ``argument`` is the place in the call's own arguments that it is about, or empty.
    """

    code: FailureCode
    message: str
    argument: str = ""


def quoted(value: str, limit: int = 128) -> str:
    """Quote a caller's text so that a message stays one short line."""
    return ascii(value) if len(value) <= limit else f"{value[:limit]!a}…"


def listed(values: tuple[str, ...], limit: int = 8) -> str:
    """Quote the first ``limit`` of ``values`` and count the others."""
    shown = ", ".join(map(quoted, values[:limit]))
    more = len(values) - limit
    return f"[{shown}, {more} more]" if more > 0 else f"[{shown}]"
