"""Delegation at a real Spring Authorization Server: ``act`` names the whole chain, and only who may act does."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time

import pytest
import requests
import tabard
from tabard_sidecar.credentials.exchange.examining import examine
from tabard_sidecar.util.findings import Severity

from tests.integration.exchange.conftest import write_secret
from tests.support.fake_idp import claims_of
from tests.support.markdown import code_of
from tests.support.spring_server import PAGE, PROGRAM


async def started(zone, token):
    """Start a task with a person's token."""
    return await zone.agent("orchestrator").start_task(
        token, purpose="orders", statement="Look at my orders."
    )


async def refusal(task, tool="orders.read"):
    """The error with which a call ends."""
    with pytest.raises(tabard.TabardError) as caught:
        await task.authorize(tool)
    return caught.value


def actor(spring, *names):
    """The claim ``act`` of a chain of actors, the last one first."""
    found: dict[str, object] = {}
    for name in reversed(names):
        found = {"iss": spring.issuer, "sub": name} | ({"act": found} if found else {})
    return found


def last_record(zone):
    """The last record of the decision log."""
    lines = (zone.sidecars["orchestrator"].folder / "decisions.log").read_text().splitlines()
    return json.loads(lines[-1])


async def test_the_token_names_the_workload_that_acts(delegating, spring):
    zone = await delegating()
    token = spring.sign_in("alice")
    assert claims_of(token)["may_act"] == actor(spring, "orders-agent")
    task = await started(zone, token)
    for tool, audience, scopes in (
        ("orders.read", "orders", {"orders:read"}),
        ("orders.write", "orders", {"orders:read", "orders:write"}),
        ("bills.read", "bills", {"bills:read"}),
    ):
        credential = (await task.authorize(tool)).credential
        claims = claims_of(credential.value)
        assert (claims["sub"], claims["aud"], set(claims["scope"])) == ("alice", audience, scopes)
        assert claims["act"] == actor(spring, "orders-agent")
        assert claims["client_id"] == "tabard"
        assert (credential.audience, set(credential.scopes)) == (audience, scopes)
        assert 100 <= credential.expires_at - time.time() <= 120
        assert await asyncio.to_thread(spring.active, credential.value)


@pytest.mark.parametrize("way", [{}, {"client": "orders-agent", "granted": True}], ids=["file", "grant"])
async def test_the_token_names_who_acted_before(delegating, spring, way):
    zone = await delegating(**way)
    token = spring.acted(spring.sign_in("alice", "portal"), "desk")
    assert claims_of(token)["act"] == actor(spring, "desk")
    credential = (await (await started(zone, token)).authorize("orders.read")).credential
    claims = claims_of(credential.value)
    assert (claims["sub"], claims["act"]) == ("alice", actor(spring, "orders-agent", "desk"))


async def test_without_an_actor_token_the_server_drops_who_acted_before(delegating, spring):
    """Its token would allow as much as one that the person uses alone."""
    zone = await delegating(actor=None)
    token = spring.acted(spring.sign_in("alice", "portal-of-all"), "desk-of-all")
    assert claims_of(token)["act"] == actor(spring, "desk-of-all")
    assert (await refusal(await started(zone, token))).code == "exchange_reply_invalid"
    assert "lacks the act" in json.dumps(last_record(zone))


@pytest.mark.parametrize("chain", [False, True])
async def test_a_token_that_names_another_actor_is_not_given(delegating, spring, chain):
    zone = await delegating(client="tabard-of-bills")
    token = spring.acted(spring.sign_in("alice", "portal"), "desk") if chain else spring.sign_in("alice")
    task = await started(zone, token)
    assert (await refusal(task)).code == "exchange_reply_invalid"
    assert "act doesn't name this workload's actor token" in json.dumps(last_record(zone))
    # Only this client's set-up is wrong: nothing is refused for what the task is.
    assert (await refusal(task, "bills.read")).code == "exchange_denied"


async def test_a_person_who_lets_another_workload_act_starts_no_task(delegating, spring):
    zone = await delegating()
    token = spring.sign_in("alice", "front-end-of-bills")
    with pytest.raises(tabard.TabardError) as caught:
        await started(zone, token)
    assert caught.value.code == "subject_token_may_act"
    # The server says nothing but invalid_grant of it.
    with pytest.raises(requests.HTTPError) as answer:
        spring.exchanged(token, "tabard", "orders-agent", "orders", "orders:read")
    assert answer.value.response.json() == {"error": "invalid_grant"}
    write_secret(zone.folder / "actor", spring.actor_token("bills-agent"))
    assert (await (await started(zone, token)).authorize("bills.read")).allowed


async def test_a_sidecar_that_acts_as_its_client(delegating, spring):
    """It obtains the actor token itself, and ``may_act`` names the client."""
    zone = await delegating(client="orders-agent", granted=True)
    task = await started(zone, spring.sign_in("alice"))
    for tool in ("orders.read", "bills.read"):
        claims = claims_of((await task.authorize(tool)).credential.value)
        assert (claims["client_id"], claims["act"]) == ("orders-agent", actor(spring, "orders-agent"))
    for front_end, code in (("front-end-of-bills", "subject_token_may_act"), ("front-end-of-all", None)):
        token = spring.sign_in("bob", front_end)
        if code is None:
            assert (await (await started(zone, token)).authorize("orders.read")).allowed
        else:
            with pytest.raises(tabard.TabardError) as caught:
                await started(zone, token)
            assert caught.value.code == code


async def test_a_client_that_gets_no_actor_token_is_told_to_operators(delegating, spring):
    zone = await delegating(client="tabard-of-nobody", granted=True)
    task = await started(zone, spring.sign_in("alice", "front-end-of-all"))
    assert (await refusal(task)).code == "exchange_refused"
    [found, _] = [one async for one in examine(zone.parts().exchanges.servers["staff"])]
    assert (found.severity, "for the actor token" in found.message) == (Severity.PROBLEM, True), found


async def test_a_workload_that_gets_the_task_does_not_act_if_the_person_let_only_the_first(
    delegating, spring
):
    zone = await delegating()
    task = await started(zone, spring.sign_in("alice"))
    handed = await zone.hand_to(task, "triage")
    # Both sidecars read the same file.
    write_secret(zone.folder / "actor", spring.actor_token("bills-agent"))
    assert (await refusal(handed)).code == "subject_token_may_act"
    write_secret(zone.folder / "actor", spring.actor_token("orders-agent"))
    assert (await handed.authorize("orders.read")).allowed


async def test_without_may_act_the_server_takes_every_actor(delegating, spring):
    zone = await delegating(actor="bills-agent")
    token = spring.sign_in("alice", "front-end-of-all")
    assert "may_act" not in claims_of(token)
    credential = (await (await started(zone, token)).authorize("orders.read")).credential
    assert claims_of(credential.value)["act"] == actor(spring, "bills-agent")


async def test_narrower_is_given_and_what_the_client_may_not_have_is_not(delegating, spring):
    zone = await delegating()
    task = await started(zone, spring.sign_in("alice"))
    credential = (await task.authorize("orders.write", scopes=["orders:read"])).credential
    assert claims_of(credential.value)["scope"] == ["orders:read"]
    assert (await refusal(task, "orders.admin")).code == "exchange_denied"
    assert "invalid_scope" in json.dumps(last_record(zone))


async def test_which_of_the_two_tokens_is_refused(delegating, spring):
    """``invalid_grant`` doesn't say, so operators read of both."""
    zone = await delegating()
    token = spring.sign_in("alice")
    task = await started(zone, token)
    good = (zone.folder / "actor").read_text()
    spring.revoke(good, "orders-agent")
    assert (await refusal(task)).code == "subject_token_expired"
    assert "unless it means the actor token of 'orders-agent'" in json.dumps(last_record(zone))
    write_secret(zone.folder / "actor", spring.actor_token("orders-agent"))
    assert (await task.authorize("orders.read")).allowed
    spring.revoke(token, "front-end")
    denied = await refusal(task, "orders.write")
    assert (denied.code, "sign in again" in denied.for_model()) == ("subject_token_expired", True)


async def test_an_actor_token_that_nothing_renews_is_told_to_operators(delegating, spring):
    zone = await delegating()
    task = await started(zone, spring.sign_in("alice", "front-end-of-all"))
    write_secret(zone.folder / "actor", spring.actor_token("agent-of-a-moment"))
    await asyncio.sleep(1.1)
    assert (await refusal(task)).code == "exchange_refused"
    reason = zone.running["orchestrator"].health.snapshot().components["exchange"].reason
    assert "the token has expired" in reason
    [found, _] = [one async for one in examine(zone.parts().exchanges.servers["staff"])]
    assert (found.severity, "the token has expired" in found.message) == (Severity.PROBLEM, True)


async def test_doctor_finds_client_and_revocation_right(delegating):
    zone = await delegating()
    found = [one async for one in examine(zone.parts().exchanges.servers["staff"])]
    assert [one.severity for one in found] == [Severity.OK] * 2, found


async def test_each_call_is_of_its_person(delegating, spring):
    """Eight tasks of two people at once."""
    zone = await delegating()
    people = ["alice", "bob"] * 4
    tasks = [await started(zone, await asyncio.to_thread(spring.sign_in, person)) for person in people]
    decisions = await asyncio.gather(*(task.authorize("orders.read") for task in tasks))
    found = [claims_of(one.credential.value) for one in decisions]
    assert [claims["sub"] for claims in found] == people
    assert all(claims["act"] == actor(spring, "orders-agent") for claims in found)
    assert len({claims["jti"] for claims in found}) == len(people)


async def test_the_end_of_the_task_revokes_the_token(delegating, spring):
    zone = await delegating()
    task = await started(zone, spring.sign_in("alice"))
    ended = (await task.authorize("orders.read")).credential.value
    assert await asyncio.to_thread(spring.active, ended)
    await task.end()
    began = time.monotonic()
    while await asyncio.to_thread(spring.active, ended):
        assert time.monotonic() - began < 60


async def test_no_token_is_logged_or_stored_in_the_clear(delegating, spring, caplog):
    caplog.set_level(logging.DEBUG)
    zone = await delegating()
    token = spring.acted(spring.sign_in("alice", "portal"), "desk")
    task = await started(zone, token)
    credential = (await task.authorize("orders.read")).credential
    await refusal(task, "orders.admin")
    mine = (zone.folder / "actor").read_text()
    spring.revoke(mine, "orders-agent")
    await refusal(task, "orders.write")
    log = (zone.sidecars["orchestrator"].folder / "decisions.log").read_text() + caplog.text
    assert "orders.write" in log
    for secret in (token, credential.value, mine):
        for part in secret.split(".")[1:]:
            assert part not in log
            assert not any(part.encode() in file.read_bytes() for file in zone.folder.glob("state.db*"))


def test_the_page_shows_the_program_that_runs():
    [(language, code)] = code_of(PAGE, "spring-customizer")
    assert language == "java"
    assert re.sub(r"\s+", " ", code) in re.sub(r"\s+", " ", PROGRAM.read_text())
