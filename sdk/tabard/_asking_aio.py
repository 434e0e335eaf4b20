"""Tasks that ask about calls, one at a time or together, and wait for the people who have to approve them."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tabard import _approvals, _context, _convert, _prepared, errors
from tabard._stream import AioStreamingTask
from tabard._task import approved_request, match_results
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb

if TYPE_CHECKING:
    from tabard._decision import Decision
    from tabard._hooks import AioOnWait
    from tabard._model import ToolCall


class AioAskingTask(AioStreamingTask):
    """A task of an asyncio client that asks about calls."""

    __slots__ = ()

    async def batch(
        self,
        calls: Iterable[ToolCall],
        *,
        wait_for_approval: float = 0.0,
        on_approval: AioOnWait | None = None,
        timeout_seconds: float | None = None,
    ) -> list[Decision]:
        """Ask about up to 100 calls at once; the decisions come in their order.

        People are shown the calls that they have to approve as one list. Where no decision could be made about a call, its
        decision doesn't allow and carries the ``error``.

        Args:
            calls: the calls; none may need the result of another one.
            wait_for_approval: how many seconds to wait if people have to approve some of them first. The decision about a
                call that was refused has the code ``approval_denied``; ``approval_expired``, if its time was over. The
                credentials of the other calls age meanwhile; :meth:`call_together` makes those calls before it waits.
            on_approval: called once if people have to approve some of them first, before the wait, with the approvals of
                all.
            timeout_seconds: deadline of every single request to the sidecar.

        Raises:
            TabardError: the batch as a whole failed.
        """
        _approvals.deadline(wait_for_approval)  # a negative wait is refused before anything is asked
        asked = list(calls)
        decisions = await self._ask_together(self._batch(asked), timeout_seconds)
        return await self._approved(asked, decisions, wait_for_approval, on_approval, timeout_seconds)

    async def _approved(
        self,
        asked: Sequence[ToolCall],
        decisions: Sequence[Decision],
        wait_for_approval: float,
        on_approval: AioOnWait | None,
        timeout_seconds: float | None,
    ) -> list[Decision]:
        """Return decisions about the calls after the wait for people, if there is to be one."""
        until = _approvals.deadline(wait_for_approval)
        decisions = list(decisions)
        waiting = dict(enumerate(decisions))
        for _ in range(_approvals.MAX_ROUNDS if wait_for_approval or on_approval else 0):
            waiting = {number: one for number, one in waiting.items() if _approvals.waits(one)}
            if not waiting:
                break
            if on_approval is not None:
                await on_approval(_approvals.required_together([*waiting.values()]))
                until = _approvals.deadline(wait_for_approval)
            patient = wait_for_approval > 0
            waiting, failed = await self._again(asked, waiting, until, timeout_seconds, patient=patient)
            for number, decision in (waiting | failed).items():
                decisions[number] = decision
        return decisions

    async def call_together(
        self,
        calls: Iterable[functools.partial[Any]],
        *,
        wait_for_approval: float = 0.0,
        on_approval: AioOnWait | None = None,
        timeout_seconds: float | None = None,
    ) -> list[Any]:
        """Ask about calls of guarded functions in one batch, and make those that are allowed, one after the other.

        Calls that no person has to approve are made first, then those that were approved.

        Args:
            calls: partials of guarded functions: ``functools.partial(send_mail, "ann", text="…")``. None may need the
                result of another one. Their guards' ``task``, ``wait_for_approval`` and ``on_approval`` don't count here.
            wait_for_approval: how many seconds to wait if people have to approve some of them first.
            on_approval: called once if people have to approve some of them first, with the approvals of all.
            timeout_seconds: deadline of every single request to the sidecar.

        Returns:
            The results in the order of the calls. In place of one that isn't allowed stands what its ``on_denied`` returns;
            without an ``on_denied``, the :class:`tabard.TabardError` itself.

        Raises:
            TabardError: the batch as a whole failed, or an ``on_denied`` raised it.
            TypeError: a call isn't a partial of a guarded function of the task's kind. What a function raises is raised, and
                the calls after it aren't made.
        """
        _approvals.deadline(wait_for_approval)
        prepared = _prepared.prepare(self, calls, asynchronous=True)
        asked = {
            number: call for number, call in enumerate(one.asked() for one in prepared) if call is not None
        }
        first = await self._ask_together(self._batch(asked.values()), timeout_seconds)
        results: dict[int, Any] = {}
        waiting: dict[int, Decision] = {}
        decided: dict[int, Decision] = dict(zip(asked, first, strict=True))
        for number, one in enumerate(prepared):
            decision = decided.get(number)
            if decision is not None and _approvals.waits(decision):
                waiting[number] = decision
            else:
                results[number] = await self._made(one, decision)
        approved = await self._approved(
            [asked[number] for number in waiting],
            [*waiting.values()],
            wait_for_approval,
            on_approval,
            timeout_seconds,
        )
        for number, decision in zip(waiting, approved, strict=True):
            results[number] = await self._made(prepared[number], decision)
        return [results[number] for number in sorted(results)]

    async def _made(self, call: _prepared.Prepared, decision: Decision | None) -> Any:  # noqa: ANN401  # what the function returns
        try:
            if decision is None or call.bound is None:
                raise call.error or errors.InvalidRequest("arguments_invalid", "the call has no arguments")
            decision.raise_if_denied()
            bound = call.tool.binding.with_credential(call.bound, decision)
        except errors.TabardError as error:
            return error if call.hooks.on_denied is None else await call.hooks.denied_later(error)
        with _context.ActiveCall(decision):
            return await call.function(*bound.args, **bound.kwargs)

    async def _again(
        self,
        asked: Sequence[ToolCall],
        waiting: dict[int, Decision],
        until: float,
        timeout_seconds: float | None,
        *,
        patient: bool,
    ) -> tuple[dict[int, Decision], dict[int, Decision]]:
        """Wait for approvals; return the decisions about what was approved, and those about what wasn't."""
        approved: dict[int, authorization_pb.AuthorizeRequest] = {}
        failed: dict[int, Decision] = {}
        for number, decision in waiting.items():
            try:
                given = await self._wait(decision, until, timeout_seconds, patient=patient)
                approved[number] = approved_request(asked[number], *given)
            except errors.ApprovalRequired as error:
                failed[number] = replace(decision, reasons=error.reasons)
        request = authorization_pb.BatchAuthorizeRequest(items=approved.values())
        decisions = await self._ask_together(request, timeout_seconds)
        return dict(zip(approved, decisions, strict=True)), failed

    async def _ask_together(
        self, request: authorization_pb.BatchAuthorizeRequest, timeout_seconds: float | None
    ) -> list[Decision]:
        if not request.items:
            return []
        repeatable = all(item.request_id for item in request.items)
        connection = self._connection
        response = await connection.call(
            connection.authorization.BatchAuthorize, request, timeout_seconds, repeatable=repeatable
        )
        match_results(len(request.items), response)
        return [_convert.result(item, connection.options.obligations) for item in response.results]

    async def _wait(
        self, decision: Decision, until: float, timeout_seconds: float | None, *, patient: bool | None = None
    ) -> tuple[str, tuple[str, ...]]:
        connection = self._connection
        steps = _approvals.steps(decision, until, patient=patient)
        answer = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as done:
                approved: tuple[str, tuple[str, ...]] = done.value
                return approved
            answer = None
            if isinstance(step, float):
                await asyncio.sleep(step)
                continue
            # A sidecar that restarts is back before the person has decided.
            with suppress(errors.Unavailable):
                answer = await connection.call(
                    connection.authorization.GetApproval, step, timeout_seconds, repeatable=True
                )

    async def _ask(
        self, request: authorization_pb.AuthorizeRequest, timeout_seconds: float | None
    ) -> Decision:
        connection = self._connection
        response = await connection.call(
            connection.authorization.Authorize, request, timeout_seconds, repeatable=bool(request.request_id)
        )
        return connection.decision(response.decision)
