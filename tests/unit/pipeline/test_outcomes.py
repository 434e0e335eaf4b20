"""Outcomes that are nonsense: each is told so, and nothing breaks."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
import tabard

from tests.support.spending import POLICY, pay, signed_by, spent


@pytest.fixture
async def zone(start_zone):
    """Orchestrator and triage under a policy that charges."""
    return await start_zone(policy=POLICY)


def segment(text: str) -> str:
    """Return a part of a JWT."""
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


HEADER = segment('{"alg":"HS256","typ":"tabard-outcome+jwt"}')
UNSIGNED = segment('{"alg":"none","typ":"tabard-outcome+jwt"}')
CLAIMS = segment('{"iss":"bank"}')
DEEP = segment("[" * 9000)


async def test_a_cost_beyond_every_budget_uses_it_up(zone):
    """The largest number that a message can hold, and as much again from the backend, is just very much."""
    task = await zone.start_task()
    decision = await pay(task, 1)
    signed = signed_by(zone, "bank", decision_id=decision.decision_id, charges={"cents": 2**53})
    await task.report_outcome(decision, charges={"cents": 2**63 - 1}, signed_outcome=signed)
    assert max((await spent(zone, task)).values()) == 1000


async def test_a_backend_signs_no_label_that_looks_reported(zone):
    """Such a label would count for less than the backend's word."""
    task = await zone.start_task()
    decision = await pay(task, 1)
    signed = signed_by(zone, "bank", decision_id=decision.decision_id, labels=["reported:x"])
    with pytest.raises(tabard.TabardError, match="its labels must be"):
        await task.report_outcome(decision, signed_outcome=signed)


@pytest.mark.parametrize(
    "token",
    [
        "x",
        f"{DEEP}.{CLAIMS}.AA",
        f"{HEADER}.{DEEP}.AA",
        f"{UNSIGNED}.{CLAIMS}.",
    ],
    ids=["no JWT", "deep header", "deep claims", "unsigned"],
)
async def test_what_is_no_outcome_is_told_so(zone, token):
    """The agent may send anything; it gets an answer that names the field and no incident."""
    task = await zone.start_task()
    decision = await pay(task, 1)
    with pytest.raises(tabard.TabardError) as caught:
        await task.report_outcome(decision, signed_outcome=token)
    assert caught.value.code == "outcome_invalid"


@pytest.mark.parametrize("label", ["", "x" * 257, "\ud800"], ids=["empty", "long", "a lone surrogate"])
async def test_a_signed_label_is_text_of_a_bounded_length(zone, label):
    """A backend's labels are bounded like an agent's."""
    task = await zone.start_task()
    decision = await pay(task, 1)
    signed = signed_by(zone, "bank", decision_id=decision.decision_id, labels=[label])
    with pytest.raises(tabard.TabardError) as caught:
        await task.report_outcome(decision, signed_outcome=signed)
    assert caught.value.code == "outcome_invalid"


async def test_a_decision_with_an_odd_name_is_another_one(zone):
    """What a backend signed about one decision says nothing about one that the agent makes up."""
    task = await zone.start_task()
    decision = await pay(task, 1)
    signed = signed_by(zone, "bank", decision_id=decision.decision_id)
    with pytest.raises(tabard.TabardError) as caught:
        await task.report_outcome(replace(decision, decision_id="é"), signed_outcome=signed)
    assert caught.value.code == "outcome_invalid"
