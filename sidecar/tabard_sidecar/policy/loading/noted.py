"""Finds the facts that grants note: their names, and whether each is a set or a counter everywhere.

Names and kinds must be known when the policy is loaded, so that rules can only read what some grant notes, and find it
empty until then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tabard_sidecar.facts import MOST_NAMES, FactKind
from tabard_sidecar.policy.loading.bounds import Fields, Shape, Values
from tabard_sidecar.policy.loading.flow import Flow
from tabard_sidecar.policy.loading.offered import contract, names_in, part
from tabard_sidecar.policy.loading.program import Clause
from tabard_sidecar.policy.loading.shapes import field_of, kinds

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SET_KINDS = frozenset({"array", "set"})


class Misnoted(NamedTuple):
    """What is wrong with a fact of a grant; ``name`` is empty if its name isn't known."""

    clause: Clause
    name: str
    code: str
    message: str
    next_step: str


@dataclass
class Noted:
    """The facts that a policy's grants note, by name, and what is wrong with them."""

    kinds: dict[str, FactKind] = field(default_factory=dict)
    wrong: list[Misnoted] = field(default_factory=list)
    _open: list[tuple[Clause, str]] = field(default_factory=list)
    _places: dict[str, Clause] = field(default_factory=dict)

    def add(self, clause: Clause, name: str, shape: Shape | None) -> None:
        """Add what a grant notes under a name; without a shape its backend does, which can add elements only."""
        found = FactKind.SET if shape is None else _kind(shape)
        known = self.kinds.get(name)
        self._places.setdefault(name, clause)
        if not _NAME.fullmatch(name):
            step = "Use lower-case letters, digits and _, at most 64 of them, beginning with a letter"
            self.wrong.append(Misnoted(clause, name, "fact_name", f"{name!r} is no name of a fact", step))
        elif found is None:
            self._open.append((clause, name))
        elif known is not None and found is not known:
            message = f"the fact {name!r} is a {known} in another grant, and a {found} here"
            step = "A name is a set or a counter everywhere: use two names"
            self.wrong.append(Misnoted(clause, name, "fact_kind", message, step))
        else:
            self.kinds[name] = found

    def finish(self) -> None:
        """Check what can only be known when every grant was seen."""
        for clause, name in self._open:
            if name not in self.kinds:
                message = f"it isn't known whether the fact {name!r} is a set or a counter"
                step = "Write a set of texts ({…} or a comprehension) or a number"
                self.wrong.append(Misnoted(clause, name, "fact_kind", message, step))
                self.kinds[name] = FactKind.SET
        if len(self.kinds) > MOST_NAMES:
            name = max(self.kinds)
            clause = self._places[name]
            message = f"the policy's grants note {len(self.kinds)} facts; {MOST_NAMES} are accepted"
            self.wrong.append(Misnoted(clause, name, "limit", message, "Note fewer, or put ids into one set"))


def noted(flow: Flow) -> Noted:
    """Return the facts that grants note."""
    found = Noted()
    for clause in contract(flow, "grant"):
        element = flow.element(clause)
        if not isinstance(element, Fields | Values):
            continue  # nothing is known of it by now; a fact that nothing declares is refused when it is noted
        for name, shape in _named(found, clause, part(element, "facts")):
            found.add(clause, name, shape)
        listed = part(element, "notes")
        names = names_in(listed) if listed is not None else None
        if names is not None and not names.all:
            found.wrong.append(_unnamed(clause, "notes"))
        for name in sorted(names.names) if names is not None else ():
            found.add(clause, name, None)
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
