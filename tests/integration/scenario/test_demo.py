"""The demo as a user runs it: real processes, and not one secret in any of their logs."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from demo import scenario
from demo.callbacks import DeskWorld


def test_the_demo_ends_well_and_fits_on_a_screen():
    """It exits 0 and prints at most 24 lines of 80 columns."""
    done = subprocess.run(
        [sys.executable, "-m", "demo"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert "!!" not in done.stdout


def test_the_demo_tells_machines_what_happened():
    """--json leaves standard output to one document."""
    done = subprocess.run(
        [sys.executable, "-m", "demo", "--json"], capture_output=True, text=True, timeout=300, check=False
    )
    story = json.loads(done.stdout)
    assert done.returncode == 0
    assert story["met"]
    assert (story["workloads"], story["holders"], story["depth"]) == (6, 26, 6)
    assert story["calls"] == story["allowed"] == 2_000
    assert all(step["met"] for step in story["steps"])
    assert len(story["steps"]) >= 19


async def test_no_log_holds_a_secret(monkeypatch):
    """Every token, grant, credential and key of a whole run is looked for in every log of every process."""
    secrets: set[str] = set()
    monkeypatch.setattr(scenario, "CALLS", 200)
    with tempfile.TemporaryDirectory(prefix="tb", dir="/tmp") as name:
        folder = Path(name)
        async with DeskWorld(folder) as world:
            _watch(monkeypatch, world, secrets)
            await scenario.play(world, lambda _text: None)
            logs = [path for sidecar in world.sidecars.values() for path in sidecar.logs]
        for key in world.keys.glob("*.json"):
            material = json.loads(key.read_text())["key"]
            secrets.add(material if isinstance(material, str) else material["d"])
        texts = {path: path.read_text() for path in logs}
    assert len(secrets) > 200
    assert sum(text.count('"decision_id"') for text in texts.values()) > 200
    leaks = [(path.name, secret[:12]) for path, text in texts.items() for secret in secrets if secret in text]
    assert leaks == []


def _watch(monkeypatch, world, secrets: set[str]) -> None:
    """Remember every secret that passes between the scenario and its sidecars."""
    import tabard  # noqa: PLC0415 - patched here only
    from tabard import _convert  # noqa: PLC0415

    credential = _convert._credential

    def remember(message):
        found = credential(message)
        secrets.add(found.value)
        return found

    monkeypatch.setattr(_convert, "_credential", remember)
    made = tabard.aio.Task.__init__

    def task(self, connection, grant, info):
        secrets.add(grant)
        made(self, connection, grant, info)

    monkeypatch.setattr(tabard.aio.Task, "__init__", task)
    for signer in (world.issuer,):
        sign = type(signer).access_token

        def token(self, *arguments, _sign=sign, **claims):
            found = _sign(self, *arguments, **claims)
            secrets.add(found)
            return found

        monkeypatch.setattr(type(signer), "access_token", token)
    intent = world.intent

    def signed(*arguments, **options):
        found = intent(*arguments, **options)
        secrets.add(found)
        return found

    monkeypatch.setattr(world, "intent", signed)
