"""The current tasks and the guarded call of the running code, kept in context variables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextvars import Token

    from tabard._decision import Decision


class ActiveCall:
    """One guarded call while it runs.

    Code that the call started (a thread, an asyncio task) may outlive it and still sees this object through its own
    context. The end of the call is therefore noted here: from then on no code gets the credential.
    """

    __slots__ = ("_decision", "_token")

    def __init__(self, decision: Decision) -> None:
        self._decision: Decision | None = decision
        self._token: Token[ActiveCall | None] | None = None

    @property
    def decision(self) -> Decision | None:
        """The decision, until the call ends."""
        return self._decision

    def __enter__(self) -> Decision:
        self._token = _call.set(self)
        assert self._decision is not None  # noqa: S101  # only set to None on exit; a guard enters once
        return self._decision

    def __exit__(self, *exc_info: object) -> None:
        self._decision = None
        if self._token is not None:
            _call.reset(self._token)


_call: ContextVar[ActiveCall | None] = ContextVar("tabard_call", default=None)
_tasks: ContextVar[tuple[object, ...]] = ContextVar("tabard_tasks", default=())
_request_id: ContextVar[tuple[str, ActiveCall | None]] = ContextVar("tabard_request_id", default=("", None))


def push_task(task: object) -> None:
    """Make ``task`` the current one of this context."""
    _tasks.set((*_tasks.get(), task))


def pop_task() -> None:
    """Make the task before the current one current again."""
    _tasks.set(_tasks.get()[:-1])


def task() -> object | None:
    """Return the current task, ``None`` if there is none."""
    tasks = _tasks.get()
    return tasks[-1] if tasks else None


def decision() -> Decision | None:
    """Return the decision of the guarded call that is running, ``None`` if there is none."""
    active = _call.get()
    return None if active is None else active.decision


def request_id() -> str:
    """Return the request id that a guarded call of this context uses; empty if each makes its own."""
    value, within = _request_id.get()
    return value if value and within is _call.get() else ""


@contextmanager
def use_request_id(value: str) -> Iterator[None]:
    """Let the guarded call inside the block ask with this request id, and not those that it makes itself."""
    token = _request_id.set((value, _call.get()))
    try:
        yield
    finally:
        _request_id.reset(token)
