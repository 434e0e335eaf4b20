"""Requests for credentials, as the pipeline makes them."""

from __future__ import annotations

import gc
from types import CodeType, FunctionType, ModuleType
from typing import Any

from tabard_sidecar.model import (
    Agent,
    CredentialRequest,
    IntentSource,
    Link,
    Subject,
    Task,
    ToolCall,
    VerifiedGrant,
)

from tests.support.tokens import NOW

AUDIENCE = "https://refunds.example.org"
PREFIX = "spiffe://example.org/ns/shop/sa/"
CALL = "a" * 64
HOP = Link("hop", PREFIX + "orders", "", "1" * 64, "r" * 64)
BRANCH = Link("branch", PREFIX + "orders", "reader", "2" * 64, "1" * 64)


def grant_of(*links: Link, **changes: Any) -> VerifiedGrant:
    """A verified grant with these steps."""
    values = {
        "digest": f"digest-{len(links)}",
        "key_id": "root-1",
        "zone": "support",
        "root_id": "r" * 64,
        "root_holder": PREFIX + "front",
        "subject": Subject("alice", "https://login.example.org", authenticated_at=NOW - 60.5),
        "task": Task("task-1", "refunds", "Please.", IntentSource.SIGNED, NOW - 5, NOW + 600),
        "root_caveats": (),
        "links": links,
        "caveats": (),
        "expires_at": NOW + 600,
    }
    return VerifiedGrant(**(values | changes))


def request_of(kind: str = "jwt", **changes: Any) -> CredentialRequest:
    """A request for a credential, already clamped."""
    values = {
        "credential_id": "cred-1",
        "decision_id": "decision-1",
        "kind": kind,
        "audience": AUDIENCE,
        "scopes": ("refunds:write", "orders:read"),
        "issued_at": NOW + 0.7,
        "expires_at": NOW + 60.9,
        "uses": 0,
        "role": "",
        "agent": Agent(
            PREFIX + "orders", "https://k8s", {"namespace": "shop", "pod": "orders-1", "other": "x"}
        ),
        "grant": grant_of(HOP, BRANCH),
        "call": ToolCall("refunds.create", "", {"amount": 5}, b'{"amount":5}', CALL),
    }
    return CredentialRequest(**(values | changes))


def kept_calls(*roots: object) -> list[object]:
    """Calls, requests, grants and agents that objects hold, by whatever way."""
    seen, found, waiting = set(), [], list(roots)
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, (type, ModuleType, FunctionType, CodeType)):
            continue
        seen.add(id(one))
        if isinstance(one, (ToolCall, CredentialRequest, VerifiedGrant, Agent)):
            found.append(one)
        waiting += gc.get_referents(one)
    return found
