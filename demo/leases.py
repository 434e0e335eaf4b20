"""A credential from a real Vault: a certificate for one call, which Vault revokes when the task ends.

Vault runs as a throwaway server in memory, if the program is on PATH.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import requests
import tabard

from demo.steps import Step
from testbed.world import PERSON, World

HOW = "For a real lease here: put `vault` on PATH (docs/vault.md)."
_START_SECONDS = 30.0
_END_SECONDS = 15.0
_REQUEST_SECONDS = 10.0
_AUDIENCE = "https://billing.shop.example"
_WORKLOAD = "worker"
_POLICY = """package policy.billing

import data.tabard.lib.credentials

start contains {"code": "billing", "limits": {"tools": ["billing.*"], "audiences": ["https://billing.shop.example"]}}

grant contains {
	"code": "read",
	"credential": credentials.vault("billing", "https://billing.shop.example", 300),
} if input.tool.name == "billing.read"
"""
_RIGHTS = {
    "tabard": """
path "auth/token/create/tabard" { capabilities = ["update"] }
path "auth/token/roles/tabard" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
""",
    "tabard-credentials": """
path "pki/issue/billing" { capabilities = ["update"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
""",
}


async def leases(folder: Path) -> list[Step]:
    """Play this part in ``folder``, which must be empty; an empty list if there is no Vault."""
    program = shutil.which("vault")
    if program is None:
        return []
    async with _vault(program, folder) as vault:
        secret_id = await asyncio.to_thread(vault.set_up, folder)
        section = {
            "address": vault.address,
            "auth": {"method": "approle", "role_id": vault.role_id, "secret_id_file": str(secret_id)},
            "roles": {
                "billing": {
                    "engine": "pki",
                    "name": "billing",
                    "audiences": [_AUDIENCE],
                    "common_name": "{handle}.agents.shop.example",
                }
            },
        }
        zone = folder / "zone"
        zone.mkdir(mode=0o700)
        world = World(
            zone,
            workloads=(_WORKLOAD,),
            policy={"billing/billing.rego": _POLICY},
            overrides={"vault.main": section},
        )
        async with world:
            return await _story(world, vault)


async def _story(world: World, vault: _Vault) -> list[Step]:
    task = await world.agent(_WORKLOAD).start_task(
        world.issuer.access_token(PERSON), intent_token=world.intent("billing", "Read today's bills.")
    )
    began = time.perf_counter()
    try:
        decision = await task.authorize("billing.read", {"day": "today"})
    except tabard.TabardError as error:
        return [Step("a certificate from Vault for one call", "leased", error.code)]
    serial = decision.credential.fields["serial_number"] if decision.credential is not None else ""
    steps = [
        Step(
            "a certificate from Vault for one call",
            "leased",
            "leased" if serial else "no certificate",
            time.perf_counter() - began,
            note=serial,
        )
    ]
    await task.end()
    began = time.perf_counter()
    while not (revoked := await asyncio.to_thread(vault.revoked, serial)):
        if time.perf_counter() - began > _END_SECONDS:
            break
        await asyncio.sleep(0.02)
    steps.append(
        Step(
            "the task ends, and Vault revokes it",
            "revoked",
            "revoked" if revoked else "still valid",
            time.perf_counter() - began,
        )
    )
    return steps


class _Vault:
    """A throwaway Vault and its root token."""

    def __init__(self, address: str, root: str) -> None:
        self.address = address
        self.role_id = ""
        self._root = root

    def up(self) -> bool:
        """Tell whether it answers."""
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.address}/v1/sys/health", timeout=1).ok
        return False

    def set_up(self, folder: Path) -> Path:
        """Set up what docs/vault.md describes, for one role of certificates; return the file with the secret id."""
        for name, rights in _RIGHTS.items():
            self._write(f"sys/policies/acl/{name}", {"policy": rights})
        role = {
            "allowed_policies": ["tabard-credentials"],
            "token_no_default_policy": True,
            "orphan": True,
            "renewable": True,
            "token_type": "service",
            "token_explicit_max_ttl": "1h",
        }
        self._write("auth/token/roles/tabard", role)
        self._write("sys/auth/approle", {"type": "approle"})
        self._write(
            "auth/approle/role/tabard", {"token_policies": ["tabard"], "token_no_default_policy": True}
        )
        self.role_id = self._data("GET", "auth/approle/role/tabard/role-id")["role_id"]
        secret = self._data("PUT", "auth/approle/role/tabard/secret-id")["secret_id"]
        file = folder / "secret-id"
        file.touch(mode=0o600)
        file.write_text(secret)
        self._write("sys/mounts/pki", {"type": "pki"})
        self._write(
            "pki/root/generate/internal",
            {"common_name": "Agents", "ttl": "24h", "key_type": "ec", "key_bits": 256},
        )
        self._write(
            "pki/roles/billing",
            {
                "allowed_domains": ["agents.shop.example"],
                "allow_subdomains": True,
                "generate_lease": True,
                "key_type": "ec",
                "key_bits": 256,
                "ttl": "15m",
                "max_ttl": "1h",
            },
        )
        return file

    def revoked(self, serial: str) -> bool:
        """Tell whether a certificate is revoked."""
        return bool(self._data("GET", f"pki/cert/{serial}").get("revocation_time"))

    def _write(self, path: str, body: Mapping[str, Any]) -> None:
        self._ask("PUT", path, body)

    def _data(self, method: str, path: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._ask(method, path, None).json()["data"]
        return found

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> requests.Response:
        answer = requests.request(
            method,
            f"{self.address}/v1/{path}",
            json=body,
            headers={"X-Vault-Token": self._root},
            timeout=_REQUEST_SECONDS,
        )
        if not answer.ok:
            raise RuntimeError(f"Vault refuses {path}: {answer.text[:200]}")
        return answer


@contextlib.asynccontextmanager
async def _vault(program: str, folder: Path) -> AsyncIterator[_Vault]:
    """Run a Vault in memory, on a port of this machine that is free."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    root = secrets.token_hex(16)
    log = folder / "vault.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            program,
            "server",
            "-dev",
            "-dev-no-store-token",
            f"-dev-root-token-id={root}",
            f"-dev-listen-address=127.0.0.1:{port}",
            stdout=output,
            stderr=subprocess.STDOUT,
            # Older releases have a plugin whose certificate newer Go refuses without this.
            env={**os.environ, "HOME": str(folder), "GODEBUG": "x509negativeserial=1"},
        )
    vault = _Vault(f"http://127.0.0.1:{port}", root)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not await asyncio.to_thread(vault.up):
            if process.returncode is not None or time.monotonic() > deadline:
                raise RuntimeError(f"`{program} server -dev` didn't start; its output is in {log} (--keep)")
            await asyncio.sleep(0.1)
        yield vault
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
