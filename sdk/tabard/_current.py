"""Access to the current task, and to the decision and credential of the guarded call that is running."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast, overload

from tabard import _context
from tabard._task import entered_task
from tabard.errors import InvalidRequest

if TYPE_CHECKING:
    from tabard import aio, client
    from tabard._decision import Decision
    from tabard._model import Credential
    from tabard._task import TaskBase

_Kind = TypeVar("_Kind", bound="TaskBase")


@overload
def current_task() -> client.Task | aio.Task: ...
@overload
def current_task(kind: type[_Kind]) -> _Kind: ...
def current_task(kind: type[TaskBase] | None = None) -> TaskBase:
    """Return the task of the innermost ``with task:`` around the running code.

    Args:
        kind: :class:`tabard.Task` or :class:`tabard.aio.Task`, if the code needs one of them whatever started the task.

    Raises:
        InvalidRequest: there is none.
    """
    found = cast("client.Task | aio.Task", entered_task())
    return found if kind is None else found.of_kind(kind)


def current_decision() -> Decision:
    """Return the decision that allowed the guarded call which is running.

    Raises:
        InvalidRequest: no guarded call is running, or the one that started this code has ended.
    """
    decision = _context.decision()
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
