"""The demo's part with a vault, on the real program."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from demo.leases import leases
from tests.support.components import component


async def test_a_lease_is_made_for_a_call_and_ends_with_the_task(monkeypatch):
    program = Path(component("vault.sh", "install"))
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    with tempfile.TemporaryDirectory(prefix="tbd-") as folder:
        steps = await leases(Path(folder))
    assert [(step.expected, step.actual) for step in steps] == [("leased", "leased"), ("revoked", "revoked")]


async def test_without_a_vault_there_is_no_such_part(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert await leases(tmp_path) == []
