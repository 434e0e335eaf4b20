"""Says what an explanation of a decision means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOT_EXPLAINED = {
    "refused_before_policy": "the sidecar refused it before policy was asked",
    "changes": "it is a change, not a decision of policy",
    "repeated_answers": "it repeats a stored answer",
    "filtered_tools": "it lists tools",
    "masked_input": "a mask removed what policy read",
    "incomplete_input": "a part of the input stands in a record that isn't here",
    "unknown_contract": "its input isn't one of this version",
    "malformed_record": "its record is malformed",
}
"""Why policy can't be asked again about a decision."""


def helper_line(helper: Mapping[str, Any]) -> str:
    """Return where a helper of a condition fails, or that it holds."""
    holds = "gives the value" if helper.get("branch") else "holds"
    return f"{helper['at']}: {helper['failed']}" if helper["failed"] else f"{helper['place']}: {holds}"
