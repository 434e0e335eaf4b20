"""Guarded tools in a server of the Model Context Protocol, with a real client and a real sidecar."""

from __future__ import annotations

import re

import mcp
import mcp_types
import pydantic
import pytest
import tabard
from mcp.server.mcpserver import Context, MCPServer
from tabard.frameworks.mcp import elicit, tell_model

from tests.frameworks.conftest import CLOSED


class Receipt(pydantic.BaseModel):
    """A result that isn't text: the model can't be told a denial in its place."""

    text: str


class Payee(pydantic.BaseModel):
    name: str


def server_of(bank):
    server = MCPServer("bank")

    @server.tool()
    @tabard.guard("pay", ignore=["ctx"])
    def pay(to: str, cents: int, ctx: Context, credential: tabard.Credential = tabard.INJECTED) -> Receipt:
        """Pay a bill."""
        return Receipt(text=bank.pay(to, cents, credential))

    @server.tool()
    @tabard.guard(
        "pay", ignore=["ctx"], arguments=lambda payee, cents, *_: {"to": payee.name, "cents": cents}
    )
    async def pay_later(
        payee: Payee, cents: int, ctx: Context, credential: tabard.Credential = tabard.INJECTED
    ) -> Receipt:
        """Pay a bill later."""
        return Receipt(text=bank.pay(payee.name, cents, credential))

    return server


def arguments(name, to, cents):
    return {"to": to, "cents": cents} if name == "pay" else {"payee": {"name": to}, "cents": cents}


def text_of(result) -> str:
    (content,) = result.content
    return content.text


@pytest.fixture(params=["pay", "pay_later"])
def name(request):
    return request.param


async def test_the_tool_shows_no_credential_and_its_denial_is_an_error_for_the_model(bank, name):
    async with bank.task(on_denied=tell_model), mcp.Client(server_of(bank)) as client:
        (tool,) = [tool for tool in (await client.list_tools()).tools if tool.name == name]
        assert set(tool.input_schema["properties"]) == set(arguments(name, "", 0))
        allowed = await client.call_tool(name, arguments(name, "Bob", 5))
        denied = await client.call_tool(name, arguments(name, "ACME", 5))
    assert (allowed.is_error, allowed.structured_content) == (False, {"text": "paid 5 to Bob"})
    assert (denied.is_error, text_of(denied)) == (True, f"Error executing tool {name}: {CLOSED}")
    assert bank.paid == [("Bob", 5, "bank")]


@pytest.mark.parametrize("approve", [True, False])
async def test_an_approval_asks_the_clients_user(bank, name, approve):
    asked = []

    async def user(_context, params):
        asked.append(params.message)
        (approval_id,) = re.findall(r"approval ([^)\s]+)\)", params.message)
        await bank.decide(approval_id, approve=approve)
        return mcp_types.ElicitResult(action="accept", content={})

    async with (
        bank.task(on_denied=tell_model, on_approval=elicit),
        mcp.Client(server_of(bank), mode="legacy", elicitation_callback=user) as client,
    ):
        result = await client.call_tool(name, arguments(name, "Bob", 20_000))
    assert len(asked) == 1
    if approve:
        assert result.structured_content == {"text": "paid 20000 to Bob"}
    else:
        assert result.is_error
        assert "A person refused this call." in text_of(result)
        assert bank.paid == []


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_where_the_user_can_not_be_asked_the_model_is_told(bank, name, mode):
    async with (
        bank.task(on_denied=tell_model, on_approval=elicit),
        mcp.Client(server_of(bank), mode=mode) as client,
    ):
        result = await client.call_tool(name, arguments(name, "Bob", 20_000))
    assert result.is_error
    assert "A person must approve this call first" in text_of(result)
    assert bank.paid == []


async def test_a_user_who_confirms_without_a_decision_gets_nothing(bank, name):
    async def user(_context, _params):
        return mcp_types.ElicitResult(action="accept", content={})

    async with (
        bank.task(on_denied=tell_model, on_approval=elicit),
        mcp.Client(server_of(bank), mode="legacy", elicitation_callback=user) as client,
    ):
        result = await client.call_tool(name, arguments(name, "Bob", 20_000))
    assert result.is_error
    assert bank.paid == []
