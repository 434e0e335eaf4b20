"""Guards a tool function: it runs only after its exact arguments were authorized."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from tabard import _context, _json, aio, client
from tabard import _transport as transport
from tabard._model import Credential, Decision, Reason
from tabard.errors import Denied, InvalidRequest

if TYPE_CHECKING:
    from tabard._task import TaskBase

_P = ParamSpec("_P")
_R = TypeVar("_R")
Function = TypeVar("Function", bound=Callable[..., Any])
OnDenied = Callable[[Denied], Any]

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
    arguments of the tool call. The function then receives a copy of exactly what was authorized: nobody who still
    holds a list or dict that was passed can change it any more. A parameter annotated :class:`tabard.Credential`
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
        wait_for_approval: for how many seconds to wait if a person has to approve first.
        on_denied: called with a denial; what it returns is returned in place of the function's result.

    Raises:
        TypeError: the function can't be guarded.
    """
    if callable(name):
        message = "write @tabard.guard() with parentheses"
        raise TypeError(message)
    if isinstance(ignore, str) or isinstance(scopes, str):
        message = "ignore and scopes are sequences of strings, not one string"
        raise TypeError(message)

    def decorate(function: Function) -> Function:
        tool = _Tool(
            name=name or function.__name__,
            server=server,
            scopes=tuple(scopes),
            binding=_Binding.of(function, frozenset(ignore), arguments),
            task=task,
            retry=retry,
            wait_for_approval=wait_for_approval,
        )
        wrapper = _wrap_async if inspect.iscoroutinefunction(function) else _wrap_sync
        return typing.cast("Function", wrapper(function, tool, on_denied))

    return decorate


@dataclass(frozen=True, slots=True)
class _Bound:
    """One call of a guarded function: what is authorized, and what the function is called with."""

    arguments: Mapping[str, Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Binding:
    """How the arguments of a function become those of a tool call."""

    signature: inspect.Signature
    ignore: frozenset[str]
    extract: Callable[..., Mapping[str, Any]] | None
    credential: str
    credential_optional: bool

    @classmethod
    def of(
        cls,
        function: Callable[..., Any],
        ignore: frozenset[str],
        extract: Callable[..., Mapping[str, Any]] | None,
    ) -> _Binding:
        """Examine a function.

        Raises:
            TypeError: it can't be guarded.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            message = (
                f"{function.__qualname__}: a generator runs after the guard has ended; guard a plain function"
            )
            raise TypeError(message)
        signature = inspect.signature(function)
        parameters = dict(signature.parameters)
        first = next(iter(parameters), "")
        unknown = ignore - parameters.keys()
        if unknown:
            message = (
                f"{function.__qualname__}: ignore names no parameter of it: {', '.join(sorted(unknown))}"
            )
            raise TypeError(message)
        if first in {"self", "cls"} and first not in ignore and extract is None:
            message = (
                f"{function.__qualname__}: {first} is no argument of a tool call; write ignore=({first!r},)"
            )
            raise TypeError(message)
        credential, optional = _credential_parameter(function, parameters)
        parameters.pop(credential, None)
        public = signature.replace(parameters=list(parameters.values()))
        return cls(public, ignore, extract, credential, optional)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Bound:
        """Bind one call.

        Raises:
            TypeError: the function doesn't take these arguments.
            InvalidRequest: they have no exact JSON form.
        """
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        if self.extract is not None:
            extracted = _json.snapshot(dict(self.extract(*bound.args, **bound.kwargs)))
            return _Bound(_json.Snapshot(extracted), bound.args, bound.kwargs)
        for name, value in bound.arguments.items():
            if name not in self.ignore:
                bound.arguments[name] = _json.snapshot(value, where=name)
        return _Bound(self._arguments(bound.arguments), bound.args, bound.kwargs)

    def _arguments(self, values: Mapping[str, Any]) -> _json.Snapshot:
        arguments = _json.Snapshot()
        for name, parameter in self.signature.parameters.items():
            if name in self.ignore:
                continue
            several = parameter.kind is inspect.Parameter.VAR_KEYWORD
            for key, value in values[name].items() if several else ((name, values[name]),):
                if key in arguments:
                    message = f"the argument {key!r} is given twice"
                    raise InvalidRequest("arguments_invalid", message)
                arguments[key] = value
        return arguments

    def add_credential(self, bound: _Bound, decision: Decision) -> None:
        """Give the credential to the function if it asks for it.

        Raises:
            Denied: the function needs one and policy issued none.
        """
        if not self.credential:
            return
        if decision.credential is None and not self.credential_optional:
            text = "policy allowed the call without a credential (kind none), and the tool needs one"
            reason = Reason("no_credential", text)
            raise Denied(reason.code, text, decision_id=decision.decision_id, reasons=(reason,))
        bound.kwargs[self.credential] = decision.credential


@dataclass(frozen=True, slots=True)
class _Tool:
    """What a guard asks about."""

    name: str
    server: str
    scopes: tuple[str, ...]
    binding: _Binding
    task: TaskBase | None
    retry: bool
    wait_for_approval: float

    def current(self) -> TaskBase:
        """Return the task to use."""
        return self.task or _context.current_task()

    def options(self) -> dict[str, Any]:
        """Return what every question of this guard says."""
        request_id = transport.request_id() if self.retry else ""
        return {
            "server": self.server,
            "scopes": self.scopes,
            "request_id": request_id,
            "wait_for_approval": self.wait_for_approval,
        }


def _wrap_sync(function: Callable[_P, _R], tool: _Tool, on_denied: OnDenied | None) -> Callable[_P, _R]:
    @functools.wraps(function)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        bound = tool.binding.bind(args, kwargs)
        task = tool.current()
        if not isinstance(task, client.Task):
            message = f"{tool.name}: an asyncio task guards async functions; use tabard.connect() here"
            raise InvalidRequest("task_kind", message)
        try:
            decision = task.authorize(tool.name, bound.arguments, **tool.options())
            tool.binding.add_credential(bound, decision)
        except Denied as denied:
            if on_denied is None:
                raise
            return typing.cast("_R", on_denied(denied))
        with _context.ActiveCall(decision):
            return function(*bound.args, **bound.kwargs)

    return _public(guarded, tool.binding)


def _wrap_async(
    function: Callable[_P, typing.Awaitable[_R]], tool: _Tool, on_denied: OnDenied | None
) -> Callable[_P, typing.Awaitable[_R]]:
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
            if on_denied is None:
                raise
            return typing.cast("_R", on_denied(denied))
        with _context.ActiveCall(decision):
            return await function(*bound.args, **bound.kwargs)

    return _public(guarded, tool.binding)


def _public(guarded: Function, binding: _Binding) -> Function:
    """Hide the credential from whoever reads the signature, for example to describe the tool to a model."""
    guarded.__signature__ = binding.signature  # type: ignore[attr-defined]
    annotations = dict(getattr(guarded, "__annotations__", {}))
    annotations.pop(binding.credential, None)
    guarded.__annotations__ = annotations
    return guarded


def _credential_parameter(
    function: Callable[..., Any], parameters: Mapping[str, inspect.Parameter]
) -> tuple[str, bool]:
    """Return the name of the parameter that takes the credential, if any, and whether it may be ``None``.

    Raises:
        TypeError: there are several, or it can't be passed by name.
    """
    try:
        hints = typing.get_type_hints(function)
    except Exception:  # noqa: BLE001  # an annotation may name what only a type checker can see
        hints = {}
    found = [
        (name, optional)
        for name, parameter in parameters.items()
        for matches, optional in [_is_credential(hints.get(name, parameter.annotation))]
        if matches
    ]
    if not found:
        return "", False
    name, optional = found[0]
    by_name = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    if len(found) > 1 or parameters[name].kind not in by_name:
        message = f"{function.__qualname__}: exactly one parameter, passed by name, can take the credential"
        raise TypeError(message)
    return name, optional


def _is_credential(annotation: object) -> tuple[bool, bool]:
    if isinstance(annotation, str):
        parts = {part.strip() for part in annotation.split("|")}
        names = {"Credential", "tabard.Credential"}
        return bool(parts & names) and parts <= names | {"None"}, "None" in parts
    if annotation is Credential:
        return True, False
    union = typing.get_origin(annotation) in {typing.Union, types.UnionType}
    members = typing.get_args(annotation)
    return union and Credential in members, type(None) in members
