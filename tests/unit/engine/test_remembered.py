"""Answers that are remembered by what their evaluations have read."""

from __future__ import annotations

import json

import pytest
from tabard_opa import Engine, EngineError, EvaluationError

MODULE = """package a

decision := {"allow": allow, "why": why}

default allow := false

allow if input.tool.name in data.tools

allow if input.tool.arguments.amount <= 10

default why := "nothing"

why := sprintf("%v", [input.tool.arguments.amount]) if input.tool.name == "pay"
"""


def compiled(engine, tools, remembered_bytes=65536):
    return engine.compile(
        {"a.rego": MODULE},
        {"tools": tools},
        entrypoints=["data.a.decision"],
        remembered_bytes=remembered_bytes,
    )


async def ask(policy, name, number=0, **arguments):
    """Every input differs from the others in what no rule reads."""
    document = {"tool": {"name": name, "arguments": {"id": number, **arguments}}, "time": number}
    answer = await policy.evaluate("data.a.decision", json.dumps(document).encode(), deadline_seconds=5)
    return json.loads(answer)


@pytest.fixture(params=[0.0005, 0.0], ids=["held", "mailed"])
def engine(request):
    """Every behaviour holds on the caller's thread and on Go's."""
    with Engine(hold_seconds=request.param) as engine:
        yield engine


async def test_what_is_not_read_makes_no_difference(engine):
    """A second evaluation isn't needed for an input that differs only in what the policy doesn't read."""
    policy = compiled(engine, ["read"])
    for number in range(5):
        assert await ask(policy, "read", number, amount=1) == {"allow": True, "why": "nothing"}
    assert await ask(policy, "pay", 7, amount=11) == {"allow": False, "why": "11"}
    assert await ask(policy, "pay", 8, amount=12) == {"allow": False, "why": "12"}
    assert await ask(policy, "pay", 9, amount=12) == {"allow": False, "why": "12"}
    stats = engine.stats()
    assert (stats.asked, stats.remembered) == (8, 5)


async def test_an_answer_tells_its_way(engine):
    """Evaluated here, on Go's threads, or remembered: the same inputs have the same way."""
    policy = compiled(engine, ["read"])
    text = b'{"tool":{"name":"pay","arguments":{"amount":%d}},"time":%d}'
    answers = [
        await policy.answer("data.a.decision", text % (amount, time), deadline_seconds=5)
        for amount, time in ((11, 1), (11, 2), (12, 3))
    ]
    assert answers[0] == answers[1]
    assert {one.way for one in answers} == {answers[0].way}
    read = {reading.path for reading in policy.readings(answers[0].way)}
    assert read == {("tool", "name"), ("tool", "arguments", "amount")}
    assert (await policy.answer("data.a.decision", b"{}", deadline_seconds=5)).way != answers[0].way
    for number in (0, -1, 99):
        with pytest.raises(EngineError):
            policy.readings(number)
    nothing = compiled(engine, ["read"], remembered_bytes=0)
    assert (await nothing.answer("data.a.decision", text % (11, 1), deadline_seconds=5)).way == 0


async def test_nothing_is_remembered_unless_it_is_wanted(engine):
    """A policy that is compiled without bytes for answers evaluates every input."""
    policy = compiled(engine, ["read"], remembered_bytes=0)
    for number in range(3):
        await ask(policy, "read", number)
    assert engine.stats().remembered == 0


async def test_another_policy_remembers_nothing_of_the_first(engine):
    """Answers belong to one compiled policy with its data: a later one is evaluated."""
    for _ in range(2):
        assert (await ask(compiled(engine, ["read"]), "read"))["allow"]
    assert not (await ask(compiled(engine, ["write"]), "read"))["allow"]
    assert engine.stats().remembered == 0


async def test_failures_are_not_remembered(engine):
    """What fails once may succeed the next time, so it is tried again."""
    policy = compiled(engine, ["read"])
    for _ in range(3):
        with pytest.raises(EvaluationError) as caught:
            await policy.evaluate(
                "data.a.decision", b'{"tool":{"name":"read"},"x":1,"x":1}', deadline_seconds=5
            )
        assert caught.value.code == "invalid_input"
    assert engine.stats().remembered == 0


async def test_a_closed_policy_answers_nothing(engine):
    """Not even what it remembers."""
    policy = compiled(engine, ["read"])
    await ask(policy, "read")
    policy.close()
    with pytest.raises(EvaluationError) as caught:
        await ask(policy, "read")
    assert caught.value.code == "closed"


def test_threads_get_remembered_answers_too(engine):
    """Blocking callers are answered in the same way."""
    policy = compiled(engine, ["read"])
    text = b'{"tool":{"name":"read"}}'
    answers = {policy.evaluate_blocking("data.a.decision", text, deadline_seconds=5) for _ in range(3)}
    assert len(answers) == 1
    assert engine.stats().remembered == 2


async def test_trimming_keeps_what_is_remembered(engine):
    """Free memory goes back to the system; the policy and its answers stay."""
    policy = compiled(engine, ["read"])
    await ask(policy, "read")
    engine.trim()
    assert await ask(policy, "read") == {"allow": True, "why": "nothing"}
    assert engine.stats().remembered == 1
