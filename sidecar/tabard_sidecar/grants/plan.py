"""What of a grant has to be judged when: sorted out once per grant, so that a call only judges what it can break.

Sorting merges nothing: every caveat of every kind is still judged alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tabard.caveats import (
    Arguments,
    Audiences,
    Branch,
    Call,
    Caveat,
    Expiry,
    Hop,
    MaxChildren,
    Question,
    ReadOnly,
    Scopes,
    ThirdParty,
    Tools,
    judge,
)

from tabard_sidecar.errors import Refused
from tabard_sidecar.model import VerifiedGrant
from tabard_sidecar.state.model import Chain, Child

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tabard_sidecar.reasons import ReasonCode

Numbered = tuple[tuple[int, Caveat], ...]
"""Caveats with their positions in the chain, counted from 1."""

_PLACES = ("standing", "expiries", "per_call", "per_credential")
_SORTS: Mapping[type[Caveat], str] = {
    Expiry: "expiries",
    Tools: "per_call",
    Arguments: "per_call",
    ReadOnly: "per_call",
    Call: "per_call",
    Audiences: "per_credential",
    Scopes: "per_credential",
}


@dataclass(frozen=True, slots=True)
class PlannedGrant(VerifiedGrant):
    """A verified grant with its caveats sorted by what can break them.

    ``standing`` are those that neither a call nor the time changes; ``refusal`` is what they come to for the grant as it
    is. ``expiries`` has the earliest first. ``children`` holds, per link, its parent, itself and the least that a
    max_children caveat before it allows the parent. ``counted`` are the same as the state store counts them, ``chain`` is what state hangs on; ``third_parties`` are the identifiers
    of third-party caveats, in base64url.
    """

    standing: Numbered = field(init=False, repr=False, compare=False)
    expiries: Numbered = field(init=False, repr=False, compare=False)
    per_call: Numbered = field(init=False, repr=False, compare=False)
    per_credential: Numbered = field(init=False, repr=False, compare=False)
    refusal: tuple[ReasonCode, str] | None = field(init=False, repr=False, compare=False)
    children: tuple[tuple[str, str, int | None], ...] = field(init=False, repr=False, compare=False)
    counted: tuple[Child, ...] = field(init=False, repr=False, compare=False)
    chain: Chain = field(init=False, repr=False, compare=False)
    third_parties: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        sorted_by: dict[str, list[tuple[int, Caveat]]] = {name: [] for name in _PLACES}
        for pair in enumerate(self.caveats, 1):
            # Whatever isn't sorted elsewhere stands and is judged always, so a new type can't be forgotten.
            sorted_by[_SORTS.get(type(pair[1]), "standing")].append(pair)
        sorted_by["expiries"].sort(key=_end)
        for name, pairs in sorted_by.items():
            self._set(name, tuple(pairs))
        standing = tuple(sorted_by["standing"])
        self._set("children", tuple(_children(self)))
        links = zip(self.children, self.links, strict=True)
        counted = tuple(Child(*child, self.root_id, link.holder, link.sub_agent) for child, link in links)
        self._set("counted", counted)
        self._set("chain", Chain(self.link_ids, self.budgets))
        self._set("third_parties", tuple(item.id for item in self.caveats if isinstance(item, ThirdParty)))
        question = Question(now=0.0, purpose=self.task.purpose, depth=len(self.links))
        try:
            judge_numbered(self, standing, question)
        except Refused as refusal:
            self._set("refusal", (refusal.code, refusal.message))
        else:
            self._set("refusal", None)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


def planned(grant: VerifiedGrant) -> PlannedGrant:
    """Return ``grant`` with its plan; one that :class:`GrantService` verified has it already."""
    if isinstance(grant, PlannedGrant):
        return grant
    return PlannedGrant(
        digest=grant.digest,
        key_id=grant.key_id,
        zone=grant.zone,
        root_id=grant.root_id,
        root_holder=grant.root_holder,
        subject=grant.subject,
        task=grant.task,
        root_caveats=grant.root_caveats,
        links=grant.links,
        caveats=grant.caveats,
        expires_at=grant.expires_at,
        budgets=grant.budgets,
    )


def judge_numbered(grant: VerifiedGrant, caveats: Iterable[tuple[int, Caveat]], question: Question) -> None:
    """Judge each caveat alone.

    Raises:
        Refused: one objects; the message says which, where it stands and what isn't met.
    """
    for number, caveat in caveats:
        failure = judge(caveat, question)
        if failure is not None:
            raise Refused(failure.code, f"{place(grant, number)}: {failure.message}")


def place(grant: VerifiedGrant, number: int) -> str:
    """Say which caveat stands at a position and after which link of the chain."""
    caveat = grant.caveats[number - 1]
    before = [item for item in grant.caveats[: number - 1] if isinstance(item, Hop | Branch)]
    where = link_name(grant, len(before)) if before else "in the root grant"
    return f"caveat {number} ({caveat.tag}, {where})"


def link_name(grant: VerifiedGrant, number: int) -> str:
    """Name the link at a position of the chain, counted from 1."""
    link = grant.links[number - 1]
    to = link.holder if link.kind == Hop.tag else f"{link.sub_agent!a} of {link.holder}"
    return f"set with {link.kind} {number} to {to}"


def _end(pair: tuple[int, Caveat]) -> float:
    return pair[1].expires_at if isinstance(pair[1], Expiry) else 0.0


def _children(grant: VerifiedGrant) -> Iterator[tuple[str, str, int | None]]:
    links = iter(grant.links)
    limit: int | None = None
    for caveat in grant.caveats:
        if isinstance(caveat, MaxChildren):
            limit = caveat.max_children if limit is None else min(limit, caveat.max_children)
        elif isinstance(caveat, Hop | Branch):
            link = next(links)
            yield link.parent_id, link.link_id, limit
