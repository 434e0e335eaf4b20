"""Reason codes of the sidecar: their type, and the table of their texts.

The table is reasons.toml beside this module. It is read when the first text is needed.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NewType, get_args

from tabard.caveats import FailureCode

from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ReasonCode = Literal[
    # Subject tokens
    "subject_token_missing",
    "subject_token_malformed",
    "subject_token_header",
    "subject_token_unknown_issuer",
    "subject_token_algorithm",
    "subject_token_unknown_key",
    "subject_token_signature",
    "subject_token_type",
    "subject_token_id_token",
    "subject_token_audience",
    "subject_token_expired",
    "subject_token_not_yet_valid",
    "subject_token_too_old",
    "subject_token_confirmation",
    "subject_token_may_act",
    "subject_token_claims",
    "subject_token_used",
    # Intent
    "intent_malformed",
    "intent_untrusted",
    "intent_signature",
    "intent_invalid",
    "intent_expired",
    "intent_subject_mismatch",
    "intent_replayed",
    "handover_untrusted",
    "handover_invalid",
    "handover_expired",
    "handover_replayed",
    "handover_refused",
    # Agent
    "agent_identity_unavailable",
    # Grants
    "grant_missing",
    "grant_malformed",
    "grant_signature",
    "grant_not_yet_valid",
    "foreign_key",
    "foreign_state",
    "credential_as_grant",
    "holder_mismatch",
    "hop_unsealed",
    "delegatee_invalid",
    "grant_too_large",
    "discharge_invalid",
    "discharge_missing",
    "discharge_swapped",
    "discharge_forged",
    "discharge_caveat",
    "discharge_expired",
    "children_exceeded",
    "task_ended",
    # Caveats
    FailureCode,
    # Revocation
    "agent_revoked",
    "subject_revoked",
    "credential_revoked",
    "revocation_state_stale",
    "task_unknown",
    "state_rolled_back",
    # Budgets
    "budget_not_granted",
    "budget_exhausted",
    "labels_exceeded",
    "facts_exceeded",
    # Tools and arguments
    "tool_unknown",
    "arguments_invalid",
    # Policy
    "no_grant",
    "policy_error",
    "policy_conflict",
    "policy_timeout",
    "policy_broken_too_long",
    "would_deny",
    "approval_required",
    "approvals_exceeded",
    "approver_unknown",
    "approval_too_large",
    "approval_invalid",
    "approval_denied",
    "approval_used",
    # Explaining decisions, on the operator's socket
    "decision_not_explainable",
    # A candidate policy, on the operator's socket
    "shadow_off",
    "shadow_unavailable",
    "shadow_not_promotable",
    # Deciding about approvals, on the operator's socket
    "approval_unknown",
    "approval_decided",
    "approval_unreadable",
    "approval_group_changed",
    "approver_token_missing",
    "approver_token_used",
    "approver_is_agent",
    "approver_client",
    "approver_revoked",
    "approver_is_subject",
    "approver_not_entitled",
    # Credentials
    "credential_kind_unavailable",
    "credential_role_unknown",
    "credentials_exceeded",
    "edge_required",
    "exchange_target_unknown",
    "exchange_denied",
    "credential_invalid",
    # Only in records
    "cancelled",
    # Operators at the control service
    "operator_unauthenticated",
    "operator_not_entitled",
    # Errors: no decision was made
    "zone_mismatch",
    "task_not_found",
    "request_invalid",
    "request_id_conflict",
    "state_contended",
    "decision_unknown",
    "outcome_invalid",
    "request_in_progress",
    "overloaded",
    "policy_unavailable",
    "issuer_unavailable",
    "state_unavailable",
    "audit_unavailable",
    "keys_unavailable",
    "vault_unavailable",
    "vault_refused",
    "vault_reply_invalid",
    "exchange_unavailable",
    "exchange_refused",
    "exchange_reply_invalid",
]
"""A code that the sidecar itself gives."""

PolicyCode = NewType("PolicyCode", str)
"""A code that a policy's own rule gives."""

REASON_CODES: frozenset[str] = frozenset(get_args(ReasonCode))


@dataclass(frozen=True, slots=True)
class ReasonText:
    """What the table says about one code. The head of reasons.toml explains the fields."""

    title: str
    operator: str
    model: str
    next_step: str
    status: tuple[str, ...] = ()


def describe(code: str) -> ReasonText | None:
    """Return the texts of ``code``; ``None`` if it isn't one of the sidecar's, as a policy's own code."""
    return reason_texts().get(code)


@functools.cache
def reason_texts() -> Mapping[str, ReasonText]:
    """Return the table by code."""
    return parse_texts(Path(__file__).with_name("reasons.toml").read_text(encoding="utf-8"))


@functools.cache
def client_texts() -> Mapping[str, ReasonText]:
    """Return the table of the codes that only the Python client gives. It is a file of the client's package."""
    from importlib.resources import files  # noqa: PLC0415 - serving starts faster without it

    return parse_texts((files("tabard") / "reasons.toml").read_text(encoding="utf-8"))


def parse_texts(document: str) -> dict[str, ReasonText]:
    """Read a table such as reasons.toml.

    Raises:
        tomllib.TOMLDecodeError: it isn't TOML, or names a code twice.
        TypeError: an entry lacks a field or has an unknown one.
    """
    import tomllib  # noqa: PLC0415 - serving starts faster without it

    table: dict[str, Any] = tomllib.loads(document)
    return {code: _text(table["model_texts"], **entry) for code, entry in table["codes"].items()}


def _text(  # noqa: PLR0913 - the fields of an entry
    shared: Mapping[str, str],
    *,
    title: str,
    operator: str,
    model: str,
    next_step: str,
    status: Sequence[str] = (),
) -> ReasonText:
    return ReasonText(title, operator, shared.get(model, model), next_step, tuple(status))
