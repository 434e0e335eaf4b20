"""Writes the decision log: one JSON object per line, in the format of OPA's decision log.

In addition to OPA's fields a record has ``event`` ("intent" before a credential is issued, "outcome" after),
``operation``, ``request_id`` and the hash chain of :mod:`tabard_sidecar.records.chain`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.interfaces import DecisionRecord
from tabard_sidecar.records.chain import Head, read_head
from tabard_sidecar.records.masking import MaskError, apply_masks
from tabard_sidecar.records.redaction import redact_json
from tabard_sidecar.records.sinks import Sink, SinkError
from tabard_sidecar.util.jsontext import encode

Mask = Callable[[bytes], Awaitable[Sequence[Any]]]
TraceIds = Callable[[], tuple[str, str] | None]

_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Hooks:
    """Functions of other components that contribute to a record.

    Attributes:
        mask: evaluates ``data.system.log.mask``; ``None`` if there is no policy.
        trace_ids: returns trace id and span id of the current request, if it is traced.
    """

    mask: Mask | None = None
    trace_ids: TraceIds | None = None


class LogObserver(Protocol):
    """Receives the decision log's events."""

    def audit_written(self, event: str, size_bytes: int) -> None:
        """Note that a record was written."""
        ...

    def audit_failed(self, message: str) -> None:
        """Note that a record could not be written."""
        ...

    def mask_failed(self, message: str) -> None:
        """Note that the mask of a record failed; its input and result were erased."""
        ...


class SinkDecisionLog:
    """Writes records to a sink, masked and chained.

    Args:
        sink: receives the lines.
        labels: ``labels`` of every record; identify the sidecar.
        required: raise if a record can't be written, instead of only calling the observer.
        observer: called for every record.
        hooks: functions that contribute to a record.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        labels: Mapping[str, str],
        required: bool,
        observer: LogObserver,
        hooks: Hooks | None = None,
    ) -> None:
        self._sink = sink
        self._prefix = b'{"labels":%b,' % encode(dict(labels))
        self._required = required
        self._observer = observer
        self._mask = hooks.mask if hooks else None
        self._trace_ids = hooks.trace_ids if hooks else None
        self._lock = asyncio.Lock()
        self._head: Head | None = None
        self._revision = ""
        self._bundles = b"{}"
        self._second = -1
        self._second_text = b""

    def open(self) -> None:
        """Open the sink and read the head of its chain.

        Raises:
            SinkError: the sink can't be opened.
        """
        if self._head is None:
            self._head = _continue(self._sink.last_line())

    async def record(self, record: DecisionRecord) -> None:
        """Write one record. When this returns, the record has been passed to the kernel.

        Raises:
            NoDecision: the record wasn't written and the log is required.
        """
        body = self._compose(record)
        if self._mask is not None:
            body = await self._masked(body, self._mask)
        body = redact_json(body)
        try:
            async with self._lock:
                self.open()
                line, head = (self._head or Head.fresh()).seal(body)
                await self._sink.write(line)
                self._head = head
        except SinkError as error:
            self._observer.audit_failed(str(error))
            if self._required:
                message = f"the decision log can't be written: {error}; free the sink or set audit.required to false"
                raise NoDecision("UNAVAILABLE", "audit_unavailable", message) from error
        else:
            self._observer.audit_written(record.event, len(line))

    def reopen(self) -> None:
        """Reopen the sink at the next record, for example after an external rotation."""
        self._sink.reopen()

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()

    def _compose(self, record: DecisionRecord) -> bytes:
        """Return the record as a JSON object without its last brace; the input's bytes are copied unchanged."""
        revision = record.policy_revision
        if revision != self._revision:
            self._revision = revision
            self._bundles = encode({"policy": {"revision": revision}} if revision else {})
        # Concatenated, because encoding a dictionary of all fields takes three times as long.
        parts = [
            b'%b"decision_id":%b,"event":%b,"operation":"%b","path":"tabard/decision","timestamp":"%b","bundles":%b,"result":%b'
            % (
                self._prefix,
                encode(record.decision_id),
                encode(record.event),
                record.operation.value.encode(),
                self._timestamp(record.timestamp),
                self._bundles,
                encode(record.result),
            )
        ]
        if record.request_id:
            parts.append(b',"request_id":%b' % encode(record.request_id))
        if record.metrics:
            parts.append(b',"metrics":%b' % encode(dict(record.metrics)))
        traced = self._trace_ids() if self._trace_ids is not None else None
        if traced is not None:
            parts.append(b',"trace_id":"%b","span_id":"%b"' % (traced[0].encode(), traced[1].encode()))
        if record.input_json:
            # In JSON a newline can only be between tokens, so it can be replaced; in the log it would end the record.
            given = record.input_json
            if b"\n" in given or b"\r" in given:
                given = given.replace(b"\n", b" ").replace(b"\r", b" ")
            parts += (b',"input":', given)
        return b"".join(parts)

    def _timestamp(self, seconds: float) -> bytes:
        """Format a time as RFC 3339 in UTC with nanoseconds, as OPA does."""
        whole = int(seconds)
        if whole != self._second:
            self._second, self._second_text = (
                whole,
                time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)).encode(),
            )
        return b"%b.%09dZ" % (self._second_text, int((seconds - whole) * _NANOSECONDS))

    async def _masked(self, body: bytes, mask: Mask) -> bytes:
        """Return the body with policy's masks applied; if that fails, without input and result."""
        try:
            masks = await mask(body + b"}")
            if not masks:
                return body
            document = json.loads(body + b"}")
            apply_masks(document, masks)
        except (MaskError, NoDecision, ValueError, RecursionError) as error:
            self._observer.mask_failed(str(error))
            document = json.loads(body + b"}")
            document["erased"] = [
                f"/{name}" for name in ("input", "result") if document.pop(name, None) is not None
            ]
            document["mask_error"] = True
        return encode(document)[:-1]


def _continue(last_line: bytes | None) -> Head:
    """Return the head to continue from. A file whose end isn't intact gets a new chain, which `audit verify` shows."""
    if last_line is None:
        return Head.fresh()
    try:
        return read_head(last_line)
    except ValueError:
        return Head.fresh()
