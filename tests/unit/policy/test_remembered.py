"""The example policies, with and without remembering: both always give the same answer, and offer the same tools."""

from __future__ import annotations

import asyncio
import copy
import json
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_opa import Engine, EvaluationError
from tabard_sidecar.policy.authoring.samples import sample_call, sample_input
from tabard_sidecar.policy.catalogue import load_catalogue
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy
from tabard_sidecar.policy.loading.offered import Offers
from tabard_sidecar.policy.loading.sources import load_source
from tabard_sidecar.policy.offers import DENY_QUERY, GRANT_QUERY, residual_of
from tabard_sidecar.policy.resources import ENTRYPOINT

from tests.support.policy import REPOSITORY

ROOT = REPOSITORY / "rego" / "examples"
EXAMPLES = sorted(path.name for path in ROOT.iterdir() if path.is_dir())
AGENTS = ["spiffe://shop.example/ns/support/sa/worker", "spiffe://local.tabard.dev/agent", "spiffe://else/x"]
TEXTS = [
    "",
    "x",
    "untrusted",
    "refunds",
    "callbacks",
    "signed",
    "asserted",
    "authorize",
    "Pay the bill of Ada to DE89.",
    *AGENTS,
]
SCALARS = st.sampled_from([None, True, 0, 1, 42, 10000, 10001, 1.5, *TEXTS])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(SCALARS.map(str), inner, max_size=2)
)


@cache
def example_of(name):
    """Return the engine of an example, its policy without and with remembering, and the tools that it knows."""
    engine, source = Engine(hold_seconds=0.001), load_source(ROOT / name / "policy")
    catalogue = next(iter((ROOT / name).glob("catalogue.*")), None)
    tools = None if catalogue is None else load_catalogue(catalogue)
    roles = frozenset({"account_holder", "desk_lead", "requester"})
    offers = Offers(claims=frozenset({"groups"}), roles=roles, tools=tools)
    policies = [
        compile_policy(
            engine, source.modules, source.data, CompileOptions(offers=offers, remembered_bytes=size)
        )
        for size in (0, 65536)
    ]
    return (
        engine,
        *policies,
        [(spec.name, spec) for spec in tools or ()] or [("tickets.read", None), ("mail.send", None)],
    )


def answer(policy, document):
    text = json.dumps(document).encode()
    try:
        return policy.decision.evaluate_blocking(ENTRYPOINT, text, deadline_seconds=20)
    except EvaluationError as error:
        return error.code, error.file, error.row


def places(value, way=()):
    """Yield the way to each part of a document."""
    yield way
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*way, key))


@st.composite
def changes(draw, document):
    """A document that differs from another in one place."""
    document = copy.deepcopy(document)
    *way, last = draw(st.sampled_from([way for way in places(document) if way]))
    holder = document
    for key in way:
        holder = holder[key]
    if isinstance(holder, dict) and draw(st.integers(0, 4)) == 0:
        del holder[last]
    else:
        holder[last] = draw(VALUES)
    return document


@pytest.mark.parametrize("name", EXAMPLES)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_remembered_answers_equal_evaluating(name, data):
    """Inputs that differ in a place or two, each asked of both policies."""
    _, plain, remembers, tools = example_of(name)
    tool, spec = data.draw(st.sampled_from(tools))
    document = sample_input(
        "authorize",
        1700000000.0,
        subject={"claims": {"groups": ["support"]}},
        agent={"id": AGENTS[0]},
        task={"purpose": data.draw(st.sampled_from(["refunds", "callbacks"])), "statement": TEXTS[8]},
        delegation={"depth": 1, "chain": [{"kind": "hop", "holder": AGENTS[0], "sub_agent": ""}]},
        tool=sample_call(tool, spec),
    )
    documents = [document]
    for _ in range(5):
        documents.append(data.draw(changes(data.draw(st.sampled_from(documents)))))
    for one in documents:
        assert answer(remembers, one) == answer(plain, one), one


async def what_remains(policy, document, query):
    """Return what remains of a query as the engine tells it, and as OPA's partial result says."""
    text, unknowns = json.dumps(document).encode(), ["input.tool.arguments"]
    try:
        found = await policy.decision.residual(query, text, unknowns, deadline_seconds=20)
        result = await policy.decision.partial(query, text, unknowns, deadline_seconds=20)
    except EvaluationError as error:
        return (error.code, error.file, error.row), None
    return (found.queries > 0, found.unconditional), tuple(residual_of(result))


@pytest.mark.parametrize("name", EXAMPLES)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_what_remains_for_a_tool(name, data):
    """Both policies say the same of a tool whose arguments aren't known, and the same as OPA's partial result."""
    _, plain, remembers, tools = example_of(name)
    tool, spec = data.draw(st.sampled_from(tools))
    asked = sample_call(tool, spec)
    del asked["arguments"]
    documents = [sample_input("filter_tools", 1700000000.0, task={"purpose": "refunds"}, tool=asked)]
    for _ in range(4):
        documents.append(data.draw(changes(data.draw(st.sampled_from(documents)))))

    async def ask():
        for document in documents:
            for query in (GRANT_QUERY, DENY_QUERY):
                wanted, said = await what_remains(plain, document, query)
                assert said in {wanted, None}, document
                assert await what_remains(remembers, document, query) == (wanted, said), document

    asyncio.run(ask())


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_read_few_things(name):
    """The id and the time of a task make no difference to what the examples answer, so the second answer is remembered."""
    engine, _, remembers, tools = example_of.__wrapped__(name)
    for tool, spec in tools:
        before = engine.stats().remembered
        answers = {
            answer(
                remembers,
                sample_input("authorize", time, task={"id": str(time)}, tool=sample_call(tool, spec)),
            )
            for time in (1000.0, 2000.0)
        }
        assert len(answers) == 1
        assert engine.stats().remembered > before
