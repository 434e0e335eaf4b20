"""The tool that a guard asks about, and what its two kinds of wrapper share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tabard import _current
from tabard import _transport as transport
from tabard.errors import Denied

if TYPE_CHECKING:
    from tabard._binding import Binding
    from tabard._task import TaskBase

Function = TypeVar("Function", bound=Callable[..., Any])
OnDenied = Callable[[Denied], Any]


@dataclass(frozen=True, slots=True)
class Tool:
    """A guarded function as a tool, with the options of its guard."""

    name: str
    server: str
    scopes: tuple[str, ...]
    binding: Binding
    task: TaskBase | None
    retry: bool
    wait_for_approval: float
    on_denied: OnDenied | None

    def current(self) -> TaskBase:
        """Return the task to use.

        Raises:
            InvalidRequest: the guard names none, and none is current.
        """
        return self.task or _current.current_task()

    def options(self) -> dict[str, Any]:
        """Return the options of ``authorize`` that are the same for every call, but for the request id."""
        request_id = transport.request_id() if self.retry else ""
        return {
            "server": self.server,
            "scopes": self.scopes,
            "request_id": request_id,
            "wait_for_approval": self.wait_for_approval,
        }

    def denied(self, error: Denied) -> Any:  # noqa: ANN401  # what the program's own function returns
        """Return what ``on_denied`` makes of a denial.

        Raises:
            Denied: the guard has no ``on_denied``.
        """
        if self.on_denied is None:
            raise error
        return self.on_denied(error)


def public(wrapper: Function, binding: Binding) -> Function:
    """Hide the parameter for the credential from the signature, from which a model's tool description may be made."""
    wrapper.__signature__ = binding.signature  # type: ignore[attr-defined]
    annotations = dict(getattr(wrapper, "__annotations__", {}))
    annotations.pop(binding.credential, None)
    wrapper.__annotations__ = annotations
    return wrapper
