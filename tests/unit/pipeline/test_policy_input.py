"""The policy input: what is remembered of grants stays within bounds."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from tabard_sidecar.model import Agent, ToolCall
from tabard_sidecar.pipeline import policy_input
from tabard_sidecar.pipeline.policy_input import PolicyInput
from tabard_sidecar.pipeline.requests import AuthorizeRequest, VerifiedCall
from tabard_sidecar.state import TaskState

from tests.support.credentials import grant_of

CALL = ToolCall("t", "", {"a": 1}, b'{"a":1}', "d")


@pytest.fixture
def agent():
    """The workload that asks."""
    return Agent("spiffe://example.org/a", "issuer", {"namespace": "n"})


def build(inputs, agent, grant):
    """Return the input for one call as an object."""
    return json.loads(
        inputs.authorize(
            VerifiedCall(
                AuthorizeRequest("", CALL.name), CALL, {}, agent, grant, None, SimpleNamespace(facts={})
            ),
            TaskState(known=True, children=2),
            now=12.5,
        )[0].text
    )


def test_the_remembered_part_is_the_same_text(agent):
    """The second input of a grant equals the first; another agent's attributes aren't mixed up with it."""
    inputs, grant = PolicyInput(), grant_of()
    first = build(inputs, agent, grant)
    assert build(inputs, agent, grant) == first
    other = build(inputs, Agent(agent.id, "issuer", {"namespace": "other"}), grant)
    assert other["agent"]["attributes"] == {"namespace": "other"}
    assert other["delegation"]["children"] == 2
    assert other["context"]["time"] == 12.5


def test_what_is_remembered_is_bounded(agent, monkeypatch):
    """However many grants come by, only so many bytes are kept, and the count of them stays right."""
    from dataclasses import replace  # noqa: PLC0415 - used here only

    monkeypatch.setattr(policy_input, "_CACHED_BYTES", 5_000)
    inputs, grant = PolicyInput(), grant_of()
    for number in range(50):
        build(inputs, agent, replace(grant, digest=str(number)))
        build(inputs, Agent(agent.id, str(number)), replace(grant, digest=str(number)))
    kept = sum(len(text) for _, text in inputs._grants.values())
    assert kept == inputs._grants.currsize <= 5_000
    assert inputs._grants
