"""Token exchange at a real Keycloak: narrowed, never more than asked for, never another person's, and gone when it is gone."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from contextlib import closing

import jwt
import pytest
import tabard
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tabard_sidecar.credentials.exchange.examining import examine
from tabard_sidecar.interfaces import Withdrawal
from tabard_sidecar.util.findings import Severity

from tests.support.credentials import request_of
from tests.support.fake_idp import claims_of
from tests.support.keycloak_server import PEOPLE
from tests.support.waiting import eventually


async def started(zone, idp, person="alice", session=None):
    """Start a task with a token of a person who signs in now."""
    session = session or await asyncio.to_thread(idp.sign_in, person)
    return await zone.agent("orchestrator").start_task(
        session["access_token"], purpose="orders", statement="Look at my orders."
    )


async def refusal(task, tool="orders.read"):
    """The error with which a call ends."""
    with pytest.raises(tabard.TabardError) as caught:
        await task.authorize(tool)
    return caught.value


def kept(zone) -> int:
    """How many people's tokens the store keeps."""
    with closing(sqlite3.connect(zone.folder / "state.db")) as connection:
        (count,) = connection.execute("SELECT count(*) FROM subject_tokens").fetchone()
    return count


def reason(zone) -> str:
    """What health says of the identity provider."""
    return zone.running["orchestrator"].health.snapshot().components["exchange"].reason


async def test_audience_and_scopes_are_what_policy_grants(zone, idp):
    session = idp.sign_in("alice")
    presented = claims_of(session["access_token"])
    assert presented["aud"] == "tabard"
    task = await started(zone, idp, session=session)
    for tool, audience, scopes in (
        ("orders.read", "orders", {"orders:read"}),
        ("orders.write", "orders", {"orders:read", "orders:write"}),
        ("bills.read", "bills", {"bills:read"}),
    ):
        credential = (await task.authorize(tool)).credential
        claims = claims_of(credential.value)
        assert (claims["aud"], set(claims["scope"].split())) == (audience, scopes)
        assert (claims["sub"], claims["azp"]) == (presented["sub"], "tabard")
        assert (credential.audience, set(credential.scopes)) == (audience, scopes)
        assert 110 <= credential.expires_at - time.time() <= 120
        if audience == "orders":
            assert idp.active(credential.value)


async def test_the_agent_may_ask_for_fewer_scopes_and_not_for_more(zone, idp):
    task = await started(zone, idp)
    credential = (await task.authorize("orders.write", scopes=["orders:read"])).credential
    assert claims_of(credential.value)["scope"] == "orders:read"
    with pytest.raises(tabard.Denied) as denied:
        await task.authorize("orders.read", scopes=["orders:write"])
    assert denied.value.code == "scope_not_granted"


async def test_what_keycloak_does_not_give_is_refused(zone, idp):
    """A scope that it doesn't have, and an audience that no asked scope brings."""
    task = await started(zone, idp)
    assert (await refusal(task, "orders.admin")).code == "exchange_denied"
    assert (await refusal(task, "bills.crossed")).code == "exchange_refused"
    assert "Requested audience not available" in reason(zone)
    assert (await task.authorize("orders.read")).allowed
    assert reason(zone) == ""


async def test_a_token_with_more_than_was_asked_for_is_not_given(zone, idp):
    """Keycloak adds default scopes of the client to every token."""
    task = await started(zone, idp)
    with idp.default_scope("tabard", "orders:write"):
        assert (await refusal(task)).code == "exchange_reply_invalid"
        assert "orders:write" in reason(zone)
    assert (await task.authorize("orders.read")).allowed


async def test_a_token_that_lives_longer_than_configured_is_not_given(zone, idp):
    task = await started(zone, idp)
    with idp.changed("tabard", attributes={"access.token.lifespan": "86400"}):
        assert (await refusal(task)).code == "exchange_reply_invalid"
        assert "max_ttl_seconds" in reason(zone)


async def test_one_persons_token_never_reaches_anothers_call(zone, idp):
    """Forty tasks of two people, each with two calls, at once."""
    sessions = {name: await asyncio.to_thread(idp.sign_in, name) for name in PEOPLE}
    who = {name: claims_of(session["access_token"])["sub"] for name, session in sessions.items()}
    assert len(set(who.values())) == len(PEOPLE)

    async def calls(number):
        person = PEOPLE[number % len(PEOPLE)]
        task = await started(zone, idp, person)
        decisions = await asyncio.gather(task.authorize("orders.read"), task.authorize("bills.read"))
        again = await task.authorize("orders.read")
        assert again.credential.value == decisions[0].credential.value
        return [(person, claims_of(one.credential.value)) for one in decisions]

    found = [one for part in await asyncio.gather(*map(calls, range(40))) for one in part]
    assert [claims["sub"] for _, claims in found] == [who[person] for person, _ in found]
    assert len({claims["jti"] for _, claims in found}) == len(found) == 80


async def test_another_workload_of_the_task_acts_for_the_same_person(zone, idp):
    session = idp.sign_in("bob")
    task = await started(zone, idp, session=session)
    handed = await zone.hand_to(task, "triage")
    credential = (await handed.authorize("orders.read")).credential
    assert claims_of(credential.value)["sub"] == claims_of(session["access_token"])["sub"]


async def test_a_person_who_signed_out_has_to_sign_in_again(zone, idp):
    session = idp.sign_in("alice")
    task = await started(zone, idp, session=session)
    assert (await task.authorize("orders.read")).allowed
    idp.sign_out(session)
    denied = await refusal(task, "orders.write")
    assert (denied.code, "sign in again" in denied.for_model()) == ("subject_token_expired", True)
    assert reason(zone) == ""


async def test_an_expired_token_is_not_presented_any_more(zone, idp):
    with idp.changed("front-end", attributes={"access.token.lifespan": "3"}):
        session = idp.sign_in("alice")
    task = await started(zone, idp, session=session)
    await asyncio.sleep(max(0.0, claims_of(session["access_token"])["exp"] - time.time() + 0.1))
    assert (await refusal(task)).code == "subject_token_expired"


async def test_the_end_of_the_task_deletes_the_persons_token_and_revokes_what_it_got(zone, idp):
    """Another task of the same session keeps its own."""
    session = idp.sign_in("alice")
    task, other = await started(zone, idp, session=session), await started(zone, idp)
    assert kept(zone) == 2
    ended = (await task.authorize("orders.read")).credential.value
    stays = (await other.authorize("orders.read")).credential.value
    assert await asyncio.to_thread(idp.active, ended)
    await task.end()
    assert kept(zone) == 1
    began = time.monotonic()
    while await asyncio.to_thread(idp.active, ended):
        assert time.monotonic() - began < 60
    assert await asyncio.to_thread(idp.active, stays)


async def test_no_token_is_logged_or_stored_in_the_clear(zone, idp):
    session = idp.sign_in("alice")
    task = await started(zone, idp, session=session)
    credential = (await task.authorize("orders.read", request_id="once")).credential
    log = (zone.sidecars["orchestrator"].folder / "decisions.log").read_text()
    assert json.loads(log.splitlines()[-1])
    for token in (session["access_token"], credential.value):
        for part in token.split(".")[1:]:
            assert part not in log
            assert not any(part.encode() in file.read_bytes() for file in zone.folder.glob("state.db*"))


async def test_a_token_whose_answer_is_not_given_is_revoked(zone, idp):
    task = await started(zone, idp)
    parts, now = zone.parts(), time.time()
    grant = parts.grants.verify(task.grant)
    request = request_of(
        "exchange",
        audience="orders",
        scopes=("orders:read",),
        issued_at=now,
        expires_at=now + 60,
        grant=grant,
    )
    issued = await parts.exchanges.issue(request)
    assert await asyncio.to_thread(idp.active, issued.value)
    assert await parts.exchanges.withdraw(request) is Withdrawal.ENDED
    assert not await asyncio.to_thread(idp.active, issued.value)


async def test_a_client_that_keycloak_does_not_know_is_told_to_operators(begin, idp):
    zone = await begin({"client_id": "nobody"})
    assert (await refusal(await started(zone, idp))).code == "exchange_refused"
    assert "exchange.staff: HTTP status 401" in reason(zone)


async def test_the_client_may_sign_assertions(begin, idp, folder):
    """``private_key_jwt`` in place of the secret; a replayed assertion would be refused, so each is new."""
    key = rsa.generate_private_key(65537, 2048)
    path = folder / "client.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    jwks = json.dumps({"keys": [public | {"kid": "c1", "use": "sig", "alg": "RS256"}]})
    zone = await begin({"client_secret_file": None, "private_key_file": str(path), "key_id": "c1"})
    task = await started(zone, idp)
    attributes = {"use.jwks.string": "true", "jwks.string": jwks}
    with idp.changed("tabard", clientAuthenticatorType="client-jwt", attributes=attributes):
        for tool in ("orders.read", "orders.write", "bills.read"):
            assert (await task.authorize(tool)).credential.value


async def test_doctor_tells_whether_the_client_may_exchange(zone, idp, folder):
    """Without any person's token."""
    server = zone.parts().exchanges.servers["staff"]
    assert [one async for one in examine(server) if one.severity is not Severity.OK] == []
    with idp.changed("tabard", attributes={"standard.token.exchange.enabled": "false"}):
        found, _ = [one async for one in examine(server)]
        assert found.severity is Severity.PROBLEM, found.message
    right = server.config
    for wrong in (
        right.token_endpoint,
        f"{right.revocation_endpoint}/nothing",
        str(right.revocation_endpoint).replace("/realms/", "/realms/another"),
        str(right.revocation_endpoint).partition("/realms/")[0]
        + "/realms/master/protocol/openid-connect/revoke",
    ):
        server.config = right.model_copy(update={"revocation_endpoint": wrong})
        _, found = [one async for one in examine(server)]
        assert found.severity is Severity.PROBLEM, (wrong, found.message)
    server.config = right
    (folder / "client-secret").write_text("x" * 40)
    for found in [one async for one in examine(server)]:
        assert (found.severity, "HTTP status 401" in found.message) == (Severity.PROBLEM, True)


async def test_an_actor_that_keycloak_ignores_is_noticed(begin, idp, folder):
    """It issues a token that doesn't say who acts, which isn't what was asked for."""
    actor = folder / "actor"
    actor.write_text(idp.sign_in("bob")["access_token"])
    actor.chmod(0o600)
    zone = await begin({"actor_token_file": str(actor)})
    assert (await refusal(await started(zone, idp))).code == "exchange_reply_invalid"
    assert "act doesn't name" in reason(zone)


async def test_an_identity_provider_that_is_gone_leaves_other_calls_alone(begin, idp):
    zone = await begin({"token_endpoint": "http://127.0.0.1:1/token", "revocation_endpoint": None})
    assert (await refusal(await started(zone, idp))).code == "exchange_unavailable"
    await eventually(lambda: "can't be reached" in reason(zone))
    assert zone.running["orchestrator"].health.snapshot().ready
