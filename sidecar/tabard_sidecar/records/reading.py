"""Reads decision logs for people: joins the records of one decision and says who did what by which rule."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tabard_sidecar.records.completing import left_out


@dataclass(slots=True)
class Entry:
    """One decision or change, joined from its records.

    ``done`` is false if only its intent was found: the credential may have been issued, or the change made, but the log ends
    before it says so.
    """

    decision_id: str
    first: dict[str, Any]
    last: dict[str, Any]
    input: dict[str, Any] = field(default_factory=dict)
    by: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Whether the outcome is recorded."""
        return self.last.get("event") != "intent"

    @property
    def incomplete(self) -> list[dict[str, Any]]:
        """What the input lacks because a record that holds it wasn't read."""
        return left_out(self.first) or left_out(self.last)

    @property
    def evaluated(self) -> bool:
        """Whether policy was evaluated on the input."""
        return bool(self.input.get("operation")) and "context" in self.input

    def as_json(self) -> dict[str, Any]:
        """Return who did what by which rule; every key is always there."""
        asked, result = self.input, self.result
        subject = _object(asked, "subject") or _object(self.by, "subject")
        task = _object(asked, "task") or _object(self.by, "task")
        tool = _object(asked, "tool")
        credential = _object(result, "credential")
        return {
            "decision_id": self.decision_id,
            "time": self.last.get("timestamp", ""),
            "operation": self.last.get("operation", self.last.get("event", "")),
            "effect": self._effect(),
            "by": self.by,
            "subject": {"issuer": subject.get("issuer", ""), "id": subject.get("id", "")},
            "task_id": task.get("id") or result.get("task_id", ""),
            "delegatee": str(_object(asked, "request").get("holder", "")),
            "link": str(result.get("link", "")),
            "chain": self._chain(),
            "agent": self._agent(),
            "tool": tool.get("name") or result.get("tool", ""),
            "server": tool.get("server") or result.get("server", ""),
            "rules": [
                {
                    "module": str(reason.get("module", "")).removeprefix("policy."),
                    "code": str(reason.get("code", "")),
                }
                for reason in _objects(result, "reasons")
            ],
            "message": next(
                (str(one["message"]) for one in _objects(result, "reasons") if one.get("message")), ""
            ),
            "policy": str(_object(_object(self.last, "bundles"), "policy").get("revision", "")),
            "credential_id": str(credential.get("id", "")),
            "renews": str(result.get("renews", "")),
            "audience": str(credential.get("audience", "")),
            "approvals": _list(result, "approvals"),
            "approvers": [_object(one, "approver") for one in _objects(asked, "approvals")],
            "replayed": bool(result.get("replayed")),
            "about": asked if self.by else {},
            "unverified": result.get("unverified") if self.decision_id else None,
            "unrecorded": result.get("unrecorded"),
            "note": {} if self.decision_id else result,
            "incomplete": self.incomplete,
            "masked": sorted(
                {
                    str(path)
                    for record in (self.first, self.last)
                    for name in ("erased", "masked")
                    for path in _list(record, name)
                }
            ),
        }

    def _effect(self) -> str:
        result = self.result
        if not self.done:
            return "intended"
        for name in ("decision", "approval", "change"):
            if result.get(name):
                return str(result[name])
        return "note"

    def _chain(self) -> list[str]:
        """Return the workloads through which the task came to the one that asked, the first one first."""
        root = str(self.first.get("root_holder") or self._agent())
        links = [str(link.get("holder", "")) for link in _objects(_object(self.input, "delegation"), "chain")]
        return list(filter(None, dict.fromkeys([root, *links])))

    def _agent(self) -> str:
        agent = _object(self.input, "agent") or _object(self.by, "agent")
        return str(agent.get("id") or self.result.get("agent", ""))


def joined(records: Iterable[dict[str, Any]]) -> Iterator[Entry]:
    """Yield decisions and changes when their outcome is read, then those of which only the intent was.

    An outcome follows its intent within a request's time, so few intents are open at any moment.
    """
    opened: dict[str, Entry] = {}
    for record in records:
        decision_id = str(record.get("decision_id", ""))
        # A stored answer that is given again doesn't end the decision: that one's own outcome may follow.
        replayed = bool(_object(record, "result").get("replayed"))
        entry = opened.pop(decision_id, None) if decision_id and not replayed else None
        if entry is None:
            entry = Entry(decision_id, record, record)
        entry.last = record
        entry.input = entry.input or _object(record, "input")
        entry.by = {**entry.by, **_object(record, "by")}
        credential = {
            **_object(entry.result, "credential"),
            **_object(_object(record, "result"), "credential"),
        }
        entry.result = {**entry.result, **_object(record, "result")}
        if credential:
            entry.result["credential"] = credential
        if record.get("event") == "intent":
            opened[decision_id] = entry
        else:
            yield entry
    yield from opened.values()


def parsed(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the records of a log; lines that aren't JSON objects are left out, and `tabard audit verify` shows them."""
    for line in lines:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            yield record


def _object(document: object, name: str) -> dict[str, Any]:
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, dict) else {}


def _objects(document: object, name: str) -> list[dict[str, Any]]:
    return [one for one in _list(document, name) if isinstance(one, dict)]


def _list(document: object, name: str) -> list[Any]:
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, list) else []
