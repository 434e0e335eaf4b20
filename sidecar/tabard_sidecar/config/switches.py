"""Lists the switches that weaken security and are on."""

from __future__ import annotations

from tabard_sidecar.config.sections import InsecureConfig


def insecure_switches(insecure: InsecureConfig) -> list[str]:
    """Return one sentence per switch that is on, beginning with its key."""
    found = {
        "insecure.agent_id": (
            insecure.agent_id is not None,
            "this workload's identity is claimed, not proven",
        ),
        "insecure.local_subjects": (
            insecure.local_subjects is not None,
            "a user with the key file can speak for any person",
        ),
        "insecure.accept_asserted_intent": (
            insecure.accept_asserted_intent,
            "guardrails accept an unsigned purpose and statement",
        ),
        "insecure.tasks_per_token": (
            insecure.tasks_per_token is not None,
            f"one subject token starts up to {insecure.tasks_per_token} tasks without a signed intent",
        ),
        "insecure.allow_http": (
            insecure.allow_http,
            "an attacker on the network can replace an issuer's keys",
        ),
        "insecure.capabilities": (
            bool(insecure.capabilities),
            f"policies may call {', '.join(insecure.capabilities)}",
        ),
    }
    return [f"{key}: {text}" for key, (on, text) in found.items() if on]
