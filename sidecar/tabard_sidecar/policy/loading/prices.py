"""Refuses grants that say against each other how many calls a charge or a note of a fact is for, and notes that can't be made."""

from __future__ import annotations

from collections.abc import Iterator

from tabard_sidecar.facts import MOST_ELEMENT_BYTES
from tabard_sidecar.policy.loading.ast import Node, constant, place
from tabard_sidecar.policy.loading.literals import Finding

_COUNTED = {
    "charges": ("a charge is for one call", "one charge would pay for many calls"),
    "facts": ("a fact is noted for one call", "one note would stand for many calls"),
    "notes": ("a backend notes facts of one call", "one note would stand for many calls"),
}
"""Fields of a grant that count for one use, why, and what happens if they don't."""


def check_price(element: Node) -> Iterator[Finding]:
    """Yield what a grant element says against the single use that charges and facts imply, and against its own uses."""
    fields = _fields(element)
    credential = _fields(fields.get("credential", {}))
    once = credential.get("single_use")
    if once is not None and "uses" in credential:
        step = "Remove 'single_use': it is the same as 'uses' with 1"
        yield place(once), "'credential.single_use' and 'credential.uses' both say how many uses it has", step
    yield from _without_effect(fields, credential)
    yield from _unfit_elements(fields.get("facts", {}))
    counted = next((name for name in _COUNTED if name in fields), "")
    if not counted:
        return
    why, otherwise = _COUNTED[counted]
    step = f"Remove it: {why}, so its credential is for single use. If it covers more, 'credential.uses' says how many"
    reuse = fields.get("reuse")
    if reuse is not None and constant(reuse) == (True, True):
        yield place(reuse), f"'reuse' is true beside {counted!r}, so {otherwise}", step
    if once is not None and constant(once) == (True, False):
        yield place(once), f"'credential.single_use' is false beside {counted!r}, so {otherwise}", step


def _without_effect(fields: dict[str, Node], credential: dict[str, Node]) -> Iterator[Finding]:
    """Yield fields of a grant that another of its fields makes pointless."""
    scope, notes, reuse = fields.get("fact_scope"), fields.get("notes"), fields.get("reuse")
    if scope is not None and "facts" not in fields and notes is None:
        yield (
            place(scope),
            "'fact_scope' has no effect without 'facts' or 'notes'",
            "Remove it, or note a fact",
        )
    kind = credential.get("kind")
    if notes is not None and kind is not None and constant(kind) == (True, "none"):
        step = "Grant a credential of the backend that notes the facts"
        yield (
            place(notes),
            "'notes' stands beside a credential of kind 'none', so no backend can sign a fact",
            step,
        )
    if (
        reuse is not None
        and constant(reuse) == (True, True)
        and "uses" in credential
        and not _COUNTED.keys() & fields
    ):
        step = "Remove one of them: 'uses' counts the calls, 'reuse' lets any number be made"
        yield place(reuse), "'reuse' has no effect beside 'credential.uses'", step


def _unfit_elements(facts: Node) -> Iterator[Finding]:
    """Yield elements, as far as they are written out, that deny every call which would note them."""
    for term in _fields(facts).values():
        for item in term["value"] if term.get("type") in {"array", "set"} else ():
            known, value = constant(item)
            fits = isinstance(value, str) and 0 < len(value.encode()) <= MOST_ELEMENT_BYTES
            if known and not fits:
                step = f"Write a text of 1 to {MOST_ELEMENT_BYTES} bytes"
                yield place(item), "an element of a fact is a text that isn't empty and not too long", step


def _fields(term: Node) -> dict[str, Node]:
    if term.get("type") != "object":
        return {}
    return {key["value"]: item for key, item in term["value"] if key.get("type") == "string"}
