"""Answers that are given again without the engine: always what evaluating would have answered."""

from __future__ import annotations

import asyncio
from functools import cache
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard.arguments import canonical
from tabard_opa import Answered, Engine, Reading
from tabard_sidecar.facts import FactKind
from tabard_sidecar.model import ToolCall
from tabard_sidecar.pipeline.policy_input import PolicyInput
from tabard_sidecar.pipeline.requests import AuthorizeRequest, VerifiedCall
from tabard_sidecar.policy.engines import recalled
from tabard_sidecar.policy.engines.embedded import EmbeddedEvaluator
from tabard_sidecar.policy.engines.provider import EvaluationFailedError
from tabard_sidecar.policy.engines.recalled import Needs, RecalledAnswers, needs_of
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy
from tabard_sidecar.policy.loading.offered import Offers
from tabard_sidecar.policy.loading.sources import load_source
from tabard_sidecar.state import TaskState

from tests.support.drawn_calls import AGENTS, GRANTS, STATES, tool_calls
from tests.support.policy import REPOSITORY

ROOT = REPOSITORY / "rego" / "examples"
EXAMPLES = sorted(path.name for path in ROOT.iterdir() if path.is_dir())


@cache
def example_of(name):
    """Return an engine, the policy of an example, evaluated each time and recalled, its facts, and its tools."""
    engine, source = Engine(hold_seconds=0.001), load_source(ROOT / name / "policy")
    roles = frozenset({"account_holder", "desk_lead", "requester"})
    offers = Offers(claims=frozenset({"groups"}), roles=roles)
    policies = [
        compile_policy(
            engine, source.modules, source.data, CompileOptions(offers=offers, remembered_bytes=size)
        )
        for size in (0, 1 << 20)
    ]
    plain, recalls = EmbeddedEvaluator(policies[0]), EmbeddedEvaluator(policies[1], recalled=engine.recalled)
    words = ("refunds.create", "tickets.read", "mail.send", "payments.send", "orders.read")
    return engine, plain, recalls, policies[0].rules.facts, words


async def answer(evaluator, text, parts=None):
    try:
        return await evaluator.decision(text, 20.0, parts)
    except EvaluationFailedError as error:
        return error.code, error.file, error.row


@pytest.mark.parametrize("name", EXAMPLES)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_recalled_answers_equal_evaluating(name, data):
    """Calls that agree in some parts, at different times, each asked of both."""
    _, plain, recalls, facts, tools = example_of(name)
    inputs = PolicyInput()
    drawn = data.draw(st.lists(st.tuples(tool_calls(tools, facts), STATES), min_size=2, max_size=6))

    async def ask():
        for now in (1000.0, 1500.5, 1e9):
            for call, state in drawn:
                text, parts = inputs.authorize(call, state, now=now)
                assert await answer(recalls, text.text, parts) == await answer(plain, text.text), text.text

    asyncio.run(ask())


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_parts_agree_if_and_only_if_inputs_do(data):
    """Beside its time an input has nothing that its parts lack."""
    facts = data.draw(st.sampled_from([{}, {"seen": FactKind.SET, "count": FactKind.COUNTER}]))
    inputs = PolicyInput()
    made = [
        inputs.authorize(data.draw(tool_calls(["a", "b"], facts)), data.draw(STATES), now=5.0)
        for _ in range(2)
    ]
    keys = []
    answers = RecalledAnswers(lambda _: (), lambda: None)
    for _, parts in made:
        keys.append((recalled._frame(parts), answers._digest(Needs(others=True, arguments=None), parts)))
    assert (keys[0] == keys[1]) == (made[0][0].text == made[1][0].text)


def test_what_has_to_agree():
    """Each reading leads to the parts that hold what it read; what isn't known to be in a part can't be recalled."""
    for readings, wanted in (
        ([], Needs(others=False, arguments=())),
        (
            [("kind", ()), ("kind", ("tool",)), ("member", ("tool", "name")), ("member", ("operation",))],
            Needs(others=False, arguments=()),
        ),
        (
            [("member", ("subject", "id")), ("whole", ("agent",)), ("member", ("task", "purpose"))],
            Needs(others=False, arguments=()),
        ),
        (
            [("member", ("delegation", "depth")), ("kind", ("tool", "arguments"))],
            Needs(others=False, arguments=()),
        ),
        (
            [("member", ("tool", "arguments", "b", "c")), ("kind", ("tool", "arguments", "a"))],
            Needs(others=False, arguments=("a", "b")),
        ),
        ([("whole", ("tool", "arguments"))], Needs(others=False, arguments=None)),
        ([("member", ("tool", "arguments"))], Needs(others=False, arguments=None)),
        ([("member", ("tool",))], Needs(others=False, arguments=None)),
        ([("member", ("task",))], Needs(others=True, arguments=())),
        ([("member", ("task", "facts", "seen"))], Needs(others=True, arguments=())),
        ([("whole", ("delegation",))], Needs(others=True, arguments=())),
        ([("member", ("delegation", "children"))], Needs(others=True, arguments=())),
        ([("member", ("history", "labels"))], Needs(others=True, arguments=())),
        ([("member", ("budgets",))], Needs(others=True, arguments=())),
        ([("whole", ("approvals",))], Needs(others=True, arguments=())),
        ([("member", ("context", "asserted", "x"))], Needs(others=True, arguments=())),
        ([("member", ("context", "time"))], None),
        ([("whole", ("context",))], None),
        ([("member", ("context",))], None),
        ([("whole", ())], None),
        ([("member", ("request",))], None),
        ([("member", ("unknown", "x"))], None),
    ):
        assert needs_of([Reading(aspect, path) for aspect, path in readings]) == wanted, readings


def parts_of(name="t", **arguments):
    """The parts of a call."""
    call = VerifiedCall(
        AuthorizeRequest("", name),
        ToolCall(name, "", arguments, canonical(arguments), "d"),
        {},
        AGENTS[0],
        GRANTS[0],
        None,
        SimpleNamespace(facts={}),
    )
    return PolicyInput().authorize(call, TaskState(known=True), now=1.0)[1]


def answers_of(*readings):
    """Remembered answers of a policy with one way, and the count of those that were recalled."""
    count = []
    way = tuple(Reading("member", path) for path in readings)
    return RecalledAnswers(lambda _: way, lambda: count.append(1)), count


def test_values_are_told_apart():
    """Python takes 1, 1.0 and true for equal; JSON doesn't."""
    answers, _ = answers_of(("tool", "arguments", "a"))
    values = [1, 1.0, True, "1", None, 0, False, 0.0, -0.0, "", [], {}, [1], [True], {"a": 1}, {"a": True}]
    for number, value in enumerate(values):
        found = answers.recall(parts_of(a=value, b=number))
        assert found is None, value
        answers.remember(parts_of(a=value, b=number), Answered(b"%d" % number, 1))
    assert answers.recall(parts_of(b=1)) is None
    assert answers.recall(parts_of(a=values[-1], b="else")) == b"%d" % (len(values) - 1)


def test_what_is_kept_is_bounded():
    """Whatever callers send, so many answers are kept, of a bounded size."""
    answers, _ = answers_of(("tool", "arguments", "a"))
    for number in range(2000):
        answers.remember(parts_of(f"t{number % 700}", a=number), Answered(b"%d" % number, 1))
    answers.remember(parts_of(a="long"), Answered(b"x" * 5000, 1))
    answers.remember(parts_of(a="unknown way"), Answered(b"x", 0))
    kept = [one for frame in answers._frames.values() for one in frame.values()]
    assert len(answers._frames) <= 256
    assert sum(map(len, kept)) <= 256 * 16
    assert answers.recall(parts_of(a="long")) is answers.recall(parts_of(a="unknown way")) is None


def test_first_calls_of_many_grants_do_not_pause_it():
    """Each of many tools or grants is asked for the first time once; the second call of each is recalled."""
    answers, _ = answers_of(("tool", "arguments", "a"))
    for number in range(200):
        assert answers.recall(parts_of(f"t{number}", a=1)) is None
        answers.remember(parts_of(f"t{number}", a=1), Answered(b"x", 1))
    assert {answers.recall(parts_of(f"t{number}", a=1)) for number in range(200)} == {b"x"}


def test_the_engine_is_told_of_recalled_answers_a_few_at_a_time():
    """Each answer is told once."""
    answers, recalled_answers = answers_of(("tool", "arguments", "a"))
    answers.remember(parts_of(a=1), Answered(b"x", 1))
    told = []
    for number in range(20):
        assert answers.recall(parts_of(a=1, b=number)) == b"x"
        told.append(answers.untold())
    assert [count for count in told if count] == [8, 8]
    assert sum(told) + answers._untold == len(recalled_answers) == 20


async def test_the_engine_goes_on_to_remember_while_answers_are_recalled():
    """Nine of ten calls enter no engine; of the tenth, which differs each time, no answer is ever found there."""
    _, _, recalls, facts, _ = example_of.__wrapped__("support")
    inputs = PolicyInput()

    async def ask(tool, **arguments):
        call = VerifiedCall(
            AuthorizeRequest("", tool),
            ToolCall(tool, "", arguments, canonical(arguments), "d"),
            {},
            AGENTS[0],
            GRANTS[0],
            None,
            SimpleNamespace(facts=facts),
        )
        text, parts = inputs.authorize(call, TaskState(known=True), now=1.0)
        known = recalls._known.recall(parts)
        await recalls.decision(text.text, 5.0, parts)
        return known

    for number in range(500):
        await ask("tickets.read", ticket_id=f"t-{number}")
        if number % 5 == 0:
            await ask("refunds.create", amount_cents=number, order_id="o")
    await ask("orders.read", order_id="1")
    assert await ask("orders.read", order_id="2") is not None


def test_looking_up_pauses_while_it_is_in_vain():
    """A policy whose answers never recur costs little; as soon as they do, each is recalled."""
    asked = []
    answers = RecalledAnswers(lambda _: (Reading("member", ("tool", "arguments", "a")),), lambda: None)
    answers._digest = lambda needs, parts, digest=answers._digest: (asked.append(1), digest(needs, parts))[1]
    for number in range(5000):
        assert answers.recall(parts_of(a=number)) is None
        answers.remember(parts_of(a=number), Answered(b"x", 1))
    assert len(asked) < 5000
    answers._paused = 0
    answers.remember(parts_of(a=1), Answered(b"y", 1))
    assert [answers.recall(parts_of(a=1, b=number)) for number in range(300)] == [b"y"] * 300


async def test_a_call_that_recurs_is_counted_and_enters_no_engine():
    """Only what isn't read differs: the time, and an argument."""
    engine, plain, recalls, facts, _ = example_of.__wrapped__("support")
    inputs, asked = PolicyInput(), []
    answered = recalls.compiled.decision.answer

    async def counted(*args, **options):
        asked.append(args)
        return await answered(*args, **options)

    recalls.compiled.decision.answer = counted
    for number in range(5):
        arguments = {"ticket_id": f"t-{number}"}
        call = VerifiedCall(
            AuthorizeRequest("", "tickets.read"),
            ToolCall("tickets.read", "", arguments, canonical(arguments), "d"),
            {},
            AGENTS[0],
            GRANTS[0],
            None,
            SimpleNamespace(facts=facts),
        )
        text, parts = inputs.authorize(call, TaskState(known=True), now=float(number))
        assert await recalls.decision(text.text, 5.0, parts) == await plain.decision(text.text, 5.0)
    stats = engine.stats()
    assert (len(asked), stats.remembered, stats.asked) == (1, 4, 10)
