"""Authorization for the tool calls of AI agents.

::

    import tabard

    @tabard.guard("refunds.create")
    def create_refund(order: str, amount: int, credential: tabard.Credential = tabard.INJECTED) -> str: ...

    with tabard.connect() as client, client.start_task(token, purpose="refunds"):
        create_refund("A-17", amount=20)

Names are loaded when first used, so that a part of the package (``tabard.verify``, ``tabard.caveats``) costs only what
it needs itself.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tabard import aio, arguments, caveats, delegation, errors
    from tabard._current import current_credential, current_decision, current_task
    from tabard._decision import Decision
    from tabard._guard import INJECTED, guard
    from tabard._hooks import raise_denied
    from tabard._model import (
        ChainLink,
        Credential,
        Introspection,
        Obligation,
        PendingApproval,
        Reason,
        Subject,
        TaskInfo,
        ToolCall,
        ToolRef,
    )
    from tabard.caveats import Limits
    from tabard.client import Client, Task, connect
    from tabard.errors import ApprovalRequired, Denied, InvalidRequest, TabardError, Unavailable

__all__ = [
    "INJECTED",
    "ApprovalRequired",
    "ChainLink",
    "Client",
    "Credential",
    "Decision",
    "Denied",
    "Introspection",
    "InvalidRequest",
    "Limits",
    "Obligation",
    "PendingApproval",
    "Reason",
    "Subject",
    "TabardError",
    "Task",
    "TaskInfo",
    "ToolCall",
    "ToolRef",
    "Unavailable",
    "aio",
    "arguments",
    "caveats",
    "connect",
    "current_credential",
    "current_decision",
    "current_task",
    "delegation",
    "errors",
    "guard",
    "raise_denied",
]

_HOMES = {
    "tabard.errors": ("ApprovalRequired", "Denied", "InvalidRequest", "TabardError", "Unavailable"),
    "tabard._model": (
        "ChainLink",
        "Credential",
        "Introspection",
        "Obligation",
        "PendingApproval",
        "Reason",
        "Subject",
        "TaskInfo",
        "ToolCall",
        "ToolRef",
    ),
    "tabard._current": ("current_credential", "current_decision", "current_task"),
    "tabard._decision": ("Decision",),
    "tabard.caveats": ("Limits",),
    "tabard.client": ("Client", "Task", "connect"),
    "tabard._guard": ("INJECTED", "guard"),
    "tabard._hooks": ("raise_denied",),
}
_MODULES = frozenset({"aio", "arguments", "caveats", "delegation", "errors"})
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return importlib.import_module(f"tabard.{name}")
    home = _HOME_OF.get(name)
    if home is None:
        message = f"module 'tabard' has no attribute {name!r}"
        raise AttributeError(message)
    value: object = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
