"""Starting, reloading, draining, and every way in which a start is refused."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import tabard
from tabard_sidecar import exit_codes
from tabard_sidecar.config import load
from tabard_sidecar.health import Health
from tabard_sidecar.server.lifecycle import sidecar
from tabard_sidecar.server.startup import StartupError

from testbed.world import EXAMPLE, ISSUER, World, http_get
from tests.support.waiting import eventually
from tests.support.zone import Zone

READ = ("tickets.read", {"ticket_id": "t-1"})


def prepared(folder, **overrides) -> tuple[Zone, Path]:
    """Write the files of a zone of one sidecar without starting it."""
    zone = Zone(folder, workloads=("orchestrator",), overrides=overrides)
    zone.prepare()
    return zone, folder / "orchestrator" / "tabard.yaml"


async def start_failure(config: Path) -> StartupError:
    """Return why a sidecar doesn't start."""
    with pytest.raises(StartupError) as caught:
        async with sidecar(load(config).settings):
            pass
    return caught.value


async def test_a_broken_policy_stops_the_start(folder):
    """With file and line, and exit code 4."""
    zone, config = prepared(folder)
    (zone.policy / "broken.rego").write_text("package policy.broken\n\ngrant contains {")
    error = await start_failure(config)
    assert error.exit_code == exit_codes.POLICY
    assert "broken.rego:3" in str(error)


async def test_a_missing_policy_stops_the_start(folder):
    """A sidecar without a policy never serves."""
    zone, config = prepared(folder)
    shutil.rmtree(zone.policy)
    assert (await start_failure(config)).exit_code == exit_codes.POLICY


async def test_an_empty_policy_folder_stops_the_start(folder):
    """No rule at all is a mistake, not a policy."""
    zone, config = prepared(folder)
    shutil.rmtree(zone.policy)
    zone.policy.mkdir()
    assert (await start_failure(config)).exit_code == exit_codes.POLICY


async def test_an_opa_server_that_does_not_answer_stops_the_start(folder):
    """As every server that can't be reached: exit code 6."""
    _, config = prepared(folder, policy={"remote": {"url": f"unix:{folder}/none"}})
    assert (await start_failure(config)).exit_code == exit_codes.UNREACHABLE


async def test_a_world_readable_key_stops_the_start(folder):
    """The message names the file and the command that fixes it."""
    zone, config = prepared(folder)
    key = next(zone.keys.glob("*.json"))
    key.chmod(0o644)
    error = await start_failure(config)
    assert error.exit_code == exit_codes.CONFIG
    assert key.name in str(error)
    assert "chmod" in str(error)


async def test_a_second_server_on_the_same_socket_is_refused(folder):
    """With the pid of the first, which goes on."""
    zone, config = prepared(folder)
    async with started(zone):
        other = load(config).settings
        with pytest.raises(StartupError, match=f"pid {os.getpid()}") as caught:
            async with sidecar(other):
                pass
        assert caught.value.exit_code == exit_codes.CANNOT_BIND
        assert (await (await zone.start_task()).authorize(*READ)).allowed


async def test_a_state_file_of_another_zone_stops_the_start(folder):
    """Two zones never share a file by accident."""
    zone, config = prepared(folder)
    async with started(zone):
        pass
    with pytest.raises(StartupError, match="belongs to zone 'support'"):
        async with sidecar(load(config, assignments=["zone=other"]).settings):
            pass


@asynccontextmanager
async def started(zone: Zone) -> AsyncIterator[None]:
    """Start a prepared zone for the length of a block."""
    await zone.start()
    try:
        yield
    finally:
        await zone.stop()


async def test_a_grant_from_the_future_is_refused_and_time_going_back_widens_nothing(folder):
    """A clock that jumps denies; when it is right again everything works again."""
    zone, config = prepared(folder)
    now = [time.time()]
    async with sidecar(load(config).settings, clock=lambda: now[0]):
        task = await zone.start_task()
        assert (await task.authorize(*READ)).allowed
        right = now[0]
        for jump, code in ((-3600.0, "grant_not_yet_valid"), (7200.0, "grant_expired")):
            now[0] = right + jump
            with pytest.raises(tabard.Denied) as caught:
                await task.authorize(*READ)
            assert caught.value.code == code
        now[0] = right
        assert (await task.authorize(*READ)).allowed
        await zone.stop()


async def test_a_reload_reads_the_catalogue_and_keeps_the_old_one_if_it_is_broken(folder):
    """A tool that the new catalogue lacks is unknown from then on; a broken file changes nothing but health."""
    catalogue = folder / "catalogue.yaml"
    zone, _ = prepared(folder, **{"catalogue.path": str(catalogue)})
    shutil.copy(EXAMPLE / "catalogue.yaml", catalogue)
    async with started(zone):
        task = await zone.start_task()
        running = zone.running["orchestrator"]
        catalogue.write_text("tools: {")
        reloading = asyncio.create_task(running.reload())
        while not reloading.done():
            assert running.health.snapshot().ready
            await asyncio.sleep(0)
        assert (await task.authorize(*READ)).allowed
        assert running.health.snapshot().document()["status"] == "degraded"
        catalogue.write_text("tools: [{name: orders.read, inputSchema: {type: object}}]")
        await running.reload()
        snapshot = running.health.snapshot()
        assert snapshot.ready  # the last good policy stays, and says that it names tools that are gone
        assert "input.tool.name is never 'tickets.read'" in json.dumps(snapshot.document())
        with pytest.raises(tabard.Denied) as caught:
            await task.authorize(*READ)
        assert caught.value.code == "tool_unknown"


def serve(config: Path) -> subprocess.Popen[str]:
    """Start ``tabard serve`` as its own process."""
    return subprocess.Popen(
        [sys.executable, "-m", "tabard_sidecar.cli", "serve", "--config", str(config)],
        stderr=subprocess.PIPE,
        text=True,
    )


async def ready(zone: World) -> bool:
    """Tell whether the process is ready."""
    status, _ = await http_get(zone.sidecars["orchestrator"].http, "/readyz")
    return status == 200


async def test_nothing_waits_between_ready_and_running(folder, monkeypatch):
    """A signal in that moment would neither reload nor drain."""
    _, config = prepared(folder)
    waited, started = [], Health.started

    def notes(health):
        started(health)
        asyncio.get_running_loop().call_soon(waited.append, health)

    monkeypatch.setattr(Health, "started", notes)
    async with sidecar(load(config).settings):
        assert waited == []
        await asyncio.sleep(0)
        assert len(waited) == 1


async def test_the_process_reloads_on_sighup_and_drains_on_sigterm(folder):
    """SIGHUP keeps it serving; SIGTERM ends it with 0 and leaves no socket behind."""
    zone, config = prepared(folder)
    process = serve(config)
    try:
        await eventually(lambda: ready(zone))
        process.send_signal(signal.SIGHUP)
        async with tabard.aio.connect(zone.sidecars["orchestrator"].address) as client:
            task = await client.start_task(
                zone.issuer.access_token("p"), intent_token=zone.intent("refunds", "Do it.", subject="p")
            )
            assert (await task.authorize(*READ)).allowed
        process.send_signal(signal.SIGTERM)
        _, log = await asyncio.to_thread(process.communicate, timeout=90)
    finally:
        process.kill()
    assert process.returncode == 0
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert {"serving", "reloading", "draining"} <= set(events)
    assert not (folder / "orchestrator" / "agent" / "s").exists()


async def test_probes_have_a_socket_that_no_stranger_fills(folder):
    """While a crowd holds every place of ``http.listen``, ``tabard health`` is answered, with the details."""
    zone, config = prepared(folder, **{"http.listen": "127.0.0.1:0"})
    async with started(zone):
        host, port = zone.running["orchestrator"].http_address.split(":")
        crowd = [await asyncio.open_connection(host, int(port)) for _ in range(200)]
        command = [sys.executable, "-m", "tabard_sidecar.cli", "health", "--config", str(config), "--json"]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
        for _, writer in crowd:
            writer.close()
    assert json.loads(done.stdout)["components"]["policy"] == {"state": "ok"}
    assert not (folder / "orchestrator" / "operator" / "s.health").exists()


VAULT = {
    "address": "https://127.0.0.1:1",
    "auth": {"method": "jwt", "role": "tabard", "token_file": "none"},
    "roles": {"orders": {"engine": "database", "name": "orders", "audiences": ["postgres://orders"]}},
}


async def test_a_vault_out_of_reach_degrades_and_does_not_keep_the_sidecar_from_starting(folder):
    """Calls that need no credential of it are decided; health says what is wrong."""
    _, config = prepared(folder, **{"vault.main": VAULT})
    async with sidecar(load(config).settings) as running:
        await eventually(lambda: running.health.snapshot().components["vault"].reason)
        snapshot = running.health.snapshot()
        assert snapshot.ready
        assert "vault.main: logging in (auth/jwt/login)" in snapshot.components["vault"].reason


@pytest.mark.parametrize("host", ["vault.example", "127.0.0.1", "localhost"])
async def test_a_vault_without_tls_stops_the_start(folder, host):
    """In a pod the agent may listen at a loopback address."""
    vault = VAULT | {"address": f"http://{host}:8200"}
    _, config = prepared(folder, **{"vault.main": vault, "insecure.allow_http": False})
    error = await start_failure(config)
    assert error.exit_code == exit_codes.CONFIG
    assert "insecure.allow_http" in str(error)


async def test_a_vault_without_its_packages_stops_the_start(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "hvac.adapters", None)
    for name in [name for name in sys.modules if name.startswith("tabard_sidecar.credentials.vault.")]:
        monkeypatch.delitem(sys.modules, name)
    _, config = prepared(folder, **{"vault.main": VAULT})
    error = await start_failure(config)
    assert error.exit_code == exit_codes.CONFIG
    assert "install tabard-sidecar[vault]" in str(error)


EXCHANGE = {
    "token_endpoint": "https://127.0.0.1:1/token",
    "subject_issuer": ISSUER,
    "client_id": "sidecar",
    "client_secret_file": "none",
    "audiences": {"orders": {"scopes": ["orders:read"]}},
}


async def test_an_exchange_for_people_of_an_unknown_issuer_stops_the_start(folder):
    _, config = prepared(folder, **{"exchange.main": EXCHANGE | {"subject_issuer": "https://elsewhere"}})
    error = await start_failure(config)
    assert (error.exit_code, "isn't one of identity.issuers" in str(error)) == (exit_codes.CONFIG, True)


async def test_an_exchange_out_of_reach_does_not_keep_the_sidecar_from_starting(folder):
    """Calls that need no token of it are decided."""
    _, config = prepared(folder, **{"exchange.main": EXCHANGE})
    async with sidecar(load(config).settings) as running:
        assert running.health.snapshot().ready


def test_a_policy_begins_to_load_before_the_modules_of_other_parts_are_imported():
    """Importing them takes as long as the policy compiles."""
    script = "import sys, tabard_sidecar.server.lifecycle; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    others = {
        "grpc", "cryptography", "jwt", "tabard_sidecar.http.app", "tabard_sidecar.identity.subject",
        "tabard_sidecar.pipeline.authorize", "tabard_sidecar.server.services", "tabard_sidecar.state.sqlite.store",
    }  # fmt: skip
    assert "tabard_sidecar.policy.runtime" in loaded
    assert not loaded & others


async def test_a_default_start_imports_only_what_it_uses(folder):
    """What the configuration doesn't use costs neither time nor memory."""
    _, config = prepared(folder)
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from tabard_sidecar.config import load\n"
        "from tabard_sidecar.server.lifecycle import sidecar\n"
        "async def main():\n"
        "    async with sidecar(load(Path(sys.argv[1])).settings):\n"
        "        print('\\n'.join(sys.modules))\n"
        "asyncio.run(main())\n"
    )
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", script, str(config)],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    unwanted = {
        "difflib", "docker", "hvac", "hypothesis", "jsonschema", "opentelemetry.sdk", "pytest", "redis", "requests", "rich",
        "starlette", "structlog", "tarfile", "testcontainers", "uvicorn", "watchfiles", "click", "tabard.verify",
        "tabard_sidecar.credentials.vault.issuer", "tabard_sidecar.credentials.exchange.issuer", "urllib3",
        "tabard_sidecar.credentials.subject_tokens", "tabard_sidecar.util.bounded_http",
        "tabard_sidecar.control", "tabard_sidecar.keys.control", "tabard_sidecar.server.control_keys",
        "tabard_sidecar.credentials.vault.conf", "tabard_sidecar.credentials.exchange.conf", "tabard_opa._toolchain",
    }  # fmt: skip
    assert loaded & unwanted == set()
