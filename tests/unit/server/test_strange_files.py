"""Pipes, devices, sockets and strangers' files where the sidecar's own belong: no start, reload or signal hangs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tabard_sidecar import exit_codes
from tabard_sidecar.config import load
from tabard_sidecar.server.lifecycle import sidecar
from tabard_sidecar.server.startup import StartupError

from testbed.world import http_get
from tests.support.waiting import eventually
from tests.support.zone import Zone


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


STRANGE = [pipe, endless, unix_socket]


def prepared(folder: Path, **overrides) -> tuple[Zone, Path]:
    zone = Zone(folder, workloads=("orchestrator",), overrides=overrides)
    zone.prepare()
    return zone, folder / "orchestrator" / "tabard.yaml"


@contextlib.contextmanager
def serving(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a sidecar, and end it in any case."""
    command = [sys.executable, "-m", "tabard_sidecar.cli", "serve", "--config", str(config)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def empty_state(url: str) -> Path:
    path = Path(url.removeprefix("sqlite://"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)
    return path


async def start_failure(config: Path) -> StartupError:
    with pytest.raises(StartupError) as caught:
        async with asyncio.timeout(20), sidecar(load(config).settings):
            pass
    return caught.value


@pytest.mark.parametrize("make", STRANGE)
@pytest.mark.parametrize("name", ["x.rego", "data.json", "data.yaml", "x_test.rego"])
async def test_a_start_names_what_is_no_file(folder, make, name):
    zone, config = prepared(folder)
    (zone.policy / name).unlink(missing_ok=True)
    make(zone.policy / name)
    error = await start_failure(config)
    assert error.exit_code == exit_codes.POLICY
    assert name in str(error)
    assert "not a regular file" in str(error)


@pytest.mark.parametrize("make", STRANGE)
async def test_reloads_go_on_while_and_after_a_pipe_lies_in_the_policy_folder(folder, make):
    zone, config = prepared(folder)
    http = zone.sidecars["orchestrator"].http

    async def page(path: str) -> str:
        return (await http_get(http, path))[1].decode()

    async def says(text: str) -> bool:
        return text in await page("/healthz")

    async def ready() -> bool:
        return (await http_get(http, "/readyz"))[0] == 200

    with serving(config) as process:
        await eventually(ready)
        make(zone.policy / "x.rego")
        await eventually(lambda: says("degraded"))
        process.send_signal(signal.SIGHUP)
        (zone.policy / "x.rego").unlink()
        await eventually(lambda: says("serving"))
        make(zone.policy / "x.rego")
        await eventually(lambda: says("degraded"))
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 10) == 0


async def test_a_signal_ends_a_start_that_waits(folder):
    """Whatever the start waits for: here an OPA server that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(20)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        _, config = prepared(folder, policy={"remote": {"url": url}})
        with serving(config) as process:
            connection, _ = await asyncio.to_thread(silent.accept)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 5) == 0
            connection.close()


@pytest.mark.parametrize("place", ["policy", "policy file", "catalogue", "state", "state folder"])
async def test_what_strangers_can_write_stops_the_start(folder, place):
    """Modes as for keys: otherwise another user decides what agents may do."""
    catalogue = folder / "tools.yaml"
    zone, config = prepared(folder, catalogue={"path": str(catalogue)})
    catalogue.write_text("tools: []\n")
    settings = load(config).settings
    state = empty_state(settings.state.url)
    wrong = {
        "policy": zone.policy,
        "policy file": next(zone.policy.rglob("*.rego")),
        "catalogue": catalogue,
        "state": state,
        "state folder": state.parent,
    }[place]
    wrong.chmod(wrong.stat().st_mode | 0o002)
    with pytest.raises(StartupError) as caught:
        async with sidecar(settings):
            pass
    error = caught.value
    assert error.exit_code in {exit_codes.POLICY, exit_codes.CONFIG, exit_codes.CANNOT_BIND}
    assert str(wrong) in str(error)
    assert "every user can write to it" in str(error)


async def test_a_socket_directory_that_is_a_link_is_refused(folder):
    _, config = prepared(folder)
    address = load(config).settings.listen.agent
    directory = Path(address.removeprefix("unix:")).parent
    directory.parent.mkdir(parents=True, exist_ok=True)
    (directory.parent / "real").mkdir(mode=0o700)
    directory.symlink_to("real")
    error = await start_failure(config)
    assert error.exit_code == exit_codes.CANNOT_BIND
    assert "is a symbolic link" in str(error)


async def test_a_policy_that_strangers_can_write_by_now_is_not_loaded(folder):
    """The last one stays."""
    zone, config = prepared(folder)
    async with sidecar(load(config).settings) as running:
        policy = running._parts.policy
        revision = policy.revision
        zone.policy.chmod(0o777)
        await eventually(lambda: "every user can write" in " ".join(policy.status().reasons))
        assert policy.revision == revision
        zone.policy.chmod(0o755)
        await eventually(lambda: not policy.status().problems)
