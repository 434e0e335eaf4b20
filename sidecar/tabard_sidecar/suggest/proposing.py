"""Says what can be denied, because nothing of the kind was used and there is enough evidence for that."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final, NamedTuple

from tabard_sidecar.policy.values import Json
from tabard_sidecar.suggest.sketches import Evidence, Peak, Range
from tabard_sidecar.suggest.thresholds import MOST_MEMBERS, Thresholds
from tabard_sidecar.suggest.usage import ASSERTED, AgentUse, ArgumentUse, PurposeUse, ToolUse, Usage

_SEPARATORS = "/:"
_ROUND_SECONDS = 300
_SCALARS = frozenset({"string", "boolean", "null"})


class Kind(StrEnum):
    """What a restriction is about."""

    SIGNED = "only_signed"
    PURPOSES = "only_listed_purposes"
    KNOWN = "only_known_tools"
    TOOLS = "only_listed_tools"
    ARGUMENTS = "only_listed_arguments"
    TYPES = "types"
    VALUES = "one_of"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    BEGINNING = "begins_with"
    DOMAINS = "domains"
    RENEWED = "renewed"
    DEPTH = "most_depth"
    CHILDREN = "most_children"
    RECEIVERS = "receivers"
    SECONDS = "most_seconds"
    SPENT = "most_spent"


class Restriction(NamedTuple):
    """One thing that is denied.

    Attributes:
        agent: SPIFFE ID of the workload.
        purpose: of the task; ``None`` for all asserted ones. ``SIGNED``, ``PURPOSES`` and ``KNOWN`` are about all of them.
        kind: what it is about.
        value: what stays allowed.
        tool: the tool; empty if it is about none.
        name: path of an argument, or name of a budget; empty if it is about none.
        calls: how often what it is about was seen.
        tasks: in how many tasks, at most ``MOST_TASKS``.
        days: on how many days.
        seen: what was seen, if it isn't ``value``.
    """

    agent: str
    purpose: str | None
    kind: Kind
    value: Json
    tool: str = ""
    name: str = ""
    calls: int = 0
    tasks: int = 0
    days: int = 0
    seen: Json = None

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            **self._asdict(),
            "kind": self.kind.value,
            "purpose": self.purpose or "",
            "asserted": self.purpose is ASSERTED,
        }


class Lack(NamedTuple):
    """An agent's purpose about which too little is known. ``purpose`` as for :class:`Restriction`."""

    agent: str
    purpose: str | None
    calls: int
    tasks: int
    days: int


class Proposal(NamedTuple):
    """What is proposed, and about which purposes too little is known. Both are sorted.

    Attributes:
        restrictions: what is denied.
        purposes: signed purposes of each agent that has a restriction, also those without one.
        lacks: what there is too little evidence of.
    """

    restrictions: tuple[Restriction, ...]
    purposes: dict[str, tuple[str, ...]]
    lacks: tuple[Lack, ...]


class _At(NamedTuple):
    """Where a restriction belongs, and how much evidence there has to be for it.

    Attributes:
        every: whether an argument gets all its limits, also those that another one makes superfluous.
    """

    agent: str
    purpose: str | None
    thresholds: Thresholds
    every: bool = False

    def restriction(self, kind: Kind, value: Json, evidence: Evidence) -> Restriction:
        """Return a restriction that is about no tool; ``_replace`` says about which one it is."""
        seen = evidence.calls, evidence.tasks, len(evidence.days)
        return Restriction(self.agent, self.purpose, kind, value, "", "", *seen)


OF_AGENT: Final = frozenset({Kind.SIGNED, Kind.PURPOSES, Kind.KNOWN})
"""Kinds that are about an agent's tasks of every purpose."""

REGULAR: Final = frozenset(Kind) - {Kind.PURPOSES, Kind.KNOWN}
"""Kinds that are proposed unless others are wanted. The two left out deny an agent what a new purpose may need."""


def propose(
    usage: Usage, thresholds: Thresholds, wanted: Collection[Kind] = REGULAR, *, every: bool = False
) -> Proposal:
    """Return what can be denied.

    Args:
        usage: what was used.
        thresholds: how much evidence is enough.
        wanted: kinds of restrictions that are proposed.
        every: whether an argument gets all its limits, also those that another one makes superfluous.
    """
    restrictions: list[Restriction] = []
    lacks: list[Lack] = []
    purposes: dict[str, tuple[str, ...]] = {}
    for agent, use in sorted(usage.agents.items()):
        at = _At(agent, "", thresholds, every)
        found = [one for one in _of_agent(at, use, lacks) if one.kind in wanted]
        if found:
            restrictions += found
            purposes[agent] = tuple(sorted(use.names.values()))
    return Proposal(tuple(restrictions), purposes, tuple(lacks))


def accepting(
    proposal: Proposal, usage: Usage, thresholds: Thresholds, wanted: Collection[Kind] = REGULAR
) -> Proposal:
    """Return a proposal with the same restrictions, wide enough for all that was used, and with what that is evidence for.

    A set that got a new member shortly before the part ended isn't proposed from the part, but may be from the whole, and the
    reverse. So neither alone is as narrow as both together.

    Args:
        proposal: made from a part of what was used.
        usage: all of it.
        thresholds: with which the proposal was made; its slack and lower ends count for what is made wider.
        wanted: kinds of restrictions that are proposed.
    """
    lax = Thresholds(0, 0, 0, 0, 0.0, MOST_MEMBERS, thresholds.slack, thresholds.close_lower)
    found = {_key(one): one for one in propose(usage, lax, tuple(Kind), every=True).restrictions}
    kept = [(one, found.get(_key(one))) for one in proposal.restrictions]
    wider = [one._replace(value=all_of.value, seen=all_of.seen) for one, all_of in kept if all_of is not None]
    whole, known = propose(usage, thresholds, wanted), {_key(one) for one in wider}
    more = (one for one in whole.restrictions if _key(one) not in known)
    restrictions = tuple(sorted([*wider, *more], key=_place))
    agents = {one.agent for one in restrictions}
    purposes = {
        name: tuple(sorted(use.names.values()))
        for name, use in sorted(usage.agents.items())
        if name in agents
    }
    return Proposal(restrictions, purposes, whole.lacks)


def _place(one: Restriction) -> tuple[str, bool, bool, str]:
    """Return by what restrictions are sorted: those of one purpose stand together."""
    return one.agent, one.kind not in OF_AGENT, one.purpose is ASSERTED, one.purpose or ""


def _key(one: Restriction) -> tuple[str, str | None, Kind, str, str]:
    return one.agent, one.purpose, one.kind, one.tool, one.name


def _of_agent(at: _At, use: AgentUse, lacks: list[Lack]) -> Iterator[Restriction]:
    thresholds = at.thresholds
    if use.signed.suffices(thresholds):
        if use.asserted is None:
            yield at.restriction(Kind.SIGNED, True, use.signed)  # noqa: FBT003 - a value of the data
        if use.names.settled(use.signed.days, thresholds):
            yield at.restriction(Kind.PURPOSES, sorted(use.names.values()), use.signed)
    if use.calls.suffices(thresholds) and use.tools.settled(use.calls.days, thresholds):
        yield at.restriction(Kind.KNOWN, sorted(use.tools.values()), use.calls)
    purposes: list[tuple[str | None, PurposeUse]] = [*sorted(use.purposes.items())]
    purposes += [(ASSERTED, use.asserted)] if use.asserted is not None else []
    for purpose, one in purposes:
        if one.evidence.suffices(thresholds):
            yield from _of_purpose(at._replace(purpose=purpose), one)
        else:
            evidence = one.evidence
            lacks.append(Lack(at.agent, purpose, evidence.calls, evidence.tasks, len(evidence.days)))


def _of_purpose(at: _At, use: PurposeUse) -> Iterator[Restriction]:
    evidence, thresholds = use.evidence, at.thresholds
    if use.names.settled(evidence.days, thresholds):
        yield at.restriction(Kind.TOOLS, sorted(use.names.values()), evidence)
    for name, tool in sorted(use.tools.items()):
        if tool.evidence.suffices(thresholds):
            yield from _of_tool(at, name, tool)
    yield from _of_state(at, use)
    if use.names.bounded and use.renewed.settled(evidence.days, thresholds):
        yield at.restriction(Kind.RENEWED, sorted(use.renewed.values()), evidence)
    handed = use.handed
    if handed.suffices(thresholds) and use.receivers.settled(handed.days, thresholds):
        yield at.restriction(Kind.RECEIVERS, sorted(use.receivers.values()), handed)


def _of_state(at: _At, use: PurposeUse) -> Iterator[Restriction]:
    evidence, slack = use.evidence, at.thresholds.slack
    found = [
        (Kind.DEPTH, "", use.depth, _more(use.depth, 0.0)),
        (Kind.CHILDREN, "", use.children, _more(use.children, slack)),
        (Kind.SECONDS, "", use.seconds, _rounded(_more(use.seconds, slack))),
    ]
    found += [
        (Kind.SPENT, name, peak, _more(peak, slack)) for name, peak in sorted((use.spent or {}).items())
    ]
    for kind, name, peak, value in found:
        if peak.settled(evidence.days, at.thresholds):
            yield at.restriction(kind, value, evidence)._replace(name=name, seen=math.ceil(peak.value))


def _of_tool(at: _At, name: str, use: ToolUse) -> Iterator[Restriction]:
    if not use.hidden and use.paths.settled(use.evidence.days, at.thresholds):
        yield at.restriction(Kind.ARGUMENTS, sorted(use.paths.values()), use.evidence)._replace(tool=name)
    for path, argument in sorted(use.arguments.items()):
        if use.known(path) and argument.evidence.suffices(at.thresholds):
            limits = _limits(argument, at.thresholds)
            if Kind.VALUES in limits and not at.every:
                limits = {Kind.VALUES: limits[Kind.VALUES]}  # it says all that the others would
            for kind, (value, seen) in limits.items():
                one = at.restriction(kind, value, argument.evidence)
                yield one._replace(tool=name, name=path, seen=seen)


def _limits(use: ArgumentUse, thresholds: Thresholds) -> dict[Kind, tuple[Json, Json]]:
    """Return what an argument is limited to, and what was seen."""
    days, types = use.evidence.days, set(use.types.values())
    found: dict[Kind, tuple[Json, Json]] = {}
    if types <= _SCALARS and len(use.members.values()) <= thresholds.most_members:
        members = use.members.values()
        if use.members.settled(days, thresholds) and not {True, False} <= set(members):
            found[Kind.VALUES] = (_sorted(members), None)
    if types <= {"number", "null"} and "number" in types and use.numbers_bounded:
        found |= _bounds(use.numbers, use.evidence, thresholds)
    if types <= {"string", "null"} and "string" in types:
        found |= _texts(use, thresholds)
    if found and use.types.settled(days, thresholds):
        found[Kind.TYPES] = (sorted(types), None)
    return found


def _bounds(numbers: Range, evidence: Evidence, thresholds: Thresholds) -> dict[Kind, tuple[Json, Json]]:
    """Return the range of a number: each end that is settled, with slack away from what was seen.

    Without ``close_lower`` the lower end of what was never negative is 0.
    """
    found: dict[Kind, tuple[Json, Json]] = {}
    by = 1 + Fraction(thresholds.slack)
    days = evidence.days
    if numbers.low is not None and numbers.low >= 0 and not thresholds.close_lower:
        found[Kind.AT_LEAST] = (0, _whole(numbers.low))
    elif numbers.low is not None and days.after(numbers.low_first) >= thresholds.settled:
        low = Fraction(numbers.low)
        lower = low / by if low > 0 else low * by
        found[Kind.AT_LEAST] = (math.floor(lower) if numbers.whole else float(lower), _whole(numbers.low))
    if numbers.high is not None and days.after(numbers.high_first) >= thresholds.settled:
        high = Fraction(numbers.high)
        upper = high * by if high > 0 else high / by
        found[Kind.AT_MOST] = (math.ceil(upper) if numbers.whole else float(upper), _whole(numbers.high))
    return found


def _texts(use: ArgumentUse, thresholds: Thresholds) -> dict[Kind, tuple[Json, Json]]:
    """Return what texts begin with, and the domains of addresses."""
    found: dict[Kind, tuple[Json, Json]] = {}
    if use.domains.values() and use.domains.settled(use.evidence.days, thresholds):
        domains = sorted(use.domains.values())
        if len(domains) <= thresholds.most_members:
            found[Kind.DOMAINS] = (domains, None)
    beginning = common_beginning(use.beginnings.common())
    earlier = common_beginning(use.beginnings.common(but_last=thresholds.settled))
    if beginning and beginning == earlier and not use.strange:
        found[Kind.BEGINNING] = (beginning, None)
    return found


def common_beginning(text: str) -> str:
    """Return the part of a common beginning that ends with a separator and says more than a scheme; empty if there is none."""
    end = max(text.rfind(mark) for mark in _SEPARATORS) + 1
    found = text[:end]
    scheme = found.endswith(("://", ":/")) or found.count(":") == len(found)
    return "" if scheme or not found.strip(_SEPARATORS) else found


def _rounded(seconds: int) -> int:
    return max(1, -(-seconds // _ROUND_SECONDS)) * _ROUND_SECONDS


def _more(peak: Peak, slack: float) -> int:
    return math.ceil(Fraction(peak.value) * (1 + Fraction(slack)))


def _whole(value: float) -> float:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _sorted(members: list[str | bool | None]) -> list[str | bool | None]:
    """Return members in an order that doesn't depend on their own: by type, then by text."""
    return sorted(members, key=lambda one: (type(one).__name__, str(one)))
