"""Real sidecars in front of a fake identity provider: what StartTask keeps, what calls get, and what the end deletes."""

import json
import sqlite3
from contextlib import closing

import pytest
import tabard

from testbed.world import AUDIENCE, PERSON, spiffe_id
from tests.support.fake_idp import TOKEN, Answer, claims_of, fake_idp
from tests.support.tokens import SigningKey
from tests.unit.credentials.exchange.conftest import settings_of

POLICY = {
    "desk.rego": """package policy.desk

import data.tabard.lib.credentials

start contains {"code": "start", "limits": {
	"tools": ["**"],
	"audiences": ["orders"],
	"scopes": ["orders:read", "orders:write"],
	"budgets": {"calls": 2},
	"max_depth": 3,
	"max_children": 5,
}} if input.subject.id != ""

delegate contains {"code": "handed"} if input.request.holder != ""

grant contains {
	"code": "read",
	"credential": credentials.exchange("orders", ["orders:read"], 120),
	"charges": {"calls": 1},
} if input.tool.name == "orders.read"
"""
}


@pytest.fixture
async def zone(start_zone, folder):
    """Two sidecars; ``idp`` is the fake."""
    with fake_idp() as idp:
        exchange = settings_of(idp, folder)
        zone = await start_zone(policy=POLICY, overrides={"exchange.main": exchange})
        zone.idp = idp
        idp.key = SigningKey("k1", "ES256", zone.issuer.key)
        yield zone


def kept(zone) -> int:
    """How many tokens the store keeps."""
    with closing(sqlite3.connect(zone.folder / "state.db")) as connection:
        (count,) = connection.execute("SELECT count(*) FROM subject_tokens").fetchone()
    return count


def records(zone, workload: str = "orchestrator") -> str:
    """The decision log."""
    return (zone.sidecars[workload].folder / "decisions.log").read_text()


async def refusal(task) -> tabard.TabardError:
    """The error with which a call ends."""
    with pytest.raises(tabard.TabardError) as caught:
        await task.authorize("orders.read")
    return caught.value


async def test_an_allowed_call_gets_the_persons_token_for_the_backend(zone):
    task = await zone.start_task()
    assert kept(zone) == 1
    decision = await task.authorize("orders.read")
    credential = decision.credential
    assert credential.kind == "exchange"
    claims = claims_of(credential.value)
    assert (claims["sub"], claims["aud"], claims["scope"]) == (PERSON, "orders", "orders:read")
    presented = zone.idp.exchanges[0]["subject_token"]
    assert claims_of(presented)["aud"] == AUDIENCE
    found = [json.loads(line) for line in records(zone).splitlines()]
    events = [
        record["event"] for record in found if record.get("operation", "") == "authorize" or "event" in record
    ]
    assert "intent" in events
    for secret in (presented, credential.value):
        for part in secret.split(".")[1:]:
            assert part not in records(zone)
            assert not any(part.encode() in file.read_bytes() for file in zone.folder.glob("state.db*"))


async def test_a_delegated_holder_acts_for_the_same_person(zone):
    handed = await zone.hand_to(await zone.start_task(), "triage")
    decision = await handed.authorize("orders.read")
    assert claims_of(decision.credential.value)["sub"] == PERSON


async def test_a_delegated_holder_does_not_act_for_a_person_who_lets_only_the_first_act(zone):
    """Without an actor token, too: the identity provider isn't told which workload asks, so it can't compare."""
    token = zone.issuer.access_token(PERSON, may_act={"sub": spiffe_id("orchestrator")})
    intent = zone.intent("refunds", "Work off the refunds.")
    task = await zone.agent("orchestrator").start_task(token, intent_token=intent)
    handed = await zone.hand_to(task, "triage")
    assert (await refusal(handed)).code == "subject_token_may_act"
    assert zone.idp.exchanges == []
    assert claims_of((await task.authorize("orders.read")).credential.value)["sub"] == PERSON


async def test_the_end_of_the_task_deletes_the_token_and_the_end_of_a_part_does_not(zone):
    task = await zone.start_task()
    handed = await zone.hand_to(task, "triage")
    await handed.end()
    assert kept(zone) == 1
    assert (await task.authorize("orders.read")).allowed
    await task.end()
    assert kept(zone) == 0


async def test_what_was_not_issued_is_not_charged_and_what_may_have_been_is(zone):
    """Of a budget of two calls."""
    task = await zone.start_task()
    zone.idp.answers[TOKEN] = Answer(400, {"error": "invalid_scope"})
    for _ in range(3):
        assert (await refusal(task)).code == "exchange_denied"
    zone.idp.answers[TOKEN] = lambda asked: zone.idp.reply(zone.idp.token(asked, sub="somebody-else"))
    assert (await refusal(task)).code == "exchange_reply_invalid"
    assert len(zone.idp.revoked) == 1
    zone.idp.answers[TOKEN] = zone.idp.exchange
    assert (await task.authorize("orders.read")).allowed
    assert (await refusal(task)).code == "budget_exhausted"


async def test_a_person_who_signed_out_has_to_sign_in_again(zone):
    task = await zone.start_task()
    zone.idp.answers[TOKEN] = Answer(400, {"error": "invalid_grant"})
    denied = await refusal(task)
    assert denied.code == "subject_token_expired"
    assert "sign in again" in denied.for_model()


async def test_without_an_exchange_no_token_is_kept(start_zone):
    zone = await start_zone()
    await zone.start_task()
    assert kept(zone) == 0
