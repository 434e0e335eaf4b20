"""Facts of a task: typed notes of allowed calls, which only grants and signed outcomes of backends make.

A fact has a name. Under it stands a set of texts, its elements, or a counter, which adds up whole numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from enum import StrEnum

from tabard_sidecar.util.lean import dataclass

MOST_NAMES = 32
"""Most names of facts in one policy."""
MOST_ELEMENTS = 256
"""Most elements of one name that a whole task, or one branch of it, may have."""
MOST_ELEMENT_BYTES = 512
"""Most bytes (UTF-8) of one element."""
MOST_TASK_BYTES = 32 * 1024
"""Most bytes of all facts of a task: each element and each counter takes its text, its name and :data:`ROW_BYTES`."""
MOST_COUNT = 2**53 - 1
"""Highest value of a counter; the largest whole number that every reader of JSON keeps exactly."""
ROW_BYTES = 32
"""Bytes of :data:`MOST_TASK_BYTES` that an element or counter takes besides its text and its name."""

SHARED = 2
"""Amount of an element that several calls noted. It stays when one of them is taken back, so none of them holds it."""

WHOLE_TASK = ""
"""The link of facts that belong to the whole task."""


class FactKind(StrEnum):
    """What stands under a name."""

    SET = "set"
    COUNTER = "counter"


class FactScope(StrEnum):
    """Where a fact is read: in the whole task, or below the link of the holder whose call noted it."""

    TASK = "task"
    BRANCH = "branch"


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts by name: the elements of each set, sorted, and the value of each counter. No set is empty, no counter 0."""

    sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.sets or self.counters)

    def __len__(self) -> int:
        """Return the number of elements and counters."""
        return sum(map(len, self.sets.values())) + len(self.counters)

    def as_json(self) -> dict[str, list[str] | int]:
        """Return them as grants state them."""
        return {**{name: list(elements) for name, elements in self.sets.items()}, **self.counters}

    def joined(self, other: Facts) -> Facts:
        """Return what both say together: sets are united, counters added."""
        if not other:
            return self
        sets, counters = dict(self.sets), dict(self.counters)
        for name, elements in other.sets.items():
            sets[name] = tuple(sorted({*sets.get(name, ()), *elements}))
        for name, amount in other.counters.items():
            counters[name] = counters.get(name, 0) + amount
        return Facts(sets, counters)

    def rows(self, link_id: str) -> Iterator[FactRow]:
        """Yield what a store keeps of these facts, for the whole task or a link."""
        for name, elements in self.sets.items():
            for element in elements:
                yield FactRow(link_id, name, element, 1)
        for name, amount in self.counters.items():
            yield FactRow(link_id, name, "", amount)


NO_FACTS = Facts()


@dataclass(frozen=True, slots=True)
class FactRow:
    """One row of a store.

    Attributes:
        link_id: the link below which it is read; empty for the whole task.
        name: the fact's name.
        element: an element of a set; empty for a counter.
        amount: the counter's value; of an element 1, and in a store :data:`SHARED` if several calls noted it.
    """

    link_id: str
    name: str
    element: str
    amount: int

    @property
    def size(self) -> int:
        """Bytes that it takes of :data:`MOST_TASK_BYTES`."""
        return len(self.name.encode()) + len(self.element.encode()) + ROW_BYTES


def facts_of(rows: Iterable[tuple[str, str, int]]) -> Facts:
    """Return the facts of rows of name, element and amount, as a chain sees them."""
    sets: dict[str, set[str]] = {}
    counters: dict[str, int] = {}
    for name, element, amount in rows:
        if element:
            sets.setdefault(name, set()).add(element)
        elif amount:
            counters[name] = counters.get(name, 0) + amount
    return Facts({name: tuple(sorted(found)) for name, found in sets.items()}, counters)


def stated_facts(stated: Iterable[Mapping[str, list[str] | int]]) -> Facts:
    """Return the facts that grants state: sets are united, and the largest value of a counter counts."""
    sets: dict[str, set[str]] = {}
    counters: dict[str, int] = {}
    for one in stated:
        for name, value in one.items():
            if isinstance(value, list):
                sets.setdefault(name, set()).update(value)
            else:
                counters[name] = max(counters.get(name, 0), int(value))
    return Facts(
        {name: tuple(sorted(found)) for name, found in sets.items() if found},
        {name: amount for name, amount in counters.items() if amount},
    )


@dataclass(frozen=True, slots=True)
class Notes:
    """What a grant notes when its call is allowed.

    Attributes:
        task: facts of the whole task.
        branch: facts of the holder's link and what is below it.
        backend: names of sets under which the call's backend may note elements, each with where they are read.
    """

    task: Facts = NO_FACTS
    branch: Facts = NO_FACTS
    backend: Mapping[str, FactScope] = field(default_factory=dict)

    def kinds(self) -> set[tuple[str, FactKind]]:
        """Return the names with what the call takes them for."""
        sets = {*self.task.sets, *self.branch.sets, *self.backend}
        counters = {*self.task.counters, *self.branch.counters}
        return {(name, FactKind.SET) for name in sets} | {(name, FactKind.COUNTER) for name in counters}

    def as_json(self) -> dict[str, list[str] | int]:
        """Return what the call notes, in the task and in the branch."""
        return self.task.joined(self.branch).as_json()

    def branch_names(self) -> list[str]:
        """Return the names under which the call notes only in its branch, sorted."""
        return sorted({*self.branch.sets, *self.branch.counters} - {*self.task.sets, *self.task.counters})

    @property
    def too_large(self) -> str:
        """What one call may not note, as a sentence; empty if there is nothing of that."""
        for name, elements in (*self.task.sets.items(), *self.branch.sets.items()):
            if len(elements) > MOST_ELEMENTS:
                return (
                    f"the call would note {len(elements)} elements of {name!a}; {MOST_ELEMENTS} are accepted"
                )
            if any(len(element.encode()) > MOST_ELEMENT_BYTES for element in elements):
                return f"an element of {name!a} is longer than {MOST_ELEMENT_BYTES} bytes"
        return ""

    def rows(self, link_id: str) -> list[FactRow]:
        """Return the rows that a call of a holder's link adds."""
        return [*self.task.rows(WHOLE_TASK), *self.branch.rows(link_id)]

    def links(self, link_id: str) -> dict[str, str]:
        """Return the link of each name under which the backend may note."""
        return {
            name: link_id if scope is FactScope.BRANCH else WHOLE_TASK for name, scope in self.backend.items()
        }
