"""Tries the candidate policy in a process of its own: ``python -m tabard_sidecar.shadow.worker``.

Reads frames of :mod:`.protocol` from standard input until it ends, and answers on standard output. It follows the candidate's
files itself. What it keeps of tasks begins anew when the candidate changes, and when records were dropped: the sidecar's own
state is in the recorded inputs, so nothing is guessed.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import BinaryIO

import orjson
from tabard_opa import Engine

from tabard_sidecar.config import Settings, compile_options
from tabard_sidecar.policy.catalogue import Catalogue
from tabard_sidecar.policy.catalogue_source import create_catalogue
from tabard_sidecar.policy.loading.sources import fingerprint
from tabard_sidecar.policy.problems import PolicyBrokenError
from tabard_sidecar.records.reading import Joining
from tabard_sidecar.replay.judging import Difference, Judge
from tabard_sidecar.replay.not_replayable import Why
from tabard_sidecar.replay.recorded import Skipped, recorded
from tabard_sidecar.replay.report import Report
from tabard_sidecar.replay.world import Documents, ReplayedPolicy, World, compiled_source
from tabard_sidecar.shadow.candidate import candidate_fingerprint, read_base, read_candidate
from tabard_sidecar.shadow.memory import MEBIBYTE, MemoryBound
from tabard_sidecar.shadow.protocol import Given, Told, read_given, told
from tabard_sidecar.util.malformed import MALFORMED
from tabard_sidecar.util.rarely import PerWindow

MOST_DIFFERENCES, DIFFERENCES_SECONDS = 200, 10.0
"""Most differences that are told one by one in so many seconds; others are in the counts and the report."""
MOST_EXAMPLES = 3
_DEADLINE_SECONDS = 1.0
_COUNTS_SECONDS = 0.25
_NICE = 10
_PROBLEMS = 20


class Worker:
    """Replays records with the candidate as they come.

    Args:
        settings: the sidecar's configuration.
        engine: compiles.
        output: where frames go.
        memory: looks at the process's memory while it works.
    """

    def __init__(self, settings: Settings, engine: Engine, output: BinaryIO, memory: MemoryBound) -> None:
        self._settings = settings
        self._memory = memory
        self._engine = engine
        self._output = output
        self._stack = ExitStack()
        self._policy: ReplayedPolicy | None = None
        self._judge: Judge | None = None
        self._joining = Joining()
        self._window = PerWindow(MOST_DIFFERENCES, DIFFERENCES_SECONDS, 1)
        self._unrecorded = 0
        self._seen: object = None
        self._look_at = 0.0
        self._counts_at = 0.0
        self._counted = True

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Work until the input ends."""
        with self._stack:
            reading = asyncio.ensure_future(read_given(reader))
            while True:
                self._look()
                # An idle process wakes only to look at the candidate's files.
                idle = max(_COUNTS_SECONDS, self._settings.policy.poll_seconds)
                done, _ = await asyncio.wait({reading}, timeout=idle if self._counted else _COUNTS_SECONDS)
                self._tell_counts()
                if not done:
                    continue
                try:
                    kind, content = reading.result()
                except asyncio.IncompleteReadError:
                    return
                reading = asyncio.ensure_future(read_given(reader))
                with self._memory.watched():
                    await self._take(kind, content)

    async def _take(self, kind: Given, content: bytes) -> None:
        if kind is Given.RECORD:
            await self._record(content)
        elif kind is Given.GAP:
            self._begin()
        elif kind is Given.REPORT:
            self._send(Told.REPORT, report=self._report(int(content)))

    async def _record(self, content: bytes) -> None:
        judge = self._judge
        if judge is None:
            return
        self._counted = False
        try:
            for entry in self._joining.add(orjson.loads(content)):
                item = recorded(entry)
                if not isinstance(item, Skipped):
                    await judge.judge([item])
        except MALFORMED:
            # What an agent sends must not be able to end the process.
            judge.report.not_replayable[Why.MALFORMED] += 1

    def _look(self) -> None:
        """Load the candidate if its files, or the catalogue's, changed. Checked at most once in ``policy.poll_seconds``."""
        now = monotonic()
        if now < self._look_at:
            return
        self._look_at = now + self._settings.policy.poll_seconds
        catalogue = self._settings.catalogue.path
        seen = (
            candidate_fingerprint(self._settings.policy),
            None if catalogue is None else fingerprint(catalogue),
        )
        if seen != self._seen:
            self._seen = seen
            with self._memory.watched():
                self._load()

    def _load(self) -> None:
        self._stack.close()
        self._policy = self._judge = None
        base = read_base(self._engine, self._settings.policy)
        try:
            catalogue = create_catalogue(self._settings.catalogue)
            revision = self._compile(catalogue)
        except PolicyBrokenError as error:
            self._send(Told.BROKEN, problems=[str(problem) for problem in error.problems[:_PROBLEMS]])
            return
        self._begin(fresh=True)
        self._send(Told.LOADED, revision=revision, base=base)

    def _compile(self, catalogue: Catalogue) -> str:
        source = read_candidate(self._engine, self._settings.policy)
        # In a process of its own first, as for the policy: what can't be compiled within bounds is broken, not started again.
        options = replace(compile_options(self._settings, catalogue), apart=True)
        deadline = max(_DEADLINE_SECONDS, self._settings.policy.deadline_seconds)
        self._policy = self._stack.enter_context(
            compiled_source(
                self._engine,
                source,
                options,
                catalogue,
                Documents({}, source.data),
                deadline_seconds=deadline,
            )
        )
        return source.revision

    def _begin(self, *, fresh: bool = False) -> None:
        """Forget what the candidate did to tasks; with ``fresh`` what it was counted for, too."""
        if self._policy is None:
            return
        report = None if fresh or self._judge is None else self._judge.report
        self._joining = Joining()
        self._judge = Judge(World(self._policy, stateless=False), None, MOST_EXAMPLES, self._difference)
        if report is not None:
            self._judge.report = report
        if fresh:
            self._unrecorded = 0
        self._counted = False

    def _difference(self, found: Difference) -> None:
        may, _ = self._window.take("", monotonic())
        if not may:
            self._unrecorded += 1
            return
        item, about = found.recorded, found.recorded.about
        self._send(
            Told.DIFFERENCE,
            decision_id=item.decision_id,
            operation=item.operation,
            task_id=item.task_id,
            agent=about.agent,
            person=about.person,
            tool=about.tool,
            server=about.server,
            revision=item.revision,
            changes=[change.value for change in found.changes],
            by_state=found.carried,
            before=_brief(found.before.as_json()),
            now=_brief(found.now.as_json()),
        )

    def _tell_counts(self) -> None:
        now = monotonic()
        if self._counted or self._judge is None or now < self._counts_at:
            return
        self._counts_at, self._counted = now + _COUNTS_SECONDS, True
        report = self._judge.report
        self._send(
            Told.COUNTS,
            decided=report.decided,
            changed=report.changed,
            changes={change.value: count for change, count in report.totals().items()},
            not_decided=dict(report.not_replayable),
            unrecorded=self._unrecorded,
        )

    def _report(self, most_groups: int) -> dict[str, object]:
        report = self._judge.report if self._judge is not None else Report(MOST_EXAMPLES)
        found = report.as_json()
        found["more_groups"] = max(0, len(found["groups"]) - most_groups)
        found["groups"] = found["groups"][:most_groups]
        return found

    def _send(self, kind: Told, **members: object) -> None:
        self._output.write(told(kind, **members))
        self._output.flush()


def _brief(verdict: dict[str, object]) -> dict[str, object]:
    """Return a verdict for the decision log: of facts, which may hold an agent's words, the names only."""
    facts = verdict.get("facts")
    return verdict | {"facts": sorted(facts)} if isinstance(facts, dict) else verdict


async def _main(output: BinaryIO) -> None:
    def tell(message: str) -> None:
        output.write(told(Told.FAILED, message=message))
        output.flush()

    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        _, order = await read_given(reader)
        settings = Settings.model_validate_json(order)
        if settings.policy.shadow is None:
            return
        most = settings.policy.shadow.max_memory_mib * MEBIBYTE
        with Engine(memory_limit_bytes=most // 4 * 3) as engine:
            memory = MemoryBound(most, tell)
            memory.start()
            await Worker(settings, engine, output, memory).run(reader)
    except asyncio.IncompleteReadError:
        return
    except BrokenPipeError:
        return
    except Exception as error:  # noqa: BLE001 - whatever it was, the sidecar tells it
        tell(f"{type(error).__name__}: {error}")


def main() -> None:
    """Work until the input ends."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The first that the kernel ends if memory gets short, and the last that gets a processor.
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    os.nice(_NICE)
    output = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    asyncio.run(_main(output))


if __name__ == "__main__":
    main()
