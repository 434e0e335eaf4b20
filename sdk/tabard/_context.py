"""The current tasks and the guarded call of the running code, kept in context variables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from tabard._blocks import require_bounded
from tabard._forked import process
from tabard.errors import InvalidRequest

if TYPE_CHECKING:
    from contextvars import Token

    from tabard._decision import Decision


class ActiveCall:
    """One guarded call while it runs.

    Code that the call started (a thread, an asyncio task) may outlive it and still sees this object through its own
    context. The end of the call is therefore noted here: from then on no code gets the credential. A forked process never
    learns of it, so no code there gets the credential at all.
    """

    __slots__ = ("_decision", "_outer", "_process")

    def __init__(self, decision: Decision) -> None:
        self._decision: Decision | None = decision
        self._outer: ActiveCall | None = None
        self._process = process()

    @property
    def decision(self) -> Decision | None:
        """The decision, until the call ends; only in the process in which it began."""
        return self._decision if self._process == process() else None

    def __enter__(self) -> Decision:
        self._outer = _call.get()
        _call.set(self)
        assert self._decision is not None  # noqa: S101  # only set to None on exit; a guard enters once
        return self._decision

    def __exit__(self, *exc_info: object) -> None:
        self._decision = None
        # A call that was entered later may still run, if `task.call` isn't left in order.
        active = _call.get()
        if active is self:
            while active is not None and active.decision is None:
                active = active._outer  # noqa: SLF001  # of the same class
            _call.set(active)


_call: ContextVar[ActiveCall | None] = ContextVar("tabard_call", default=None)
_tasks: ContextVar[tuple[_Entered, ...]] = ContextVar("tabard_tasks", default=())
_request_id: ContextVar[tuple[str, ActiveCall | None, int]] = ContextVar(
    "tabard_request_id", default=("", None, 0)
)


class _Entered:
    """A task that was made the current one, by one ``with``.

    Attributes:
        task: the task.
        token: tells the context in which it was entered from copies of it, which code has that was started inside.
        left: the block was left.
        process: the process in which it was entered.
    """

    __slots__ = ("left", "process", "task", "token")

    def __init__(self, task: object) -> None:
        self.task = task
        self.token: Token[tuple[_Entered, ...]] | None = None
        self.left = False
        self.process = process()


def push_task(task: object) -> None:
    """Make ``task`` the current one of this context.

    Raises:
        InvalidRequest: a generator enters it.
    """
    require_bounded()
    entered = _Entered(task)
    entered.token = _tasks.set((*_tasks.get(), entered))


def pop_task(task: object) -> None:
    """Take ``task`` back, wherever it stands among the tasks of this context.

    Raises:
        InvalidRequest: it was entered elsewhere.
    """
    held = _tasks.get()
    for index in reversed(range(len(held))):
        if held[index].task is task:
            held[index].left = True
            _tasks.set((*held[:index], *held[index + 1 :]))
            return
    message = (
        "a task was left in another thread or asyncio task than it was entered in, where it may still be the current one; "
        "write one `with task:` around the code that needs it"
    )
    raise InvalidRequest("task_left_elsewhere", message)


def task() -> object | None:
    """Return the current task, ``None`` if there is none.

    A forked process has none. A pool of processes that is started in one person's task would work for others as well.
    """
    while held := _tasks.get():
        innermost = held[-1]
        if innermost.process != process():
            return None
        if not (innermost.left and _entered_here(innermost)):
            return innermost.task
        _tasks.set(held[:-1])  # a copy of this context has left it
    return None


def _entered_here(entered: _Entered) -> bool:
    """Tell whether a task was entered in this very context and not in one that this is a copy of. Asked once per context."""
    held = _tasks.get()
    assert entered.token is not None  # noqa: S101  # set with the entry
    try:
        _tasks.reset(entered.token)
    except (ValueError, RuntimeError):  # set in another context, or that one has asked before
        return False
    _tasks.set(held)
    return True


def decision() -> Decision | None:
    """Return the decision of the guarded call that is running, ``None`` if there is none."""
    active = _call.get()
    return None if active is None else active.decision


def request_id() -> str:
    """Return the request id that a guarded call of this context uses; empty if each makes its own."""
    value, within, where = _request_id.get()
    return value if value and within is _call.get() and where == process() else ""


@contextmanager
def use_request_id(value: str) -> Iterator[None]:
    """Let the guarded call inside the block ask with this request id, and not those that it makes itself."""
    token = _request_id.set((value, _call.get(), process()))
    try:
        yield
    finally:
        _request_id.reset(token)
