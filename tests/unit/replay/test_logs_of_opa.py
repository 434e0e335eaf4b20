"""A log that an OPA server wrote itself is replayed like the sidecar's own."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess

import pytest
from tabard_opa_cli import opa_binary
from tabard_sidecar.cli import main
from tabard_sidecar.policy.resources import rego_root

from tests.support.waiting import eventually_blocking
from tests.unit.replay.conftest import ROLES
from tests.unit.replay.scripts import play, policy, script


@pytest.fixture
def opa(folder):
    """A real OPA server with a policy, on a socket, which logs its decisions to a file."""
    (folder / "served").mkdir()
    (folder / "served" / "desk.rego").write_text(policy(random.Random(3)))
    library = [p for p in (rego_root() / "tabard").rglob("*.rego") if not p.name.endswith("_test.rego")]
    socket, log = folder / "opa", folder / "opa.jsonl"
    command = [opa_binary(), "run", "--server", "--addr", f"unix://{socket}", "--disable-telemetry"]
    command += ["--set", "decision_logs.console=true", "--log-format", "json", "--log-level", "info"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*map(str, command), *map(str, library), str(folder / "served")], stderr=output, stdout=output
        )
    eventually_blocking(socket.exists)
    yield socket, log
    process.terminate()
    process.wait(20)


async def test_a_log_of_opa_says_what_the_sidecars_own_says(opa, start_zone, capsys):
    """The same decisions under the policy that is served, and the same changes under another one."""
    socket, log = opa
    remote = {"policy": {"remote": {"url": f"unix:{socket}"}}, "approvals.roles": ROLES}
    zone = await start_zone(policy={"desk.rego": policy(random.Random(4))}, overrides=remote)
    await play(zone, script(random.Random(5), 40))
    own = [str(path) for sidecar in zone.sidecars.values() for path in sidecar.logs]
    found = []  # reports
    for files in (own, [str(log)]):
        reports = []
        for tried in ("served", "policy"):
            await asyncio.to_thread(main, ["replay", *files, "--policy", str(zone.folder / tried), "--json"])
            reports.append(json.loads(capsys.readouterr().out))
        found.append(reports)
    (same, other), (opa_same, opa_other) = found
    assert same["changed"] == opa_same["changed"] == 0
    assert opa_same["decided"] >= same["decided"] > 20
    assert other["changes"]["newly_denied"] + other["changes"]["newly_allowed"] > 0
    assert opa_other["changes"]["newly_denied"] > 0
