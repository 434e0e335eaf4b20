"""Assembles the policy input.

The input is put together as JSON text, because most of it is the same for every call under a grant: the verified part is
encoded once per grant and only the rest once per call. Long parts that repeat are told apart, so that the decision log
needn't hold them in every record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cachetools import FIFOCache
from tabard.caveats import Caveat, Limits, caveat_json, limits_json

from tabard_sidecar.facts import NO_FACTS, FactKind, Facts
from tabard_sidecar.interfaces import CandidateTool, InputParts
from tabard_sidecar.model import (
    Agent,
    Handover,
    Intent,
    MetApproval,
    Operation,
    Subject,
    Task,
    VerifiedGrant,
)
from tabard_sidecar.pipeline.requests import VerifiedCall
from tabard_sidecar.state.model import TaskState
from tabard_sidecar.util.json_parts import LONG_BYTES, JsonText, LongPart, joined, list_of, series
from tabard_sidecar.util.jsontext import encode

# Bound of the cached parts of grants: holders choose how many grants there are and how large they are.
_CACHED_BYTES = 16 * 2**20
_VERIFIED = ("subject", "agent", "task", "delegation")
_EMPTY_STATE = b'"budgets":{},"history":{"calls":[],"labels":[]},"approvals":[]'


def seconds(time: float) -> float:
    """Round a time as policies get it: seconds since the epoch, to the microsecond."""
    return round(time, 6)


class PolicyInput:
    """Builds inputs; caches the part of each grant that doesn't change."""

    def __init__(self) -> None:
        self._grants: FIFOCache[str, tuple[Agent, bytes | LongPart]] = FIFOCache(
            _CACHED_BYTES, getsizeof=_size
        )

    def authorize(self, call: VerifiedCall, state: TaskState, *, now: float) -> tuple[JsonText, InputParts]:
        """Return the input for one tool call, and what makes it up."""
        tool = call.tool
        annotations = encode(dict(call.spec.annotations)) if call.spec is not None else b"{}"
        verified = self._verified(call.agent, call.grant)
        children = b"%d" % state.children
        facts = _facts(call.policy.facts, call.grant, state.facts)
        asserted = encode(call.context) if call.context else b"{}"
        stands = _state(call.grant, state, call.approvals)
        text = joined(
            b'{"operation":"authorize","delegation":{"children":%b,' % children,
            verified,
            *facts,
            b',"tool":{"name":',
            encode(tool.name),
            b',"server":',
            encode(tool.server),
            b',"arguments":',
            tool.arguments_json,
            b',"annotations":',
            annotations,
            b'},"context":{"time":',
            b"%.6f" % now,
            b',"asserted":',
            asserted,
            b"},",
            *stands,
            b"}",
        )
        others = (children, asserted, *facts, *stands)
        return text, InputParts(
            verified, tool.name, tool.server, annotations, tool.arguments, tool.arguments_json, others
        )

    def renew(self, call: VerifiedCall, state: TaskState, *, now: float) -> JsonText:
        """Return the input for renewing the credential of a call."""
        tool = {
            "name": call.tool.name,
            "server": call.tool.server,
            "arguments": call.tool.arguments,
            "annotations": {} if call.spec is None else dict(call.spec.annotations),
        }
        return self.without_tool(
            Operation.RENEW, call.agent, call.grant, state=state, now=now, tool=tool, facts=call.policy.facts
        )

    def filter_tools(  # noqa: PLR0913 - one argument per part of the input
        self,
        agent: Agent,
        grant: VerifiedGrant,
        tools: Iterable[CandidateTool],
        *,
        state: TaskState,
        now: float,
        facts: Mapping[str, FactKind],
    ) -> list[bytes]:
        """Return the input per tool for asking whether some arguments could be allowed."""
        same = self.without_tool(Operation.FILTER_TOOLS, agent, grant, state=state, now=now, facts=facts)
        head = same.text.removesuffix(b"}") + b',"tool":'
        return [
            head
            + encode({"name": tool.name, "server": tool.server, "annotations": dict(tool.annotations)})
            + b"}"
            for tool in tools
        ]

    def without_tool(  # noqa: PLR0913 - one argument per part of the input
        self,
        operation: Operation,
        agent: Agent,
        grant: VerifiedGrant,
        *,
        state: TaskState,
        now: float,
        facts: Mapping[str, FactKind],
        request: Mapping[str, Any] | None = None,
        tool: Mapping[str, Any] | None = None,
    ) -> JsonText:
        """Return the input for an operation on a grant that isn't about one tool.

        ``facts`` are those that the policy's grants note.
        """
        extra = b'"request":' + encode(request) + b"," if request is not None else b""
        if tool is not None:
            extra += b'"tool":' + encode(tool) + b","
        return joined(
            b'{"operation":"',
            operation.value.encode(),
            b'","delegation":{"children":%d,' % state.children,
            self._verified(agent, grant),
            *_facts(facts, grant, state.facts),
            b",",
            extra,
            b'"context":{"time":',
            b"%.6f" % now,
            b',"asserted":{}},',
            *_state(grant, state, ()),
            b"}",
        )

    @staticmethod
    def start_task(  # noqa: PLR0913 - one argument per part of the input
        agent: Agent,
        subject: Subject,
        intent: Intent,
        task: Task,
        limits: Limits,
        *,
        now: float,
        facts: Mapping[str, FactKind],
        handover: Handover | None = None,
    ) -> JsonText:
        """Return the input for starting a task; there is no grant yet, and there are no facts."""
        none = (
            {"facts": {name: _value(kind, name, NO_FACTS) for name, kind in facts.items()}} if facts else {}
        )
        text = encode(
            {
                "operation": Operation.START_TASK.value,
                "subject": _subject(subject),
                "agent": _agent(agent, ""),
                "task": _task(task) | none,
                "delegation": {"depth": 0, "chain": [], "constraints": [], "children": 0},
                "request": {"limits": limits_json(limits)}
                | ({"intent_limits": limits_json(intent.limits)} if intent.limits is not None else {})
                | ({"handover": _handover(handover)} if handover is not None else {}),
                "context": {"time": seconds(now), "asserted": {}},
                "budgets": {},
                "history": {"calls": [], "labels": []},
                "approvals": [],
            }
        )
        return JsonText(text)

    def _verified(self, agent: Agent, grant: VerifiedGrant) -> bytes | LongPart:
        """Return the rest of delegation after its ``children``, subject, agent and task, the last one still open."""
        try:
            known = self._grants[grant.digest]
        except KeyError:
            return self._encode(agent, grant)
        return known[1] if known[0] is agent else self._encode(agent, grant)

    def _encode(self, agent: Agent, grant: VerifiedGrant) -> bytes | LongPart:
        chain = [
            {"holder": link.holder, "sub_agent": link.sub_agent, "caveats": _caveats(link.caveats)}
            for link in grant.links
        ]
        text = _open(
            delegation={"depth": grant.depth, "chain": chain, "constraints": _caveats(grant.caveats)},
            subject=_subject(grant.subject),
            agent=_agent(agent, grant.sub_agent),
            task=_task(grant.task),
        )
        found = text if len(text) <= LONG_BYTES else LongPart(text, _brief(agent, grant), _VERIFIED)
        if len(text) <= self._grants.maxsize:
            self._grants[grant.digest] = agent, found
        return found


def _size(entry: tuple[Agent, bytes | LongPart]) -> int:
    part = entry[1]
    return len(part) if isinstance(part, bytes) else len(part.text) + len(part.brief)


def _open(**members: Mapping[str, Any]) -> bytes:
    """Encode members of an object without the beginning of the first member and the last brace of the last one."""
    return encode(members)[len(b'{"delegation":{') : -2]


def _brief(agent: Agent, grant: VerifiedGrant) -> bytes:
    """Return who asks, in place of a verified part that an earlier record holds."""
    return _open(
        delegation={"depth": grant.depth},
        subject={"id": grant.subject.id, "issuer": grant.subject.issuer},
        agent={"id": agent.id},
        task={"id": grant.task.id},
    )


def _facts(kinds: Mapping[str, FactKind], grant: VerifiedGrant, facts: Facts) -> Sequence[bytes | LongPart]:
    """Return the task's facts, and the end of the task."""
    if not kinds:
        return (b"}",)
    parts: list[bytes | LongPart] = []
    for name, kind in kinds.items():
        parts.append(b'%b"%b":' % (b"," if parts else b',"facts":{', name.encode()))
        value = _value(kind, name, facts)
        items = value if isinstance(value, tuple) else ()
        parts.append(_changing(encode(value), map(encode, items), grant, f"task.facts.{name}"))
    return (*parts, b"}}")


def _value(kind: FactKind, name: str, facts: Facts) -> tuple[str, ...] | int:
    return facts.sets.get(name, ()) if kind is FactKind.SET else facts.counters.get(name, 0)


def _state(
    grant: VerifiedGrant, state: TaskState, approvals: Sequence[MetApproval]
) -> Sequence[bytes | LongPart]:
    """Return what the task did so far and what people said of this call, as members of the input."""
    if not grant.budgets and not state.calls and not state.labels and not approvals:
        return (_EMPTY_STATE,)
    calls = [call.encoded for call in state.calls]
    return (
        b'"budgets":%b,"history":{"calls":' % encode(budgets(grant, state)),
        _changing(list_of(calls), calls, grant, "history.calls"),
        b',"labels":',
        _changing(encode(state.labels), map(encode, state.labels), grant, "history.labels"),
        b'},"approvals":%b' % encode([_approval(approval) for approval in approvals]),
    )


def _changing(text: bytes, items: Iterable[bytes], grant: VerifiedGrant, name: str) -> bytes | LongPart:
    """Return a list of a task that changes by a few items from call to call."""
    if len(text) <= LONG_BYTES:
        return text
    return LongPart(text, b"null", (name,), tuple(items), series(name, grant.task.id))


def budgets(grant: VerifiedGrant, state: TaskState) -> dict[str, dict[str, int]]:
    """Return the granted budgets of a chain by name.

    Of several with one name the one with the least left binds. What is spent is the most that any of them has, which is
    what the whole task has: holders append budgets as they like, and a fresh one has spent nothing.
    """
    found: dict[str, dict[str, int]] = {}
    granted = grant.granted_budgets if grant.budgets else frozenset()
    for budget_id, name, limit in grant.budgets:
        if name not in granted:
            continue
        spent = state.spent.get(budget_id, 0)
        remaining = max(0, limit - spent)
        known = found.get(name)
        if known is None:
            found[name] = {"limit": limit, "spent": spent, "remaining": remaining}
            continue
        known["spent"] = max(known["spent"], spent)
        if remaining < known["remaining"]:
            known["limit"], known["remaining"] = limit, remaining
    return found


def _approval(approval: MetApproval) -> dict[str, Any]:
    return {
        "module": approval.module,
        "code": approval.code,
        "approver": {"id": approval.approver_id, "issuer": approval.approver_issuer},
        "approved_at": seconds(approval.approved_at),
    }


def _caveats(caveats: tuple[Caveat, ...]) -> list[Any]:
    return [caveat_json(caveat) for caveat in caveats]


def _subject(subject: Subject) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": subject.id, "issuer": subject.issuer, "claims": dict(subject.claims)}
    if subject.authenticated_at is not None:
        shown["authenticated_at"] = seconds(subject.authenticated_at)
    return shown


def _handover(handover: Handover) -> dict[str, Any]:
    return {"zone": handover.zone, "holder": handover.holder}


def _agent(agent: Agent, sub_agent: str) -> dict[str, Any]:
    return {
        "id": agent.id,
        "issuer": agent.issuer,
        "attributes": dict(agent.attributes),
        "sub_agent": sub_agent,
    }


def _task(task: Task) -> dict[str, Any]:
    return {
        "id": task.id,
        "purpose": task.purpose,
        "statement": task.statement,
        "intent_source": task.intent_source.value,
        "started_at": seconds(task.started_at),
        "expires_at": seconds(task.expires_at),
    }
