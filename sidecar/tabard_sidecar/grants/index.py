"""Index of a grant's caveats by what they depend on: call, credential, time.

It is built once per grant, so a request checks only the relevant caveats. The index merges nothing: every caveat is
still checked alone.
"""

from __future__ import annotations

import math
from dataclasses import field
from typing import TYPE_CHECKING

from tabard.caveats import (
    CAVEATS,
    Branch,
    Caveat,
    CaveatRegistry,
    DependsOn,
    Expiry,
    Facts,
    Hop,
    MaxChildren,
    ThirdParty,
)

from tabard_sidecar.errors import Refused
from tabard_sidecar.model import IntentSource, VerifiedGrant
from tabard_sidecar.state.labels import owner_id
from tabard_sidecar.state.model import Chain, Child
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tabard_sidecar.reasons import ReasonCode

Numbered = tuple[tuple[int, Caveat], ...]
"""Caveats with their positions in the chain, counted from 1."""

_LISTS: Mapping[DependsOn, str] = {
    DependsOn.GRANT: "per_grant",
    DependsOn.TIME: "per_time",
    DependsOn.CALL: "per_call",
    DependsOn.CREDENTIAL: "per_credential",
}
_LISTS_OF_TYPES: dict[type[Caveat], tuple[str, ...]] = {Expiry: ("expiries",)}


@dataclass(frozen=True, slots=True)
class IndexedGrant(VerifiedGrant):
    """A verified grant with an index of its caveats.

    ``per_grant`` are the caveats that depend on the grant alone; ``refusal`` is the first failure among them.
    ``per_time``, ``per_call`` and ``per_credential`` depend on what their names say. ``expiries`` has the
    expiry caveats, which are in no other list, the earliest first. ``counted`` are the links as the state
    store counts them, each with the least that a max_children caveat before it allows its parent. ``chain``
    identifies the chain in the state store; ``third_parties`` are the identifiers of third-party caveats, in
    base64url. ``registry`` checks the caveats. ``accepts_asserted_intent`` lets a purpose count that the agent asserts.
    """

    registry: CaveatRegistry = field(default=CAVEATS, repr=False, compare=False)
    accepts_asserted_intent: bool = field(default=False, repr=False, compare=False)
    per_grant: Numbered = field(init=False, repr=False, compare=False)
    expiries: Numbered = field(init=False, repr=False, compare=False)
    per_time: Numbered = field(init=False, repr=False, compare=False)
    per_call: Numbered = field(init=False, repr=False, compare=False)
    per_credential: Numbered = field(init=False, repr=False, compare=False)
    refusal: tuple[ReasonCode, str] | None = field(init=False, repr=False, compare=False)
    counted: tuple[Child, ...] = field(init=False, repr=False, compare=False)
    chain: Chain = field(init=False, repr=False, compare=False)
    third_parties: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        VerifiedGrant.__post_init__(self)
        index: dict[str, list[tuple[int, Caveat]]] = {name: [] for name in ("expiries", *_LISTS.values())}
        for numbered in enumerate(self.caveats, 1):
            kind = type(numbered[1])
            for name in _LISTS_OF_TYPES.get(kind) or _lists(kind):
                index[name].append(numbered)
        index["expiries"].sort(key=_end)
        for name, found in index.items():
            self._set(name, tuple(found))
        self._set("counted", tuple(_children(self)))
        owners = tuple(_owners(self))
        hops = (True, *(child.hop for child in self.counted))
        # Each once, and the present holder last, even if it held the grant before.
        workloads = dict.fromkeys(owner for owner, hop in reversed([*zip(owners, hops, strict=True)]) if hop)
        self._set("chain", Chain(self.link_ids, self.budgets, owners, tuple(workloads)[::-1]))
        self._set("third_parties", tuple(item.id for item in self.caveats if isinstance(item, ThirdParty)))
        # These caveats don't depend on the time. If one compares with it nevertheless, NaN makes it fail.
        facts = Facts(now=math.nan, purpose=self.counted_purpose, depth=len(self.links))
        try:
            check_each(self, self.per_grant, facts)
        except Refused as refusal:
            self._set("refusal", (refusal.code, refusal.message))
        else:
            self._set("refusal", None)

    @property
    def counted_purpose(self) -> str | None:
        """The purpose with which caveats are compared; ``None`` if only the agent states it."""
        counts = self.accepts_asserted_intent or self.task.intent_source is IntentSource.SIGNED
        return self.task.purpose if counts else None

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


def _lists(kind: type[Caveat]) -> tuple[str, ...]:
    """Return the lists of the index for a type's caveats; at least one, so that no caveat is left out."""
    found = tuple(name for what, name in _LISTS.items() if what in kind.depends_on) or ("per_grant",)
    _LISTS_OF_TYPES[kind] = found
    return found


def check_each(grant: IndexedGrant, caveats: Iterable[tuple[int, Caveat]], facts: Facts) -> None:
    """Check each caveat alone.

    Raises:
        Refused: one isn't met; the message says which, where it stands and why.
    """
    check = grant.registry.check
    for number, caveat in caveats:
        failure = check(caveat, facts)
        if failure is not None:
            message = f"{place(grant, number)}: {failure.message}"
            raise Refused(failure.code, message, argument=failure.argument)


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


def _owners(grant: VerifiedGrant) -> Iterator[str]:
    """Yield who holds the root and each link: the person with the workload, or with the branch of these names."""
    subject, branches = grant.subject, list[str]()
    yield owner_id(subject.issuer, subject.id, grant.root_holder)
    for link in grant.links:
        branches = [] if link.kind == Hop.tag else [*branches, link.sub_agent]
        yield owner_id(subject.issuer, subject.id, link.holder, branches)


def _children(grant: VerifiedGrant) -> Iterator[Child]:
    links, owners = iter(grant.links), _owners(grant)
    owner, above = next(owners), tuple[str, ...]()
    limit: int | None = None
    for caveat in grant.caveats:
        if isinstance(caveat, MaxChildren):
            limit = caveat.max_children if limit is None else min(limit, caveat.max_children)
        elif isinstance(caveat, Hop | Branch):
            link = next(links)
            above = (*above, owner)
            owner = next(owners)
            yield Child(
                link.parent_id,
                link.link_id,
                limit,
                grant.root_id,
                link.holder,
                link.sub_agent,
                owner,
                above,
                link.kind == Hop.tag,
            )
