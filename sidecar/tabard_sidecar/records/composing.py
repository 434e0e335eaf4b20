"""Puts records together as JSON."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from tabard_sidecar.interfaces import DecisionRecord
from tabard_sidecar.records.shortening import Draft
from tabard_sidecar.util.jsontext import encode

_NANOSECONDS = 1_000_000_000


class Composer:
    """Composes records without their chain.

    Args:
        labels: ``labels`` of every record.
        trace_ids: returns trace id and span id of the current request, if it is traced.
    """

    def __init__(
        self, labels: Mapping[str, str], trace_ids: Callable[[], tuple[str, str] | None] | None
    ) -> None:
        self._prefix = b'{"labels":%b,' % encode(dict(labels))
        self._trace_ids = trace_ids
        self._revision = ""
        self._bundles = b"{}"
        self._second = -1
        self._second_text = b""

    def compose(self, record: DecisionRecord) -> Draft:
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
                record.operation.encode(),
                self._timestamp(record.timestamp),
                self._bundles,
                encode(record.result),
            )
        ]
        if record.root_holder:
            parts.append(b',"root_holder":%b' % encode(record.root_holder))
        if record.by is not None:
            parts.append(b',"by":%b' % encode(dict(record.by)))
        if record.request_id:
            parts.append(b',"request_id":%b' % encode(record.request_id))
        if record.metrics:
            parts.append(b',"metrics":%b' % encode(dict(record.metrics)))
        traced = self._trace_ids() if self._trace_ids is not None else None
        if traced is not None:
            parts.append(b',"trace_id":"%b","span_id":"%b"' % (traced[0].encode(), traced[1].encode()))
        if record.input_json:
            parts.append(b',"input":')
        if record.input_parts:
            return Draft(b"".join(parts), record.input_parts)
        # In JSON a newline can only be between tokens, so it can be replaced; in the log it would end the record.
        given = record.input_json
        if b"\n" in given or b"\r" in given:
            given = given.replace(b"\n", b" ").replace(b"\r", b" ")
        return Draft(b"".join((*parts, given)))

    def note(self, event: str, result: Mapping[str, Any], now: float) -> Draft:
        """Return what the log says about itself, without the last brace."""
        return Draft(
            b'%b"event":%b,"timestamp":"%b","result":%b'
            % (self._prefix, encode(event), self._timestamp(now), encode(dict(result)))
        )

    def _timestamp(self, seconds: float) -> bytes:
        """Format a time as RFC 3339 in UTC with nanoseconds, as OPA does."""
        whole = int(seconds)
        if whole != self._second:
            self._second, self._second_text = (
                whole,
                time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)).encode(),
            )
        return b"%b.%09dZ" % (self._second_text, int((seconds - whole) * _NANOSECONDS))
