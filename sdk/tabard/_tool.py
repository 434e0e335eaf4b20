"""The tool that a guard asks about, and what its two kinds of wrapper share."""

from __future__ import annotations

import inspect
import logging
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tabard import _context
from tabard import _transport as transport
from tabard._hooks import OnApproval, OnDenied, named_parameters
from tabard._task import entered_task
from tabard.errors import ApprovalRequired, Denied, TabardError

if TYPE_CHECKING:
    from tabard._binding import Binding, Bound
    from tabard._task import TaskBase

Function = TypeVar("Function", bound=Callable[..., Any])
MARK = "__tabard__"
"""Attribute of a guarded function that holds its :class:`Tool`."""

_made: weakref.WeakSet[Tool] = weakref.WeakSet()
_log = logging.getLogger("tabard")


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Tool:
    """A guarded function as a tool, with the options of its guard.

    ``description`` is the function's docstring, ``place`` its module and name.
    """

    name: str
    server: str
    scopes: tuple[str, ...]
    binding: Binding
    task: TaskBase | None
    retry: bool
    wait_for_approval: float
    on_denied: OnDenied | None
    on_approval: OnApproval | None
    description: str = ""
    place: str = ""

    def __post_init__(self) -> None:
        _made.add(self)

    def current(self) -> TaskBase:
        """Return the task to use.

        Raises:
            InvalidRequest: the guard names none, and none is current.
        """
        return self.task or entered_task()

    def options(self) -> dict[str, Any]:
        """Return the options of ``authorize`` that are the same for every call, but for the request id."""
        request_id = _context.request_id() or (transport.request_id() if self.retry else "")
        return {
            "server": self.server,
            "scopes": self.scopes,
            "request_id": request_id,
            "wait_for_approval": self.wait_for_approval,
        }

    def hooks(self, task: TaskBase) -> Hooks:
        """Return what to do about a call under ``task`` that isn't allowed."""
        defaults = task.connection.options
        return Hooks(self, self.on_denied or defaults.on_denied, self.on_approval or defaults.on_approval)


@dataclass(frozen=True, slots=True)
class Hooks:
    """The functions of a guard, or of its connection, for calls that aren't allowed."""

    tool: Tool
    on_denied: OnDenied | None
    on_approval: OnApproval | None

    def approval_hook(self, bound: Bound) -> ApprovalHook | None:
        """Return what to call when a person has to approve first."""
        function = self.on_approval
        if function is None and _context.request_id():
            function = _asked_before  # the framework has asked the person already
        if function is None:
            return None
        return ApprovalHook(self.tool.name, function, bound.ignored)

    def denied(self, error: TabardError) -> Any:  # noqa: ANN401  # what the program's own function returns
        """Return what ``on_denied`` makes of an error.

        Raises:
            TabardError: there is no ``on_denied``.
            TypeError: it is asynchronous.
        """
        return _settled(self._told(error), "on_denied", self.tool.name)

    async def denied_later(self, error: TabardError) -> Any:  # noqa: ANN401  # see denied
        """Return what ``on_denied``, which may be asynchronous, makes of an error.

        Raises:
            TabardError: there is no ``on_denied``.
        """
        result = self._told(error)
        return await result if inspect.isawaitable(result) else result

    def _told(self, error: TabardError) -> Any:  # noqa: ANN401  # see denied
        if self.on_denied is None:
            raise error
        if not isinstance(error, Denied):
            _log.warning("%s: no decision was made: %s", self.tool.name, error)
        return self.on_denied(error)


@dataclass(frozen=True, slots=True)
class ApprovalHook:
    """``on_approval`` for one call, with the ignored parameters of the guarded function, of which it takes some."""

    tool: str
    function: OnApproval
    ignored: Mapping[str, Any]

    def now(self, needed: ApprovalRequired) -> None:
        """Call it.

        Raises:
            TypeError: it is asynchronous.
        """
        _settled(self._call(needed), "on_approval", self.tool)

    async def later(self, needed: ApprovalRequired) -> None:
        """Call it; it may be asynchronous."""
        result = self._call(needed)
        if inspect.isawaitable(result):
            await result

    def _call(self, needed: ApprovalRequired) -> Any:  # noqa: ANN401  # what the program's own function returns
        return self.function(needed, **named_parameters(self.function, self.ignored))


def _asked_before(_needed: ApprovalRequired) -> None:
    """Do nothing; the sidecar is polled once after it."""


def _settled(result: Any, hook: str, tool: str) -> Any:  # noqa: ANN401  # what the program's own function returns
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError(
            f"{tool}: {hook} is asynchronous, and the guarded function isn't; give its guard another"
        )
    return result


def guarded_tools() -> list[Tool]:
    """Return the guarded functions of this process that are in use, by name; also those that a framework has wrapped."""
    return sorted(_made, key=lambda tool: (tool.server, tool.name, tool.place))


def public(wrapper: Function, tool: Tool) -> Function:
    """Hide the parameter for the credential from the signature, from which a model's tool description may be made."""
    binding = tool.binding
    wrapper.__signature__ = binding.signature  # type: ignore[attr-defined]
    wrapper.__annotations__ = binding.annotations
    setattr(wrapper, MARK, tool)
    return wrapper
