"""No schema and no arguments keep the event loop from others, and the answers are the same wherever they are found."""

from __future__ import annotations

import asyncio
import json
import random
import time

import pytest
from tabard.arguments import canonical
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.model import ToolCall
from tabard_sidecar.policy.argument_checks import ArgumentChecks
from tabard_sidecar.policy.catalogue import catalogue_of

_LETTERS = random.Random(1).choices("ab", k=250_000)


def deep(levels: int) -> object:
    """Return a number in an object in an object, and so on."""
    value: object = 1
    for _ in range(levels):
        value = {"c": value}
    return value


ATTACKS = {
    "many states": ({"properties": {"x": {"pattern": "(?:a|b)*a(?:a|b){6000}c"}}}, {"x": "".join(_LETTERS)}),
    "two alternatives for one member": (
        {
            "$ref": "#/$defs/n",
            "$defs": {
                "n": {
                    "anyOf": [
                        {"type": "object", "properties": {"c": {"$ref": "#/$defs/n"}}},
                        {"type": "object", "properties": {"c": {"$ref": "#/$defs/n"}}, "maxProperties": 7},
                    ]
                }
            },
        },
        deep(60),
    ),
    "large alternatives for each item": (
        {"properties": {"x": {"items": {"enum": [{"a": n} for n in range(5000)]}}}},
        {"x": [{"a": 4999}] * 20_000},
    ),
    "many parts for each item": (
        {"properties": {"x": {"items": {"allOf": [{"minimum": -n} for n in range(9000)]}}}},
        {"x": list(range(30_000))},
    ),
    "patterns for names": (
        {"patternProperties": {f"^(a|b)*a(a|b){{300}}{n}c$": {"type": "integer"} for n in range(100)}},
        {"".join(_LETTERS[:20_000]) + str(n): 1 for n in range(10)},
    ),
}


def tool(schema):
    """Return the entry of a tool with this schema."""
    return catalogue_of([{"name": "t", "inputSchema": schema}], "f").lookup("t", "")


def call(arguments) -> ToolCall:
    """Return a call."""
    return ToolCall("t", "", arguments, canonical(arguments), "")


@pytest.fixture
async def checks():
    """Checks that end with the test."""
    checks = ArgumentChecks()
    yield checks
    await checks.close()


@pytest.mark.parametrize("name", ATTACKS)
async def test_the_loop_goes_on_under_attack(checks, name):
    """While it is checked the loop turns all the time, and there is an answer in a few seconds."""
    schema, arguments = ATTACKS[name]
    spec, asked = tool(schema), call(arguments)
    began = time.monotonic()
    checking = asyncio.create_task(checks.fault(spec, asked))
    turns = 0
    while not checking.done():
        await asyncio.sleep(0.001)
        turns += 1
    took = time.monotonic() - began
    assert took < 15
    # A loop that was held would turn a few times; others use this machine, too.
    assert turns > took * 50
    fault = await checking
    assert fault is None or "argument" in fault.message


async def test_the_answer_is_the_same_elsewhere(checks, monkeypatch):
    """A process of its own tells the same fault."""
    spec = tool({"properties": {"x": {"items": {"type": "integer", "minimum": 3}}}, "required": ["y"]})
    for arguments in ({"x": [3, 4], "y": 1}, {"x": [3, "a"], "y": 1}, {"x": [1], "y": 1}, {"x": [5]}):
        at_once = await checks.fault(spec, call(arguments))
        monkeypatch.setattr("tabard_sidecar.policy.argument_checks._IN_TURN_STEPS", 0)
        monkeypatch.setattr("tabard_sidecar.policy.argument_checks._AT_ONCE_STEPS", 0)
        assert await checks.fault(spec, call(arguments)) == at_once
        monkeypatch.undo()


async def test_costly_checks_are_few(checks):
    """More than wait already are refused; afterwards everything works again, with processes that were ended or not."""
    schema, arguments = ATTACKS["many states"]
    spec, asked = tool(schema), call(arguments)
    waiting = [asyncio.create_task(checks.fault(spec, asked)) for _ in range(60)]
    await asyncio.sleep(0.5)
    refused = [task for task in waiting if task.done()]
    assert {task.exception().code for task in refused if isinstance(task.exception(), NoDecision)} == {
        "overloaded"
    }
    assert len(refused) >= 20
    small = tool({"properties": {"x": {"type": "integer"}}})
    assert await checks.fault(small, call({"x": 1})) is None
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    large = tool({"properties": {"x": {"items": {"enum": list(range(2000))}}}})
    assert await checks.fault(large, call({"x": [1] * 2000})) is None
    fault = await checks.fault(large, call({"x": [1] * 2000 + ["a"]}))
    assert "must be one of" in fault.message


def test_answers_of_the_worker_are_json():
    """What is asked and answered passes through JSON, so schemas of a catalogue do."""
    schema, _ = ATTACKS["two alternatives for one member"]
    assert json.loads(tool(schema).schema_json) == schema
