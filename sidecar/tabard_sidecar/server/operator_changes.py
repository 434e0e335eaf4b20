"""Records what operators and approvers change, with the process at the other end of their connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from tabard_sidecar.pipeline.changes import ChangeRecorder
from tabard_sidecar.server.edge import Context
from tabard_sidecar.util.lean import dataclass

_Done = TypeVar("_Done")


@dataclass(frozen=True, slots=True)
class OperatorChanges:
    """Makes and records changes.

    ``by`` returns who is at the other end of an RPC, given gRPC's name of its peer.
    """

    recorder: ChangeRecorder
    by: Callable[[str], Mapping[str, Any]]

    async def make(  # noqa: PLR0913 - one argument per part of the record
        self,
        operation: str,
        context: Context,
        *,
        about: Mapping[str, Any],
        work: Callable[[], Awaitable[_Done]],
        told: Callable[[_Done], Mapping[str, Any]],
        gives: bool = False,
    ) -> _Done:
        """Make a change as :meth:`ChangeRecorder.make` does.

        Raises:
            NoDecision: the connection isn't an operator's, or the change wasn't recorded.
        """
        by = self.by(context.peer())
        return await self.recorder.make(operation, by=by, about=about, work=work, told=told, gives=gives)

    async def make_each(  # noqa: PLR0913 - one argument per part of the record
        self,
        operation: str,
        context: Context,
        *,
        about: Sequence[Mapping[str, Any]],
        work: Callable[[], Awaitable[Sequence[_Done]]],
        told: Callable[[_Done], Mapping[str, Any]],
        gives: Sequence[bool],
    ) -> Sequence[_Done]:
        """Make several changes at once as :meth:`ChangeRecorder.make_each` does.

        Raises:
            NoDecision: the connection isn't an operator's, or a change wasn't recorded.
        """
        by = self.by(context.peer())
        return await self.recorder.make_each(operation, by=by, about=about, work=work, told=told, gives=gives)
