"""The types of those members of a decision log's record that commands read. docs/reference/decision-log.md says what they mean."""

from __future__ import annotations

from typing import Any

_NAMED: dict[type, str] = {str: "text", int: "an integer"}
_PERSON = {"issuer": str, "id": str}
_DIGEST = {"sha256": str, "bytes": int}
_SHAPE: dict[str, Any] = {
    "labels": {"zone": str},
    "decision_id": str,
    "event": str,
    "operation": str,
    "timestamp": str,
    "root_holder": str,
    "hash": str,
    "bundles": {"policy": {"revision": str}},
    "input": {
        "operation": str,
        "subject": _PERSON,
        "task": {"id": str},
        "tool": {"name": str, "server": str},
        "agent": {"id": str},
        "request": {"holder": str},
        "delegation": {"chain": [{"holder": str}]},
        "approvals": [{"approver": _PERSON}],
        "history": {},
        "context": {},
    },
    "by": {
        "subject": _PERSON,
        "task": {"id": str},
        "agent": {"id": str},
        "approver": _PERSON,
        "operator": {"uid": int, "pid": int},
    },
    "result": {
        "decision": str,
        "approval": str,
        "change": str,
        "task_id": str,
        "link": str,
        "renews": str,
        "tool": str,
        "server": str,
        "agent": str,
        "reasons": [{"module": str, "code": str, "message": str}],
        "credential": {"id": str, "audience": str},
        "approvals": [],
        "unverified": _DIGEST,
        "unrecorded": _DIGEST,
    },
    "erased": [str],
    "masked": [str],
    "in_full": [str],
    "left_out": [{"members": [str], "sequence": int, "hash": str, "items": []}],
}


def fault(record: dict[str, Any]) -> str:
    """Return which member of a record has another type than records have; empty if none has. Members may be absent or null."""
    return _fault(record, _SHAPE, "")


def _fault(value: object, shape: Any, path: str) -> str:  # noqa: ANN401 - a type, or a list or an object of shapes
    if value is None:
        return ""
    if isinstance(shape, dict):
        return _object_fault(value, shape, path)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{path} isn't a list"
        items = (_fault(item, inner, f"{path}[]") for inner in shape for item in value)
        return next(filter(None, items), "")
    fits = isinstance(value, shape) and not isinstance(value, bool)
    return "" if fits else f"{path} isn't {_NAMED[shape]}"


def _object_fault(value: object, shape: dict[str, Any], path: str) -> str:
    if not isinstance(value, dict):
        return f"{path} isn't an object"
    prefix = f"{path}." if path else ""
    members = (_fault(value.get(name), inner, f"{prefix}{name}") for name, inner in shape.items())
    return next(filter(None, members), "")
