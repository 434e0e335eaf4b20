"""Inputs that an OPA server is sent lack what its policy can't read, and never what decides."""

from __future__ import annotations

import asyncio
import json
from functools import cache, reduce
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_opa import Engine
from tabard_sidecar.facts import FactKind
from tabard_sidecar.model import Operation, Subject, ToolCall
from tabard_sidecar.pipeline.policy_input import PolicyInput
from tabard_sidecar.pipeline.requests import AuthorizeRequest, VerifiedCall
from tabard_sidecar.policy.engines.embedded import EmbeddedEvaluator
from tabard_sidecar.policy.engines.provider import EvaluationFailedError
from tabard_sidecar.policy.engines.sent_input import SentInput
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy
from tabard_sidecar.policy.loading.input_paths import ALL_PATHS
from tabard_sidecar.policy.loading.sources import load_source
from tabard_sidecar.state import TaskState

from tests.support.credentials import HOP, grant_of
from tests.support.drawn_calls import AGENTS, STATES, tool_calls
from tests.support.policy import REPOSITORY

FOLDERS = sorted(
    path for kind in ("examples", "cookbook") for path in (REPOSITORY / "rego" / kind).glob("*/policy")
)
TOOLS = ("refunds.create", "tickets.read", "mail.send", "payments.send", "orders.read", "files.read")
CUT = ("delegation", "subject", "agent", "task")
PATHS = st.frozensets(
    st.sampled_from(
        [
            ("operation",),
            ("tool", "name"),
            ("delegation",),
            ("delegation", "chain"),
            ("delegation", "constraints"),
            ("delegation", "children"),
            ("subject",),
            ("subject", "id"),
            ("subject", "claims"),
            ("subject", "claims", "groups"),
            ("subject", "id", "nothing"),
            ("agent", "attributes", "a"),
            ("task",),
            ("task", "purpose"),
            ("task", "facts"),
            ("history", "labels"),
            ("nothing", "at", "all"),
        ]
    )
)
ABSENT = object()


def value_at(document, path):
    """Return what a reference finds; it goes on in objects only."""
    return reduce(lambda at, name: at.get(name, ABSENT) if isinstance(at, dict) else ABSENT, path, document)


def inputs_of(data, facts):
    call = data.draw(tool_calls(TOOLS, facts))
    text, parts = PolicyInput().authorize(call, data.draw(STATES), now=1000.5)
    return text.text, parts


@given(data=st.data(), paths=PATHS)
@settings(max_examples=300, deadline=None)
def test_what_can_be_read_is_sent(data, paths):
    text, parts = inputs_of(data, data.draw(st.sampled_from([{}, {"seen": FactKind.SET}])))
    sent = SentInput(paths)
    cut = sent.of(text, parts)
    whole, left = json.loads(text), json.loads(cut)
    for path in paths:
        assert value_at(left, path) == value_at(whole, path)
    for name in whole.keys() - set(CUT):
        assert left[name] == whole[name]
    assert len(cut) <= len(text)
    assert sent.of(text, parts) == cut


@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_what_cant_be_read_isnt_sent(data):
    text, parts = inputs_of(data, {})
    sent = json.loads(SentInput(frozenset({("subject", "claims", "groups")})).of(text, parts))
    assert set(sent) - {"operation", "tool", "context", "budgets", "history", "approvals"} <= set(CUT) - {
        "agent"
    }
    assert set(sent["subject"]) == {"claims"}
    assert set(sent["subject"]["claims"]) <= {"groups"}
    assert set(sent["delegation"]) == {"children", "depth"}
    assert set(sent["task"]) == {"id"}


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_an_input_is_whole_if_all_may_be_read(data):
    text, parts = inputs_of(data, {})
    assert SentInput(ALL_PATHS).of(text, parts) == text
    assert SentInput(frozenset({("task", "id"), ()})).of(text, parts) == text


@pytest.mark.parametrize(
    "claims",
    [
        {"number": 12345678901234567890123, "groups": ["support"]},
        {"deep": reduce(lambda inner, _: [inner], range(300), []), "groups": ["support"]},
        {"long": "x" * 70_000, "groups": ["support"]},
    ],
)
def test_what_isnt_understood_is_sent_whole(claims):
    """A number that would be written as another one, nesting that can't be followed, and a very long part."""
    call = VerifiedCall(
        AuthorizeRequest("", "t"),
        ToolCall("t", "", {}, b"{}", "d"),
        {},
        AGENTS[0],
        grant_of(HOP, subject=Subject("bob", "i", claims)),
        None,
        SimpleNamespace(facts={}),
    )
    text, parts = PolicyInput().authorize(call, TaskState(known=True), now=1.0)
    sent = SentInput(frozenset({("tool", "name")}))
    assert sent.of(text.text, parts) == text.text
    assert sent.of(text.text, parts) == text.text


def test_other_operations_are_sent_whole():
    text = PolicyInput().without_tool(
        Operation.FILTER_TOOLS, AGENTS[0], grant_of(HOP), state=TaskState(known=True), now=1.0, facts={}
    )
    assert SentInput(frozenset()).of(text.text, None) == text.text


@cache
def example_of(folder):
    """Return what evaluates the policy of a folder, what cuts its inputs, and its facts."""
    engine, source = Engine(), load_source(folder)
    found = compile_policy(engine, source.modules, source.data, CompileOptions(remote=True))
    assert found.reads != ALL_PATHS
    return EmbeddedEvaluator(found), SentInput(found.reads), found.rules.facts


async def answer(evaluator, text):
    try:
        return await evaluator.decision(text, 20.0)
    except EvaluationFailedError as error:
        return error.code, error.file, error.row


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_answers_are_those_to_the_whole_input(folder, data):
    evaluator, sent, facts = example_of(folder)
    drawn = [inputs_of(data, facts) for _ in range(3)]

    async def ask():
        for text, parts in drawn:
            cut = sent.of(text, parts)
            assert len(cut) < len(text)
            assert await answer(evaluator, cut) == await answer(evaluator, text), cut

    asyncio.run(ask())
