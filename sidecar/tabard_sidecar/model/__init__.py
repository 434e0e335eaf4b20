"""Data classes that the stages of the pipeline exchange.

Everything here is frozen and free of protobuf: messages become these classes at the gRPC edge and nowhere else.
Times are seconds since the epoch as ``float``; durations are seconds.
"""

from tabard_sidecar.model.authority import (
    Agent,
    BudgetLimit,
    Handover,
    Intent,
    IntentSource,
    Link,
    Subject,
    Task,
    VerifiedGrant,
)
from tabard_sidecar.model.calls import REPORTED, Operation, ToolCall
from tabard_sidecar.model.credentials import (
    CredentialRequest,
    CredentialTemplate,
    Delivery,
    Introspection,
    IssuedCredential,
)
from tabard_sidecar.model.decisions import (
    Ask,
    Decision,
    MetApproval,
    Obligation,
    PendingApproval,
    PolicyDecision,
    Reason,
)

__all__ = [
    "REPORTED",
    "Agent",
    "Ask",
    "BudgetLimit",
    "CredentialRequest",
    "CredentialTemplate",
    "Decision",
    "Delivery",
    "Handover",
    "Intent",
    "IntentSource",
    "Introspection",
    "IssuedCredential",
    "Link",
    "MetApproval",
    "Obligation",
    "Operation",
    "PendingApproval",
    "PolicyDecision",
    "Reason",
    "Subject",
    "Task",
    "ToolCall",
    "VerifiedGrant",
]
