"""A sidecar whose keys come from a control service: its start, a rotation, the service's loss, and hostile answers."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager

import pytest
from tabard_sidecar.config import load
from tabard_sidecar.control.derivation import derived
from tabard_sidecar.control.master import MasterKey, read_folder
from tabard_sidecar.keys import ROOT
from tabard_sidecar.keys.control_document import encode_zone, zone_document
from tabard_sidecar.server.examining import examine
from tabard_sidecar.server.readiness import Readiness

from testbed.world import ZONE
from tests.support.control import Cluster, ControlZone
from tests.support.fake_vault import Answer, FakeVault
from tests.support.waiting import eventually

READ = ("tickets.read", {"ticket_id": "t-1"})
PATH = f"/zones/{ZONE}/keys"


@pytest.fixture
def cluster(folder):
    made = Cluster(folder)
    yield made
    made.api.close()


@pytest.fixture
def fake(cluster):
    """A fake of a control service, for answers that no real one gives."""
    service = FakeVault(cluster.authority.issue("fake"))
    yield service
    service.close()


@asynccontextmanager
async def zone_of(cluster, url, **options):
    async with ControlZone(cluster, url, **options) as zone:
        yield zone


def reason(zone) -> str:
    return zone.running["orchestrator"].health.snapshot().components["keys"].reason


def ready(zone) -> bool:
    return zone.running["orchestrator"].health.snapshot().ready


def metric(zone, name: str, **labels: str) -> float:
    return zone.parts().metrics.registry.get_sample_value(name, labels) or 0.0


async def asked_now(zone) -> bool:
    """Have the sidecar ask now; return whether the answer could be used."""
    found = await zone.parts().control.fetch()
    await Readiness(zone.parts()).look()
    return found


async def test_a_sidecar_decides_with_keys_of_the_service(cluster):
    """They are in memory only: no file of the sidecar's holds one."""
    async with cluster.service() as running, zone_of(cluster, f"https://{running.address}") as zone:
        assert ready(zone)
        task = await zone.start_task()
        assert (await task.authorize(*READ)).allowed
        master = read_folder(cluster.masters)[0]
        key = zone.parts().keyring.active(ROOT)
        assert key.secret == derived(master, ZONE, None).root.secret
        written = [
            path for path in (cluster.folder / "z").rglob("*") if path.is_file() and "keys" not in path.parts
        ]
        assert written
        assert not [path for path in written if key.secret in path.read_bytes()]


async def test_a_start_without_the_service_is_not_ready_and_says_why(cluster):
    """Until it answers; the agent is told that no decision is possible."""
    async with cluster.service() as running:
        url, listen = f"https://{running.address}", running.address
    async with zone_of(cluster, url) as zone:
        assert not ready(zone)
        assert f"the control service {url} gives no keys since" in reason(zone)
        assert "can't be fetched (ConnectionRefusedError)" in reason(zone)
        with pytest.raises(Exception, match="keys_unavailable"):
            await zone.start_task()
        async with cluster.service(listen):
            await eventually(lambda: ready(zone))
            assert (await (await zone.start_task()).authorize(*READ)).allowed


async def test_a_rotation_needs_no_restart_and_overlaps(cluster):
    """A task of before goes on, with credentials of both generations, while the new one takes over."""
    async with cluster.service() as running, zone_of(cluster, f"https://{running.address}") as zone:
        task = await zone.start_task()
        await cluster.renew(lead_seconds=2, overlap_seconds=600)
        ring = zone.parts().keyring
        await eventually(lambda: len(ring.list(ROOT)) == 2)
        assert ring.active(ROOT).kid.startswith("root-1-")
        assert (await task.authorize(*READ)).allowed
        await eventually(lambda: ring.active(ROOT).kid.startswith("root-2-"))
        assert (await task.authorize(*READ)).allowed
        assert (await (await zone.start_task()).authorize(*READ)).allowed
        assert metric(zone, "tabard_control_fetches_total", result="ok") >= 2
        assert metric(zone, "tabard_control_fetches_total", result="unchanged") >= 1


async def test_a_lost_service_leaves_the_sidecar_deciding_and_is_told_since_when(cluster):
    before = time.time()
    async with cluster.service() as running:
        url, listen = f"https://{running.address}", running.address
        zone = await ControlZone(cluster, url).__aenter__()
    try:
        await eventually(lambda: reason(zone))
        assert ready(zone)
        assert "generation 1 stays in use" in reason(zone)
        since = metric(zone, "tabard_control_failing_since_timestamp_seconds")
        assert before <= since <= time.time()
        assert (await (await zone.start_task()).authorize(*READ)).allowed
        async with cluster.service(listen):
            await eventually(lambda: not reason(zone))
            assert metric(zone, "tabard_control_failing_since_timestamp_seconds") == 0
    finally:
        await zone.__aexit__()


async def test_a_reload_asks_at_once(cluster):
    async with (
        cluster.service() as running,
        zone_of(cluster, f"https://{running.address}", poll_seconds=600) as zone,
    ):
        await cluster.renew()
        await eventually(lambda: running.zones.newest == 2)
        await zone.running["orchestrator"].reload()
        await eventually(lambda: len(zone.parts().keyring.list(ROOT)) == 2)


def document(cluster, *, zone: str = ZONE, generation: int = 1) -> bytes:
    master = read_folder(cluster.masters)[0]
    return encode_zone(
        zone_document(zone, [derived(MasterKey(generation, 0.0, None, master.secret), zone, None)])
    )


HOSTILE = [
    (Answer(302, {}, {"Location": f"https://127.0.0.1:1{PATH}"}), "answered with status 302"),
    (Answer(401, {}), "doesn't accept the token; token_file must hold"),
    (Answer(403, {}), "set zone to the namespace's name"),
    (Answer(404, {}), "zone must be the name of a namespace"),
    (Answer(503, {}), "it is asked again"),
    (Answer(304), "answered with status 304"),
    (Answer(body=b"x" * 2_000_000), "sends more than"),
    (Answer(body=b"x" * 100_000), "longer than 65536 bytes"),
    (Answer(body=b""), "can't be read"),
    ("billing", "the keys of another zone: 'billing'"),
    (
        Answer(steps=[b"HTTP/1.1 200 OK\r\n\r\n", *[x for _ in range(50) for x in (b" ", 0.1)]]),
        "didn't answer",
    ),
    (Answer(steps=[b"garbage"], hangs_up=True), "can't be fetched"),
]


@pytest.mark.parametrize(("answer", "told"), HOSTILE)
async def test_an_answer_that_is_no_zones_keys_is_not_used(cluster, fake, answer, told):
    """At the start there is nothing to decide with; later what is held stays in use, and the reason is told."""
    if isinstance(answer, str):
        answer = Answer(body=document(cluster, zone=answer))
    fake.answers[PATH] = answer
    async with zone_of(cluster, fake.address, timeout_seconds=1 if told == "didn't answer" else 30) as zone:
        assert not ready(zone)
        assert told in reason(zone)
        fake.answers[PATH] = Answer(body=document(cluster))
        assert await asked_now(zone)
        assert ready(zone)
        fake.answers[PATH] = answer
        if told != "answered with status 304":  # which then is the right answer
            assert not await asked_now(zone)
            assert told in reason(zone)
            assert ready(zone)
        assert (await (await zone.start_task()).authorize(*READ)).allowed


async def test_an_error_that_was_not_foreseen_ends_nothing(cluster, fake, monkeypatch):
    fake.answers[PATH] = Answer(body=document(cluster))
    async with zone_of(cluster, fake.address, poll_seconds=600) as zone:
        keys = zone.parts().keyring
        with monkeypatch.context() as patched:
            patched.setattr(keys, "take", lambda _: 1 / 0)
            fake.answers[PATH] = Answer(body=document(cluster))
            assert not await asked_now(zone)
            assert "the log has details; generation 1 stays in use" in reason(zone)
        assert await asked_now(zone)
        assert not reason(zone)


async def test_an_older_generation_is_not_used(cluster, fake):
    fake.answers[PATH] = Answer(body=document(cluster, generation=7))
    async with zone_of(cluster, fake.address) as zone:
        kid = zone.parts().keyring.active(ROOT).kid
        fake.answers[PATH] = Answer(body=document(cluster, generation=6))
        await eventually(lambda: "generation 6, which is older than 7" in reason(zone))
        assert zone.parts().keyring.active(ROOT).kid == kid


async def test_the_token_goes_to_the_service_only(cluster, fake, tmp_path):
    """Neither to where it redirects, nor to one with a certificate of another authority."""
    (tmp_path / "other").mkdir()
    elsewhere = FakeVault(Cluster(tmp_path / "other").authority.issue("elsewhere"))
    trusted = FakeVault(cluster.authority.issue("trusted"))
    try:
        fake.answers[PATH] = Answer(307, {}, {"Location": f"{trusted.address}{PATH}"})
        async with zone_of(cluster, fake.address):
            assert fake.asked[0].headers["Authorization"].startswith("Bearer ey")
        assert trusted.asked == []
        async with zone_of_again(cluster, elsewhere.address) as zone:
            assert "SSLCertVerificationError" in reason(zone)
        assert elsewhere.asked == []
    finally:
        elsewhere.close()
        trusted.close()


@asynccontextmanager
async def zone_of_again(cluster, url):
    (cluster.folder / "z").rename(cluster.folder / "y")
    async with zone_of(cluster, url) as zone:
        yield zone


@pytest.mark.parametrize("broken", ["token", "ca"])
async def test_a_file_that_is_missing_is_told(cluster, fake, broken):
    fake.answers[PATH] = Answer(body=document(cluster))
    options = {"token": "token_file", "ca": "ca_file"}
    async with zone_of(cluster, fake.address, **{options[broken]: str(cluster.folder / "nothing")}) as zone:
        assert not ready(zone)
        assert "nothing: No such file" in reason(zone)


async def test_the_doctor_asks_the_service(cluster, fake):
    fake.answers[PATH] = Answer(403, {})
    zone = ControlZone(cluster, fake.address)
    zone.prepare()
    config = zone.sidecars["orchestrator"].folder / "tabard.yaml"

    async def findings():
        found = [each async for each in examine(load(config).settings, config)]
        return next(each for each in found if each.what == "keys.control")

    assert "set zone to the namespace's name" in (await findings()).message
    fake.answers[PATH] = Answer(body=document(cluster))
    assert f"gives the keys of zone {ZONE}" in (await findings()).message
