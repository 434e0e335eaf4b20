"""Which task and which guarded call the running code belongs to."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from tabard.errors import InvalidRequest

if TYPE_CHECKING:
    from contextvars import Token

    from tabard import aio, client
    from tabard._model import Credential, Decision


class ActiveCall:
    """One guarded call while it runs.

    Code that the call started (a thread, an asyncio task) may outlive it and still sees this object through its own
    context, so the end of the call is noted here and takes the credential away from everybody.
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
_tasks: ContextVar[tuple[client.Task | aio.Task, ...]] = ContextVar("tabard_tasks", default=())


def push_task(task: client.Task | aio.Task) -> None:
    """Make ``task`` the current one of this context."""
    _tasks.set((*_tasks.get(), task))


def pop_task() -> None:
    """Make the task before the current one current again."""
    _tasks.set(_tasks.get()[:-1])


def current_task() -> client.Task | aio.Task:
    """Return the task of the innermost ``with task:`` around the running code.

    Raises:
        InvalidRequest: there is none.
    """
    tasks = _tasks.get()
    if not tasks:
        message = "no task is current; wrap the call in `with task:` or name the task"
        raise InvalidRequest("no_current_task", message)
    return tasks[-1]


def current_decision() -> Decision:
    """Return the decision that allowed the guarded call which is running.

    Raises:
        InvalidRequest: no guarded call is running, or the one that started this code has ended.
    """
    active = _call.get()
    decision = None if active is None else active.decision
    if decision is None:
        message = (
            "no guarded call is running here; a credential is only good within the call it was issued for"
        )
        raise InvalidRequest("no_current_call", message)
    return decision


def current_credential() -> Credential:
    """Return the credential of the guarded call which is running.

    Raises:
        InvalidRequest: no guarded call is running, or policy issued no credential for it (kind ``none``).
    """
    credential = current_decision().credential
    if credential is None:
        message = "policy allowed this call without a credential (kind none)"
        raise InvalidRequest("no_credential", message)
    return credential
