"""The types of those members of a decision log's record that commands read. docs/reference/decision-log.md says what they mean."""

from __future__ import annotations

from collections.abc import Callable
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
    return "" if _FITS(record) else _fault(record, _SHAPE, "")


def _check(shape: Any) -> Callable[[object], bool]:  # noqa: ANN401 - a type, or a list or an object of shapes
    """Return a function that tells whether a value of JSON fits a shape: logs of millions of records are read."""
    if isinstance(shape, dict):
        return _object_check(shape)
    if isinstance(shape, list):
        return _list_check([_check(inner) for inner in shape])
    return lambda value: type(value) is shape


def _object_check(shape: dict[str, Any]) -> Callable[[object], bool]:
    plain = [(name, inner) for name, inner in shape.items() if isinstance(inner, type)]
    nested = [(name, _check(inner)) for name, inner in shape.items() if not isinstance(inner, type)]

    def check(value: object) -> bool:
        if not isinstance(value, dict):
            return False
        for name, wanted in plain:
            found = value.get(name)
            if found is not None and type(found) is not wanted:
                return False
        for name, fits in nested:
            found = value.get(name)
            if found is not None and not fits(found):
                return False
        return True

    return check


def _list_check(inner: list[Callable[[object], bool]]) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        return isinstance(value, list) and all(item is None or fits(item) for fits in inner for item in value)

    return check


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


_FITS = _check(_SHAPE)
