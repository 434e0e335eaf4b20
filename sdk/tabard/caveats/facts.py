"""What a caveat is checked against, and why one isn't met."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tabard.caveats.vocabulary import FailureCode

MAX_WORK = 20_000
"""Most that checking one call may cost, over all caveats; a unit is about one value compared with one short operand."""


class TooMuchWorkError(Exception):
    """The check would take too long for the size of the arguments and constraints."""


class Work:
    """What is left of the work that one call may cause."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_WORK

    def spend(self, units: int) -> None:
        """Take ``units`` off.

        Raises:
            TooMuchWorkError: nothing is left.
        """
        self.left -= units
        if self.left < 0:
            raise TooMuchWorkError


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known of a tool call; make a new one for each call that is checked, since ``work`` is used up.

    ``read_only`` says that the catalogue marks the tool so. ``arguments`` and ``digest`` are ``None`` while only the
    tool is known, when it is asked which tools could be used at all.
    """

    tool: str
    arguments: Mapping[str, Any] | None
    digest: str | None
    read_only: bool = False
    work: Work = field(default_factory=Work, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class CredentialFacts:
    """The credential that is to be issued."""

    audience: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a caveat is checked against.

    ``now`` is in seconds since the epoch; ``depth`` counts the hops and branches of the whole chain, the one about to
    be added included. Only the parts that the operation has are set.
    """

    now: float
    purpose: str
    depth: int
    call: CallFacts | None = None
    credential: CredentialFacts | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a caveat isn't met: a reason code and what exactly isn't met."""

    code: FailureCode
    message: str


def quoted(value: str, limit: int = 128) -> str:
    """Quote a caller's word so that a message stays one short line."""
    return ascii(value) if len(value) <= limit else f"{value[:limit]!a}…"


def listed(values: tuple[str, ...], limit: int = 8) -> str:
    """Quote the first ``limit`` of ``values`` and count the others."""
    shown = ", ".join(map(quoted, values[:limit]))
    more = len(values) - limit
    return f"[{shown}, {more} more]" if more > 0 else f"[{shown}]"
