"""Facts of requests that authors write: of the kinds that the policy's grants note, empty where nothing is stated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tabard_sidecar.facts import (
    MOST_ELEMENT_BYTES,
    MOST_ELEMENTS,
    MOST_TASK_BYTES,
    WHOLE_TASK,
    FactKind,
    Facts,
    stated_facts,
)
from tabard_sidecar.policy.loading.literals import nearest
from tabard_sidecar.policy.values import Json

Stated = Mapping[str, list[str] | int]
"""Facts by name: a list for a set, a number for a counter."""


def with_facts(document: Mapping[str, Json], kinds: Mapping[str, FactKind]) -> Mapping[str, Json]:
    """Return a policy input that has every fact which the policy's grants note, as the sidecar sends it."""
    task = document.get("task")
    if not kinds or not isinstance(task, dict):
        return document
    empty: dict[str, Json] = {name: [] if kind is FactKind.SET else 0 for name, kind in kinds.items()}
    return {**document, "task": {**task, "facts": {**empty, **task.get("facts", {})}}}


def fact_faults(stated: Stated, kinds: Mapping[str, FactKind]) -> Iterator[str]:
    """Yield what is wrong with stated facts: a name that no grant notes, a set that is stated as a number, or the reverse."""
    for name, value in stated.items():
        kind = kinds.get(name)
        if kind is None:
            yield f"no grant notes the fact {name!r}{nearest(name, kinds)}"
        elif (kind is FactKind.SET) is not isinstance(value, list):
            written = "a list of texts" if kind is FactKind.SET else "a number"
            yield f"the fact {name!r} is a {kind}: write {written}"


def facts_full(facts: Facts) -> str:
    """Return the name of a fact of which a task can't have as much; empty if there is none."""
    for name, elements in facts.sets.items():
        if len(elements) > MOST_ELEMENTS or any(len(one.encode()) > MOST_ELEMENT_BYTES for one in elements):
            return name
    rows = list(facts.rows(WHOLE_TASK))
    return rows[-1].name if sum(row.size for row in rows) > MOST_TASK_BYTES else ""


def as_facts(stated: Stated) -> Facts:
    """Return stated facts as a store has them."""
    return stated_facts([stated])
