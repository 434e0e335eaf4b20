"""The parts of a task that need no call to the sidecar; synchronous and asyncio tasks share them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from tabard import _context, _convert
from tabard import _transport as transport
from tabard._decision import Decision
from tabard._model import Credential, TaskInfo, ToolCall
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.errors import InvalidRequest, Unavailable

if TYPE_CHECKING:
    from tabard._connection import AioConnection, Connection
    from tabard.caveats import Limits

MAX_BATCH = 100

_Kind = TypeVar("_Kind", bound="TaskBase")


class TaskBase:
    """The authority to work on one task: a grant and the client through which it is used.

    ``with task:`` (or ``async with task:``) makes it the current task for guarded functions called inside: in this thread,
    in asyncio tasks started from it, and in threads of ``asyncio.to_thread``. Other threads don't inherit it; start them
    with ``contextvars.copy_context().run``. Leaving the block doesn't end the task; that is what ``end`` does.

    A generator can't enter it, since it would stay current for the code that consumes the generator: the ``with`` belongs into
    a function that the generator calls. ``@contextmanager`` and pytest's fixtures may enter it.

    Raises:
        InvalidRequest: a generator enters it, or it is left in another thread or asyncio task than it was entered in.
    """

    __slots__ = ("_grant", "_info")

    def __init__(self, grant: str, info: TaskInfo | None) -> None:
        self._grant = grant
        self._info = info

    @property
    def grant(self) -> str:
        """The grant, a serialised macaroon. Secret: a process that has it and runs as its holder has its authority."""
        return self._grant

    @property
    def info(self) -> TaskInfo | None:
        """What the sidecar said when this process started the task; ``None`` for a grant that was handed over."""
        return self._info

    def __repr__(self) -> str:
        task_id = self._info.task_id if self._info else "unknown"
        return f"<{type(self).__module__}.{type(self).__qualname__} {task_id}>"

    def __enter__(self) -> Self:
        _context.push_task(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        _context.pop_task(self)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *exc_info: object) -> None:
        self.__exit__(*exc_info)

    def of_kind(self, kind: type[_Kind]) -> _Kind:
        """Return the task as a :class:`tabard.Task` or a :class:`tabard.aio.Task`; itself if it is one already."""
        if isinstance(self, kind):
            return self
        make: Any = kind
        made: _Kind = make(self.connection.peer, self._grant, self._info)
        return made

    @property
    def connection(self) -> Connection | AioConnection:
        """The connection that the task makes its calls through."""
        raise NotImplementedError

    def narrow(self, limits: Limits) -> Self:
        """Return a task with less authority, made offline.

        Raises:
            InvalidRequest: the grant isn't one.
        """
        from tabard import delegation  # noqa: PLC0415  # most programs never delegate

        _check_limits(limits)
        return self._derived(_offline(delegation.narrow, self._grant, limits))

    def branch(self, sub_agent: str, limits: Limits | None = None) -> Self:
        """Return a task for a named sub-agent of this workload, made offline.

        Raises:
            InvalidRequest: the grant isn't one, or the name isn't acceptable.
        """
        from tabard import caveats, delegation  # noqa: PLC0415

        if limits is not None:
            _check_limits(limits)
        return self._derived(_offline(delegation.branch, self._grant, sub_agent, limits or caveats.Limits()))

    def _derived(self, grant: str) -> Self:
        raise NotImplementedError

    def _request(self, call: ToolCall, discharges: Sequence[str]) -> authorization_pb.AuthorizeRequest:
        return _convert.call_message(self._grant, call, discharges)

    def _batch(self, calls: Iterable[ToolCall]) -> authorization_pb.BatchAuthorizeRequest:
        items = [_convert.call_message("", call) for call in calls]
        if len(items) > MAX_BATCH:
            message = f"a batch holds at most {MAX_BATCH} calls, not {len(items)}; split it or use a stream"
            raise InvalidRequest("batch_too_large", message)
        return _convert.message(authorization_pb.BatchAuthorizeRequest, grant=self._grant, items=items)


def entered_task() -> TaskBase:
    """Return the task of the innermost ``with task:`` around the running code.

    Raises:
        InvalidRequest: there is none.
    """
    task = _context.task()
    if task is None:
        message = (
            "no task is current; wrap the call in `with task:` or name the task. A thread has the task only if "
            "asyncio.to_thread or contextvars.copy_context().run started it, and a forked process has none of its parent's"
        )
        raise InvalidRequest("no_current_task", message)
    return cast("TaskBase", task)


def tool_call(  # noqa: PLR0913, PLR0917  # the parts of a request
    name: str,
    arguments: Mapping[str, Any] | None,
    server: str,
    scopes: Sequence[str],
    context: Mapping[str, Any] | None,
    request_id: str,
) -> ToolCall:
    """Return the parts of a request as one.

    Raises:
        InvalidRequest: the scopes are one string.
    """
    return ToolCall(name, arguments or {}, server, _convert.scopes(scopes), context, request_id)


def approved_request(
    call: ToolCall, call_grant: str, discharges: Sequence[str]
) -> authorization_pb.AuthorizeRequest:
    """Return the request about a call that people have approved.

    It has a request id, so that a lost answer doesn't use the approval up.
    """
    repeated = replace(call, request_id=call.request_id or transport.request_id())
    return _convert.call_message(call_grant, repeated, discharges)


def match_results(count: int, message: authorization_pb.BatchAuthorizeResponse) -> None:
    """Check that every call of a batch has an answer.

    Raises:
        Unavailable: the numbers differ, so that answers can't be matched with calls.
    """
    if len(message.results) != count:
        text = f"the sidecar answered {len(message.results)} of {count} calls; nothing is allowed"
        raise Unavailable("batch_mismatch", text)


def renewed(decision: Decision) -> Credential:
    """Return the credential of a renewal.

    Raises:
        Unavailable: the sidecar allowed it and sent none.
    """
    if decision.credential is None:
        raise Unavailable("credential_missing", "the sidecar renewed the credential and sent none")
    return decision.credential


def _check_limits(limits: object) -> None:
    from tabard.caveats import Limits  # noqa: PLC0415

    if not isinstance(limits, Limits):
        raise InvalidRequest("limits_invalid", _convert.not_limits(limits))


def _offline(function: Callable[..., str], *arguments: object) -> str:
    from tabard.macaroon import MacaroonError  # noqa: PLC0415

    try:
        return function(*arguments)
    except (MacaroonError, ValueError) as error:
        raise InvalidRequest("grant_malformed", str(error)) from error
