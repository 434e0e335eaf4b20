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


ORDINARY_ARRAYS = {
    "unique, of anything": ({"uniqueItems": True}, lambda: [[[]] * (n % 90) + [[[]] * (n // 90)] for n in range(1500)]),
    "unique integers": ({"uniqueItems": True, "items": {"type": "integer"}}, lambda: [[[]] * n for n in range(500)]),
    "prices": ({"items": {"type": "number", "multipleOf": 0.01}}, lambda: [1.7e308] * 28_000),
    "small prices": ({"items": {"type": "number", "multipleOf": 0.01}}, lambda: [1.1e-300] * 1_900),
    "limits": ({"items": {"minimum": 0.1}}, lambda: [5e-324] * 1_900),
    "unique numbers in rows": ({"items": {"uniqueItems": True}}, lambda: [[1e-300 + n * 1e-310 for n in range(14)]] * 130),
    "one of many isn't an integer": ({"items": {"type": "integer"}}, lambda: [1] * 125_000 + ["x"]),
    "too many": ({"maxItems": 3}, lambda: [1] * 125_000),
}  # fmt: skip


@pytest.mark.parametrize("name", ORDINARY_ARRAYS)
async def test_no_ordinary_schema_holds_the_loop(checks, name):
    """Nothing that this process does about the worst arguments takes long, neither the check nor finding the fault."""
    schema, items = ORDINARY_ARRAYS[name]
    spec, asked = tool({"properties": {"x": {"type": "array", **schema}}}), call({"x": items()})
    await checks.fault(tool({"properties": {"x": {}}}), call({"x": [1] * 3000}))  # starts a process
    began = time.thread_time()
    fault = await checks.fault(spec, asked)
    assert time.thread_time() - began < 0.05
    assert fault is None or "argument" in fault.message


async def test_a_schema_that_was_estimated_wrong_is_used_elsewhere(checks, monkeypatch):
    """Once, at most: if a check takes much longer than was estimated, other processes make the next one."""
    spec = tool({"properties": {"x": {"items": {"uniqueItems": True}}}})
    asked = call({"x": [[[[]] * n + [[]] for n in range(400)]]})
    monkeypatch.setattr(type(spec), "steps", lambda *_: 50_000)
    monkeypatch.setattr("tabard_sidecar.policy.argument_checks._SURPRISE_NS", 100_000)
    assert await checks.fault(spec, asked) is None
    began = time.thread_time()
    for _ in range(3):
        monkeypatch.setattr(type(spec), "fits", None)
        assert await checks.fault(spec, asked) is None
    assert time.thread_time() - began < 0.1


async def test_a_fault_without_its_place_is_a_fault(checks, monkeypatch):
    """If it takes too long to find the place, or no process is free for it, the arguments are refused nevertheless."""
    spec = tool({"properties": {"x": {"type": "array", "items": {"type": "integer"}}}})
    monkeypatch.setattr("tabard_sidecar.policy.argument_checks._IN_TURN_STEPS", 0)
    monkeypatch.setattr("tabard_sidecar.policy.argument_checks._MOST_WAITING", 0)
    assert await checks.fault(spec, call({"x": [1]})) is None
    fault = await checks.fault(spec, call({"x": ["a"]}))
    assert fault.argument == ""
    assert "don't fit" in fault.message


@pytest.mark.parametrize("schema", [True, {}, {"type": "object"}, {"required": ["x"], "maxProperties": 9}])
async def test_what_looks_at_no_value_is_checked_at_once(checks, monkeypatch, schema):
    """Many values don't matter to a schema that doesn't look at them."""
    monkeypatch.setattr("tabard_sidecar.policy.argument_checks._MOST_WAITING", 0)
    assert await checks.fault(tool(schema), call({"x": [1] * 100_000})) is None


async def test_a_long_text_is_no_work(checks, monkeypatch):
    """A text with many commas and full stops counts as one value."""
    monkeypatch.setattr("tabard_sidecar.policy.argument_checks._MOST_WAITING", 0)
    number = {"type": "number", "multipleOf": 0.01}
    spec = tool({"properties": {"text": {"type": "string", "maxLength": 250_000}, "price": number}})
    assert (
        await checks.fault(spec, call({"text": "Well, e-mail 1.5 of [them]. " * 8000, "price": 1.5})) is None
    )
