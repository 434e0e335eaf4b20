"""With one person's token alone, a workload leaves little in the decision log, and what it leaves names who it was."""

from __future__ import annotations

import json

import grpc
import pytest
from tabard.authz.v1 import task_service_pb2 as task_pb
from tabard.authz.v1 import task_service_pb2_grpc as task_grpc
from tabard.authz.v1 import types_pb2 as types_pb
from tabard_sidecar.cli import main
from tabard_sidecar.records.unverified import BURST, REFUSALS

from testbed.world import PERSON, spiffe_id
from tests.unit.records.test_records_of_attacks import audited, log_of, records

HUGE = types_pb.Limits(
    scopes=types_pb.StringList(values=[f"{number:05}" + "s" * 240 for number in range(150)])
)
TIMES = 80


@pytest.fixture
async def zone(start_zone):
    return await start_zone(workloads=("orchestrator",))


async def start(zone, times=TIMES, **fields):
    """Start tasks with the same request; return the answers."""
    async with grpc.aio.insecure_channel(zone.sidecars["orchestrator"].address) as channel:
        stub = task_grpc.TaskServiceStub(channel)
        return [await stub.StartTask(task_pb.StartTaskRequest(**fields)) for _ in range(times)]


def size(zone):
    return sum(file.stat().st_size for file in log_of(zone).parent.glob("decisions.log*"))


def refused(token, fields):
    return {
        "limits that fit into no grant": {"limits": HUGE},
        "a purpose that policy doesn't know": {"purpose": "p" * 200, "limits": HUGE},
        "a broken intent": {"intent_token": "x" * 4_000, "limits": HUGE},
        "a token that was used": {},
    }[fields] | {"subject_token": token}


@pytest.mark.parametrize(
    "fields",
    [
        "limits that fit into no grant",
        "a purpose that policy doesn't know",
        "a broken intent",
        "a token that was used",
    ],
)
async def test_refused_starts_of_one_person_are_bounded(zone, fields, capsys):
    """Each of the first is recorded in full; then come short records with digest and size, then counts."""
    token = zone.issuer.access_token(PERSON)
    for answer in await start(zone, **refused(token, fields)):
        assert answer.decision.effect == types_pb.EFFECT_DENY
    before = size(zone)
    assert before < (REFUSALS + 2) * 60_000 + TIMES * 1_000
    found = records(zone)
    full = [one for one in found if "unrecorded" not in one["result"]]
    short = [one for one in found if "unrecorded" in one["result"]]
    assert REFUSALS <= len(full) <= REFUSALS + 5
    assert BURST <= len(short) <= BURST + 5
    for one in short:
        assert one["input"]["agent"]["id"] == spiffe_id("orchestrator")
        assert one["input"]["subject"]["id"] == PERSON
        assert one["result"]["reasons"][0]["code"] == full[0]["result"]["reasons"][0]["code"]
    await start(zone, **refused(token, fields))
    assert size(zone) - before < 10 * 60_000

    # Another person isn't concerned.
    await start(zone, 1, subject_token=zone.issuer.access_token("someone-else"), limits=HUGE)
    last = records(zone)[-1]
    assert last["input"]["subject"]["id"] == "someone-else"
    assert "unrecorded" not in last["result"]

    await zone.parts().log._count()
    (count,) = [one for one in records(zone)[-1]["result"]["verified"] if one["subject"]["id"] == PERSON]
    assert count["operation"] == "start_task"
    assert count["count"] > TIMES - 20
    assert audited(zone).intact
    assert main(["log", "search", str(log_of(zone))]) == 0
    assert "one of many requests with this person's token" in capsys.readouterr().out


async def test_replays_of_a_start_are_bounded(zone):
    """An answer that is given again and again under its request_id doesn't fill the log with its request."""
    limits = types_pb.Limits(tools=types_pb.StringList(values=["*", *(f"{n:03}" * 60 for n in range(30))]))
    answers = await start(
        zone,
        subject_token=zone.issuer.access_token(PERSON),
        intent_token=zone.intent("refunds", "Work off the refunds."),
        limits=limits,
        request_id="one",
    )
    assert {answer.decision.effect for answer in answers} == {types_pb.EFFECT_ALLOW}, answers[0]
    assert len({answer.grant for answer in answers}) == 1
    assert size(zone) < (REFUSALS + 4) * limits.ByteSize() + TIMES * 1_000
    made = [one for one in records(zone) if "task_id" in one["result"]]
    assert len(made) == 1


async def test_a_start_that_took_something_is_always_recorded(zone, monkeypatch):
    """However many refusals came before: a start that spent a token and failed then has its record."""
    token = zone.issuer.access_token(PERSON)
    await start(zone, subject_token=token, limits=HUGE)

    async def fails(*_args, **_options):
        raise OSError("the store is gone")

    monkeypatch.setattr(zone.parts().state, "open_task", fails)
    with pytest.raises(grpc.aio.AioRpcError):
        await start(
            zone,
            1,
            subject_token=token,
            intent_token=zone.intent("refunds", "Work off the refunds."),
        )
    last = records(zone)[-1]
    assert last["result"]["reasons"][0]["code"] == "internal"
    assert "unrecorded" not in last["result"]
    assert json.dumps(last["input"]["request"]) != "{}"
