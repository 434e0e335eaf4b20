"""Reads decision logs for people: joins the records of one decision and says who did what by which rule."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import Any

from tabard_sidecar.records.completing import left_out
from tabard_sidecar.util.jsontext import encode_to_keep
from tabard_sidecar.util.lean import dataclass

SHADOW = "shadow"
"""``event`` of a record that says what a candidate policy would have decided otherwise."""

_OPENED_BYTES = 64 * 1024 * 1024
_ENTRY_BYTES = 1024
_PARTS = ("first", "last", "input", "by", "result")


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
    def shadow(self) -> bool:
        """Whether this isn't the decision, but what a candidate policy would have decided otherwise."""
        return self.last.get("event") == SHADOW

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
            "time": _text(self.last, "timestamp"),
            "operation": _text(self.last, "operation") or _text(self.last, "event"),
            "effect": self._effect(),
            "by": self.by,
            "subject": {"issuer": _text(subject, "issuer"), "id": _text(subject, "id")},
            "task_id": _text(task, "id") or _text(result, "task_id"),
            "delegatee": _text(_object(asked, "request"), "holder"),
            "link": _text(result, "link"),
            "chain": self._chain(),
            "agent": self._agent(),
            "tool": _text(tool, "name") or _text(result, "tool"),
            "server": _text(tool, "server") or _text(result, "server"),
            "rules": [
                {
                    "module": _text(reason, "module").removeprefix("policy."),
                    "code": _text(reason, "code"),
                }
                for reason in _objects(result, "reasons")
            ],
            "message": next(
                (_text(one, "message") for one in _objects(result, "reasons") if one.get("message")), ""
            ),
            "policy": _text(_object(_object(self.last, "bundles"), "policy"), "revision"),
            "credential_id": _text(credential, "id"),
            "renews": _text(result, "renews"),
            "audience": _text(credential, "audience"),
            "approvals": _list(result, "approvals"),
            "approvers": [_object(one, "approver") for one in _objects(asked, "approvals")],
            "replayed": bool(result.get("replayed")),
            "about": asked if self.by else {},
            "unverified": result.get("unverified") if self.decision_id else None,
            "unrecorded": result.get("unrecorded"),
            "note": {} if self.decision_id else result,
            "shadow": result if self.shadow else {},
            "incomplete": self.incomplete,
            "masked": sorted(
                {
                    _as_text(path)
                    for record in (self.first, self.last)
                    for name in ("erased", "masked")
                    for path in _list(record, name)
                }
            ),
        }

    def _effect(self) -> str:
        result = self.result
        if self.shadow:
            return SHADOW
        if not self.done:
            return "intended"
        for name in ("decision", "approval", "change"):
            if result.get(name):
                return _text(result, name)
        return "note"

    def _chain(self) -> list[str]:
        """Return the workloads through which the task came to the one that asked, the first one first."""
        root = _text(self.first, "root_holder") or self._agent()
        links = [_text(link, "holder") for link in _objects(_object(self.input, "delegation"), "chain")]
        return list(filter(None, dict.fromkeys([root, *links])))

    def _agent(self) -> str:
        agent = _object(self.input, "agent") or _object(self.by, "agent")
        return _text(agent, "id") or _text(self.result, "agent")


def _entry(decision_id: str, record: dict[str, Any]) -> Entry:
    return _with(Entry(decision_id, record, record), record)


def _with(entry: Entry, record: dict[str, Any]) -> Entry:
    """Return an entry with a further record."""
    result = _object(record, "result")
    credential = {**_object(entry.result, "credential"), **_object(result, "credential")}
    entry.last = record
    entry.input = entry.input or _object(record, "input")
    entry.by = {**entry.by, **_object(record, "by")}
    entry.result = {**entry.result, **result}
    if credential:
        entry.result["credential"] = credential
    return entry


class _Opened:
    """Intents whose outcome wasn't read so far. They are kept as text, which takes a tenth of the memory."""

    def __init__(self) -> None:
        self._texts: dict[str, bytes] = {}
        self._size = 0

    def keep(self, entry: Entry) -> None:
        """Keep an entry until it is taken or there is no room for it."""
        self.take(entry.decision_id)
        text = encode_to_keep(
            [entry.first] if entry.first is entry.last else [getattr(entry, name) for name in _PARTS]
        )
        self._texts[entry.decision_id] = text
        self._size += len(text) + _ENTRY_BYTES

    def take(self, decision_id: str) -> Entry | None:
        """Return the entry of a decision, and keep it no longer; ``None`` if there is none."""
        text = self._texts.pop(decision_id, None)
        if text is None:
            return None
        self._size -= len(text) + _ENTRY_BYTES
        first, *others = json.loads(text)
        return Entry(decision_id, first, *others) if others else _entry(decision_id, first)

    def taken(self, most: int) -> Iterator[Entry]:
        """Yield the oldest entries, and keep them no longer, until the others take at most so many bytes."""
        while self._texts and self._size > most:
            entry = self.take(next(iter(self._texts)))
            if entry is not None:
                yield entry


class Joining:
    """Joins records that come one by one.

    An outcome follows its intent within a request's time, so few intents are open at any moment. If there are more than memory
    is wanted for, the oldest are yielded as they are.
    """

    def __init__(self) -> None:
        self._opened = _Opened()

    def add(self, record: dict[str, Any]) -> Iterator[Entry]:
        """Yield what is whole with this record: the decision or change whose outcome it is."""
        decision_id = _text(record, "decision_id")
        # A stored answer that is given again doesn't end the decision: that one's own outcome may follow. Nor does what a
        # candidate policy says of it.
        apart = bool(_object(record, "result").get("replayed")) or record.get("event") == SHADOW
        entry = self._opened.take(decision_id) if decision_id and not apart else None
        entry = _entry(decision_id, record) if entry is None else _with(entry, record)
        if record.get("event") == "intent":
            self._opened.keep(entry)
            yield from self._opened.taken(_OPENED_BYTES)
        else:
            yield entry

    def rest(self) -> Iterator[Entry]:
        """Yield what only an intent was read of."""
        yield from self._opened.taken(0)


def joined(records: Iterable[dict[str, Any]]) -> Iterator[Entry]:
    """Yield decisions and changes when their outcome is read, then those of which only the intent was."""
    joining = Joining()
    for record in records:
        yield from joining.add(record)
    yield from joining.rest()


def _object(document: object, name: str) -> dict[str, Any]:
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, dict) else {}


def _objects(document: object, name: str) -> list[dict[str, Any]]:
    return [one for one in _list(document, name) if isinstance(one, dict)]


def _list(document: object, name: str) -> list[Any]:
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, list) else []


def _text(document: dict[str, Any], name: str) -> str:
    return _as_text(document.get(name))


def _as_text(value: object) -> str:
    """Return a value that should be text; another one as JSON, so that it is seen as what it is."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)
