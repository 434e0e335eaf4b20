"""The decorator that lets a tool function run only after its exact arguments were authorized."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tabard import _guard_aio, _guard_sync
from tabard._binding import Binding
from tabard._tool import Function, OnDenied, Tool

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
) -> Callable[[Function], Function]:
    """Return a decorator for a tool function, sync or ``async def``.

    Before each call the function's arguments, bound to its parameters with defaults filled in, are sent as the
    arguments of the tool call. The function then receives a copy of exactly what was authorized, so that a list or
    dict that was passed and is changed later makes no difference. A parameter annotated :class:`tabard.Credential`
    receives the credential and vanishes from the signature (give it the default :data:`tabard.INJECTED` to please type
    checkers); elsewhere :func:`tabard.current_credential` has it until the function returns.

    Args:
        name: name of the tool; by default the function's.
        server: server or integration that offers the tool.
        scopes: scopes that the credential should carry.
        ignore: parameters that are no arguments of the tool call, such as ``self`` or a database session. Policy
            doesn't see them, so never list one that a model fills in.
        arguments: called with the function's arguments; returns those of the tool call, where they aren't plain JSON
            values. The function then receives the originals.
        task: task to use instead of the current one.
        retry: ask again when the sidecar can't be reached; costs the sidecar a write per call.
        wait_for_approval: how many seconds to wait if a person has to approve first.
        on_denied: called with a denial; what it returns is returned in place of the function's result.

    Raises:
        TypeError: the function can't be guarded.
    """
    _check_options(name, ignore, scopes)

    def decorate(function: Function) -> Function:
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
        )
        wrap = _guard_aio.wrap if inspect.iscoroutinefunction(function) else _guard_sync.wrap
        return typing.cast("Function", wrap(function, tool))

    return decorate


def _check_options(name: object, ignore: object, scopes: object) -> None:
    if callable(name):
        message = "write @tabard.guard() with parentheses"
        raise TypeError(message)
    if isinstance(ignore, str) or isinstance(scopes, str):
        message = "ignore and scopes are sequences of strings, not one string"
        raise TypeError(message)
