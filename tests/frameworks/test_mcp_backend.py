"""The page's extractor for MCP servers, in front of a real server over streamable HTTP, with a real client."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager

import httpx2
import mcp
import pytest
import uvicorn
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import Context, MCPServer
from tabard.testing import FakeIssuer
from tabard.verify import SqliteReplayStore, Verifier
from tabard.verify.asgi import TabardMiddleware

from tests.support import markdown
from tests.support.waiting import eventually

CALL = {"order": "A-17", "amount": 20}


def calls_of_the_page():
    namespace: dict = {}
    (code,) = [code for name, _, code in markdown.blocks("docs/backends.md") if name == "mcp"]
    markdown.run("from tabard.verify import NO_CREDENTIAL\n" + code, namespace)
    return namespace["calls"]


def shop(*, stateless: bool, json_response: bool):
    server = MCPServer("shop")

    @server.tool(name="refunds.create")
    async def create(order: str, amount: int, ctx: Context) -> str:
        who = ctx.request_context.request.scope["tabard"]
        return f"{amount} for {order}, on behalf of {who.subject.id}"

    @server.tool(name="refunds.cancel")
    async def cancel(order: str) -> str:
        raise AssertionError("reached")

    return server.streamable_http_app(stateless_http=stateless, json_response=json_response)


@asynccontextmanager
async def served(app):
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
    running = asyncio.create_task(server.serve([listener]))
    try:
        await eventually(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    finally:
        server.should_exit = True
        await running
        listener.close()


@pytest.fixture
def issuer():
    return FakeIssuer("refunds")


@pytest.fixture
def verifier(issuer, tmp_path):
    replay = SqliteReplayStore(tmp_path / "replay.sqlite3")
    yield Verifier(
        "refunds", issuer=issuer.name, jwks=issuer.write_jwks(tmp_path / "jwks.json"), replay=replay
    )
    replay.close()


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("stateless", [True, False])
@pytest.mark.parametrize("json_response", [True, False])
async def test_only_tool_calls_need_a_credential_and_each_needs_its_own(
    issuer, verifier, mode, stateless, json_response
):
    app = TabardMiddleware(
        shop(stateless=stateless, json_response=json_response), verifier, calls_of_the_page()
    )
    headers: dict[str, str] = {}

    async def add(request):
        request.headers.update(headers)

    async with (
        served(app) as url,
        httpx2.AsyncClient(event_hooks={"request": [add]}, timeout=10) as http,
        mcp.Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        assert {tool.name for tool in (await client.list_tools()).tools} == {
            "refunds.create",
            "refunds.cancel",
        }
        with pytest.raises(mcp.MCPError):
            await client.call_tool("refunds.create", CALL)
        token = issuer.jwt("refunds.create", CALL, single_use=True)
        headers["Authorization"] = f"Bearer {token}"
        result = await client.call_tool("refunds.create", CALL)
        assert result.content[0].text == "20 for A-17, on behalf of fake-subject"
        for name, arguments in (
            ("refunds.create", CALL),
            ("refunds.create", {**CALL, "amount": 21}),
            ("refunds.cancel", {"order": "A-17"}),
        ):
            with pytest.raises(mcp.MCPError):
                await client.call_tool(name, arguments)
        headers.clear()
        assert (await client.list_tools()).tools
