"""Replays tasks side by side: each process has its share of the tasks, so that each task keeps its order."""

from __future__ import annotations

import asyncio
import queue
import signal
from collections.abc import Iterable, Iterator
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import Queue
from typing import Any
from zlib import crc32

from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem
from tabard_sidecar.replay.judging import Plan, judging
from tabard_sidecar.replay.recorded import Recorded
from tabard_sidecar.replay.report import Report, summed

_BATCH = 100
_WAITING_BATCHES = 4
_LOOK_SECONDS = 1.0


class ReplayError(Exception):
    """A process of the replay failed; the message says how."""


def replay(plan: Plan, items: Iterable[Recorded], jobs: int) -> Report:
    """Return what a plan finds in recorded decisions.

    Args:
        plan: how to replay.
        items: decisions and outcomes by their time.
        jobs: number of processes; one replays in this process.

    Raises:
        PolicyBrokenError: a policy can't be used.
        ReplayError: a process failed.
    """
    if jobs <= 1:
        with judging(plan) as judge:
            asyncio.run(judge.judge(items))
            return judge.report
    pool = _Pool(plan, jobs)
    try:
        for batch in _batches(items, jobs):
            pool.give(*batch)
        return summed(pool.finish(), plan.most_examples)
    finally:
        pool.stop()


def _batches(items: Iterable[Recorded], jobs: int) -> Iterator[tuple[int, list[Recorded]]]:
    """Yield the number of a process with decisions for it; all of a task go to one."""
    batches: list[list[Recorded]] = [[] for _ in range(jobs)]
    for item in items:
        number = crc32((item.task_id or item.decision_id).encode()) % jobs
        batches[number].append(item)
        if len(batches[number]) >= _BATCH:
            yield number, batches[number]
            batches[number] = []
    yield from ((number, batch) for number, batch in enumerate(batches) if batch)


class _Pool:
    """The processes of a replay, each with a queue of its own."""

    def __init__(self, plan: Plan, jobs: int) -> None:
        context = get_context("spawn")
        self._found: Queue[tuple[int, Any]] = context.Queue()
        self._queues: list[Queue[list[Recorded] | None]] = [
            context.Queue(_WAITING_BATCHES) for _ in range(jobs)
        ]
        self._processes: list[SpawnProcess] = []
        for number, own in enumerate(self._queues):
            process = context.Process(target=_work, args=(number, plan, own, self._found), daemon=True)
            process.start()
            self._processes.append(process)

    def give(self, number: int, batch: list[Recorded] | None) -> None:
        """Give decisions to a process, as soon as it has room for them.

        Raises:
            PolicyBrokenError: it couldn't use a policy.
            ReplayError: it failed.
        """
        while True:
            try:
                self._queues[number].put(batch, timeout=_LOOK_SECONDS)
            except queue.Full:
                self._require_alive(number)
            else:
                return

    def finish(self) -> list[Report]:
        """Return what each process found, after all decisions were given.

        Raises:
            PolicyBrokenError: one couldn't use a policy.
            ReplayError: one failed.
        """
        for number in range(len(self._processes)):
            self.give(number, None)
        found: dict[int, Report] = {}
        while len(found) < len(self._processes):
            try:
                number, report = self._found.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                for number in range(len(self._processes)):
                    if number not in found:
                        self._require_alive(number)
            else:
                found[number] = _checked(report)
        return [found[number] for number in sorted(found)]

    def stop(self) -> None:
        """End every process, whatever still waits for it."""
        for own in self._queues:
            own.cancel_join_thread()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()

    def _require_alive(self, number: int) -> None:
        if self._processes[number].is_alive():
            return
        try:
            sender, sent = self._found.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            code = self._processes[number].exitcode
            raise ReplayError(f"process {number + 1} of the replay ended with code {code}") from None
        # It may be another one's.
        self._found.put((sender, _checked(sent)))


def _checked(found: Any) -> Report:  # noqa: ANN401 - what a process sent
    """Return a process's report.

    Raises:
        PolicyBrokenError: it sent problems of a policy instead.
        ReplayError: it sent a message instead.
    """
    match found:
        case Report():
            return found
        case [PolicyProblem(), *_]:
            raise PolicyBrokenError(found)
        case _:
            raise ReplayError(str(found))


def _work(
    number: int, plan: Plan, given: Queue[list[Recorded] | None], found: Queue[tuple[int, Any]]
) -> None:
    """Run one process: judge what is given until nothing more comes, then send the report."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that reads is interrupted, and ends this one
    try:
        found.put((number, _judged(plan, given)))
    except PolicyBrokenError as error:
        found.put((number, list(error.problems)))
    except Exception as error:  # noqa: BLE001 - whatever it was, the other process tells it
        found.put((number, f"process {number + 1} of the replay failed: {type(error).__name__}: {error}"))


def _judged(plan: Plan, given: Queue[list[Recorded] | None]) -> Report:
    with judging(plan) as judge, asyncio.Runner() as loop:
        while (batch := given.get()) is not None:
            loop.run(judge.judge(batch))
        return judge.report
