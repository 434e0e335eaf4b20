"""Backends that ask the control service about credentials of zones whose Redis it reaches."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager

import aiohttp
import pytest
from tabard import fetching
from tabard.verify import Rejected, Verifier
from tabard.verify.introspection import IntrospectionClient

from testbed.world import ZONE
from tests.support.control import Cluster, ControlZone, pod_token
from tests.support.waiting import eventually

KEY = "k" * 40
READ = ("tickets.read", {"ticket_id": "t-1"})
AUDIENCE = "https://tickets.internal"


@pytest.fixture
def cluster(folder, monkeypatch):
    made = Cluster(folder)
    (folder / "backend.key").write_text(KEY)
    (folder / "backend.key").chmod(0o600)
    # A backend trusts the cluster's authority as it trusts others: by the system's file.
    monkeypatch.setenv("SSL_CERT_FILE", str(made.authority.certificate))
    fetching._system_tls.cache_clear()
    yield made
    fetching._system_tls.cache_clear()
    made.api.close()


def section(cluster, server, *audiences):
    client = {"id": "backend", "key_file": str(cluster.folder / "backend.key"), "audiences": audiences}
    state = {"url": server.url, "redis": {"timeout_seconds": 0.5}}
    return {"state": state, "introspection": {"clients": [client]}}


def problem(service) -> str:
    """What health says about zones' state stores."""
    return service.health.snapshot().components["zones"].reason


@asynccontextmanager
async def running(cluster, server, *audiences):
    """A service that reaches the zone's Redis, and the zone's sidecar."""
    zones = {ZONE: section(cluster, server, *audiences), "billing": section(cluster, server, *audiences)}
    async with (
        cluster.service(zones=zones) as service,
        ControlZone(cluster, f"https://{service.address}", overrides={"state.url": server.url}) as zone,
    ):
        await eventually(lambda: problem(service) == "")
        yield service, zone


async def ask(cluster, service, credential, *, zone=ZONE, key=KEY):
    trusting = ssl.create_default_context(cafile=cluster.authority.certificate)
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session:
        url = f"https://{service.address}/zones/{zone}/introspect"
        async with session.post(url, data={"token": credential}, headers=headers) as answer:
            return answer.status, await answer.json()


async def issued(zone):
    task = await zone.start_task()
    decision = await task.authorize(*READ)
    return task, decision.credential


async def test_a_backend_verifies_with_the_zones_jwks_and_asks_whether_it_was_revoked(cluster, server):
    async with running(cluster, server, AUDIENCE) as (service, zone):
        task, credential = await issued(zone)
        base = f"https://{service.address}/zones/{ZONE}"
        verifier = Verifier(
            credential.audience,
            issuer=f"urn:tabard:zone:{ZONE}",
            jwks=f"{base}/jwks.json",
            introspection=IntrospectionClient(f"{base}/introspect", KEY, timeout_seconds=20),
        )
        found = await asyncio.to_thread(verifier.verify, credential.value, *READ)
        assert found.credential_id == credential.credential_id
        await task.end()
        with pytest.raises(Rejected) as caught:
            await asyncio.to_thread(verifier.verify, credential.value, *READ)
        assert caught.value.code == "credential_inactive"


async def test_a_client_learns_of_its_own_audiences_and_zone_only(cluster, server):
    async with running(cluster, server, AUDIENCE) as (service, zone):
        _, credential = await issued(zone)
        code, found = await ask(cluster, service, credential.value)
        assert (code, found["active"], found["jti"]) == (200, True, credential.credential_id)
        # Another zone's keys verify nothing of this one's.
        assert await ask(cluster, service, credential.value, zone="billing") == (200, {"active": False})
        assert (await ask(cluster, service, credential.value, key="x" * 40))[0] == 401
        assert (await ask(cluster, service, credential.value, zone="other"))[0] == 404
        for value in ("x", "a.b.c", pod_token(ZONE), "x" * 10_000):
            assert await ask(cluster, service, value) == (200, {"active": False})
        assert (await ask(cluster, service, ""))[0] == 400
    async with cluster.service(zones={ZONE: section(cluster, server, "elsewhere")}) as service:
        await eventually(lambda: problem(service) == "")
        assert await ask(cluster, service, credential.value) == (200, {"active": False})


async def test_credentials_of_every_generation_that_is_accepted_are_known(cluster, server):
    async with running(cluster, server, AUDIENCE) as (service, zone):
        _, before = await issued(zone)
        await cluster.renew(lead_seconds=1, overlap_seconds=600)
        await eventually(lambda: zone.parts().keyring.active("signing").kid.startswith("signing-2"))
        _, after = await issued(zone)
        for credential in (before, after):
            assert (await ask(cluster, service, credential.value))[1]["active"] is True


async def test_a_store_that_is_lost_gives_no_answer_and_concerns_no_other_zone(cluster, start_server):
    """The service serves keys all the while, is ready, and says which zone it is about."""
    one, other = start_server(), start_server()
    zones = {ZONE: section(cluster, one, AUDIENCE), "billing": section(cluster, other, AUDIENCE)}
    one.stop()
    async with cluster.service(zones=zones) as service:
        await eventually(lambda: "billing" not in problem(service))
        assert problem(service).startswith("zone support: ")
        assert service.health.snapshot().ready
        assert (await ask(cluster, service, "a.b.c"))[0] == 503
        assert (await ask(cluster, service, "a.b.c", zone="billing"))[1] == {"active": False}
        assert service.zones.keys(ZONE).content
        one.start()
        await eventually(lambda: problem(service) == "")
        assert (await ask(cluster, service, "a.b.c"))[1] == {"active": False}
