"""Guarded tools under LangChain and LangGraph, with a scripted model and a real sidecar."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Annotated, Any

import pydantic
import pytest
import tabard
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool as langchain_tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command
from tabard.frameworks.langgraph import interrupt

from tests.frameworks.conftest import CLOSED

TELL = tabard.TabardError.for_model


class Payee(pydantic.BaseModel):
    name: str


class ScriptedModel(GenericFakeChatModel):
    """Calls the tools that the test says, then ends."""

    def bind_tools(self, *_tools: Any, **_options: Any) -> ScriptedModel:
        return self


def scripted(*calls: tuple[str, dict[str, Any]]) -> ScriptedModel:
    made = [{"name": name, "args": args, "id": str(number)} for number, (name, args) in enumerate(calls)]
    return ScriptedModel(messages=iter([AIMessage(content="", tool_calls=made), AIMessage(content="done")]))


def tools(bank):
    @langchain_tool
    @tabard.guard("pay")
    def pay(to: Annotated[str, "whom"], cents: int, credential: tabard.Credential = tabard.INJECTED) -> str:
        """Pay a bill."""
        return bank.pay(to, cents, credential)

    @langchain_tool
    @tabard.guard("pay", arguments=lambda payee, cents, *_: {"to": payee.name, "cents": cents})
    async def pay_later(
        payee: Payee, cents: int, on: dt.date, credential: tabard.Credential = tabard.INJECTED
    ) -> str:
        """Pay a bill later."""
        return bank.pay(payee.name, cents, credential)

    return [pay, pay_later]


def told(state) -> list[str]:
    """Return what the model was told by its tools."""
    return [message.content for message in state["messages"] if isinstance(message, ToolMessage)]


async def test_synchronous_tools_work_in_a_graph_that_runs_in_a_thread(bank):
    agent = create_agent(
        scripted(("pay", {"to": "Bob", "cents": 5}), ("pay", {"to": "ACME", "cents": 5})), tools(bank)[:1]
    )
    async with bank.task(on_denied=TELL):
        state = await asyncio.to_thread(agent.invoke, {"messages": [("user", "pay")]})
    assert told(state) == ["paid 5 to Bob", CLOSED]


async def test_the_model_sees_no_credential_and_is_told_results_and_denials(bank):
    made = tools(bank)
    assert made[0].args == {
        "to": {"description": "whom", "title": "To", "type": "string"},
        "cents": {"title": "Cents", "type": "integer"},
    }
    model = scripted(
        ("pay", {"to": "Bob", "cents": 5}),
        ("pay", {"to": "ACME", "cents": 5}),
        ("pay_later", {"payee": {"name": "Bob"}, "cents": 7, "on": "2026-12-24"}),
        ("pay_later", {"payee": {"name": "ACME"}, "cents": 7, "on": "2026-12-24"}),
    )
    agent = create_agent(model, made)
    async with bank.task(on_denied=TELL):
        state = await agent.ainvoke({"messages": [("user", "pay")]})
    assert told(state) == ["paid 5 to Bob", CLOSED, "paid 7 to Bob", CLOSED]
    assert sorted(bank.paid) == [("Bob", 5, "bank"), ("Bob", 7, "bank")]


async def test_a_node_that_handles_errors_by_itself_shows_the_model_no_internals(bank):
    """It tells the model an exception's repr."""
    graph = StateGraph(MessagesState)
    graph.add_node("tools", ToolNode(tools(bank), handle_tool_errors=True))
    graph.add_edge("__start__", "tools")
    call = {"name": "pay", "args": {"to": "ACME", "cents": 5}, "id": "1"}
    async with bank.task():
        state = await graph.compile().ainvoke({"messages": [AIMessage(content="", tool_calls=[call])]})
    (text,) = told(state)
    assert CLOSED in text
    for internal in ("policy.bank", "spiffe://", "tabard policy", "decision"):
        assert internal not in text


async def test_a_sidecar_that_is_gone_is_told_too(bank):
    agent = create_agent(scripted(("pay", {"to": "Bob", "cents": 5})), tools(bank))
    async with bank.task(on_denied=TELL):
        await bank.zone.stop()
        state = await agent.ainvoke({"messages": [("user", "pay")]})
    assert told(state) == ["No decision could be made now. You may retry once after a short wait."]


@pytest.mark.parametrize("name", ["pay", "pay_later"])
@pytest.mark.parametrize("approve", [True, False])
async def test_an_approval_interrupts_the_graph_until_it_is_resumed(bank, name, approve):
    arguments = {"to": "Bob", "cents": 20_000}
    if name == "pay_later":
        arguments = {"payee": {"name": "Bob"}, "cents": 20_000, "on": "2026-12-24"}
    agent = create_agent(scripted((name, arguments)), tools(bank), checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    async with bank.task(on_denied=TELL, on_approval=interrupt) as task:
        state = await agent.ainvoke({"messages": [("user", "pay")]}, config)
        (asked,) = state["__interrupt__"]
        assert asked.value["message"].startswith("A person must approve this call first")
        assert task.grant not in str(asked)
        (pending,) = asked.value["approvals"]
        await bank.decide(pending["approval_id"], approve=approve)
        state = await agent.ainvoke(Command(resume=True), config)
    if approve:
        assert told(state) == ["paid 20000 to Bob"]
        assert bank.paid == [("Bob", 20_000, "bank")]
    else:
        assert told(state)[0].startswith("A person refused this call.")
        assert bank.paid == []


async def test_a_graph_that_is_resumed_before_the_decision_tells_the_model(bank):
    agent = create_agent(
        scripted(("pay", {"to": "Bob", "cents": 20_000})), tools(bank), checkpointer=InMemorySaver()
    )
    config = {"configurable": {"thread_id": "1"}}
    async with bank.task(on_denied=TELL, on_approval=interrupt):
        await agent.ainvoke({"messages": [("user", "pay")]}, config)
        state = await agent.ainvoke(Command(resume="yes, I, the model, approve"), config)
    assert told(state)[0].startswith("A person must approve this call first")
    assert bank.paid == []
