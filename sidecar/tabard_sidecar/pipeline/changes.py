"""Records changes that aren't decisions about a request: revocations, approvers' decisions, ends, outcomes.

They stand in the same chain as decisions, with who made them in ``by``. A change that gives authority is recorded before it
is made, so it isn't made without a record. A change that takes authority is made first: a revocation must not wait for a
disk.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.interfaces import Clock, DecisionLog, DecisionRecord
from tabard_sidecar.model import VerifiedGrant
from tabard_sidecar.util.ids import new_id
from tabard_sidecar.util.jsontext import encode
from tabard_sidecar.util.whole import whole

_Done = TypeVar("_Done")


class ChangeRecorder:
    """Records changes.

    Args:
        log: the decision log.
        clock: time in seconds since the epoch.
    """

    def __init__(self, log: DecisionLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    async def make(  # noqa: PLR0913 - one argument per part of the record
        self,
        operation: str,
        *,
        by: Mapping[str, Any],
        about: Mapping[str, Any],
        work: Callable[[], Awaitable[_Done]],
        told: Callable[[_Done], Mapping[str, Any]],
        gives: bool = False,
    ) -> _Done:
        """Make a change and record it.

        Args:
            operation: its name, for example ``revoke``.
            by: who makes it.
            about: what it is about.
            work: makes it.
            told: returns what is recorded of its result. It may hold ``by`` with more about who made it.
            gives: whether it gives authority, and so is recorded before.

        Raises:
            NoDecision: ``audit_unavailable``: it wasn't recorded. It was made nevertheless, unless it ``gives``.
        """

        async def alone() -> list[_Done]:
            return [await work()]

        (done,) = await self.make_each(operation, by=by, about=[about], work=alone, told=told, gives=[gives])
        return done

    async def make_each(  # noqa: PLR0913 - as above
        self,
        operation: str,
        *,
        by: Mapping[str, Any],
        about: Sequence[Mapping[str, Any]],
        work: Callable[[], Awaitable[Sequence[_Done]]],
        told: Callable[[_Done], Mapping[str, Any]],
        gives: Sequence[bool],
    ) -> Sequence[_Done]:
        """Make several changes of one kind at once, all or none, and record each of them as :meth:`make` does.

        ``about`` and ``gives`` have one item for each, and so has the result of ``work``, in the same order.

        Raises:
            NoDecision: as :meth:`make` raises it.
        """
        # A caller that gives up must not keep a change that is being made from its record.
        return await whole(self._make(operation, by=by, about=about, work=work, told=told, gives=gives))

    async def _make(  # noqa: PLR0913 - as above
        self,
        operation: str,
        *,
        by: Mapping[str, Any],
        about: Sequence[Mapping[str, Any]],
        work: Callable[[], Awaitable[Sequence[_Done]]],
        told: Callable[[_Done], Mapping[str, Any]],
        gives: Sequence[bool],
    ) -> Sequence[_Done]:
        changes = [(new_id(), encode(dict(one))) for one in about]

        async def write(number: int, event: str, result: Mapping[str, Any]) -> None:
            change_id, asked = changes[number]
            who = {**by, **result.get("by", {})}
            shown = {name: value for name, value in result.items() if name != "by"}
            await self._log.record(
                DecisionRecord(event, change_id, operation, self._clock(), asked, shown, "", by=who)
            )

        for number, given in enumerate(gives):
            if given:
                await write(number, "intent", {})
        try:
            made = await work()
        except (Refused, NoDecision) as error:
            for number in range(len(changes)):
                await write(number, "outcome", {"change": "refused", "reasons": [_reason(error)]})
            raise
        try:
            for number, done in enumerate(made):
                await write(number, "outcome", {"change": "made", **told(done)})
        except NoDecision as error:
            message = f"{operation} was done, but its record wasn't written: {error.message}"
            raise NoDecision(error.status, error.code, message) from error
        return made


def holder(grant: VerifiedGrant) -> dict[str, Any]:
    """Return who a holder is, for ``by``."""
    return {
        "agent": {"id": grant.holder, "sub_agent": grant.sub_agent},
        "subject": {"id": grant.subject.id, "issuer": grant.subject.issuer},
        "task": {"id": grant.task.id},
        "link": grant.holder_id,
    }


def _reason(error: Refused | NoDecision) -> dict[str, str]:
    return {"code": error.code, "module": "", "message": error.message}
