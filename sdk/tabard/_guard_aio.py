"""Wraps asynchronous functions in a guard."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar, cast

from tabard import _context, aio
from tabard._tool import Tool, public
from tabard.errors import Denied, InvalidRequest

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Guarded = Callable[_P, Awaitable[_R]]


def wrap(function: _Guarded[_P, _R], tool: Tool) -> _Guarded[_P, _R]:
    """Return a function that runs ``function`` only after its arguments were authorized."""

    @functools.wraps(function)
    async def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        bound = tool.binding.bind(args, kwargs)
        task = tool.current()
        if not isinstance(task, aio.Task):
            message = f"{tool.name}: an async function needs a task of tabard.aio.connect()"
            raise InvalidRequest("task_kind", message)
        try:
            decision = await task.authorize(tool.name, bound.arguments, **tool.options())
            tool.binding.add_credential(bound, decision)
        except Denied as denied:
            return cast("_R", tool.denied(denied))
        with _context.ActiveCall(decision):
            return await function(*bound.args, **bound.kwargs)

    return public(guarded, tool.binding)
