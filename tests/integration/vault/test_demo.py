"""The demo's part with a vault, on the real program."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from demo.leases import leases
from demo.vault import ADDRESS, TOKEN
from tests.support.components import component
from tests.support.vault_server import dev_vault


async def test_a_lease_is_made_for_a_call_and_ends_with_the_task(monkeypatch):
    program = Path(component("vault.sh", "install"))
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    with tempfile.TemporaryDirectory(prefix="tbd-") as folder:
        steps = await leases(Path(folder))
    assert [(step.expected, step.actual) for step in steps] == [("leased", "leased"), ("revoked", "revoked")]


async def test_a_vault_that_the_environment_names_is_left_as_it_was(monkeypatch):
    with dev_vault() as server, tempfile.TemporaryDirectory(prefix="tbd-") as folder:
        monkeypatch.setenv(ADDRESS, server.address)
        monkeypatch.setenv(TOKEN, server.root_token)
        before = _made(server)
        steps = await leases(Path(folder))
        assert _made(server) == before
    assert [(step.expected, step.actual) for step in steps] == [("leased", "leased"), ("revoked", "revoked")]


def _made(server):
    read = server.client().read
    places = ("sys/mounts", "sys/auth", "sys/policies/acl", "auth/token/roles")
    return [set((read(path) or {"data": {}})["data"]) for path in places[:2]] + [
        (server.client().list(path) or {"data": {"keys": []}})["data"]["keys"] for path in places[2:]
    ]


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_a_vault_that_cant_be_set_up_is_told(monkeypatch, tmp_path, token):
    with dev_vault() as server:
        monkeypatch.setenv(ADDRESS, server.address)
        monkeypatch.setenv(TOKEN, token)
        with pytest.raises(RuntimeError, match=f"set {TOKEN}" if not token else "refuses"):
            await leases(tmp_path)


async def test_without_a_vault_there_is_no_such_part(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert await leases(tmp_path) == []
