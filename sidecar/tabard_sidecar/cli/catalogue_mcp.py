"""Asks a server of the Model Context Protocol for its tools, for ``tabard catalogue from-mcp``."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tabard.address import is_loopback
from tabard.files import read_regular

from tabard_sidecar import exit_codes
from tabard_sidecar.cli.mcp_bounds import Received, within
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.terminal import visible
from tabard_sidecar.policy.loading.documents import MAX_BYTES, DocumentError, parse_json

_MAX_PAGES = 100
_MAX_TOOLS = 5000
_REASON_CHARACTERS = 300
_KEYS = ("name", "title", "description", "inputSchema", "annotations")


def tools_of(
    command: Sequence[str], server: str, token: str, timeout_seconds: float
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the tools of a server or of its saved answer, and notes on what needs attention.

    Raises:
        Failure: the client isn't installed, the server doesn't answer as it should, or the file holds no answer.
    """
    if len(command) == 1 and command[0].endswith(".json"):
        return _saved(Path(command[0]), server), []
    try:
        import mcp  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise Failure(
            "the client for MCP servers isn't installed",
            exit_codes.USAGE,
            next_step="Run: pip install 'tabard-sidecar[mcp]'. Or save the server's tools/list answer as FILE.json, "
            "and name that in place of the server.",
        ) from error
    if token and command[0].startswith("http://") and not is_loopback(urlsplit(command[0]).hostname or ""):
        raise Failure(
            "a token isn't sent over plain HTTP to another machine",
            exit_codes.USAGE,
            where=command[0],
            next_step="Use the server's https:// address.",
        )
    received = Received()
    try:
        found = asyncio.run(asyncio.wait_for(_listed(command, token, received), timeout_seconds))
    except Exception as error:
        raise Failure(
            f"the server's tools can't be listed: {received.problem or _reason(error, timeout_seconds)}",
            exit_codes.UNREACHABLE,
            where=" ".join(command),
            next_step="Check that the server starts and answers, and look at what it wrote above.",
        ) from error
    return [_described(tool, server) for tool in found], []


def _saved(path: Path, server: str) -> list[dict[str, Any]]:
    """Return the tools of a saved answer to ``tools/list``: the response, its result, or the list alone."""
    try:
        document = parse_json(read_regular(path, MAX_BYTES)[0])
    except (OSError, DocumentError) as error:
        problem = error.message if isinstance(error, DocumentError) else error.strerror
        code = exit_codes.USAGE if isinstance(error, FileNotFoundError) else exit_codes.NEGATIVE
        raise Failure(f"the answer can't be read: {problem}", code, where=str(path)) from error
    for key in ("result", "tools"):
        if isinstance(document, dict) and document.get("nextCursor"):
            raise Failure(
                "the answer is one page of several: nextCursor is set",
                exit_codes.NEGATIVE,
                where=str(path),
                next_step="Save every page, and put the tools of all into one list.",
            )
        document = document.get(key, document) if isinstance(document, dict) else document
    if not isinstance(document, list) or not all(isinstance(one, dict) and "name" in one for one in document):
        raise Failure(
            "the file holds no list of tools",
            exit_codes.NEGATIVE,
            where=str(path),
            next_step='Save the answer to tools/list: {"tools": [...]}.',
        )
    return [_described(tool, server) for tool in document]


def _reason(error: BaseException, timeout_seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_seconds:g} s"
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {visible(str(error), _REASON_CHARACTERS)}"


async def _listed(command: Sequence[str], token: str, received: Received) -> list[dict[str, Any]]:
    import mcp  # noqa: PLC0415 - see above

    # The libraries' log lines quote the server; without a handler they would reach the terminal as they are.
    logging.getLogger().addHandler(logging.NullHandler())
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(mcp.Client(await _target(command, token, received, stack)))
        tools: list[dict[str, Any]] = []
        cursor: str | None = None
        for _ in range(_MAX_PAGES):
            page = await client.list_tools(cursor=cursor)
            tools += [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in page.tools]
            cursor = page.next_cursor
            if not cursor or len(tools) > _MAX_TOOLS:
                break
        if cursor or len(tools) > _MAX_TOOLS:
            raise ValueError(
                f"it offers more than {_MAX_TOOLS} tools, or more than {_MAX_PAGES} pages of them"
            )
        return tools


async def _target(command: Sequence[str], token: str, received: Received, stack: AsyncExitStack) -> Any:  # noqa: ANN401 - mcp's
    if len(command) == 1 and command[0].startswith(("http://", "https://")):
        import httpx2  # noqa: PLC0415 - comes with mcp
        from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415

        client = await stack.enter_async_context(
            httpx2.AsyncClient(
                headers={
                    "Accept-Encoding": "identity",
                    **({"Authorization": f"Bearer {token}"} if token else {}),
                },
                timeout=None,
                # A proxy of the environment would read the token in plain http.
                trust_env=not token or command[0].startswith("https://"),
                event_hooks={"response": [received.bound]},
            )
        )
        return streamable_http_client(command[0], http_client=client)
    from mcp.client.stdio import StdioServerParameters, stdio_client  # noqa: PLC0415

    environment = {name: value for name, value in os.environ.items() if not name.startswith("TABARD_")}
    first, *rest = within(command)
    program = StdioServerParameters(command=first, args=rest, env=environment)
    return stdio_client(program, errlog=sys.stderr)


def _described(tool: dict[str, Any], server: str) -> dict[str, Any]:
    described = {key: tool[key] for key in _KEYS if key in tool}
    if server:
        described = {"name": described["name"], "server": server, **described}
    return described
