"""Runs every decision: opens its record, does the work, closes the record, counts the decision."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from time import perf_counter
from typing import Any

from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.interfaces import Clock, DecisionLog, Observer
from tabard_sidecar.model import Operation
from tabard_sidecar.pipeline.recorder import Answer, DecisionRecorder
from tabard_sidecar.pipeline.taken import TRIES_AFTER


class DecisionRunner:
    """Runs the work of a decision between the opening and the closing of its record.

    Args:
        log: the decision log.
        observer: receives the decision and its duration.
        clock: time in seconds since the epoch.
    """

    def __init__(self, log: DecisionLog, observer: Observer, clock: Clock) -> None:
        self._log = log
        self._observer = observer
        self._clock = clock
        self._running: set[asyncio.Task[None]] = set()

    async def run(
        self,
        operation: Operation,
        work: Callable[[DecisionRecorder], Awaitable[Answer]],
        *,
        asked: Callable[[], bytes],
        request_id: str = "",
        paced: bool = False,
    ) -> Answer:
        """Return the answer of ``work``; a refusal becomes a deny.

        ``paced`` work pauses before it is recorded, so that the works of the same rounds are recorded after each other.

        Raises:
            NoDecision: no decision could be made or recorded.
        """
        with self._observer.decision(operation):
            return await self._run(operation, work, asked, request_id, paced=paced)

    async def _run(
        self,
        operation: Operation,
        work: Callable[[DecisionRecorder], Awaitable[Answer]],
        asked: Callable[[], bytes],
        request_id: str,
        *,
        paced: bool,
    ) -> Answer:
        began = perf_counter()
        recorder = DecisionRecorder(self._log, self._clock, operation, asked, request_id=request_id)
        try:
            answer = await work(recorder)
        except Refused as refusal:
            answer = Answer(recorder.refused(refusal))
            if recorder.taken.something:
                await self._apart(recorder.give_back())
        except (Exception, asyncio.CancelledError) as error:
            await self._failed(recorder, error)
            raise
        try:
            if paced and not recorder.left:
                await recorder.pause()
            with self._observer.stage("record"):
                await recorder.close(answer)
        except asyncio.CancelledError as error:
            # Not recorded, so not given either: nothing is cancelled after a record was written.
            await self._apart(recorder.settle(error) if recorder.taken.something else recorder.close(answer))
            raise
        except Exception:
            await self._apart(recorder.give_back())
            raise
        recorder.taken.commit()
        self._observer.decided(
            operation,
            answer.decision,
            perf_counter() - began - recorder.waited,
            task_id=recorder.task_id or (answer.verified.task.id if answer.verified is not None else ""),
            tool=recorder.tool,
        )
        return answer

    async def settled(self) -> None:
        """Wait for the records of decisions whose callers have gone."""
        while self._running:
            await asyncio.wait(self._running)

    async def _failed(self, recorder: DecisionRecorder, error: BaseException) -> None:
        """Record a decision that failed, if it has begun to take something or failed by a defect."""
        if isinstance(error, NoDecision | asyncio.CancelledError) and not recorder.unfinished:
            return
        error.add_note(f"decision {recorder.decision_id}")
        if isinstance(error, asyncio.CancelledError):
            await self._apart(recorder.settle(error, TRIES_AFTER))
        elif recorder.taken.unsure:
            # The store doesn't answer; the caller needn't wait for it once more.
            self._start(recorder.settle(error, TRIES_AFTER[-1:]))
        else:
            await self._apart(recorder.settle(error))

    async def _apart(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what must be done although the caller may be, or have been, cancelled."""
        await asyncio.shield(self._start(work))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task
