"""Functions of a program that guards call: when a call isn't allowed, and when a person has to approve it first."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn, TypeAlias

from tabard.errors import ApprovalRequired, TabardError

OnDenied: TypeAlias = Callable[[TabardError], Any]
OnApproval: TypeAlias = Callable[..., Any]
OnWait: TypeAlias = Callable[[ApprovalRequired], object]
"""Called once before a wait for people, with the approvals of all calls that wait."""
AioOnWait: TypeAlias = Callable[[ApprovalRequired], Awaitable[object]]
"""The same for asyncio programs."""


def raise_denied(error: TabardError) -> NoReturn:
    """Raise the error. As ``on_denied`` of one guard it stands above the connection's.

    Raises:
        TabardError: always.
    """
    raise error


def named_parameters(hook: OnApproval, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of ``values`` that ``hook`` has a parameter for."""
    try:
        parameters = inspect.signature(hook).parameters
    except (TypeError, ValueError):  # a builtin may have no signature
        return {}
    return {name: value for name, value in values.items() if name in parameters}
