"""Refuses grants that let one charge pay for any number of calls, when the policy is loaded."""

from __future__ import annotations

from collections.abc import Iterator

from tabard_sidecar.policy.loading.ast import Node, constant, place
from tabard_sidecar.policy.loading.literals import Finding

_STEP = (
    "Remove it: a charge is for one call, so its credential is for single use. If the charge covers more, "
    "'credential.uses' says how many"
)


def check_price(element: Node) -> Iterator[Finding]:
    """Yield what a grant element says against the single use that its charges imply, and against its own uses."""
    fields = _fields(element)
    credential = _fields(fields.get("credential", {}))
    once = credential.get("single_use")
    if once is not None and "uses" in credential:
        step = "Remove 'single_use': it is the same as 'uses' with 1"
        yield place(once), "'credential.single_use' and 'credential.uses' both say how many uses it has", step
    if "charges" not in fields:
        return
    reuse = fields.get("reuse")
    if reuse is not None and constant(reuse) == (True, True):
        yield place(reuse), "'reuse' is true beside 'charges', so one charge would pay for many calls", _STEP
    if once is not None and constant(once) == (True, False):
        yield (
            place(once),
            "'credential.single_use' is false beside 'charges', so one charge would pay for many calls",
            _STEP,
        )


def _fields(term: Node) -> dict[str, Node]:
    if term.get("type") != "object":
        return {}
    return {key["value"]: item for key, item in term["value"] if key.get("type") == "string"}
