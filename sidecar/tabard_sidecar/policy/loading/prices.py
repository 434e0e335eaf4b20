"""Refuses grants that let one charge, or one note of a fact, stand for any number of calls, when the policy is loaded."""

from __future__ import annotations

from collections.abc import Iterator

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


def _fields(term: Node) -> dict[str, Node]:
    if term.get("type") != "object":
        return {}
    return {key["value"]: item for key, item in term["value"] if key.get("type") == "string"}
