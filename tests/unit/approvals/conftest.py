import asyncio
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from tabard import _approvals
from tabard_sidecar.cli import main

from tests.support.approvals import ApprovalWorld
from tests.support.asking import AskingZone


@pytest.fixture
async def world(tmp_path):
    async with ApprovalWorld(tmp_path) as world:
        yield world


@pytest.fixture
def folder():
    made = Path(tempfile.mkdtemp(prefix="tb", dir="/tmp"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def zone(folder, monkeypatch):
    for name in list(os.environ):
        if name.startswith("TABARD_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(_approvals, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(_approvals, "LONGEST_PAUSE_SECONDS", 0.05)
    async with AskingZone(folder) as started:
        yield started


@pytest.fixture
def command(zone, folder, capsys):
    """Runs ``tabard approvals …`` against a sidecar, as a person in finance would."""

    async def run(*arguments, token=None, workload="orchestrator"):
        given = ["approvals", *arguments, "--operator", zone.operator(workload)]
        if token is not None:
            (folder / "token").write_text(token + "\n")
            given += ["--token-file", str(folder / "token"), "--yes"]
        capsys.readouterr()
        code = await asyncio.to_thread(main, given)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
