"""Composes one decision from the modules' elements. A pure function: the same for every engine and in replays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache

from tabard.caveats import CaveatError, Limits, limits_from_json

from tabard_sidecar.facts import FactKind, FactScope, Notes, stated_facts
from tabard_sidecar.model import (
    Ask,
    CredentialTemplate,
    Delivery,
    Obligation,
    Operation,
    PolicyDecision,
    Reason,
)
from tabard_sidecar.policy.loading.rules import RuleIndex
from tabard_sidecar.policy.resources import ELEMENTS, schema
from tabard_sidecar.policy.schema import Check, compile_schema
from tabard_sidecar.policy.values import Json, with_integers
from tabard_sidecar.reasons import PolicyCode
from tabard_sidecar.util.lean import dataclass

MAX_ELEMENTS = 1000
"""Most elements that one list of the entrypoint's answer may hold."""

GRANTING: Mapping[Operation, str] = {
    Operation.START_TASK: "start",
    Operation.DELEGATE: "delegate",
    Operation.AUTHORIZE: "grant",
    Operation.FILTER_TOOLS: "grant",
    Operation.RENEW: "renew",
}
"""The rule that grants each operation."""

_LISTS = frozenset(ELEMENTS)


@dataclass(frozen=True, slots=True)
class _Element:
    """One element that is valid against its schema."""

    module: str
    value: Mapping[str, Json]

    def reason(self, message: str = "") -> Reason:
        return Reason(code=PolicyCode(self.value["code"]), message=message, module=f"policy.{self.module}")


@cache
def element_checks() -> Mapping[str, Check]:
    """Return the compiled schema of every element."""
    return {name: compile_schema(schema(name)) for name in ELEMENTS}


def compose(
    document: Json,
    operation: Operation,
    *,
    revision: str = "",
    rules: RuleIndex | None = None,
    approvals: frozenset[tuple[str, str]] = frozenset(),
) -> PolicyDecision:
    """Compose the entrypoint's answer.

    Any deny element denies, and so does any ask without its approval. Without a granting element the decision is
    ``no_grant``, and no approval is requested. Granting elements are merged to the narrowest; fields that can't be
    narrowed must agree. An element that is invalid against its schema is never ignored: it denies with ``policy_error``.

    Args:
        document: the value of ``data.tabard.decision``; ``None`` if it was undefined.
        operation: the requested operation.
        revision: revision of the policy, passed through.
        rules: places of the modules' rules. If given, an element that no known rule can have produced denies.
        approvals: module and code of the asks that were approved for this call. The call uses each of them up, whether
            an ask still demands it or not, so its credential is for single use.
    """
    broken = _document_fault(document)
    if broken:
        return PolicyDecision(revision, denials=(Reason("policy_error", f"data.tabard.decision {broken}"),))
    denials: list[Reason] = []
    denied = _elements(document, "deny", rules, denials)
    asked = _elements(document, "ask", rules, denials)
    name = GRANTING[operation]
    granted = _elements(document, name, rules, denials)
    denials += [element.reason(element.value["message"]) for element in denied]
    if not granted and not denials:
        denials.append(Reason("no_grant", _nothing_grants(operation, name)))
    merged = _MERGE[name](revision, granted) if not denials else PolicyDecision(revision)
    if merged.notes is not None and rules is not None:
        denials += _undeclared(merged.notes, rules.facts, granted)
    denials += merged.denials
    unanswered = [element for element in asked if (element.module, element.value["code"]) not in approvals]
    if not denials and not unanswered:
        return _for_one_use(merged) if approvals else merged
    asks = () if denials else tuple(map(_ask, unanswered))
    denials += [_unapproved(element) for element in unanswered]
    return PolicyDecision(revision, denials=tuple(denials), asks=asks)


def _for_one_use(decision: PolicyDecision) -> PolicyDecision:
    """Let the credential be accepted once: a person's word is for one call."""
    if decision.credential is None:
        return decision
    return replace(decision, credential=replace(decision.credential, uses=1), reuse=False)


def _document_fault(document: Json) -> str:
    if document is None:
        return "is undefined"
    if not isinstance(document, dict) or document.keys() != _LISTS:
        return "must be an object with the lists " + ", ".join(ELEMENTS)
    for name, items in document.items():
        if not isinstance(items, list):
            return f"must hold a list under {name}"
        if len(items) > MAX_ELEMENTS:
            return f"holds more than {MAX_ELEMENTS} elements under {name}"
    return ""


def _elements(
    document: Mapping[str, Json], name: str, rules: RuleIndex | None, denials: list[Reason]
) -> list[_Element]:
    """Return the valid elements; add a denial for each invalid one."""
    check = element_checks()[name]
    fitting: list[_Element] = []
    for item in document[name]:
        if not isinstance(item, dict) or item.keys() != {"module", "element"}:
            denials.append(Reason("policy_error", f"data.tabard.decision has a malformed item under {name}"))
            continue
        module, value = item["module"], item["element"]
        if not isinstance(module, str) or (rules is not None and not rules.knows(module, name)):
            denials.append(_unknown_origin(module, name))
            continue
        fault = check(value)
        if fault is None:
            fitting.append(_Element(module, value))
        else:
            denials.append(_broken_element(module, name, value, fault, rules))
    return fitting


def _unknown_origin(module: Json, name: str) -> Reason:
    label = f"policy.{module}" if isinstance(module, str) else ""
    message = f"an element under {name} comes from no {name} rule of a loaded module; is there data under data.policy?"
    return Reason("policy_error", message, label)


def _broken_element(
    module: str, name: str, value: Json, fault: tuple[str, str], rules: RuleIndex | None
) -> Reason:
    path, problem = fault
    code = value.get("code") if isinstance(value, dict) else None
    site = rules.locate(module, name, code if isinstance(code, str) else None) if rules is not None else ""
    subject = f"{path!r} {problem}" if path else f"the element {problem}"
    where = f" ({site})" if site else ""
    return Reason("policy_error", f"{name} of policy.{module}{where}: {subject}", f"policy.{module}")


def _ask(element: _Element) -> Ask:
    value = element.value
    return Ask(
        module=element.module,
        code=value["code"],
        approvers=tuple(value["approvers"]),
        reason=value["reason"],
        uses=int(value["uses"]),
        ttl_seconds=float(value["ttl_seconds"]),
        ask_again=value.get("ask_again", False),
    )


def _unapproved(element: _Element) -> Reason:
    approvers = ", ".join(element.value["approvers"])
    message = f"{element.value['code']}: {element.value['reason']} (approvers: {approvers})"
    return Reason("approval_required", message, f"policy.{element.module}")


def _nothing_grants(operation: Operation, name: str) -> str:
    return f"no {name} rule of any module matched the operation {operation.value}"


def _granted_by(elements: Iterable[_Element]) -> tuple[Reason, ...]:
    return tuple(element.reason() for element in elements)


def _merge_grants(revision: str, elements: list[_Element]) -> PolicyDecision:
    credentials = [element.value.get("credential") or {"kind": "none"} for element in elements]
    if len(elements) > 1:
        conflict = _conflict(elements, credentials)
        if conflict is not None:
            return PolicyDecision(revision, denials=(conflict,))
    notes = _notes(elements)
    if notes is not None and notes.too_large:
        reason = Reason("facts_exceeded", notes.too_large, f"policy.{elements[0].module}")
        return PolicyDecision(revision, denials=(reason,))
    credential = _narrowest(credentials, _uses(elements))
    return PolicyDecision(
        revision,
        granted_by=_granted_by(elements),
        credential=credential,
        reuse=not credential.uses and all(element.value.get("reuse") is True for element in elements),
        obligations=_united(elements),
        charges=largest_charges(element.value.get("charges", {}) for element in elements),
        task_labels=_labels(elements, "task"),
        branch_labels=_labels(elements, "branch"),
        notes=notes,
    )


def largest_charges(stated: Iterable[Mapping[str, Json]]) -> dict[str, int]:
    """Return the largest amount of each name."""
    charges: dict[str, int] = {}
    for one in stated:
        for name, amount in one.items():
            charges[name] = max(charges.get(name, 0), int(amount))
    return charges


def _labels(elements: Iterable[_Element], scope: str) -> tuple[str, ...]:
    found = {
        label
        for element in elements
        if element.value.get("label_scope", "task") == scope
        for label in element.value.get("labels", ())
    }
    return tuple(sorted(found))


def _notes(elements: Iterable[_Element]) -> Notes | None:
    """Return what grants note together: sets are united, of counters the largest counts; ``None`` if they note nothing."""
    scopes: dict[str, list[Mapping[str, Json]]] = {"task": [], "branch": []}
    backend: dict[str, FactScope] = {}
    for element in elements:
        scope = element.value.get("fact_scope", "task")
        if "facts" in element.value:
            scopes[scope].append(element.value["facts"])
        for name in element.value.get("notes", ()):
            # What the whole task reads, its branches read as well.
            backend[name] = FactScope(scope) if backend.get(name) is not FactScope.TASK else FactScope.TASK
    task, branch = (stated_facts(stated) for stated in scopes.values())
    return Notes(task, branch, backend) if task or branch or backend else None


def _undeclared(notes: Notes, declared: Mapping[str, FactKind], elements: list[_Element]) -> list[Reason]:
    """Return a denial for each fact that wasn't seen, or was another kind, when the policy was loaded."""
    message = "the grant notes the fact {!a}, which its rule doesn't write out as the same kind"
    wrong = sorted(name for name, kind in notes.kinds() if declared.get(name) is not kind)
    return [Reason("policy_error", message.format(name), f"policy.{elements[0].module}") for name in wrong]


def _conflict(elements: list[_Element], credentials: list[Mapping[str, Json]]) -> Reason | None:
    for field in ("kind", "audience", "role"):
        values = {credential.get(field, "") for credential in credentials}
        if len(values) > 1:
            makers = ", ".join(f"policy.{element.module} {element.value['code']}" for element in elements)
            message = f"grants disagree about credential.{field}: {', '.join(sorted(values))} ({makers})"
            return Reason("policy_conflict", message)
    return None


def _uses(elements: Iterable[_Element]) -> int:
    """Return how many uses the elements allow; 0 if none of them counts.

    A charge, and a fact that is noted, is for one unless its element says more.
    """
    counted: list[int] = []
    for element in elements:
        credential = element.value.get("credential", {})
        if credential.get("single_use") is True:
            counted.append(1)
        elif "uses" in credential:
            counted.append(int(credential["uses"]))
        elif any(element.value.get(part) for part in ("charges", "facts", "notes")):
            counted.append(1)
    return min(counted, default=0)


def _narrowest(credentials: list[Mapping[str, Json]], uses: int) -> CredentialTemplate:
    first = credentials[0]
    scopes = set(first.get("scopes", ()))
    for credential in credentials[1:]:
        scopes &= set(credential.get("scopes", ()))
    return CredentialTemplate(
        kind=first["kind"],
        audience=first.get("audience", ""),
        scopes=tuple(sorted(scopes)),
        ttl_seconds=_least(credential.get("ttl_seconds") for credential in credentials),
        role=first.get("role", ""),
        uses=uses,
        delivery=_delivery(credentials),
    )


def _delivery(credentials: Iterable[Mapping[str, Json]]) -> Delivery:
    """Return who gets the credential: only an edge, if one of the grants says so."""
    kept = any(credential.get("delivery") == Delivery.EDGE for credential in credentials)
    return Delivery.EDGE if kept else Delivery.AGENT


def _least(values: Iterable[Json]) -> float | None:
    stated = [float(value) for value in values if value is not None]
    return min(stated) if stated else None


def _united(elements: Iterable[_Element]) -> tuple[Obligation, ...]:
    united: dict[str, Obligation] = {}
    for element in elements:
        for stated in element.value.get("obligations", ()):
            properties = {key: value for key, value in stated.items() if key != "id"}
            key = json.dumps([stated["id"], properties], sort_keys=True)
            united[key] = Obligation(stated["id"], properties)
    return tuple(united[key] for key in sorted(united))


def _merge_limits(revision: str, elements: list[_Element]) -> PolicyDecision:
    limits: list[Limits] = []
    for element in elements:
        try:
            limits.append(limits_from_json(with_integers(element.value.get("limits", {}))))
        except CaveatError as error:
            # Caveats restrict names in ways that the schema doesn't.
            reason = Reason("policy_error", f"{element.value['code']}: {error}", f"policy.{element.module}")
            return PolicyDecision(revision, denials=(reason,))
    return PolicyDecision(revision, granted_by=_granted_by(elements), limits=tuple(limits))


def _merge_renewals(revision: str, elements: list[_Element]) -> PolicyDecision:
    ttl = _least(element.value["ttl_seconds"] for element in elements)
    return PolicyDecision(revision, granted_by=_granted_by(elements), ttl_seconds=ttl)


_MERGE: Mapping[str, Callable[[str, list[_Element]], PolicyDecision]] = {
    "delegate": _merge_limits,
    "grant": _merge_grants,
    "renew": _merge_renewals,
    "start": _merge_limits,
}
