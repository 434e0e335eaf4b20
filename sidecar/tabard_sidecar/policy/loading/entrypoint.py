"""Generates the entrypoint for one policy.

``rego/tabard/decision.rego`` finds modules and rules by reference and evaluates every list for every operation. Once a
policy is loaded, its rules are known, so the engine gets the same document with each rule named and one clause per
operation. Both forms give the same answers (tests/integration/engine/test_alike.py compares them); a remote server keeps
the general form.
"""

from __future__ import annotations

import json

from tabard_sidecar.model import Operation
from tabard_sidecar.policy.loading.rules import RuleIndex
from tabard_sidecar.policy.resources import ELEMENTS

FILE = "tabard/decision.rego"
"""The library's file that the generated form replaces."""

_EVERYWHERE = frozenset({"ask", "deny"})
_OWN = {
    Operation.AUTHORIZE: "grant",
    Operation.FILTER_TOOLS: "grant",
    Operation.DELEGATE: "delegate",
    Operation.RENEW: "renew",
    Operation.START_TASK: "start",
}


def write_entrypoint(index: RuleIndex) -> str:
    """Return the Rego source of ``data.tabard.decision`` for the policy with these rules."""
    nothing = ", ".join(f'"{name}": []' for name in ELEMENTS)
    clauses = [
        f'decision := {{{_document(index, rule)}}} if input.operation == "{operation.value}"'
        for operation, rule in _OWN.items()
    ]
    return "\n\n".join(("package tabard", f"default decision := {{{nothing}}}", *clauses)) + "\n"


def _document(index: RuleIndex, own: str) -> str:
    return ", ".join(
        f'"{name}": {_elements(index, name) if name == own or name in _EVERYWHERE else "[]"}'
        for name in ELEMENTS
    )


def _elements(index: RuleIndex, rule: str) -> str:
    """Return an array of every module's elements of ``rule``, with the modules in OPA's order."""
    collected = "[]"
    for module in sorted(index.sites):
        if not index.knows(module, rule):
            continue
        # Encoded as JSON, because a package may have any name, such as policy["a b"].
        name = json.dumps(module, ensure_ascii=False)
        own = f'[{{"module": {name}, "element": element}} | some element in data.policy[{name}].{rule}]'
        collected = own if collected == "[]" else f"array.concat({collected}, {own})"
    return collected
