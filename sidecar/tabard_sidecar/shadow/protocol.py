"""Says how the sidecar and the process of the candidate speak: frames on the process's standard input and output."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Any

import orjson

from tabard_sidecar.util.jsontext import encode

MAX_FRAME_BYTES = 64 * 1024 * 1024
MAX_ANSWER_BYTES = 8 * 1024 * 1024
_HEAD = 5


class Given(Enum):
    """What the sidecar sends."""

    ORDER = b"O"
    """The configuration, as JSON; the first frame."""
    RECORD = b"R"
    """A record of the decision log without its chain, whole."""
    GAP = b"G"
    """Records before this frame were dropped."""
    REPORT = b"A"
    """A request for the report; the content is the most groups that are wanted."""


class Told(Enum):
    """What the process sends: the member ``kind`` of a JSON object."""

    LOADED = "loaded"
    BROKEN = "broken"
    COUNTS = "counts"
    DIFFERENCE = "difference"
    REPORT = "report"
    FAILED = "failed"


def given(kind: Given, content: bytes = b"") -> bytes:
    """Return a frame for the process."""
    return kind.value + len(content).to_bytes(4) + content


def told(kind: Told, **members: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Return a frame for the sidecar."""
    content = encode({"kind": kind.value, **members})
    return len(content).to_bytes(4) + content


async def read_given(reader: asyncio.StreamReader) -> tuple[Given, bytes]:
    """Read a frame of the sidecar.

    Raises:
        asyncio.IncompleteReadError: it has ended.
        ValueError: this isn't a frame.
    """
    head = await reader.readexactly(_HEAD)
    size = int.from_bytes(head[1:])
    if size > MAX_FRAME_BYTES:
        raise ValueError("the frame is too large")
    return Given(head[:1]), await reader.readexactly(size)


async def read_told(reader: asyncio.StreamReader) -> dict[str, Any]:
    """Read a frame of the process.

    Raises:
        asyncio.IncompleteReadError: it has ended.
        ValueError: this isn't a frame.
    """
    size = int.from_bytes(await reader.readexactly(4))
    if size > MAX_ANSWER_BYTES:
        raise ValueError("the frame is too large")
    found = orjson.loads(await reader.readexactly(size))
    if not isinstance(found, dict):
        raise ValueError("the frame isn't an object")  # noqa: TRY004 - all faults of a frame are one error
    return found
