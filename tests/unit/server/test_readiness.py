"""Ready means able: whatever takes the sidecar's ability to decide takes its readiness, and gives it back."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import jwt
import pytest
import tabard
import yaml
from tabard_sidecar.config import load
from tabard_sidecar.keys import ROOT, SIGNING, Keyring
from tabard_sidecar.server import parts, readiness, state_standing
from tabard_sidecar.server.lifecycle import sidecar
from tabard_sidecar.state.sqlite import SQLiteStateStore

from testbed.world import http_get
from tests.support.apart import Apart
from tests.support.waiting import eventually
from tests.support.zone import Zone

READ = ("tickets.read", {"ticket_id": "t-1"})
CLUSTER = "https://kubernetes.default.svc"


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(readiness, "_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(state_standing, "_PROBE_SECONDS", 0.2)
    monkeypatch.setattr(state_standing, "_CALM_SECONDS", 0.1)


@asynccontextmanager
async def running(folder, change=None):
    """Serve a zone of one sidecar whose configuration a test has changed; yields zone and sidecar."""
    zone = Zone(folder, workloads=("orchestrator",))
    zone.prepare()
    file = folder / "orchestrator" / "tabard.yaml"
    if change is not None:
        document = yaml.safe_load(file.read_text())
        change(document)
        file.write_text(yaml.safe_dump(document))
    async with sidecar(load(file).settings, config=file) as one:
        yield zone, one
        await zone.stop()


def health(one):
    found = one.health.snapshot()
    return found.ready, " ".join(found.reasons)


async def asked(zone):
    """Start a task and make a call; return the code of the error, or nothing."""
    try:
        task = await zone.start_task()
        await task.authorize(*READ)
    except tabard.TabardError as error:
        return error.code
    return ""


async def ends(zone, one, code, *said):
    """Wait until the sidecar isn't ready and says why; probes hear it, and calls end with the code."""
    await eventually(lambda: not health(one)[0])
    for text in said:
        assert text in health(one)[1]
    assert (await http_get(zone.sidecars["orchestrator"].http, "/readyz"))[0] == 503
    assert await asked(zone) == code
    assert not health(one)[0]


async def begins(zone, one):
    """Wait until the sidecar is ready; calls are decided."""
    await eventually(lambda: health(one)[0])
    assert (await http_get(zone.sidecars["orchestrator"].http, "/readyz"))[0] == 200
    assert await asked(zone) == ""


async def test_without_an_identity(folder):
    """None is configured."""
    async with running(folder, lambda document: document.pop("insecure")) as (zone, one):
        await ends(zone, one, "agent_identity_unavailable", "agent: ", "set identity.agent")


async def test_until_kubernetes_has_written_the_token(folder):
    """As k8s/README.md promises: not ready without a verified identity, and ready as soon as there is one."""
    token = folder / "token"

    def projected(document):
        del document["insecure"]
        document["identity"]["agent"] = {
            "service_account": {
                "token_file": str(token),
                "issuer": CLUSTER,
                "audience": "tabard",
                "trust_domain": "shop.example",
                "algorithms": ["ES256"],
                "keys_file": str(folder / "issuer.json"),
            }
        }

    async with running(folder, projected) as (zone, one):
        await ends(zone, one, "agent_identity_unavailable", f"token {token}", "No such file", "token_file")
        claims = {"iss": CLUSTER, "sub": "system:serviceaccount:support:orchestrator"}
        names = {"kubernetes.io": {"namespace": "support", "serviceaccount": {"name": "orchestrator"}}}
        now = int(time.time())
        claims |= names | {"aud": ["tabard"], "iat": now, "nbf": now, "exp": now + 600}
        token.write_text(
            jwt.encode(claims, zone.issuer.key, algorithm="ES256", headers={"kid": "k1", "typ": None})
        )
        await begins(zone, one)


@pytest.mark.parametrize("use", [ROOT, SIGNING])
async def test_while_a_key_is_refused(folder, use):
    """The cure is the mode, not a new key; it works again as soon as the mode is right."""
    async with running(folder) as (zone, one):
        await begins(zone, one)
        [key] = zone.keys.glob(f"{use}-*.json")
        key.chmod(0o644)
        await ends(zone, one, "keys_unavailable", f"chmod 600 {key}")
        assert "keys new" not in health(one)[1]
        key.chmod(0o600)
        await begins(zone, one)


async def test_without_a_signing_key(folder):
    """The cure is a new key, and it works as soon as there is one."""
    async with running(folder) as (zone, one):
        for key in zone.keys.glob(f"{SIGNING}-*.json"):
            key.unlink()
        await ends(zone, one, "keys_unavailable", "tabard keys new --use signing")
        Keyring.create_directory(zone.keys).create(SIGNING)
        await begins(zone, one)


async def test_an_old_key_that_is_refused_only_degrades(folder):
    """Credentials are signed with another one."""
    async with running(folder) as (zone, one):
        [old] = zone.keys.glob(f"{SIGNING}-*.json")
        Keyring.create_directory(zone.keys).create(SIGNING)
        old.chmod(0o644)
        await eventually(lambda: "chmod" in health(one)[1])
        assert health(one)[0]
        assert await asked(zone) == ""


@pytest.mark.parametrize(
    ("pragma", "broken", "mended", "cure"),
    [("query_only", "ON", "OFF", "writable"), ("max_page_count", "1", "1000000", "free space")],
)
async def test_while_the_state_store_takes_no_writes(  # noqa: PLR0917
    folder, monkeypatch, caplog, pragma, broken, mended, cure
):
    """Read-only or full, noticed without a call; one line in the log for each change."""
    made = []

    def create(config, zone):
        made.append(SQLiteStateStore(config.path(zone), zone=zone))
        return made[-1]

    monkeypatch.setattr(parts, "create_store", create)
    async with running(folder) as (zone, one):
        await begins(zone, one)
        file = made[0]._file
        connections = (file._fast, file._durable, file._patient)
        for connection in connections:
            connection.execute(f"PRAGMA {pragma}={broken}")
        await fill(one)
        await ends(zone, one, "state_unavailable", "state: ", cure)
        for _ in range(5):
            assert await asked(zone) == "state_unavailable"
        assert [record.message for record in caplog.records].count("state store can't be used") == 1
        for connection in connections:
            connection.execute(f"PRAGMA {pragma}={mended}")
        await begins(zone, one)
        assert [record.message for record in caplog.records].count("state store works again") == 1


async def fill(one):
    """Take the free pages that the file has already, until a write needs another one."""
    store = one._parts.state
    for number in range(2_000):
        try:
            key = number.to_bytes(32)
            await store.claim_request(key, key, now=time.time(), expires_at=time.time() + 900)
        except Exception:  # noqa: BLE001 - that is what it is for
            return


async def test_while_no_file_can_grow(folder):
    """As on a full disk or over a quota: state and log fail, also between calls, and recover by themselves."""
    async with Apart(folder, workloads=("orchestrator",)) as zone:
        pid = zone.sidecars["orchestrator"].process.pid
        limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, limits[1]))
        await eventually(zone.not_ready)
        assert "state file" in " ".join((await zone.details())["reasons"])
        client = zone.agent("orchestrator")
        token = zone.issuer.access_token("p")
        for asked in (token, "nonsense") * 2:
            with pytest.raises(tabard.Unavailable):
                await client.start_task(asked, intent_token=zone.intent("refunds", "x", "p"))
        reasons = " ".join((await zone.details())["reasons"])
        assert "state: " in reasons
        assert "audit: " in reasons
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        await eventually(zone.ready)
        task = await client.start_task(token, intent_token=zone.intent("refunds", "x", "p"))
        assert (await task.decide(tabard.ToolCall(*READ))).decision_id
        events = await zone.end()
    for event in ("state store can't be used", "state store works again", "decision log broken"):
        assert events.count(event) == 1, (event, events)


def test_a_log_that_takes_nothing_is_noticed_before_the_first_record(folder):
    """`/dev/full` in place of a collector, or a collector that has gone."""
    zone = Zone(folder, workloads=("orchestrator",), overrides={"audit": {"sink": "stdout"}})
    zone.prepare()
    config = folder / "orchestrator" / "tabard.yaml"
    reader, writer = os.pipe()
    os.close(reader)
    with Path("/dev/full").open("wb") as full, os.fdopen(writer, "wb") as gone:
        for stdout in (full, gone):
            server = subprocess.Popen(
                [sys.executable, "-m", "tabard_sidecar.cli", "serve", "--config", config],
                stdout=stdout,
                stderr=subprocess.PIPE,
                text=True,
            )
            try:
                answers = asyncio.run(_answers(folder))
            finally:
                server.terminate()
                log = server.communicate()[1]
            assert answers["ready"] is False, log
            assert "standard output" in answers["components"]["audit"]["reason"]
            assert "decision log broken" in log


async def _answers(folder):
    async def look():
        status, body = await http_get(f"{folder}/orchestrator/operator/s.health", "/readyz")
        found = json.loads(body) if status else {}
        return found if found.get("status") not in (None, "starting") else None

    return await eventually(look)
