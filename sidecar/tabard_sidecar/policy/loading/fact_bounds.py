"""Bounds what ``input.task.facts`` can hold, from what a policy's grants note."""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd

from tabard_sidecar.facts import (
    MOST_COUNT,
    MOST_ELEMENT_BYTES,
    MOST_ELEMENTS,
    MOST_TASK_BYTES,
    ROW_BYTES,
    FactKind,
)
from tabard_sidecar.policy.loading.noted import Fact
from tabard_sidecar.policy.values import Json

_WHAT = "input.task.facts"


def facts_schema(facts: Mapping[str, Fact]) -> dict[str, Json]:
    """Return the schema of the facts; every name is always there, and no other."""
    return {
        "type": "object",
        "properties": {name: _fact(name, facts[name]) for name in sorted(facts)},
        "additionalProperties": False,
        "x-what": _WHAT,
        "x-written": True,
        "x-always": True,
        "x-code": "fact_unknown",
        "x-step": "Correct the name, or note the fact in a grant",
    }


def unstarted(whole: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the input's schema for rules that start a task: it has no facts by then."""
    task = whole["properties"]["task"]
    facts = {**task["properties"]["facts"], "x-unstarted": True}
    task = {**task, "properties": {**task["properties"], "facts": facts}}
    return {**whole, "properties": {**whole["properties"], "task": task}}


def _fact(name: str, fact: Fact) -> dict[str, Json]:
    found: dict[str, Json] = _set(name, fact) if fact.kind is FactKind.SET else _counter(fact)
    return {**found, "x-what": f"{_WHAT}.{name}", "x-chosen": True, "x-always": True}


def _set(name: str, fact: Fact) -> dict[str, Json]:
    # A branch adds elements of its own to what the task has; all of them together have so many bytes.
    most = MOST_TASK_BYTES // (ROW_BYTES + len(name) + 1)
    most = min(most, MOST_ELEMENTS) if not fact.branch else most
    items: dict[str, Json] = {
        "type": "string",
        "minLength": 1,
        "x-bytes": MOST_ELEMENT_BYTES,
        "x-what": f"an element of {_WHAT}.{name}",
    }
    if fact.elements is not None:
        step = "Correct the text, or let a grant note it"
        items |= {"enum": sorted(fact.elements), "x-code": "value_unknown", "x-step": step}
        most = min(most, len(fact.elements))
    return {"type": "array", "items": items, "maxItems": most, "x-sorted": True}


def _counter(fact: Fact) -> dict[str, Json]:
    step = max(1, gcd(*fact.amounts)) if fact.amounts else 1
    return {"type": "integer", "minimum": 0, "maximum": MOST_COUNT - MOST_COUNT % step, "multipleOf": step}
