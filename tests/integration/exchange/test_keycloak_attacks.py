"""Tokens of a real Keycloak, forged, confused and presented where they don't belong: no task starts and no call is allowed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
import requests
import tabard
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.fake_idp import claims_of
from tests.support.keycloak_server import Keycloak
from tests.support.waiting import eventually

Forge = Callable[[Keycloak, str], str]
OWN = rsa.generate_private_key(65537, 2048)


def encoded(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def published(idp: Keycloak, token: str) -> dict[str, Any]:
    """The public key that a token names, as Keycloak publishes it."""
    keys = requests.get(f"{idp.issuer}/protocol/openid-connect/certs", timeout=30).json()["keys"]
    kid = jwt.get_unverified_header(token)["kid"]
    return next(one for one in keys if one["kid"] == kid)


def keyed(secret: bytes, token: str) -> str:
    """The claims of a token under an HMAC with a public key."""
    kid = jwt.get_unverified_header(token)["kid"]
    signed = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': kid})}.{token.split('.')[1]}"
    mac = hmac.digest(secret, signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def by_pem(idp: Keycloak, token: str) -> str:
    key = jwt.PyJWK(published(idp, token)).key
    return keyed(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), token)


def signed(token: str, header: dict[str, Any], **claims: Any) -> str:
    """The token with other claims, signed with a key of our own."""
    return jwt.encode(claims_of(token) | claims, OWN, "RS256", header)


def same_kid(_: Keycloak, token: str, **claims: Any) -> str:
    return signed(token, {"kid": jwt.get_unverified_header(token)["kid"]}, **claims)


def with_its_own_key(_: Keycloak, token: str) -> str:
    key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(OWN.public_key()))
    return signed(token, {"kid": jwt.get_unverified_header(token)["kid"], "jwk": key})


def twice(_: Keycloak, token: str) -> str:
    """Another person in front of the real one, in claims whose signature doesn't fit any more."""
    header, payload, signature = token.split(".")
    text = base64.urlsafe_b64decode(payload + "==").decode()
    other = encoded(text.replace("{", '{"sub":"bob",', 1))
    return f"{header}.{other}.{signature}"


def two_algorithms(_: Keycloak, token: str) -> str:
    _, payload, signature = token.split(".")
    kid = jwt.get_unverified_header(token)["kid"]
    header = encoded(f'{{"alg":"RS256","alg":"none","kid":"{kid}"}}')
    return f"{header}.{payload}.{signature}"


FORGED: dict[str, tuple[Forge, str]] = {
    "none": (
        lambda _, token: f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{token.split('.')[1]}.",
        "algorithm",
    ),
    "hmac with the public key": (by_pem, "algorithm"),
    "hmac with the JWK": (
        lambda idp, token: keyed(json.dumps(published(idp, token)).encode(), token),
        "algorithm",
    ),
    "own key under its kid": (same_kid, "signature"),
    "own key in the header": (with_its_own_key, "header"),
    "own key at a URL": (
        lambda _, token: signed(token, {"jku": "http://127.0.0.1:1/", "kid": "x"}),
        "header",
    ),
    "unknown kid": (lambda _, token: signed(token, {"kid": "x"}), "unknown_key"),
    "no kid": (lambda _, token: signed(token, {}), "signature"),
    "claims twice": (twice, "malformed"),
    "algorithms twice": (two_algorithms, "malformed"),
    "larger than 16 KB": (lambda idp, token: same_kid(idp, token, more="x" * 16_000), "malformed"),
    "no signature": (lambda _, token: token.rpartition(".")[0] + ".", "signature"),
    "cut signature": (lambda _, token: token[:-2], "signature"),
    "for later": (lambda idp, token: same_kid(idp, token, nbf=int(time.time()) + 3600), "signature"),
    "longer": (lambda idp, token: same_kid(idp, token, exp=int(time.time()) + 10**6), "signature"),
}


async def start(zone: Any, token: str) -> tabard.aio.Task:
    return await zone.agent("orchestrator").start_task(
        token, purpose="orders", statement="Look at my orders."
    )


async def refused(zone: Any, token: str) -> str:
    with pytest.raises(tabard.TabardError) as caught:
        await start(zone, token)
    return str(caught.value.code)


async def test_forged_tokens(zone, idp):
    """All in one test, since Keycloak starts slowly; each is refused for what it is."""
    # The keys are fetched once before.
    await start(zone, idp.sign_in("alice")["access_token"])
    token = idp.sign_in("alice")["access_token"]
    found = {name: await refused(zone, forge(idp, token)) for name, (forge, _) in FORGED.items()}
    # A set with one key for an algorithm is asked for a token without kid, others aren't.
    found["no kid"] = found["no kid"].replace("unknown_key", "signature")
    assert found == {name: f"subject_token_{code}" for name, (_, code) in FORGED.items()}
    assert (await (await start(zone, token)).authorize("orders.read")).allowed


async def test_tokens_of_keycloak_that_are_no_access_tokens_of_its_people_for_tabard(zone, idp):
    """Another realm's, of which one claim says this realm; refresh tokens; a client's own; and what an exchange gave."""
    login = {"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": "admin"}
    url = f"{idp.origin}/realms/master/protocol/openid-connect/token"
    answer = await asyncio.to_thread(requests.post, url, data=login, timeout=30)
    other = answer.json()["access_token"]
    assert await refused(zone, other) == "subject_token_unknown_issuer"
    assert await refused(zone, same_kid(idp, other, iss=idp.issuer)) == "subject_token_unknown_key"
    session = idp.sign_in("alice")
    assert (await refused(zone, session["refresh_token"])).startswith("subject_token_")
    task = await start(zone, session["access_token"])
    exchanged = (await task.authorize("orders.read")).credential.value
    assert await refused(zone, exchanged) == "subject_token_audience"


async def test_one_token_for_tasks_and_calls_at_once(zone, idp):
    """It starts one task. Each of that task's calls has a token of its own, with no more than was granted to it."""
    token = idp.sign_in("bob")["access_token"]
    begun = await asyncio.gather(*(start(zone, token) for _ in range(4)), return_exceptions=True)
    [task] = [one for one in begun if isinstance(one, tabard.aio.Task)]
    refusals = [one for one in begun if one is not task]
    assert [getattr(one, "code", one) for one in refusals] == ["subject_token_used"] * 3
    calls = [(task, tool) for tool in ("orders.read", "orders.write", "bills.read")]
    found = await asyncio.gather(*(task.authorize(tool) for task, tool in calls))
    claims = [claims_of(one.credential.value) for one in found]
    assert len({one["jti"] for one in claims}) == len(calls)
    assert {one["sub"] for one in claims} == {claims_of(token)["sub"]}
    wanted = {
        "orders.read": "orders:read",
        "orders.write": "orders:read orders:write",
        "bills.read": "bills:read",
    }
    for (_, tool), one in zip(calls, claims, strict=True):
        assert (one["aud"], set(one["scope"].split())) == (tool.partition(".")[0], set(wanted[tool].split()))


async def test_keys_that_are_replaced(zone, idp):
    """Tokens of the new key are accepted within seconds, and what is exchanged meanwhile is verified with it."""
    before = idp.sign_in("alice")["access_token"]
    task = await start(zone, before)
    realm = idp.admin("GET", "")
    provider = {
        "name": "newer",
        "providerId": "rsa-generated",
        "providerType": "org.keycloak.keys.KeyProvider",
        "parentId": realm["id"],
        "config": {"priority": ["1000"], "enabled": ["true"], "active": ["true"], "algorithm": ["RS256"]},
    }
    idp.admin("POST", "components", json=provider)
    after = idp.sign_in("alice")["access_token"]
    assert jwt.get_unverified_header(after)["kid"] != jwt.get_unverified_header(before)["kid"]

    async def starts() -> bool:
        try:
            await start(zone, after)
        except tabard.TabardError as error:
            if error.code != "subject_token_unknown_key":
                raise
            await asyncio.sleep(1)
            return False
        return True

    await eventually(starts)
    credential = (await task.authorize("orders.read")).credential
    assert jwt.get_unverified_header(credential.value)["kid"] == jwt.get_unverified_header(after)["kid"]
    assert await refused(zone, same_kid(idp, after)) == "subject_token_signature"
