"""Tells whether a ``with`` block holds for the code inside of it only, which isn't so in a generator.

A generator shares the context variables of the code that consumes it. What a block inside of one sets would therefore hold
outside of it, too: from each ``yield`` to the next step, and until the end if the generator is left early.
"""

from __future__ import annotations

import sys
from dis import opmap
from inspect import CO_ASYNC_GENERATOR, CO_GENERATOR, CO_ITERABLE_COROUTINE
from types import CodeType, FrameType
from typing import Final

from tabard.errors import InvalidRequest

_DRIVERS: Final = frozenset({"contextlib", "_pytest.fixtures", "pytest_asyncio.plugin"})
"""Modules that run a generator as the beginning and the end of a block: ``@contextmanager`` and fixtures that yield."""

_CACHE: Final = 0
"""Fills the instructions after another one (CPython: ``Include/opcode_ids.h``)."""
_BEFORE: Final = frozenset(opmap[name] for name in ("BEFORE_WITH", "BEFORE_ASYNC_WITH") if name in opmap)
"""Instructions that call ``__enter__`` or ``__aenter__``, before Python 3.14."""
_LOADED_ENTER: Final = bytes([opmap["LOAD_SPECIAL"]]) if "LOAD_SPECIAL" in opmap else None
"""The instruction before such a call, from Python 3.14."""
_AWAITED_ENTER: Final = bytes([opmap["GET_AWAITABLE"], 1])
"""The instruction two before the wait for what ``__aenter__`` returned."""
_STEPS: Final = frozenset({"__next__", "__anext__"})
"""Methods that make one step of an iterator, after which the code that consumes it goes on."""


def require_bounded() -> None:
    """Check that the block which is being entered ends before code outside of it runs.

    That is so if a function or coroutine has the ``with``, whatever calls it, and also if no generator is running. Helpers that
    enter a block for their caller (``ExitStack``, an ``__enter__`` of one's own, ``@contextmanager``) are looked through.

    An iterator without Python code of its own (``map``, ``itertools``, Cython's generators) is seen in a ``for`` only: nothing
    tells a function that ``next()`` calls through it from one that the consumer calls.

    Raises:
        InvalidRequest: the block is in a generator or another iterator.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  # the one way to see who called
    while frame is not None:
        caller = frame.f_back
        if _is_generator(frame.f_code):
            if caller is None or caller.f_globals.get("__name__") not in _DRIVERS:
                raise _unbounded(f"{frame.f_code.co_qualname} is a generator")
        elif _begins_block(frame):
            return
        elif frame.f_code.co_name in _STEPS:
            raise _unbounded(f"{frame.f_code.co_qualname} is a step of an iterator")
        elif caller is not None and _is_iterating(caller):
            raise _unbounded(f"{frame.f_code.co_qualname} is called by an iterator, such as map()")
        frame = caller


def _unbounded(why: str) -> InvalidRequest:
    message = (
        f"{why}, and a task or call that is entered in it would hold for the code that consumes it, too; write a `with` in a "
        "function that is called for each step, or name the task in the guard or call"
    )
    return InvalidRequest("task_in_generator", message)


def _is_generator(code: CodeType) -> bool:
    """Tell whether a frame can yield to code that consumes it, and not only to an event loop."""
    flags = code.co_flags & (CO_GENERATOR | CO_ASYNC_GENERATOR | CO_ITERABLE_COROUTINE)
    return flags in {CO_GENERATOR, CO_ASYNC_GENERATOR} and code.co_name != "__await__"


def _is_iterating(frame: FrameType) -> bool:
    """Tell whether a frame is just getting the next item of its ``for``."""
    code, at = frame.f_code.co_code, frame.f_lasti
    while at > 0 and code[at] == _CACHE:
        at -= 2
    return code[at] == opmap["FOR_ITER"]


def _begins_block(frame: FrameType) -> bool:
    """Tell whether a frame is just beginning a ``with`` or ``async with`` block (CPython: ``Python/codegen.c``)."""
    code, at = frame.f_code.co_code, frame.f_lasti
    while at > 0 and code[at] == _CACHE:
        at -= 2
    if code[at] in _BEFORE:
        return True
    if code[at] == opmap["SEND"]:
        return code[at - 4 : at - 2] == _AWAITED_ENTER
    return code[at] == opmap["CALL"] and code[at - 2 : at - 1] == _LOADED_ENTER
