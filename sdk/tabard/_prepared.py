"""Calls of guarded functions that are prepared first and made after all of them were asked about together."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from tabard._lean import dataclass
from tabard._model import ToolCall
from tabard._tool import MARK, Hooks, Tool
from tabard.errors import TabardError

if TYPE_CHECKING:
    from tabard._binding import Bound
    from tabard._task import TaskBase


@dataclass(slots=True)
class Prepared:
    """One call of a guarded function.

    Attributes:
        tool: the function as a tool.
        function: the function without its guard.
        hooks: what to do if the call isn't allowed.
        bound: the call's arguments; ``None`` if they can't be authorized.
        error: why they can't.
    """

    tool: Tool
    function: Callable[..., Any]
    hooks: Hooks
    bound: Bound | None = None
    error: TabardError | None = None

    def asked(self) -> ToolCall | None:
        """Return what to ask about; ``None`` if nothing can be asked."""
        if self.bound is None:
            return None
        options = self.tool.options()
        return ToolCall(
            self.tool.name,
            self.bound.arguments,
            self.tool.server,
            self.tool.scopes,
            request_id=options["request_id"],
        )


def prepare(task: TaskBase, calls: Iterable[functools.partial[Any]], *, asynchronous: bool) -> list[Prepared]:
    """Return partials of guarded functions as prepared calls.

    Raises:
        TypeError: one isn't a partial of a guarded function, or that is of the other kind, synchronous or asynchronous.
    """
    return [_prepared(task, call, asynchronous=asynchronous) for call in calls]


def _prepared(task: TaskBase, call: functools.partial[Any], *, asynchronous: bool) -> Prepared:
    guarded = call.func if isinstance(call, functools.partial) else None
    tool = getattr(guarded, MARK, None)
    if guarded is None or not isinstance(tool, Tool):
        message = "each call is a functools.partial of a guarded function, such as partial(send_mail, to=...)"
        raise TypeError(message)
    args = call.args
    if inspect.ismethod(guarded):
        args, guarded = (guarded.__self__, *args), guarded.__func__
    if inspect.iscoroutinefunction(guarded) != asynchronous:
        kind = "asynchronous" if asynchronous else "synchronous"
        raise TypeError(f"{tool.name}: this task makes calls of {kind} functions together")
    prepared = Prepared(tool, guarded.__wrapped__, tool.hooks(task))  # type: ignore[attr-defined]
    try:
        prepared.bound = tool.binding.bind(args, call.keywords)
    except TabardError as error:
        prepared.error = error
    return prepared
