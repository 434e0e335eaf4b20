"""Converts operators' messages to the model and back. Malformed fields raise INVALID_ARGUMENT."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from tabard.authz.v1 import revocation_service_pb2 as revocation_pb
from tabard.authz.v1 import task_operator_service_pb2 as operator_pb
from tabard.authz.v1 import types_pb2 as types_pb

from tabard_sidecar.facts import FactRow
from tabard_sidecar.identity.spiffe import is_spiffe_id
from tabard_sidecar.revocation.targets import (
    UNTIL_LIFTED,
    is_credential_id,
    is_link_id,
    subject_of,
    subject_target,
)
from tabard_sidecar.revocation.task_views import Node, Overview, Shown, TaskStatus
from tabard_sidecar.server.convert import bounded, invalid, timestamp
from tabard_sidecar.state.listing import TaskPosition
from tabard_sidecar.state.model import Revocation, RevocationKind, RevocationOrigin

if TYPE_CHECKING:
    from tabard.authz.v1.revocation_service_pb2 import RevocationKind as KindMessage

    from tabard_sidecar.revocation import Receipt

MAX_REASON_BYTES = 1024
MAX_ID_BYTES = 2048
MAX_TASK_ID_BYTES = 128
MAX_LISTED = 1000
_DEFAULT_LISTED = 100
_MAX_TTL_SECONDS = 100 * 366 * 86_400.0

_KINDS = {
    RevocationKind.LINK: revocation_pb.REVOCATION_KIND_LINK,
    RevocationKind.AGENT: revocation_pb.REVOCATION_KIND_AGENT,
    RevocationKind.SUBJECT: revocation_pb.REVOCATION_KIND_SUBJECT,
    RevocationKind.CREDENTIAL: revocation_pb.REVOCATION_KIND_CREDENTIAL,
    RevocationKind.STATE: revocation_pb.REVOCATION_KIND_STATE,
}
_ORIGINS = {
    RevocationOrigin.OPERATOR: revocation_pb.REVOCATION_ORIGIN_OPERATOR,
    RevocationOrigin.SIDECAR: revocation_pb.REVOCATION_ORIGIN_SIDECAR,
    RevocationOrigin.HOLDER: revocation_pb.REVOCATION_ORIGIN_HOLDER,
}
_KINDS_BACK = {message: kind for kind, message in _KINDS.items()}
_STATES = {
    TaskStatus.LIVE: operator_pb.TASK_OVERVIEW_STATE_LIVE,
    TaskStatus.ENDED: operator_pb.TASK_OVERVIEW_STATE_ENDED,
    TaskStatus.AGENT_REVOKED: operator_pb.TASK_OVERVIEW_STATE_AGENT_REVOKED,
    TaskStatus.SUBJECT_REVOKED: operator_pb.TASK_OVERVIEW_STATE_SUBJECT_REVOKED,
    TaskStatus.ROLLED_BACK: operator_pb.TASK_OVERVIEW_STATE_ROLLED_BACK,
}

_ROOT_ID = re.compile(r"[\w.:-]{1,256}", re.ASCII)


def reason(value: str) -> str:
    """Return the reason of a revocation."""
    return bounded(value, "reason", MAX_REASON_BYTES)


def task_id(value: str) -> str:
    """Return a task's identifier."""
    return bounded(value, "task_id", MAX_TASK_ID_BYTES, required=True)


def link_id(value: str) -> str:
    """Return a link's identifier."""
    if not is_link_id(value):
        raise invalid("link_id isn't 64 hexadecimal digits; GetTaskTree shows the links of a task")
    return value


def agent_id(value: str) -> str:
    """Return a workload's SPIFFE ID."""
    if not is_spiffe_id(bounded(value, "agent_id", MAX_ID_BYTES, required=True)):
        raise invalid("agent_id is no SPIFFE ID, such as spiffe://example.org/ns/agents/sa/triage")
    return value


def subject(message: revocation_pb.RevokeSubject) -> tuple[str, str]:
    """Return issuer and id of a person."""
    issuer = bounded(message.issuer, "subject.issuer", MAX_ID_BYTES, required=True)
    if any(character.isspace() for character in issuer):
        raise invalid("subject.issuer holds white space")
    return issuer, bounded(message.id, "subject.id", MAX_ID_BYTES, required=True)


def credential_id(value: str) -> str:
    """Return a credential's identifier."""
    if not is_credential_id(value):
        raise invalid(
            "credential_id isn't the id of a credential of Tabard; it is the whole jti, such as "
            "3f2b8c1e-5d0a-4c7b-9e61-0a1b2c3d4e5f, in lower case"
        )
    return value


def ttl_seconds(request: revocation_pb.RevokeRequest) -> float | None:
    """Return the duration of the revocation, or ``None`` if the request has none."""
    if not request.HasField("ttl"):
        return None
    if request.WhichOneof("target") not in {"agent_id", "subject"}:
        raise invalid("ttl is for an agent or a subject; other revocations are permanent")
    seconds = request.ttl.seconds + request.ttl.nanos / 1e9
    if not 1 <= seconds <= _MAX_TTL_SECONDS:
        raise invalid("ttl is shorter than a second or longer than a hundred years")
    return seconds


def lifted(request: revocation_pb.LiftRevocationRequest) -> tuple[RevocationKind, str]:
    """Return kind and target of the revocation to lift."""
    match request.WhichOneof("target"):
        case "agent_id":
            return RevocationKind.AGENT, agent_id(request.agent_id)
        case "subject":
            return RevocationKind.SUBJECT, subject_target(*subject(request.subject))
        case "credential_id":
            return RevocationKind.CREDENTIAL, credential_id(request.credential_id)
    raise invalid("name one target: agent_id, subject or credential_id")


def kinds(values: Iterable[KindMessage.ValueType]) -> frozenset[RevocationKind]:
    """Return the kinds to list."""
    try:
        return frozenset(_KINDS_BACK[value] for value in values)
    except KeyError:
        raise invalid("kinds holds a kind that this version doesn't know") from None


def sequence(value: int) -> int:
    """Return a sequence number."""
    if value < 0:
        raise invalid("after_sequence is negative")
    return value


def position(page_token: str) -> TaskPosition | None:
    """Return the place in the list of tasks that a token names; ``None`` for its beginning.

    Raises:
        NoDecision: it isn't a token.
    """
    if not page_token:
        return None
    started, separator, root_id = page_token.partition(":")
    try:
        started_at = float.fromhex(started)
    except (ValueError, OverflowError) as error:
        raise invalid("page_token isn't one that was answered") from error
    if not separator or not math.isfinite(started_at) or not _ROOT_ID.fullmatch(root_id):
        raise invalid("page_token isn't one that was answered")
    return TaskPosition(started_at, root_id)


def page_token(after: TaskPosition | None) -> str:
    """Return the token of a place in the list of tasks; empty at its end."""
    return "" if after is None else f"{after.started_at.hex()}:{after.root_id}"


def limit(value: int) -> int:
    """Return the number of entries to list."""
    if not 0 <= value <= MAX_LISTED:
        raise invalid(f"limit isn't between 1 and {MAX_LISTED}")
    return value or _DEFAULT_LISTED


def revocation_message(entry: Revocation) -> revocation_pb.Revocation:
    """Return the message for a revocation."""
    message = revocation_pb.Revocation(
        sequence=entry.seq,
        kind=_KINDS[entry.kind],
        revoke_time=timestamp(entry.at),
        reasons=entry.reasons,
        origin=_ORIGINS[entry.origin],
    )
    if entry.kind is RevocationKind.SUBJECT:
        issuer, subject_id = subject_of(entry.target)
        message.subject.CopyFrom(types_pb.Subject(issuer=issuer, id=subject_id))
    else:
        message.target = entry.target
    if entry.expires_at < UNTIL_LIFTED:
        message.expire_time.CopyFrom(timestamp(entry.expires_at))
    return message


def overview_message(one: Overview) -> operator_pb.TaskOverview:
    """Return the message for a task's summary."""
    task = one.task
    return operator_pb.TaskOverview(
        task_id=task.task_id,
        root_id=task.root_id,
        subject=types_pb.Subject(issuer=task.subject_issuer, id=task.subject_id),
        workload=task.workload,
        purpose=task.purpose,
        start_time=timestamp(task.started_at),
        expire_time=timestamp(task.expires_at),
        state=_STATES[one.state],
        labels=one.labels,
        children=one.children,
    )


def tree_message(shown: Shown) -> operator_pb.GetTaskTreeResponse:
    """Return the message for a task with everything below it."""
    return operator_pb.GetTaskTreeResponse(
        task=overview_message(shown.overview),
        nodes=[_node(node) for node in shown.nodes],
        spent=dict(shown.tree.spent),
        calls=shown.tree.calls,
        truncated=shown.truncated,
        budgets={
            budget_id: operator_pb.TaskBudget(name=budget.name, limit=budget.limit)
            for budget_id, budget in shown.tree.budgets.items()
        },
        facts=_facts(shown.tree.facts),
    )


def _facts(rows: Iterable[FactRow]) -> Iterator[operator_pb.TaskFact]:
    """Yield a message for each name at each place; a counter that is 0 isn't told."""
    for (link_id, name), found in groupby(rows, key=lambda row: (row.link_id, row.name)):
        held = list(found)
        elements = [row.element for row in held if row.element]
        count = sum(row.amount for row in held if not row.element)
        if elements or count:
            yield operator_pb.TaskFact(link_id=link_id, name=name, elements=elements, count=count)


def _node(node: Node) -> operator_pb.TaskNode:
    step = node.step
    return operator_pb.TaskNode(
        link_id=step.child_id,
        parent_id=step.parent_id,
        holder=step.holder,
        sub_agent=step.sub_agent,
        depth=node.depth,
        children=node.children,
        ended=node.ended,
        inactive=node.inactive,
    )


def revocation_about(request: revocation_pb.RevokeRequest) -> dict[str, Any]:
    """Return what is recorded of a request to revoke.

    Raises:
        NoDecision: its reason or duration isn't acceptable.
    """
    about: dict[str, Any] = {"reason": reason(request.reason)}
    seconds = ttl_seconds(request)
    if seconds is not None:
        about["ttl_seconds"] = seconds
    target = request.WhichOneof("target")
    if target == "subject":
        about["subject"] = {
            "issuer": request.subject.issuer[:MAX_ID_BYTES],
            "id": request.subject.id[:MAX_ID_BYTES],
        }
    elif target is not None:
        about[target] = getattr(request, target)[:MAX_ID_BYTES]
    return about


def receipt_told(receipt: Receipt) -> dict[str, Any]:
    """Return what is recorded of a revocation that was made."""
    revocation = receipt.revocation
    return {"kind": str(revocation.kind), "target": revocation.target, "sequence": revocation.seq}
