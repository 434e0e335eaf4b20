"""The service over TLS gives a pod the keys of its namespace, and no client anything else."""

from __future__ import annotations

import asyncio
import json
import ssl
import time

import aiohttp
import pytest
from tabard_sidecar.control.pods import Pods
from tabard_sidecar.control.reviews import Caller, TokenReviews
from tabard_sidecar.health import Health
from tabard_sidecar.keys.control_document import decode_zone

from tests.support.control import AUDIENCE, REVIEWS, Cluster, pod_token, status
from tests.support.fake_vault import Answer
from tests.support.waiting import eventually


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path)
    yield made
    made.api.close()


@pytest.fixture
async def ask(cluster):
    """Asks a service for a zone's keys; gives status, headers and body."""
    trusting = ssl.create_default_context(cafile=cluster.authority.certificate)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session:

        async def ask(running, token="", zone="support", **headers):
            if token:
                headers["Authorization"] = f"Bearer {token}"
            url = f"https://{running.address}/zones/{zone}/keys"
            async with session.get(url, headers=headers, allow_redirects=False) as answer:
                return answer.status, answer.headers, await answer.read()

        yield ask


async def test_a_pod_gets_the_keys_of_its_namespace(cluster, ask):
    async with cluster.service() as running:
        code, headers, body = await ask(running, pod_token())
        assert (code, headers["Cache-Control"]) == (200, "no-store")
        document = decode_zone(body, "support")
        assert [each.number for each in document.generations] == [1]
        assert headers["ETag"] == f'"{document.version}"'
        code, headers, body = await ask(running, pod_token(), **{"If-None-Match": headers["ETag"]})
        assert (code, body, headers["ETag"]) == (304, b"", f'"{document.version}"')
        _, _, other = await ask(running, pod_token("billing"), zone="billing")
        assert decode_zone(other, "billing").generations[0].root.secret != document.generations[0].root.secret


async def test_the_api_server_is_asked_with_the_services_own_token_for_its_audience(cluster, ask):
    """The token is read anew: the kubelet renews it."""
    async with cluster.service() as running:
        token = pod_token()
        await ask(running, token)
        (cluster.folder / "own-token").write_text("renewed\n")
        await ask(running, token)
    asked = [one for one in cluster.api.asked if one.body["spec"]["token"] == token]
    assert [one.headers["Authorization"] for one in asked] == ["Bearer own", "Bearer renewed"]
    assert {one.path for one in asked} == {REVIEWS}
    assert all(one.body["spec"]["audiences"] == [AUDIENCE] for one in asked)


# Made when a test runs: a token lives for minutes, and the tests before it may take longer.
NOT_ASKED = [
    (lambda: "", 401, "send a token of this pod"),
    (lambda: "x", 401, "isn't a token of a ServiceAccount"),
    (lambda: "a.b.c", 401, "isn't a token of a ServiceAccount"),
    (lambda: pod_token(aud=["tabard"]), 401, "isn't for this audience"),
    (lambda: pod_token(aud=None), 401, "isn't for this audience"),
    (lambda: pod_token(aud={"a": 1}), 401, "isn't for this audience"),
    (lambda: pod_token(exp=int(time.time()) - 3600), 401, "has expired"),
    (lambda: pod_token(exp="soon"), 401, "has expired"),
    (lambda: pod_token("billing"), 403, "another namespace's"),
    (lambda: pod_token(**{"kubernetes.io": None}), 403, "another namespace's"),
    (lambda: pod_token(**{"kubernetes.io": "support"}), 403, "another namespace's"),
]


@pytest.mark.parametrize(("made", "code", "told"), NOT_ASKED, ids=map(str, range(len(NOT_ASKED))))
async def test_what_cannot_be_good_never_reaches_the_api_server(cluster, ask, made, code, told):
    token = made()
    async with cluster.service() as running:
        found, headers, body = await ask(running, token)
        assert (found, told in body.decode()) == (code, True), body
        assert ("WWW-Authenticate" in headers) == (code == 401)
    assert [one for one in cluster.api.asked if one.body["spec"]["token"] == token] == []


REVIEWED = [
    ({"authenticated": False, "error": "invalid bearer token"}, 401),
    (status() | {"authenticated": False}, 401),
    (status() | {"authenticated": "true"}, 401),
    (status() | {"error": "something"}, 401),
    # An API server that doesn't look at audiences gives none.
    ({name: value for name, value in status().items() if name != "audiences"}, 401),
    (status() | {"audiences": ["https://kubernetes.default.svc"]}, 401),
    (status() | {"audiences": AUDIENCE}, 401),
    (status() | {"user": {"username": "system:node:node-1"}}, 401),
    (status() | {"user": {"username": "system:serviceaccount:support"}}, 401),
    (status() | {"user": {"username": ["system:serviceaccount:support:a"]}}, 401),
    (status() | {"user": None}, 401),
    (status("billing"), 403),
    # Bound to no pod: kubectl create token, or a Secret.
    (status() | {"user": {"username": "system:serviceaccount:support:agent"}}, 403),
    (status() | {"user": {"username": "system:serviceaccount:support:agent", "extra": []}}, 403),
]


@pytest.mark.parametrize(("answer", "code"), REVIEWED)
async def test_what_the_api_server_says_counts_not_what_the_token_claims(cluster, ask, answer, code):
    cluster.api.answers[REVIEWS] = Answer(201, {"status": answer})
    async with cluster.service() as running:
        found, _, body = await ask(running, pod_token())
        assert found == code
        assert b"keys" not in body


@pytest.mark.parametrize("name", ["pod-name", "pod-uid"])
@pytest.mark.parametrize("value", [[], ["a", "b"], [""], [1], "agent-1", None])
async def test_a_pod_that_is_not_told_plainly_is_none(cluster, ask, name, value):
    answer = status()
    answer["user"]["extra"][f"authentication.kubernetes.io/{name}"] = value
    cluster.api.answers[REVIEWS] = Answer(201, {"status": answer})
    async with cluster.service() as running:
        assert (await ask(running, pod_token()))[0] == 403


LOCATION = {"Location": "https://elsewhere.example.org/"}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(307, {}, LOCATION), "the API server answers 307"),
        (Answer(200, {"status": status()}), "the API server answers 200"),
        (Answer(401, {}), "it doesn't accept the service's own token"),
        (Answer(403, {}), "must allow to create tokenreviews"),
        (Answer(500, {}), "the API server answers 500"),
        (Answer(201, b"x" * 300_000), "longer than"),
        (Answer(201, b"[]"), "no JSON object"),
        (Answer(201, b'{"status": 1, "status": {}}'), "can't be read"),
        (Answer(201, {"status": []}), "has no status"),
        (Answer(201, {"status": status()}, {"Content-Encoding": "gzip"}), "compressed"),
        (Answer(steps=[b"HTTP/1.1 201 X\r\nContent-Length: 99999\r\n\r\n{", 5.0]), "didn't answer in time"),
        (Answer(steps=[b"no http\r\n\r\n"], hangs_up=True), "isn't HTTP"),
    ],
)
async def test_an_api_server_that_cannot_be_asked_gives_nobody_keys(cluster, ask, answer, told):
    """And makes the service not ready, with the reason."""
    cluster.api.answers[REVIEWS] = answer
    async with cluster.service(timeout_seconds=1 if "in time" in told else 30) as running:
        code, headers, body = await ask(running, pod_token())
        assert (code, headers["Retry-After"]) == (503, "5")
        assert b"keys" not in body
        found = running.health.snapshot()
        assert not found.ready
        assert told in found.components["reviews"].reason


async def test_an_api_server_of_another_authority_is_not_believed(cluster, ask, tmp_path):
    (tmp_path / "other").mkdir()
    other = Cluster(tmp_path / "other")
    try:
        async with cluster.service(ca_file=other.authority.certificate) as running:
            assert (await ask(running, pod_token()))[0] == 503
            assert "certificate isn't acceptable" in running.health.snapshot().components["reviews"].reason
    finally:
        other.api.close()


async def test_an_api_server_that_comes_back_is_noticed(cluster, monkeypatch):
    monkeypatch.setattr("tabard_sidecar.control.reviews._LOOK_SECONDS", 0.05)
    good = cluster.api.answers[REVIEWS]
    cluster.api.answers[REVIEWS] = Answer(500, {})
    async with cluster.service() as running:
        assert not running.health.snapshot().ready
        cluster.api.answers[REVIEWS] = good
        await eventually(lambda: running.health.snapshot().ready)


@pytest.mark.parametrize("zone", ["Support", "a%2Fb", "..%2F..%2Fmetrics", "a.b", "x" * 64, "%00"])
async def test_a_name_that_is_no_namespace_has_no_keys(cluster, ask, zone):
    async with cluster.service() as running:
        assert (await ask(running, pod_token(), zone=zone))[0] == 404


async def test_three_hundred_sidecars_at_once_get_their_keys(cluster, ask):
    """More than there are connections to the API server."""
    async with cluster.service(timeout_seconds=20, max_connections=4) as running:
        answers = await asyncio.gather(
            *(ask(running, pod_token(f"ns-{n % 20}"), zone=f"ns-{n % 20}") for n in range(300))
        )
        assert {code for code, _, _ in answers} == {200}
        assert len({body for _, _, body in answers}) == 20
    assert cluster.api.most <= 6


async def test_a_flood_of_forged_tokens_does_not_make_the_service_unready(cluster, ask):
    """Whether the API server answers is asked apart from what strangers send."""
    cluster.api.answers[REVIEWS] = lambda asked: (
        time.sleep(0.3) or Answer(201, {"status": {"authenticated": False}})
        if len(asked.body["spec"]["token"]) > 20
        else Answer(201, {"status": {"authenticated": False}})
    )
    async with cluster.service(max_connections=2, timeout_seconds=1.5) as running:
        answers = await asyncio.gather(*(ask(running, pod_token()) for _ in range(20)))
        assert {code for code, _, _ in answers} <= {401, 503}
        assert running.health.snapshot().ready


async def test_replicas_give_the_same_keys(cluster, ask):
    async with cluster.service() as one, cluster.service() as other:
        assert (await ask(one, pod_token()))[2] == (await ask(other, pod_token()))[2]


async def test_what_is_logged_names_pods_and_never_a_token_or_key(cluster, ask, caplog):
    with caplog.at_level("DEBUG"):
        async with cluster.service() as running:
            token = pod_token()
            body = (await ask(running, token))[2]
            await ask(running, pod_token("billing"))
    given = [record for record in caplog.records if record.message == "keys given"]
    assert [(one.zone, one.pod, one.uid, one.account) for one in given] == [
        ("support", "agent-1", "u-1", "agent")
    ]
    refused = [record for record in caplog.records if record.message == "keys refused"]
    assert [one.reason for one in refused] == ["the token is another namespace's"]
    text = " ".join(str(vars(record)) for record in caplog.records)
    secret = decode_zone(body, "support").generations[0].root.secret
    assert token.rpartition(".")[2] not in text
    assert repr(secret) not in text


async def test_a_caller_is_who_the_api_server_says(cluster):
    reviews = TokenReviews(cluster.settings().cluster, Health(required=("reviews",)).component("reviews"))
    try:
        found = await Pods(reviews, AUDIENCE).of_zone(f"bearer {pod_token()}", "support")
        assert found == Caller("support", "agent", "agent-1", "u-1")
    finally:
        reviews.close()


async def get(cluster, running, path, **headers):
    """Ask without a token."""
    trusting = ssl.create_default_context(cafile=cluster.authority.certificate)
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session,
        session.get(f"https://{running.address}{path}", headers=headers) as answer,
    ):
        return answer.status, answer.headers, await answer.read()


async def test_everyone_gets_the_public_keys_of_every_zone(cluster, ask):
    """Those of the zone's signing keys, those that wait included, and nothing else."""
    async with cluster.service() as running:
        await cluster.renew()
        await eventually(lambda: running.zones.newest == 2)
        code, headers, body = await get(cluster, running, "/zones/support/jwks.json")
        assert (code, headers["Content-Type"]) == (200, "application/jwk-set+json")
        assert headers["Cache-Control"] == "public, max-age=60"
        given = decode_zone((await ask(running, pod_token()))[2], "support")
        expected = [each.signing for each in reversed(given.generations)]
        assert [key["kid"] for key in json.loads(body)["keys"]] == [key.kid for key in expected]
        assert all(
            key.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"} for key in json.loads(body)["keys"]
        )
        other = (await get(cluster, running, "/zones/billing/jwks.json"))[2]
        assert not {key["x"] for key in json.loads(other)["keys"]} & {
            key["x"] for key in json.loads(body)["keys"]
        }
        code, _, body = await get(
            cluster, running, "/zones/support/jwks.json", **{"If-None-Match": headers["ETag"]}
        )
        assert (code, body) == (304, b"")
        assert [one for one in cluster.api.asked if len(one.body["spec"]["token"]) > 20] != []
        assert (await get(cluster, running, "/zones/Not.a.zone/jwks.json"))[0] == 404


async def test_names_that_strangers_ask_for_push_out_no_zones_keys(cluster, ask):
    async with cluster.service() as running:
        kept = running.zones.keys("support")
        for number in range(1100):
            running.zones.jwks(f"ns-{number}")
        assert running.zones.keys("support") is kept


async def test_without_a_state_store_no_credential_is_looked_at(cluster):
    trusting = ssl.create_default_context(cafile=cluster.authority.certificate)
    async with (
        cluster.service() as running,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session,
    ):
        url = f"https://{running.address}/zones/support/introspect"
        async with session.post(url, data={"token": "x"}) as answer:
            assert (answer.status, await answer.json()) == (404, {"error": "unknown_zone"})


def test_a_zones_state_must_be_one_that_its_sidecars_share(cluster):
    with pytest.raises(ValueError, match="must name the Redis or Valkey server"):
        cluster.settings({"support": {"state": {"url": "sqlite:"}}})
    with pytest.raises(ValueError, match="pattern"):
        cluster.settings({"Support": {"state": {"url": "redis://127.0.0.1:1/0"}}})
