"""Converts between the state model and what Redis stores. Records are JSON that the scripts don't parse."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import orjson

from tabard_sidecar.facts import (
    MOST_COUNT,
    MOST_ELEMENTS,
    MOST_TASK_BYTES,
    NO_FACTS,
    ROW_BYTES,
    SHARED,
    FactRow,
    facts_of,
)
from tabard_sidecar.model import REPORTED, BudgetLimit
from tabard_sidecar.state.approval import Approval, ApprovalStatus
from tabard_sidecar.state.labels import COLLAPSED, LabelsSeen, OwnerLabel
from tabard_sidecar.state.labels import seen as seen_labels
from tabard_sidecar.state.listing import TaskPage, TaskPosition, Tree
from tabard_sidecar.state.model import (
    Chain,
    Child,
    PastCall,
    Reservation,
    Revocation,
    RevocationKind,
    RevocationOrigin,
    SignedOutcome,
    TaskRecord,
    TaskState,
)
from tabard_sidecar.state.store import KEPT_SECONDS, LABELS_PER_HOLDER, REPORTED_PER_HOLDER

_CACHED_CALLS = 8_192
LABEL_RULES = {
    "most_labels": LABELS_PER_HOLDER,
    "most_reported": REPORTED_PER_HOLDER,
    "reported_prefix": REPORTED,
    "collapsed": COLLAPSED,
    "kept_seconds": KEPT_SECONDS,
}
"""Arguments of every script that adds labels."""
FACT_RULES = {
    "most_elements": MOST_ELEMENTS,
    "most_fact_bytes": MOST_TASK_BYTES,
    "most_count": MOST_COUNT,
    "fact_row_bytes": ROW_BYTES,
    "shared": str(SHARED),
}
"""Arguments of every script that notes facts."""


def digest(*parts: str) -> str:
    """Return a fixed-length key part for strings of any length and content."""
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()


def milliseconds(seconds: float) -> int:
    """Convert seconds to the milliseconds in which Redis expires keys."""
    return int(seconds * 1000)


def task_text(task: TaskRecord) -> str:
    """Encode a task."""
    return orjson.dumps(
        [
            task.root_id,
            task.task_id,
            task.subject_issuer,
            task.subject_id,
            task.workload,
            task.purpose,
            task.started_at,
            task.expires_at,
        ]
    ).decode()


def tasks(text: bytes) -> TaskPage:
    """Decode a page of the list of tasks."""
    found, started, root = orjson.loads(text)
    after = TaskPosition(float(started), root) if root else None
    return TaskPage(tuple(TaskRecord(*fields) for fields in found), after)


class Calls:
    """Decodes past calls and caches them, because every look-up of a task returns mostly the same calls."""

    def __init__(self) -> None:
        self._cached: dict[str, PastCall] = {}

    def read(self, entries: Sequence[Sequence[object]]) -> tuple[PastCall, ...]:
        """Decode entries of tool, labels, time and decision."""
        cached = self._cached
        if len(cached) > _CACHED_CALLS:
            cached.clear()
        calls = []
        for tool, labels, at, decision in entries:
            call = cached.get(decision)  # type: ignore[call-overload]
            if call is None:
                call = PastCall(tool, tuple(labels), at)  # type: ignore[arg-type]
                cached[decision] = call  # type: ignore[index]
            calls.append(call)
        return tuple(calls)


def task_state(text: bytes, chain: Chain, calls: Calls, *, requested: int) -> tuple[TaskState, int]:
    """Decode the answer of the script look_up: the chain's task state, and this sidecar's count of writes.

    ``requested`` is how many past calls were requested.
    """
    (
        known,
        ended,
        children,
        spent,
        labels,
        branches,
        owned,
        version,
        entries,
        revocations,
        epoch,
        written,
        changes,
        facts,
    ) = orjson.loads(text)
    numbers = (children, version, revocations, epoch, written, changes, *spent, *(fact[2] for fact in facts))
    if not all(type(number) is int for number in numbers):
        raise TypeError("a count isn't a whole number")
    seen = _seen(labels, branches, owned, chain) if version else LabelsSeen()
    found = TaskState(
        known=bool(known),
        ended=ended,
        children=children,
        spent={
            budget.budget_id: amount for budget, amount in zip(chain.budgets, spent, strict=False) if amount
        },
        labels=seen.labels,
        label_version=version,
        carried=seen.carried,
        calls=calls.read(entries) if entries else (),
        with_calls=requested > 0,
        revocations=revocations,
        epoch=epoch,
        changes=changes,
        facts=facts_of(facts) if facts else NO_FACTS,
    )
    return found, written


def _seen(
    labels: Sequence[tuple[str, float]],
    branches: Sequence[Sequence[str]],
    owned: Sequence[tuple[str, str, float, bool]],
    chain: Chain,
) -> LabelsSeen:
    by_owner: dict[str, list[OwnerLabel]] = {}
    for owner, label, at, wide in sorted(owned):
        by_owner.setdefault(owner, []).append(OwnerLabel(label, at, wide))
    return seen_labels(
        dict(labels), [label for some in branches for label in some], by_owner, chain.owners, chain.workloads
    )


def reservation(wanted: Reservation) -> dict[str, object]:
    """Encode the arguments of the script reserve."""
    chain = wanted.chain
    charges = [
        (budget.budget_id, budget.name, budget.limit, wanted.charges.get(budget.name, 0))
        for budget in chain.budgets
    ]
    labels = sorted({*wanted.task_labels, *wanted.branch_labels})
    record = {
        "link": chain.link_ids[-1],
        "charges": charges,
        "approvals": wanted.approvals,
        "audience": wanted.audience,
        "usable_until": wanted.usable_until,
    }
    if wanted.shared:
        record["shared"] = True
    facts: dict[str, object] = {}
    if wanted.notes is not None:
        record |= {"backend": wanted.backend_notes, "keep": True}
        rows = [(row.link_id, row.name, row.element, str(row.amount)) for row in wanted.fact_rows]
        facts = {"facts": rows}
    return facts | {
        "links": chain.link_ids,
        "decision": wanted.decision_id,
        "version": wanted.label_version,
        "owners": chain.owners,
        "workloads": chain.workloads,
        "carried": [(one.owner, one.label, one.at, one.wide) for one in wanted.carried],
        "unchanged": wanted.unchanged or False,
        "charges": [(budget_id, limit, amount, name) for budget_id, name, limit, amount in charges if amount],
        "approvals": wanted.approvals,
        "task_labels": wanted.task_labels,
        "branch_labels": wanted.branch_labels,
        "call": orjson.dumps([wanted.tool, labels, wanted.now, wanted.decision_id]).decode(),
        "record": orjson.dumps(record).decode(),
        "now": wanted.now,
        "labels_at": wanted.labels_at,
    }


def signed_facts(signed: SignedOutcome) -> list[tuple[str, str]]:
    """Encode the facts of an outcome for the script report: names with elements, each pair once."""
    return sorted({(name, element) for name, elements in signed.facts.items() for element in elements})


def child(one: Child) -> tuple[object, ...]:
    """Encode a child for the script register_children."""
    limit = -1 if one.limit is None else one.limit
    above = [owner for owner in one.above if owner != one.owner]
    return (
        one.parent_id,
        one.child_id,
        limit,
        one.root_id,
        one.holder,
        one.sub_agent,
        one.owner,
        above,
        one.hop,
    )


def revocation_field(kind: RevocationKind, target: str) -> str:
    """Return the name of the hash field that holds a revocation."""
    return f"{kind.value} {target}"


def revocations(text: bytes) -> list[Revocation]:
    """Decode the answer of the script revocations."""
    found = []
    for field, (seq, at, expires_at, origin, reasons) in orjson.loads(text):
        kind, _, target = field.partition(" ")
        found.append(
            Revocation(
                RevocationKind(kind), target, at, expires_at, tuple(reasons), RevocationOrigin(origin), seq
            )
        )
    return found


def approval_text(approval: Approval) -> str:
    """Encode the fields of an approval that never change, except its payload."""
    return orjson.dumps(
        [
            approval.approval_id,
            approval.root_id,
            approval.link_id,
            approval.task_id,
            approval.module,
            approval.code,
            approval.digest,
            approval.created_at,
            approval.topic,
            approval.workload,
            approval.subject,
            approval.workloads,
        ]
    ).decode()


def approval(fields: Sequence[bytes | None]) -> Approval | None:
    """Decode an approval as the scripts return it; ``None`` if there is none.

    An approval that an older version stored has no group.
    """
    if not fields or any(field is None for field in fields[:-1]):
        return None
    record, payload, expires, uses, status, approver, decided, group = (field or b"" for field in fields)
    approval_id, root, link, task, module, code, call, created, topic, workload, subject, workloads = (
        orjson.loads(record)
    )
    return Approval(
        approval_id=approval_id,
        root_id=root,
        link_id=link,
        task_id=task,
        module=module,
        code=code,
        digest=call,
        payload=payload,
        created_at=created,
        expires_at=float(expires),
        uses=int(uses),
        status=ApprovalStatus(status.decode()),
        approver=approver.decode(),
        decided_at=float(decided),
        topic=topic,
        workload=workload,
        subject=subject,
        workloads=tuple(workloads),
        group_id=group.decode(),
    )


def approvals(found: Sequence[Sequence[bytes | None]]) -> list[Approval]:
    """Decode several approvals, in their order."""
    return [one for one in map(approval, found) if one is not None]


def tree(text: bytes) -> Tree:
    """Decode the answer of the script tree."""
    task, steps, ended, spent, labels, calls, budgets, facts = orjson.loads(text)
    return Tree(
        task=TaskRecord(*task),
        children=tuple(
            Child(parent, child, None, root, holder, sub_agent)
            for parent, child, root, holder, sub_agent in steps
        ),
        ended=tuple(ended),
        spent=spent,
        labels=tuple(sorted({label for some in labels for label in some})),
        calls=calls,
        budgets={
            budget_id: BudgetLimit(budget_id, name, limit) for budget_id, (name, limit) in budgets.items()
        },
        # An element may hold line breaks.
        facts=tuple(
            FactRow(link_id, name, element, amount)
            for (link_id, name, element), amount in sorted(
                (key.split("\n", 2), amount) for key, amount in facts.items()
            )
        ),
    )
