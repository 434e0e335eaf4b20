"""The command as people start it."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from contextlib import asynccontextmanager

import aiohttp
import pytest
from tabard_sidecar.cli import main

from tests.support.waiting import eventually


@asynccontextmanager
async def started(*arguments, cwd):
    """Run the command; yield its process and what it printed first."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tabard_sidecar.cli", "console", "--json", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=cwd,
    )
    try:
        yield process, json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def get(http, url):
    async with http.get(url) as answer:
        return answer.status, await answer.text()


async def test_a_whole_console(desk, tmp_path):
    """Its log is the configured one; a decision of another sidecar's log is explained by the configured policy."""
    config = desk.sidecars["refunds"].folder / "tabard.yaml"
    async with (
        started("--config", config, cwd=tmp_path) as (process, told),
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
    ):
        assert told["changes"] is False
        base = told["url"].partition("/login")[0]
        assert (await get(http, told["url"]))[0] == 200

        async def look():
            _, text = await get(http, f"{base}/")
            return "desk.untrusted_outbound" in text and "tickets.read" not in text

        await eventually(look)
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 30) == 0


async def test_decisions_of_other_sidecars(desk, tmp_path):
    config = desk.sidecars["refunds"].folder / "tabard.yaml"
    async with (
        started("--config", config, *desk.decision_logs, cwd=tmp_path) as (_, told),
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
    ):
        base = told["url"].partition("/login")[0]
        await get(http, told["url"])
        decision = next(
            record["decision_id"]
            for record in map(json.loads, desk.decision_logs[1].read_text().splitlines())
            if record["input"].get("tool", {}).get("name") == "tickets.search"
        )

        async def look():
            _, text = await get(http, f"{base}/decisions/{decision}")
            return "Granted by" in text

        await eventually(look)


async def test_a_broken_configuration(tmp_path):
    """The console starts all the same, and says what is missing."""
    (tmp_path / "tabard.yaml").write_text("zone: shop\naudit: {sink: nowhere}\n")
    async with (
        started(cwd=tmp_path) as (_, told),
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
    ):
        _, text = await get(http, told["url"])
        assert "There is no decision log to show: the configuration has a mistake" in text


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--listen", "0.0.0.0:0"], 2, "loopback address only"),
        (["--listen", "nonsense"], 2, "nonsense"),
        (["absent.log"], 2, "doesn't exist"),
        (["--candidate", "absent"], 2, "doesn't exist"),
        (["--session", "soon"], 2, "isn't a duration"),
        (["--address", "https://user@control.example"], 2, "isn't the address of a control service"),
        (["--address", "https://control.example:0"], 2, "isn't the address of a control service"),
    ],
)
def test_what_cannot_start(arguments, code, told, monkeypatch, capsys):
    monkeypatch.chdir("/")
    assert main(["console", *arguments]) == code
    assert told in capsys.readouterr().err


async def test_a_port_that_is_taken(tmp_path):
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        code = await asyncio.to_thread(_run_elsewhere, port, tmp_path)
    assert code == 5


def _run_elsewhere(port, folder):
    command = [sys.executable, "-m", "tabard_sidecar.cli", "console", "--listen", f"127.0.0.1:{port}"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=60).returncode
