"""Describes what policy decides about: an operation, and the call of a tool."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

REPORTED = "reported:"
"""Prefix of labels that only an agent reports."""


class Operation(StrEnum):
    """The operation that policy decides about; ``input.operation``."""

    START_TASK = "start_task"
    DELEGATE = "delegate"
    AUTHORIZE = "authorize"
    FILTER_TOOLS = "filter_tools"
    RENEW = "renew"


class ToolCall(NamedTuple):
    """One call an agent wants to make.

    ``arguments_json`` is the canonical (RFC 8785) form; ``digest`` is the SHA-256 over name, server and arguments as
    :func:`tabard.arguments.call_digest` computes it, hex.
    """

    name: str
    server: str
    arguments: Mapping[str, Any]
    arguments_json: bytes
    digest: str
