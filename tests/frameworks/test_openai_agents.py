"""Guarded tools under the OpenAI Agents SDK, with a scripted model and a real sidecar."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import agents
import pydantic
import pytest
import tabard
from agents.items import ModelResponse
from agents.models.interface import Model
from agents.tool_context import ToolContext
from agents.usage import Usage
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText
from tabard.frameworks.openai_agents import function_tool

from tests.frameworks.conftest import CLOSED


class Payee(pydantic.BaseModel):
    name: str


class ScriptedModel(Model):
    """Calls the tools that the test says, then ends."""

    def __init__(self, *calls: tuple[str, dict[str, Any]]) -> None:
        self._calls = list(calls)

    async def get_response(self, *_args: Any, **_options: Any) -> ModelResponse:
        output: list[Any] = [
            ResponseFunctionToolCall(
                call_id=f"call-{number}", name=name, arguments=json.dumps(arguments), type="function_call"
            )
            for number, (name, arguments) in enumerate(self._calls)
        ]
        self._calls.clear()
        if not output:
            text = ResponseOutputText(text="done", type="output_text", annotations=[])
            output = [
                ResponseOutputMessage(
                    id="m", content=[text], role="assistant", status="completed", type="message"
                )
            ]
        return ModelResponse(output=output, usage=Usage(), response_id=None)

    def stream_response(self, *_args: Any, **_options: Any) -> Any:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def no_traces():
    agents.set_tracing_disabled(disabled=True)


def pay_of(bank):
    @tabard.guard("pay")
    def pay(to: str, cents: int, credential: tabard.Credential = tabard.INJECTED) -> str:
        """Pay a bill."""
        return bank.pay(to, cents, credential)

    return pay


def pay_later_of(bank):
    @tabard.guard(
        "pay", ignore=("ctx",), arguments=lambda _, payee, cents: {"to": payee.name, "cents": cents}
    )
    async def pay(
        ctx: ToolContext[Any], payee: Payee, cents: int, credential: tabard.Credential = tabard.INJECTED
    ) -> str:
        """Pay a bill."""
        assert ctx.tool_name == "pay"
        return bank.pay(payee.name, cents, credential)

    return pay


def arguments(kind, to, cents):
    return {"to": to, "cents": cents} if kind is pay_of else {"payee": {"name": to}, "cents": cents}


def told(result) -> list[str]:
    """Return what the model was told by its tools."""
    return [item.output for item in result.new_items if isinstance(item, agents.ToolCallOutputItem)]


KINDS = pytest.mark.parametrize("kind", [pay_of, pay_later_of], ids=["sync", "async with context"])


@KINDS
@pytest.mark.parametrize("plain", [True, False])
async def test_the_model_is_told_results_and_denials(bank, kind, plain):
    """By Agents' own decorator with a connection's on_denied, and by ours without."""
    made = (agents.function_tool if plain else function_tool)(kind(bank))
    assert set(made.params_json_schema["properties"]) == set(arguments(kind, "", 0))
    model = ScriptedModel(("pay", arguments(kind, "Bob", 5)), ("pay", arguments(kind, "ACME", 5)))
    agent = agents.Agent(name="payer", tools=[made], model=model)
    async with bank.task(on_denied=tabard.TabardError.for_model if plain else None):
        result = await agents.Runner.run(agent, "pay")
    assert told(result) == ["paid 5 to Bob", CLOSED]
    assert bank.paid == [("Bob", 5, "bank")]


@KINDS
@pytest.mark.parametrize("approve", [True, False])
async def test_an_approval_interrupts_the_run_until_it_is_resumed(bank, kind, approve):
    model = ScriptedModel(("pay", arguments(kind, "Bob", 20_000)), ("pay", arguments(kind, "Eve", 5)))
    agent = agents.Agent(name="payer", tools=[function_tool(kind(bank))], model=model)
    async with bank.task() as task:
        result = await agents.Runner.run(agent, "pay")
        (item,) = result.interruptions
        state = result.to_state()
        needed = await task.decide(tabard.ToolCall("pay", {"to": "Bob", "cents": 20_000}))
        await bank.decide(needed.approvals[0].approval_id, approve=approve)
        state.approve(item)
        result = await agents.Runner.run(agent, state)
    assert result.interruptions == []
    paid = [("Eve", 5, "bank"), ("Bob", 20_000, "bank")]
    assert sorted(bank.paid) == sorted(paid if approve else paid[:1])
    if not approve:
        assert any(text.startswith("A person refused this call.") for text in told(result))


async def test_asking_before_the_call_charges_once(bank):
    """The budget of three payments is enough for three."""
    calls = [("pay", {"to": "Bob", "cents": n}) for n in range(1, 5)]
    agent = agents.Agent(name="payer", tools=[function_tool(pay_of(bank))], model=ScriptedModel(*calls))
    async with bank.task():
        result = await agents.Runner.run(agent, "pay")
    assert len(bank.paid) == 3
    assert len([text for text in told(result) if text.startswith("paid")]) == 3


@pytest.mark.parametrize("people", ["two tasks", "one task"])
@pytest.mark.parametrize("amounts", ["alike", "different"])
async def test_runs_whose_call_ids_are_alike_share_no_answer(bank, people, amounts):
    """Each call is paid for once, although every run asks before any makes its call."""
    paid: list[tabard.Credential] = []

    @tabard.guard("pay")
    def pay(to: str, cents: int, credential: tabard.Credential = tabard.INJECTED) -> str:
        """Pay a bill."""
        paid.append(credential)
        return f"paid {cents} to {to}"

    tool = function_tool(pay)
    waiting, asked = asyncio.Barrier(2), tool.needs_approval

    async def together(*about: Any) -> bool:
        answer = await asked(*about)
        await waiting.wait()
        return answer

    tool.needs_approval = together

    async def run(cents: int) -> None:
        calls = [("pay", {"to": "Bob", "cents": cents})]
        agent = agents.Agent(name="payer", tools=[tool], model=ScriptedModel(*calls))
        await agents.Runner.run(agent, "pay")

    async def person(*runs: int) -> None:
        """Make the runs in one task, and see what they have left of its three payments."""
        async with bank.task() as task:
            await asyncio.gather(*map(run, runs))
            for _ in range(3 - len(runs)):
                await task.authorize("pay", {"to": "Eve", "cents": 1})
            with pytest.raises(tabard.Denied, match="budget_exhausted"):
                await task.authorize("pay", {"to": "Eve", "cents": 1})

    second = 5 if amounts == "alike" else 6
    await (person(5, second) if people == "one task" else asyncio.gather(person(5), person(second)))
    assert len(paid) == len({credential.credential_id for credential in paid}) == 2


async def test_a_framework_that_approves_without_the_person_gets_nothing(bank):
    model = ScriptedModel(("pay", {"to": "Bob", "cents": 20_000}))
    agent = agents.Agent(name="payer", tools=[function_tool(pay_of(bank))], model=model)
    async with bank.task():
        result = await agents.Runner.run(agent, "pay")
        state = result.to_state()
        state.approve(result.interruptions[0])
        result = await agents.Runner.run(agent, state)
    assert told(result)[0].startswith("A person must approve this call first")
    assert bank.paid == []


async def test_a_missing_task_is_the_programs_mistake_and_ends_the_run(bank):
    agent = agents.Agent(
        name="payer",
        tools=[function_tool(pay_of(bank))],
        model=ScriptedModel(("pay", {"to": "Bob", "cents": 5})),
    )
    with pytest.raises(Exception, match="no task is current"):
        await agents.Runner.run(agent, "pay")


def test_an_unguarded_function_is_refused():
    with pytest.raises(TypeError, match="isn't guarded"):
        function_tool(lambda: None)
