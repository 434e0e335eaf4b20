"""Generates sample inputs for trying out a policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabard_sidecar.policy.catalogue import ToolSpec
from tabard_sidecar.policy.values import Json

SUBJECT = "someone"
ISSUER = "https://idp.example"
AGENT = "spiffe://example.org/agent"

_PLAIN: Mapping[str, Json] = {
    "array": [], "boolean": True, "integer": 1, "null": None, "number": 1, "object": {}, "string": "x",
}  # fmt: skip


def sample_input(operation: str, time: float, **sections: Json) -> dict[str, Any]:
    """Return a whole policy input; each keyword replaces fields of the section of its name, or the section itself."""
    document: dict[str, Any] = {
        "operation": operation,
        "subject": {"id": SUBJECT, "issuer": ISSUER, "claims": {}},
        "agent": {"id": AGENT, "issuer": "sample", "attributes": {}, "sub_agent": ""},
        "task": {
            "id": "sample",
            "purpose": "",
            "statement": "",
            "intent_source": "signed",
            "started_at": time,
            "expires_at": time + 3600,
        },
        "delegation": {"depth": 0, "chain": [], "constraints": [], "children": 0},
        "context": {"time": time, "asserted": {}},
        "budgets": {},
        "history": {"calls": [], "labels": []},
        "approvals": [],
    }
    if operation in {"start_task", "delegate"}:
        document["request"] = {"limits": {}}
    for name, fields in sections.items():
        held = document.get(name)
        document[name] = {**held, **fields} if isinstance(held, dict) and isinstance(fields, dict) else fields
    return document


def sample_call(name: str, spec: ToolSpec | None) -> dict[str, Any]:
    """Return ``input.tool`` with sample values for the arguments that the catalogue's schema requires."""
    arguments: dict[str, Json] = {}
    if spec is not None and isinstance(spec.schema, dict):
        for argument, schema in (spec.schema.get("properties") or {}).items():
            arguments[argument] = _sample(schema if isinstance(schema, dict) else {})
    return {
        "name": name,
        "server": spec.server if spec is not None else "",
        "arguments": arguments,
        "annotations": dict(spec.annotations) if spec is not None else {},
    }


def _sample(schema: Mapping[str, Json]) -> Json:
    if schema.get("enum"):
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind in {"integer", "number"}:
        return schema.get("minimum", 1)
    if kind == "string":
        return "x" * max(1, schema.get("minLength", 1))
    return _PLAIN.get(kind)
