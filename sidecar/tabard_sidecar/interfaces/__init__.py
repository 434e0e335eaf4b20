"""Interfaces of the components that the pipeline uses. The pipeline imports no implementation."""

from tabard_sidecar.interfaces.clock import Clock
from tabard_sidecar.interfaces.consent import Approvals, Revocations, Together
from tabard_sidecar.interfaces.credentials import CredentialIssuer, Introspect, Withdrawal
from tabard_sidecar.interfaces.parties import (
    AgentIdentitySource,
    HandoverVerifier,
    IntentVerifier,
    SubjectTokenKeeper,
    SubjectVerifier,
)
from tabard_sidecar.interfaces.policy import InputParts, LeasedPolicy, PolicyRuntime
from tabard_sidecar.interfaces.records import DecisionLog, DecisionRecord, Observer, Unverified
from tabard_sidecar.interfaces.tools import ArgumentChecker, ArgumentFault, CandidateTool, Catalogue, ToolSpec

__all__ = [
    "AgentIdentitySource",
    "Approvals",
    "ArgumentChecker",
    "ArgumentFault",
    "CandidateTool",
    "Catalogue",
    "Clock",
    "CredentialIssuer",
    "DecisionLog",
    "DecisionRecord",
    "HandoverVerifier",
    "InputParts",
    "IntentVerifier",
    "Introspect",
    "LeasedPolicy",
    "Observer",
    "PolicyRuntime",
    "Revocations",
    "SubjectTokenKeeper",
    "SubjectVerifier",
    "Together",
    "ToolSpec",
    "Unverified",
    "Withdrawal",
]
