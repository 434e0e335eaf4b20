"""Tool calls under few grants, for property tests of what is done with their policy inputs."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import strategies as st
from tabard.arguments import canonical
from tabard_sidecar.facts import Facts
from tabard_sidecar.model import Agent, MetApproval, Subject, Task, ToolCall
from tabard_sidecar.pipeline.requests import AuthorizeRequest, VerifiedCall
from tabard_sidecar.state import PastCall, TaskState

from tests.support.credentials import BRANCH, HOP, grant_of

AGENTS = [Agent("spiffe://shop.example/ns/support/sa/worker", "i"), Agent("spiffe://else/x", "i", {"a": "b"})]
TASK = grant_of().task
GRANTS = [
    grant_of(HOP, digest="1", task=Task("t1", "refunds", "", TASK.intent_source, 1000.0, 2000.0)),
    grant_of(HOP, digest="2", subject=Subject("bob", "i", {"groups": ["support"]})),
    # Long enough that records refer to it, so it is another kind of part.
    grant_of(HOP, BRANCH, digest="3", task=Task("t3", "s", "x" * 3000, TASK.intent_source, 1000.0, 2000.0)),
]
ARGUMENTS = st.dictionaries(
    st.sampled_from(["order_id", "amount_cents", "customer_id", "to", "x"]),
    st.sampled_from(
        [None, True, 1, 0, 4200, 10001, 1.5, "", "x", "c-17", [], [1], {"a": 1}, {"b": [True, 1]}]
    ),
    max_size=3,
)
STATES = st.builds(
    TaskState,
    known=st.just(value=True),
    children=st.integers(0, 1),
    labels=st.sampled_from([(), ("untrusted",)]),
    calls=st.sampled_from([(), (PastCall("mail.send", (), 5.0),)]),
    facts=st.sampled_from([Facts(), Facts({"seen": ("a",)}, {"count": 2})]),
)
APPROVALS = st.sampled_from([(), (MetApproval("a1", "refunds", "large", "bob", "i", 7.0),)])
SPECS = [None, SimpleNamespace(annotations={"readOnlyHint": True})]


@st.composite
def tool_calls(draw, tools, facts):
    """One call, of few kinds, so that calls agree with earlier ones in many parts."""
    arguments = draw(ARGUMENTS)
    return VerifiedCall(
        AuthorizeRequest("", "t"),
        ToolCall(
            draw(st.sampled_from(tools)),
            draw(st.sampled_from(["", "s"])),
            arguments,
            canonical(arguments),
            "d",
        ),
        draw(st.sampled_from([{}, {"note": "x"}])),
        draw(st.sampled_from(AGENTS)),
        draw(st.sampled_from(GRANTS)),
        draw(st.sampled_from(SPECS)),
        SimpleNamespace(facts=facts),
        draw(APPROVALS),
    )
