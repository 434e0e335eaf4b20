"""What is kept in Redis, to and from the state's model. Records are JSON that the scripts pass on unread."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import orjson

from tabard_sidecar.model import BudgetLimit
from tabard_sidecar.state.model import (
    Approval,
    ApprovalStatus,
    Chain,
    Child,
    PastCall,
    Reservation,
    Revocation,
    RevocationKind,
    TaskRecord,
    TaskState,
    Tree,
)

_REMEMBERED_CALLS = 8_192


def digest(*parts: str) -> str:
    """Return a key's part that stands for texts of any length and content."""
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()


def milliseconds(seconds: float) -> int:
    """Return a time as Redis expires keys by it."""
    return int(seconds * 1000)


def task_text(task: TaskRecord) -> str:
    """Write a task."""
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


def tasks(text: bytes) -> list[TaskRecord]:
    """Read a list of tasks."""
    return [TaskRecord(*fields) for fields in orjson.loads(text)]


class Calls:
    """Reads past calls and remembers those read before: a look-up brings the same fifty again and again."""

    def __init__(self) -> None:
        self._known: dict[str, PastCall] = {}

    def read(self, entries: Sequence[Sequence[object]]) -> tuple[PastCall, ...]:
        """Read entries of tool, labels, time and decision."""
        known = self._known
        if len(known) > _REMEMBERED_CALLS:
            known.clear()
        calls = []
        for tool, labels, at, decision in entries:
            call = known.get(decision)  # type: ignore[call-overload]
            if call is None:
                call = PastCall(tool, tuple(labels), at)  # type: ignore[arg-type]
                known[decision] = call  # type: ignore[index]
            calls.append(call)
        return tuple(calls)


def standing(text: bytes, chain: Chain, calls: Calls, *, asked: int) -> tuple[TaskState, int]:
    """Read the answer of the script look_up: how the chain stands, and how many writes of this sidecar are kept.

    ``asked`` is how many calls were asked for.
    """
    (
        known,
        ended,
        children,
        spent,
        labels,
        version,
        entries,
        revocations,
        epoch,
        written,
        changes,
    ) = orjson.loads(text)
    found = TaskState(
        known=bool(known),
        ended=ended,
        children=children,
        spent={
            budget.budget_id: amount for budget, amount in zip(chain.budgets, spent, strict=False) if amount
        },
        labels=tuple(sorted({label for some in labels for label in some})) if labels else (),
        label_version=version,
        calls=calls.read(entries) if entries else (),
        with_calls=asked > 0,
        revocations=revocations,
        epoch=epoch,
        changes=changes,
    )
    return found, written


def reservation(wanted: Reservation) -> dict[str, object]:
    """Write what the script reserve is asked."""
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
    }
    return {
        "links": chain.link_ids,
        "decision": wanted.decision_id,
        "version": wanted.label_version,
        "unchanged": wanted.unchanged or False,
        "charges": [(budget_id, limit, amount, name) for budget_id, name, limit, amount in charges if amount],
        "approvals": wanted.approvals,
        "task_labels": wanted.task_labels,
        "branch_labels": wanted.branch_labels,
        "call": orjson.dumps([wanted.tool, labels, wanted.now, wanted.decision_id]).decode(),
        "record": orjson.dumps(record).decode(),
        "now": wanted.now,
    }


def revocation_field(kind: RevocationKind, target: str) -> str:
    """Return the field of the hash that holds a revocation."""
    return f"{kind.value} {target}"


def revocations(text: bytes) -> list[Revocation]:
    """Read the answer of the script revocations."""
    found = []
    for field, (seq, at, expires_at, reason) in orjson.loads(text):
        kind, _, target = field.partition(" ")
        found.append(Revocation(RevocationKind(kind), target, at, expires_at, reason, seq))
    return found


def approval_text(approval: Approval) -> str:
    """Write what never changes of an approval, but for its payload."""
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
        ]
    ).decode()


def approval(fields: Sequence[bytes | None]) -> Approval | None:
    """Read an approval as the scripts return it; ``None`` if there is none."""
    if not fields or any(field is None for field in fields):
        return None
    record, payload, expires, uses, status, approver, decided = (field or b"" for field in fields)
    approval_id, root, link, task, module, code, call, created = orjson.loads(record)
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
    )


def tree(text: bytes) -> Tree:
    """Read the answer of the script tree."""
    task, steps, ended, spent, labels, calls, budgets = orjson.loads(text)
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
    )
