"""Reads the JSON of a tool call, after the caller's grant was verified.

Small JSON is read at once. Large JSON, of which 256 KiB may take a tenth of a second, is read in another thread: Python
takes the processor from it every few milliseconds, so other requests and health go on. Few are read at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from tabard.arguments import ArgumentsError, call_digest, canonical, parse_arguments

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.model import ToolCall
from tabard_sidecar.pipeline.requests import AuthorizeRequest

_INLINE_BYTES = 2 * 1024
"""Size of what is read at once: about two milliseconds at worst."""
_THREADS = 1
_MOST_LARGE = 64


class AskedCall(NamedTuple):
    """A tool call that was read, and what its caller asserts about it."""

    tool: ToolCall
    context: Mapping[str, Any]


class CallReader:
    """Reads calls; large ones in threads, a few at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="read")
        self._large = 0

    async def read(self, request: AuthorizeRequest) -> AskedCall:
        """Parse arguments and context strictly and compute the call's digest.

        Raises:
            NoDecision: the JSON is malformed, or too many large requests are being read.
        """
        if len(request.arguments_json) + len(request.context_json) <= _INLINE_BYTES:
            return _read(request)
        if self._large >= _MOST_LARGE:
            raise NoDecision(
                "RESOURCE_EXHAUSTED", "overloaded", f"{_MOST_LARGE} large requests are being read already"
            )
        self._large += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, _read, request)
        finally:
            self._large -= 1


def _read(request: AuthorizeRequest) -> AskedCall:
    try:
        field = "context_json"
        context = parse_arguments(request.context_json)
        field = "tool.arguments_json"
        arguments = parse_arguments(request.arguments_json)
        encoded = canonical(arguments)
    except ArgumentsError as error:
        problem = f"{field}: {error}"
        raise NoDecision("INVALID_ARGUMENT", "request_invalid", problem, told=problem) from error
    digest = call_digest(request.tool, request.server, encoded)
    return AskedCall(ToolCall(request.tool, request.server, arguments, encoded, digest), context)
