"""Writes the decision log: one JSON object per line, in the format of OPA's decision log.

In addition to OPA's fields a record has ``event`` ("intent" before something leaves the process or a change is made, "outcome"
after, "log" for what the log says about itself), ``operation``, ``request_id``, ``by`` (who made a change) and the hash
chain of :mod:`tabard_sidecar.records.chain`. docs/reference/decision-log.md lists every field.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.interfaces import DecisionRecord, Unverified
from tabard_sidecar.records.chain import Head, read_head
from tabard_sidecar.records.composing import Composer
from tabard_sidecar.records.masking import MaskError, apply_masks, erase_all
from tabard_sidecar.records.redaction import RecordRedaction
from tabard_sidecar.records.shortening import Draft, KnownParts, draft_of
from tabard_sidecar.records.sinks import Sink, SinkError, SinkFullError
from tabard_sidecar.records.unnamed import Unnamed
from tabard_sidecar.records.unverified import COUNT_SECONDS, UnverifiedBudget
from tabard_sidecar.records.verification import NOTE, removal_note
from tabard_sidecar.util.lean import dataclass

Mask = Callable[[bytes], Awaitable[Sequence[Any]]]
TraceIds = Callable[[], tuple[str, str] | None]

_RETRY_SECONDS = 1.0
_SEAL_BYTES = 1024  # more than the chain's fields take


@dataclass(frozen=True, slots=True)
class Hooks:
    """Functions of other components that contribute to a record.

    Attributes:
        mask: evaluates ``data.system.log.mask``; ``None`` if there is no policy.
        masks: tells whether the policy has a mask, so that a record needn't be written out to learn that it has none.
        trace_ids: returns trace id and span id of the current request, if it is traced.
        now: returns the time by which closed files are old enough to be removed; 0 while the clock can't be trusted.
    """

    mask: Mask | None = None
    masks: Callable[[], bool] = lambda: True
    trace_ids: TraceIds | None = None
    now: Callable[[], float] = time.time


class LogObserver(Protocol):
    """Receives the decision log's events."""

    def audit_written(self, event: str, size_bytes: int) -> None:
        """Note that a record was written."""
        ...

    def audit_failed(self, message: str) -> None:
        """Note that a record could not be written."""
        ...

    def audit_removed(self, files: Sequence[str]) -> None:
        """Note that closed files were removed."""
        ...

    def mask_failed(self, message: str) -> None:
        """Note that the mask of a record failed, so that everything was erased that a mask can erase."""
        ...


class SinkDecisionLog:
    """Writes records to a sink, masked and chained.

    Args:
        sink: receives the lines.
        labels: ``labels`` of every record; identify the sidecar.
        required: raise if a record can't be written, instead of only calling the observer.
        observer: called for every record.
        hooks: functions that contribute to a record.
        issuers: issuers whose tokens never stand in a record.
    """

    def __init__(  # noqa: PLR0913
        self,
        sink: Sink,
        *,
        labels: Mapping[str, str],
        required: bool,
        observer: LogObserver,
        hooks: Hooks | None = None,
        issuers: Collection[str] = (),
    ) -> None:
        self._sink = sink
        self._required = required
        self._observer = observer
        self._mask = hooks.mask if hooks else None
        self._masks = hooks.masks if hooks else bool
        self._now = hooks.now if hooks else time.time
        self._composer = Composer(labels, hooks.trace_ids if hooks else None)
        self._redact = RecordRedaction(issuers)
        self._known = KnownParts()
        self._unverified = UnverifiedBudget(time.monotonic)
        self._lock = asyncio.Lock()
        self._head: Head | None = None
        self._lost = 0
        self._lost_bytes = 0
        self._held: dict[str, int] = {}
        self._unnamed = Unnamed()
        self._stopped = False
        self._tidied_at = float("-inf")
        self._recovery: asyncio.Task[None] | None = None
        self._counting: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Open the sink and read the head of its chain.

        Raises:
            SinkError: the sink can't be opened.
        """
        if self._head is None:
            self._head = _continue(self._sink.last_line())

    async def start(self) -> None:
        """Remove what may be removed, and report a log that has no space, before anything is decided."""
        await self.tidy()
        self.look()

    def look(self) -> None:
        """Report a log that can't be written before a record is refused."""
        if self._recovery is None or self._recovery.done():
            try:
                self._sink.probe()
            except SinkError as error:
                self._failed(error, 0)

    def hold(self, decision_id: str, size: int) -> None:
        """Keep room for the records of a decision; see the interface."""
        if not self._required:
            return
        problem = "nothing can be written"
        if self._recovery is None or self._recovery.done():
            try:
                self._find_room(self._held_for_others(decision_id) + size)
            except SinkError as error:
                self._lost += 1
                self._failed(error, size)
                problem = str(error)
            else:
                self._held[decision_id] = size
                return
        message = (
            f"the decision log has no room, so nothing is taken for a decision: {problem}; free the sink"
        )
        raise NoDecision("UNAVAILABLE", "audit_unavailable", message)

    def _find_room(self, size: int) -> None:
        try:
            self._sink.check(size)
        except SinkFullError:
            # Writing the record removes what may be removed.
            if not self._sink.removable(self._now()):
                raise

    def _held_for_others(self, decision_id: str) -> int:
        return sum(self._held.values()) - self._held.get(decision_id, 0) if self._held else 0

    async def record(self, record: DecisionRecord) -> None:
        """Write one record. When this returns, the record has been passed to the kernel.

        Raises:
            NoDecision: the record wasn't written and the log is required.
        """
        draft = self._composer.compose(record)
        if self._mask is not None and record.by is None and self._masks():
            draft = await self._masked(draft, self._mask)
        done = record.event == "outcome"
        try:
            await self._append(
                record.event, draft.changed(self._redact), self._held_for_others(record.decision_id)
            )
        except SinkError as error:
            done = True
            self._unnamed.add(record)
            if self._required:
                message = f"the decision log can't be written: {error}; free the sink"
                raise NoDecision("UNAVAILABLE", "audit_unavailable", message) from error
        finally:
            if done:
                self._held.pop(record.decision_id, None)

    async def aside(self, record: DecisionRecord, room: int) -> bool:
        """Write a record that no decision waits for, if ``room`` bytes stay free after it; tell whether it was written.

        Whatever keeps it from being written is no failure of the log: decisions find that out themselves.
        """
        if self._recovery is not None and not self._recovery.done():
            return False
        draft = self._composer.compose(record)
        if self._mask is not None and self._masks():
            draft = await self._masked(draft, self._mask)
        try:
            async with self._lock:
                kept = room + self._held_for_others(record.decision_id)
                await self._seal(record.event, draft.changed(self._redact), room=kept)
        except SinkError:
            return False
        return True

    async def unverified(self, refusal: Unverified) -> None:
        """Note a refused request without a verified grant: a record in full, a short one, or only a count.

        Raises:
            NoDecision: the record wasn't written and the log is required.
        """
        self._held.pop(refusal.decision_id, None)
        record = self._unverified.record(refusal)
        if record is not None:
            await self.record(record)
        elif self._counting is None or self._counting.done():
            self._counting = asyncio.create_task(self._count_later())

    async def tidy(self) -> None:
        """Remove closed files that were kept for their time or shipped, after a note of that in the log."""
        with contextlib.suppress(SinkError):
            async with self._lock:
                await self._tidy()

    def reopen(self) -> None:
        """Reopen the sink at the next record, for example after an external rotation."""
        self._sink.reopen()

    async def stop(self) -> None:
        """Write the counts that are left, and close the sink."""
        self._stopped = True
        for task in (self._recovery, self._counting):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await self._count()
        self.close()

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()

    async def _append(self, event: str, draft: Draft, room: int = 0) -> None:
        """Write one record, and leave ``room`` bytes; if the log is full, try once to make room.

        Raises:
            SinkError: the record wasn't written.
        """
        async with self._lock:
            try:
                try:
                    await self._seal(event, draft, room=room)
                except SinkFullError:
                    if not await self._tidy():
                        raise
                    await self._seal(event, draft, room=room)
            except SinkError as error:
                self._lost += 1
                self._failed(error, len(draft.text()))
                raise

    def _failed(self, error: SinkError, size: int) -> None:
        """Report that the log can't be written, and try from now on whether it can."""
        self._lost_bytes = max(self._lost_bytes, size)
        self._observer.audit_failed(str(error))
        if not self._stopped and (self._recovery is None or self._recovery.done()):
            self._recovery = asyncio.create_task(self._recover())

    async def _seal(self, event: str, draft: Draft, *, own: bool = False, room: int = 0) -> None:
        self.open()
        written = None
        if draft.long:
            self._known.in_file(self._sink.place(draft.size + _SEAL_BYTES))
            body, written = self._known.shorten(draft)
        else:
            body = draft.text()
        if self._sink.terminal:
            body = _ascii(body)
        line, head = (self._head or Head.fresh()).seal(body)
        await self._sink.write(line, own=own, room=room)
        self._head = head
        if written is not None:
            self._known.stand(written, head)
        if not own:
            self._observer.audit_written(event, len(line))

    async def _note(self, result: Mapping[str, Any]) -> None:
        """Write what the log says about itself; the caller holds the lock."""
        await self._seal(NOTE, self._composer.note(NOTE, result, time.time()), own=True)

    async def _tidy(self) -> bool:
        """Remove files that may be removed; tell whether there were any. The caller holds the lock."""
        now = time.monotonic()
        if now < self._tidied_at + _RETRY_SECONDS:
            return False
        self._tidied_at = now
        removals = self._sink.removable(self._now())
        if not removals:
            return False
        await self._note(removal_note((one.path.name, one.head, one.reason) for one in removals))
        self._sink.remove(removals)
        self._observer.audit_removed([one.path.name for one in removals])
        return True

    async def _recover(self) -> None:
        """Try until the log can be written again, and note then how many records were refused."""
        broken = True
        while broken:
            await asyncio.sleep(_RETRY_SECONDS)
            with contextlib.suppress(SinkError):
                async with self._lock:
                    await self._tidy()
                    self._sink.probe()
                    lost = {"lost": self._lost, **self._unnamed.told()}
                    note = self._composer.note(NOTE, lost, time.time())
                    # With room for what was lost, or the log would be full again with the next record.
                    await self._seal(NOTE, note, room=self._lost_bytes + _SEAL_BYTES)
                    self._lost = self._lost_bytes = 0
                    self._unnamed.forget()
                    broken = False

    async def _count_later(self) -> None:
        await asyncio.sleep(COUNT_SECONDS)
        await self._count()

    async def _count(self) -> None:
        if self._unverified.counted:
            note = self._unverified.counts()
            with contextlib.suppress(SinkError):
                await self._append(NOTE, self._composer.note(NOTE, note, time.time()))

    async def _masked(self, draft: Draft, mask: Mask) -> Draft:
        """Return the record with policy's masks applied; if that fails, without anything that a mask can erase."""
        body = draft.text()
        try:
            masks = await mask(body + b"}")
            if not masks:
                return draft
            document = json.loads(body + b"}")
            apply_masks(document, masks)
        except (MaskError, NoDecision, ValueError, RecursionError) as error:
            self._observer.mask_failed(str(error))
            document = json.loads(body + b"}")
            erase_all(document)
        return draft_of(document)


def _ascii(body: bytes) -> bytes:
    """Return a JSON object without its last brace in ASCII, so that a terminal obeys nothing in it."""
    return json.dumps(json.loads(body + b"}"), separators=(",", ":")).encode()[:-1]


def _continue(last_line: bytes | None) -> Head:
    """Return the head to continue from. A file whose end isn't intact gets a new chain, which `audit verify` shows."""
    if last_line is None:
        return Head.fresh()
    try:
        return read_head(last_line)
    except ValueError:
        return Head.fresh()
