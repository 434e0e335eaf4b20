"""Wraps asynchronous functions in a guard."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar, cast

from tabard import _context, aio
from tabard._tool import Tool, public
from tabard.errors import TabardError

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Guarded = Callable[_P, Awaitable[_R]]


def wrap(function: _Guarded[_P, _R], tool: Tool) -> _Guarded[_P, _R]:
    """Return a function that runs ``function`` only after its arguments were authorized."""

    @functools.wraps(function)
    async def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        task = tool.current().of_kind(aio.Task)
        hooks = tool.hooks(task)
        try:
            bound = tool.binding.bind(args, kwargs)
            ask = hooks.approval_hook(bound)
            asked = None if ask is None else ask.later
            decision = await task.authorize(tool.name, bound.arguments, on_approval=asked, **tool.options())
            bound = tool.binding.with_credential(bound, decision)
        except TabardError as error:
            return cast("_R", await hooks.denied_later(error))
        with _context.ActiveCall(decision):
            return await function(*bound.args, **bound.kwargs)

    return public(guarded, tool)
