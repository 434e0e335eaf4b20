"""Finds the facts that grants note: their names, whether each is a set or a counter everywhere, and what they can hold.

Names and kinds must be known when the policy is loaded, so that rules can only read what some grant notes, and find it
empty until then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import NamedTuple, TypeVar

from tabard_sidecar.facts import MOST_NAMES, FactKind, FactScope
from tabard_sidecar.policy.loading.bounds import Fields, Listed, Many, SetValue, Shape, Values
from tabard_sidecar.policy.loading.flow import Flow
from tabard_sidecar.policy.loading.offered import contract, names_in, part
from tabard_sidecar.policy.loading.program import Clause
from tabard_sidecar.policy.loading.shapes import field_of, kinds
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SET_KINDS = frozenset({"array", "set"})


class Misnoted(NamedTuple):
    """What is wrong with a fact of a grant; ``name`` is empty if its name isn't known."""

    clause: Clause
    name: str
    code: str
    message: str
    next_step: str


@dataclass(frozen=True, slots=True)
class Fact:
    """What all grants of a policy together can note under a name.

    Attributes:
        kind: set or counter.
        elements: the only elements that there can be; ``None`` if a grant or a backend may note others.
        amounts: the only numbers that a call adds; ``None`` if there may be others.
        branch: whether a grant may note it in a branch, where other branches don't see it.
    """

    kind: FactKind
    elements: frozenset[str] | None = frozenset()
    amounts: frozenset[int] | None = frozenset()
    branch: bool = False

    @property
    def empty(self) -> bool:
        """Whether every grant notes nothing under it."""
        noted_ = self.elements if self.kind is FactKind.SET else self.amounts
        return noted_ is not None and not any(noted_)

    def joined(self, other: Fact) -> Fact:
        """Return what two grants can note under the name."""
        return Fact(
            self.kind,
            _both(self.elements, other.elements),
            _both(self.amounts, other.amounts),
            branch=self.branch or other.branch,
        )


_T = TypeVar("_T")


def _both(left: frozenset[_T] | None, right: frozenset[_T] | None) -> frozenset[_T] | None:
    return None if left is None or right is None else left | right


@dataclass()
class Noted:
    """The facts that a policy's grants note, by name, and what is wrong with them."""

    facts: dict[str, Fact] = field(default_factory=dict)
    wrong: list[Misnoted] = field(default_factory=list)
    _open: list[tuple[Clause, str, bool]] = field(default_factory=list)
    _places: dict[str, Clause] = field(default_factory=dict)

    @property
    def kinds(self) -> dict[str, FactKind]:
        """Whether each name is a set or a counter."""
        return {name: fact.kind for name, fact in self.facts.items()}

    def add(self, clause: Clause, name: str, shape: Shape | None, *, branch: bool) -> None:
        """Add what a grant notes under a name; without a shape its backend does, which can add elements only."""
        found = FactKind.SET if shape is None else _kind(shape)
        known = self.facts.get(name)
        self._places.setdefault(name, clause)
        if not _NAME.fullmatch(name):
            step = "Use lower-case letters, digits and _, at most 64 of them, beginning with a letter"
            self.wrong.append(Misnoted(clause, name, "fact_name", f"{name!r} is no name of a fact", step))
        elif found is None:
            self._open.append((clause, name, branch))
        elif known is not None and found is not known.kind:
            message = f"the fact {name!r} is a {known.kind} in another grant, and a {found} here"
            step = "A name is a set or a counter everywhere: use two names"
            self.wrong.append(Misnoted(clause, name, "fact_kind", message, step))
        else:
            fact = Fact(found, _elements(shape), _amounts(shape), branch=branch)
            self.facts[name] = fact if known is None else known.joined(fact)

    def finish(self) -> None:
        """Check what can only be known when every grant was seen."""
        for clause, name, branch in self._open:
            known = self.facts.get(name)
            if known is None:
                message = f"it isn't known whether the fact {name!r} is a set or a counter"
                step = "Write a set of texts, as {x} or a comprehension, or a number: x + 0 makes a counter of an argument"
                self.wrong.append(Misnoted(clause, name, "fact_kind", message, step))
            fact = Fact(FactKind.SET if known is None else known.kind, None, None, branch=branch)
            self.facts[name] = fact if known is None else known.joined(fact)
        for name, fact in self.facts.items():
            if fact.empty:
                message = f"every grant notes the fact {name!r} as {'[]' if fact.kind is FactKind.SET else 0}"
                step = "Note an element or a number, or remove the name; it is empty by itself until then"
                self.wrong.append(Misnoted(self._places[name], name, "fact_empty", message, step))
        if len(self.facts) > MOST_NAMES:
            name = max(self.facts)
            clause = self._places[name]
            message = f"the policy's grants note {len(self.facts)} facts; {MOST_NAMES} are accepted"
            self.wrong.append(Misnoted(clause, name, "limit", message, "Note fewer, or put ids into one set"))


def noted(flow: Flow) -> Noted:
    """Return the facts that grants note."""
    found = Noted()
    for clause in contract(flow, "grant"):
        element = flow.element(clause)
        if not isinstance(element, Fields | Values):
            continue  # nothing is known of it by now; a fact that nothing declares is refused when it is noted
        branch = _in_branch(part(element, "fact_scope"))
        for name, shape in _named(found, clause, part(element, "facts")):
            found.add(clause, name, shape, branch=branch)
        listed = part(element, "notes")
        names = names_in(listed) if listed is not None else None
        if names is not None and not names.all:
            found.wrong.append(_unnamed(clause, "notes"))
        for name in sorted(names.names) if names is not None else ():
            found.add(clause, name, None, branch=branch)
    found.finish()
    return found


def _named(found: Noted, clause: Clause, shape: Shape | None) -> Iterator[tuple[str, Shape]]:
    """Yield the names under which a grant notes facts, with what stands there."""
    if isinstance(shape, Fields):
        yield from shape.fields.items()
    elif isinstance(shape, Values):
        for name in sorted({name for item in shape.items if isinstance(item, Mapping) for name in item}):
            inner = field_of(shape, name)
            if inner is not None:
                yield name, inner
    elif shape is not None:
        found.wrong.append(_unnamed(clause, "facts"))


def _unnamed(clause: Clause, where: str) -> Misnoted:
    message = (
        f"the names of the facts under {where} aren't written out, so no rule can be checked that reads one"
    )
    return Misnoted(
        clause, "", "fact_unnamed", message, f"Write the names in the grant, as in {_EXAMPLES[where]}"
    )


_EXAMPLES = {"facts": '{"facts": {"orders_cancelled": {id}}}', "notes": '{"notes": ["files_made"]}'}


def _kind(shape: Shape) -> FactKind | None:
    """Return what a fact of this shape is; ``None`` if that isn't known."""
    found = kinds(shape)
    if found and found <= _SET_KINDS:
        return FactKind.SET
    return FactKind.COUNTER if found == frozenset({"number"}) else None


def _in_branch(scope: Shape | None) -> bool:
    """Tell whether a grant's facts may be of a branch."""
    return scope is not None and not (isinstance(scope, Values) and FactScope.BRANCH not in scope.items)


def _elements(shape: Shape | None) -> frozenset[str] | None:
    """Return the only elements that a grant can note; ``None`` if there may be others."""
    if isinstance(shape, Values) and shape.origin is not None:
        return _texts(member for value in shape.items for member in _members(value))
    if isinstance(shape, Listed):
        parts = shape.items
    elif isinstance(shape, Many):
        parts = (shape.item,)
    else:
        return None
    written = [item for item in parts if isinstance(item, Values) and item.origin is not None]
    return _texts(one for item in written for one in item.items) if len(written) == len(parts) else None


def _members(value: Json) -> Iterable[Json]:
    return value.members if isinstance(value, SetValue) else value if isinstance(value, list) else ()


def _texts(values: Iterable[Json]) -> frozenset[str] | None:
    found = list(values)
    return frozenset(found) if all(isinstance(one, str) for one in found) else None


def _amounts(shape: Shape | None) -> frozenset[int] | None:
    """Return the only numbers that a grant can add; ``None`` if there may be others."""
    if not isinstance(shape, Values) or shape.origin is None:
        return None
    return frozenset(shape.items) if all(isinstance(one, int) for one in shape.items) else None
