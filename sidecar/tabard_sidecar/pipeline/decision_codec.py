"""Decisions as bytes, for replies that are remembered."""

from __future__ import annotations

import json
from typing import Any

from tabard_sidecar.model import Decision, IssuedCredential, Obligation, PendingApproval, Reason


def encode_decision(decision: Decision) -> bytes:
    """Encode a decision. The result holds the credential's secret: encrypt it before it is stored."""
    credential = decision.credential
    return json.dumps(
        {
            "decision_id": decision.decision_id,
            "allowed": decision.allowed,
            "reasons": [[r.code, r.message, r.module] for r in decision.reasons],
            "policy_revision": decision.policy_revision,
            "obligations": [[o.id, dict(o.properties)] for o in decision.obligations],
            "reusable": decision.reusable,
            "approvals": [
                [p.approval_id, p.module, p.code, p.call_grant, p.expires_at] for p in decision.approvals
            ],
            "credential": None
            if credential is None
            else {
                "kind": credential.kind,
                "value": credential.value,
                "credential_id": credential.credential_id,
                "audience": credential.audience,
                "scopes": list(credential.scopes),
                "expires_at": credential.expires_at,
                "single_use": credential.single_use,
                "fields": dict(credential.fields),
            },
        },
        separators=(",", ":"),
    ).encode()


def decode_decision(raw: bytes) -> Decision:
    """Decode what :func:`encode_decision` made."""
    value: dict[str, Any] = json.loads(raw)
    credential = value["credential"]
    return Decision(
        decision_id=value["decision_id"],
        allowed=value["allowed"],
        reasons=tuple(Reason(*reason) for reason in value["reasons"]),
        policy_revision=value["policy_revision"],
        credential=None
        if credential is None
        else IssuedCredential(**{**credential, "scopes": tuple(credential["scopes"])}),
        obligations=tuple(Obligation(*obligation) for obligation in value["obligations"]),
        reusable=value["reusable"],
        approvals=tuple(PendingApproval(*pending) for pending in value.get("approvals", ())),
    )
