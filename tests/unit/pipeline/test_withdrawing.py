"""Credentials that another system issues: committed with the answer, or withdrawn; charges stay unless nothing was issued."""

from __future__ import annotations

import asyncio
import json

import pytest
import tabard
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.interfaces import Withdrawal
from tabard_sidecar.records.sinks import SinkError

from tests.support.spending import POLICY, pay, refused, spent
from tests.support.waiting import eventually

FAILURES = [
    NoDecision("UNAVAILABLE", "key_unavailable", "the other system is away"),
    RuntimeError("a defect of the issuer"),
]


class Elsewhere:
    """A fake of an issuer whose credentials another system makes: the zone's own, and an account of what happened."""

    def __init__(self, issuer, monkeypatch):
        self.events = []
        self.withdrawal = Withdrawal.ENDED
        self.failure = None
        self.pause = 0.0
        self._compute = issuer.compute
        monkeypatch.setattr(issuer, "compute", lambda _request: None)
        for name in ("issue", "commit", "withdraw"):
            monkeypatch.setattr(issuer, name, getattr(self, name))

    async def issue(self, request):
        self.events.append("issuing")
        await asyncio.sleep(self.pause)
        if self.failure is not None:
            raise self.failure
        self.events.append("issued")
        return self._compute(request)

    def commit(self, _request):
        self.events.append("committed")

    async def withdraw(self, _request):
        self.events.append("withdrawn")
        if isinstance(self.withdrawal, Exception):
            raise self.withdrawal
        return self.withdrawal


@pytest.fixture
async def zone(start_zone):
    """Orchestrator and triage under a policy that charges."""
    return await start_zone(policy=POLICY)


@pytest.fixture
def elsewhere(zone, parts, monkeypatch):
    """The zone's JWTs as if another system made them."""
    return Elsewhere(parts.stages.issuers.get("jwt"), monkeypatch)


def note_records(parts, elsewhere, monkeypatch):
    """Add what is recorded from now on to the events."""
    append = parts.log._append

    async def appended(*args):
        await append(*args)
        elsewhere.events.append("recorded")

    monkeypatch.setattr(parts.log, "_append", appended)


def last_record(zone):
    """Return the orchestrator's last record."""
    lines = (zone.folder / "orchestrator" / "decisions.log").read_text().splitlines()
    return json.loads(lines[-1])


async def test_an_answer_is_committed_after_its_record(zone, parts, elsewhere, monkeypatch):
    """So a credential without an answer is never made to last."""
    task = await zone.start_task()
    note_records(parts, elsewhere, monkeypatch)
    await pay(task, 1)
    assert elsewhere.events == ["recorded", "issuing", "issued", "recorded", "committed"]


async def test_the_items_of_a_batch_are_committed_one_after_another(zone, parts, elsewhere, monkeypatch):
    """No credential that another system made waits for its record until those of other items are made."""
    task = await zone.start_task()
    note_records(parts, elsewhere, monkeypatch)
    elsewhere.pause = 0.01
    answers = await task.batch([tabard.ToolCall("pay", {"cents": 1}), tabard.ToolCall("pay", {"cents": 2})])
    assert all(answer.credential for answer in answers)
    assert elsewhere.events == ["recorded", "issuing", "issued", "recorded", "committed"] * 2


async def test_an_item_of_a_batch_takes_no_longer_for_what_others_wait_for(
    zone, parts, elsewhere, monkeypatch
):
    """The metric has each item's own time, or a batch would look like a slow sidecar."""
    seconds = []
    monkeypatch.setattr(
        type(parts.stages.observer),
        "decided",
        lambda _self, _operation, _decision, took, **_: seconds.append(took),
    )
    task = await zone.start_task()
    seconds.clear()
    elsewhere.pause = 1.0
    await task.batch([tabard.ToolCall("pay", {"cents": number}) for number in range(4)])
    assert len(seconds) == 4
    assert all(elsewhere.pause <= took < 3.5 * elsewhere.pause for took in seconds), seconds


@pytest.mark.parametrize("failure", FAILURES, ids=["unavailable", "defect"])
@pytest.mark.parametrize("withdrawal", list(Withdrawal))
async def test_charges_are_given_back_only_if_nothing_was_issued(zone, elsewhere, failure, withdrawal):
    """An issuer that fails may have issued: a lost reply, a lease without its answer."""
    task = await zone.start_task()
    elsewhere.failure, elsewhere.withdrawal = failure, withdrawal
    with pytest.raises(tabard.TabardError):
        await pay(task, 400)
    proven = withdrawal is Withdrawal.NOTHING_ISSUED
    assert elsewhere.events == ["issuing", "withdrawn"]
    assert (400 in (await spent(zone, task)).values()) == (not proven)
    result = last_record(zone)["result"]
    assert result["decision"] == "deny"
    assert ("charges" in result, result.get("withdrawal")) == (
        not proven,
        None if proven else withdrawal.value,
    )


async def test_a_refusal_of_the_issuer_is_withdrawn_as_well(zone, elsewhere):
    """A deny that carries the issuer's reason."""
    task = await zone.start_task()
    elsewhere.failure = Refused("credential_kind_unavailable", "no such role")
    elsewhere.withdrawal = Withdrawal.NOTHING_ISSUED
    assert (await refused(pay(task, 400))).code == "credential_kind_unavailable"
    assert elsewhere.events == ["issuing", "withdrawn"]
    assert set((await spent(zone, task)).values()) <= {0}


async def test_a_caller_who_goes_away_loses_the_credential(zone, elsewhere):
    """Issuing goes on, so that it is known what to end; then it is ended, and the charge stays."""
    task = await zone.start_task()
    elsewhere.pause = 1.0
    with pytest.raises(tabard.TabardError):
        await pay(task, 400, timeout_seconds=0.2)

    async def recorded():
        return "withdrawal" in last_record(zone)["result"]

    await eventually(recorded)
    assert elsewhere.events == ["issuing", "issued", "withdrawn"]
    result = last_record(zone)["result"]
    assert (result["reasons"][0]["code"], result["withdrawal"]) == ("cancelled", "ended")
    assert 400 in (await spent(zone, task)).values()


async def test_a_credential_whose_answer_cannot_be_recorded_is_withdrawn(zone, parts, elsewhere, monkeypatch):
    """The intent stands in the log; the outcome doesn't."""
    task = await zone.start_task()
    append = parts.log._append

    async def broken(*args):
        if "issued" in elsewhere.events:
            raise SinkError("no space")
        await append(*args)

    monkeypatch.setattr(parts.log, "_append", broken)
    with pytest.raises(tabard.TabardError):
        await pay(task, 400)
    assert elsewhere.events == ["issuing", "issued", "withdrawn"]
    assert 400 in (await spent(zone, task)).values()


async def test_a_defect_while_withdrawing_keeps_the_charge(zone, elsewhere, caplog):
    """Nothing is proven by it."""
    task = await zone.start_task()
    elsewhere.failure, elsewhere.withdrawal = FAILURES[0], RuntimeError("a defect")
    with pytest.raises(tabard.TabardError):
        await pay(task, 400)
    assert last_record(zone)["result"]["withdrawal"] == "unclear"
    assert 400 in (await spent(zone, task)).values()
    assert "withdrawing a credential failed" in caplog.text


async def test_an_answer_that_is_kept_for_a_repeated_request_is_committed(zone, elsewhere):
    """The repeated request gets the same credential, and nothing is issued for it."""
    task = await zone.start_task()
    first = await pay(task, 1, request_id="r1")
    again = await pay(task, 1, request_id="r1")
    assert again.credential.value == first.credential.value
    assert elsewhere.events == ["issuing", "issued", "committed"]


def broken_store(parts, monkeypatch, *, stores):
    """Let the store fail when it is to keep an answer; ``stores`` if it has it all the same."""
    complete = parts.state.complete_request

    async def fails(*args, **kwargs):
        if stores:
            await complete(*args, **kwargs)
        raise NoDecision("UNAVAILABLE", "state_unavailable", "the disk is full")

    monkeypatch.setattr(parts.state, "complete_request", fails)


async def test_a_credential_whose_answer_cannot_be_stored_is_withdrawn(zone, parts, elsewhere, monkeypatch):
    """It would last although no answer gives it."""
    task = await zone.start_task()
    elsewhere.withdrawal = Withdrawal.NOTHING_ISSUED
    with monkeypatch.context() as patched:
        broken_store(parts, patched, stores=False)
        with pytest.raises(tabard.TabardError, match="state_unavailable"):
            await pay(task, 400, request_id="r1")
    tries = len(elsewhere.events) // 3  # of the client
    assert elsewhere.events == ["issuing", "issued", "withdrawn"] * tries
    assert last_record(zone)["result"]["decision"] == "deny"
    assert set((await spent(zone, task)).values()) <= {0}
    await pay(task, 400, request_id="r1")
    assert elsewhere.events[3 * tries :] == ["issuing", "issued", "committed"]


async def test_an_answer_that_may_be_stored_stands(zone, parts, elsewhere, monkeypatch):
    """The store's confirmation was lost, and a repeated request gets the answer."""
    task = await zone.start_task()
    with monkeypatch.context() as patched:
        broken_store(parts, patched, stores=True)
        # The client asks again by itself.
        assert (await pay(task, 400, request_id="r1")).credential is not None
    assert (await pay(task, 400, request_id="r1")).credential is not None
    assert elsewhere.events == ["issuing", "issued", "committed"]


async def test_an_answer_that_is_stored_while_its_caller_goes_stands(zone, parts, elsewhere, monkeypatch):
    """The caller asks again and gets it."""
    task, complete = await zone.start_task(), parts.state.complete_request

    async def slow(*args, **kwargs):
        await asyncio.sleep(0.4)
        await complete(*args, **kwargs)

    monkeypatch.setattr(parts.state, "complete_request", slow)
    with pytest.raises(tabard.TabardError):
        await pay(task, 1, request_id="r1", timeout_seconds=0.2)
    await eventually(lambda: "committed" in elsewhere.events)
    assert (await pay(task, 1, request_id="r1")).credential is not None
    assert elsewhere.events == ["issuing", "issued", "committed"]


@pytest.mark.parametrize("where", ["here", "elsewhere"])
async def test_a_revoked_credential_is_not_given_to_a_repeated_request(zone, request, where):
    """Of any kind; a new request_id gets a new one."""
    if where == "elsewhere":
        request.getfixturevalue("elsewhere")
    task = await zone.start_task()
    first = await pay(task, 1, request_id="r1")
    await task.revoke(first.credential)
    assert (await refused(pay(task, 1, request_id="r1"))).code == "credential_revoked"
    assert (await pay(task, 1, request_id="r2")).credential is not None
