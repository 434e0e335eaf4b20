"""Guarded tools in servers of the Model Context Protocol (package ``mcp``, version 2).

::

    client = tabard.aio.connect(on_denied=tell_model, on_approval=elicit)

    @server.tool()
    @tabard.guard("payments.send", ignore=["ctx"])
    async def send_payment(to: str, amount: int, ctx: Context) -> str: ...
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, NoReturn

import anyio.from_thread
from mcp import MCPError
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel

from tabard.errors import ApprovalRequired, TabardError


class Decided(BaseModel):
    """The form that the client's user confirms: it has no fields."""


def tell_model(error: TabardError) -> NoReturn:
    """Let the tool's result be an error with the text for the model, as ``on_denied`` of a connection or guard.

    Raises:
        ToolError: always.
    """
    raise ToolError(error.for_model()) from error


def elicit(needed: ApprovalRequired, ctx: Any = None) -> Awaitable[None] | None:  # noqa: ANN401  # any Context
    """Ask the client's user to have the call approved, as ``on_approval`` of a connection or guard.

    The tool needs a parameter ``ctx`` of the type ``Context``, which its guard names in ``ignore``. The user confirms once
    an approver has decided, by ``tabard approvals`` or a program of yours; only what the sidecar says about the approval
    counts, not that answer. Where the client can't be asked, the model is told instead.
    """
    if ctx is None:
        return None
    try:
        anyio.get_current_task()
    except RuntimeError:  # the tool is synchronous, and runs in a thread
        anyio.from_thread.run(_elicit, needed, ctx)
        return None
    return _elicit(needed, ctx)


async def _elicit(needed: ApprovalRequired, ctx: Any) -> None:  # noqa: ANN401  # any Context
    ids = ", ".join(pending.approval_id for pending in needed.approvals)
    message = f"A person has to approve this call first (approval {ids}). Confirm once it is decided."
    try:
        await ctx.elicit(message, Decided)
    except (MCPError, ValueError):  # no way to ask, or an answer that isn't the form's
        return
