"""The decorator that lets a tool function run only after its exact arguments were authorized."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tabard import _guard_aio, _guard_sync
from tabard._binding import Binding, label
from tabard._hooks import OnApproval, OnDenied
from tabard._tool import Function, Tool

if TYPE_CHECKING:
    from tabard._task import TaskBase

INJECTED: Any = None
"""Default for a parameter that takes the credential, so that type checkers don't miss it in calls. Never passed on."""


def guard(  # noqa: PLR0913  # each one is an option that the caller names
    name: str | None = None,
    *,
    server: str = "",
    scopes: Sequence[str] = (),
    ignore: Sequence[str] = (),
    arguments: Callable[..., Mapping[str, Any]] | None = None,
    task: TaskBase | None = None,
    retry: bool = False,
    wait_for_approval: float = 0.0,
    on_denied: OnDenied | None = None,
    on_approval: OnApproval | None = None,
) -> Callable[[Function], Function]:
    """Return a decorator for a tool function, sync or ``async def``. Both kinds work under tasks of both clients.

    Before each call the function's arguments, bound to its parameters with defaults filled in, are sent as the
    arguments of the tool call. They are JSON values, dates, enums, UUIDs, paths, dataclasses and pydantic models. The
    function then receives what is made from exactly the JSON that was authorized, so that a list or dict that was passed and
    is changed later makes no difference, and a subclass of a JSON type (``str``, ``int``, ``dict`` and so on) arrives as that
    type. A parameter annotated :class:`tabard.Credential` receives the credential and vanishes from
    the signature (give it the default :data:`tabard.INJECTED` to please type checkers); elsewhere
    :func:`tabard.current_credential` has it until the function returns.

    Args:
        name: name of the tool; by default the function's.
        server: server or integration that offers the tool.
        scopes: scopes that the credential should carry.
        ignore: parameters that are no arguments of the tool call, such as ``self`` or a database session. Policy
            doesn't see them, so never list one that a model fills in.
        arguments: called with the function's arguments; returns those of the tool call, where they have no JSON form
            of their own. The function then receives the originals. It is called again right before the function: if the
            originals have changed, the call isn't made.
        task: task to use instead of the current one.
        retry: ask again when the sidecar can't be reached; costs the sidecar a write per call.
        wait_for_approval: how many seconds to wait if a person has to approve first.
        on_denied: called with the :class:`tabard.TabardError` if the call isn't allowed, or if no decision could be made;
            what it returns is returned in place of the function's result. ``tabard.TabardError.for_model`` tells the
            model, :func:`tabard.raise_denied` raises. By default the connection's; without one the error is raised.
        on_approval: called with the :class:`tabard.ApprovalRequired` if a person has to approve first, and with those
            parameters of ``ignore`` that it has parameters for. It may wait for the person, or leave by an exception.
            After it has returned, the call is made if it was approved. By default the connection's.

    ``on_denied`` and ``on_approval`` of an ``async def`` may be asynchronous.

    Raises:
        TypeError: the function can't be guarded.
    """
    _check_options(name, ignore, scopes)

    def decorate(function: Function) -> Function:
        _check_function(function, name)
        binding = Binding.of(function, frozenset(ignore), arguments)
        tool = Tool(
            name or function.__name__,
            server,
            tuple(scopes),
            binding,
            task,
            retry,
            wait_for_approval,
            on_denied,
            on_approval,
            _description(function),
            f"{getattr(function, '__module__', '')}.{label(function)}",
        )
        wrap = _guard_aio.wrap if _is_async(function) else _guard_sync.wrap
        wrapped = wrap(function, tool)
        if not hasattr(function, "__name__"):
            # Frameworks name the tool after the function, and show its docstring to the model.
            wrapped.__name__ = wrapped.__qualname__ = tool.name
            wrapped.__doc__ = tool.description or None
        return typing.cast("Function", wrapped)

    return decorate


def _description(function: Callable[..., Any]) -> str:
    """Return the docstring: of a partial its function's, of an object that is called its own or its class's."""
    return inspect.getdoc(function.func if isinstance(function, functools.partial) else function) or ""


def _is_async(function: Callable[..., Any]) -> bool:
    """Tell whether calling the function returns an awaitable: it, or what a decorator wraps in it, is ``async def``."""
    return any(
        inspect.iscoroutinefunction(one) or inspect.iscoroutinefunction(getattr(one, "__call__", None))  # noqa: B004
        for one in (function, inspect.unwrap(function))
    )


def _check_options(name: object, ignore: object, scopes: object) -> None:
    if callable(name):
        message = "write @tabard.guard() with parentheses"
        raise TypeError(message)
    if isinstance(ignore, str) or isinstance(scopes, str):
        message = "ignore and scopes are sequences of strings, not one string"
        raise TypeError(message)


def _check_function(function: object, name: str | None) -> None:
    if isinstance(function, classmethod | staticmethod):
        kind = type(function).__name__
        raise TypeError(f"write @{kind} above @tabard.guard(...), not below it")
    if not callable(function):
        raise TypeError(f"a guard needs a function, not a {type(function).__qualname__}")
    if not name and not hasattr(function, "__name__"):
        raise TypeError(f"{label(function)} has no name; name the tool: tabard.guard('name')")
