"""The Vault of the demo: a throwaway server in memory, or one that the person names, in which nothing stays."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import requests

ADDRESS, TOKEN, CA_FILE = "TABARD_DEMO_VAULT_ADDR", "TABARD_DEMO_VAULT_TOKEN", "TABARD_DEMO_VAULT_CA_FILE"
"""Environment variables that name a Vault. Vault's own names aren't read: they may be those of a Vault in use."""
_START_SECONDS = 30.0
_REQUEST_SECONDS = 10.0


class Vault:
    """A Vault in which the demo may do everything, under names of its own.

    Args:
        address: its URL.
        token: may write policies, roles and mounts.
        ca_file: certificates (PEM) to trust instead of the system's.

    Attributes:
        address: as given.
        ca_file: as given.
        name: prefix of everything that the demo makes there.
    """

    def __init__(self, address: str, token: str, ca_file: str | None = None) -> None:
        self.address = address.rstrip("/")
        self.ca_file = ca_file
        self.name = f"tabard-demo-{secrets.token_hex(4)}"
        self._token = token

    def up(self) -> bool:
        """Tell whether it answers."""
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.address}/v1/sys/health", timeout=1).ok
        return False

    def set_up(self, folder: Path) -> dict[str, Any]:
        """Set up what docs/vault.md describes, for one role of certificates.

        Returns:
            the section of the sidecar's configuration, without roles.

        Raises:
            RuntimeError: Vault refuses something, or doesn't answer.
        """
        name = self.name
        for policy, rights in self._rights().items():
            self._write(f"sys/policies/acl/{policy}", {"policy": rights})
        role = {
            "allowed_policies": [f"{name}-credentials"],
            "token_no_default_policy": True,
            "orphan": True,
            "renewable": True,
            "token_type": "service",
            "token_explicit_max_ttl": "1h",
        }
        self._write(f"auth/token/roles/{name}", role)
        self._write(f"sys/auth/{name}", {"type": "approle"})
        login = f"auth/{name}/role/tabard"
        self._write(login, {"token_policies": [name], "token_no_default_policy": True})
        role_id = self._data("GET", f"{login}/role-id")["role_id"]
        file = folder / "secret-id"
        file.touch(mode=0o600)
        file.write_text(self._data("PUT", f"{login}/secret-id")["secret_id"])
        self._certificates()
        trusted = {} if self.ca_file is None else {"ca_file": self.ca_file}
        auth = {"method": "approle", "mount": name, "role_id": role_id, "secret_id_file": str(file)}
        return {"address": self.address, "auth": auth, "token_role": name, **trusted}

    def remove(self) -> Iterator[str]:
        """Remove everything that the demo made; yield what Vault didn't remove."""
        for path in (
            f"sys/mounts/{self.name}",
            f"sys/auth/{self.name}",
            f"auth/token/roles/{self.name}",
            *(f"sys/policies/acl/{policy}" for policy in self._rights()),
        ):
            try:
                self._ask("DELETE", path, None)
            except RuntimeError:
                yield path

    def revoked(self, serial: str) -> bool:
        """Tell whether a certificate is revoked."""
        return bool(self._data("GET", f"{self.name}/cert/{serial}").get("revocation_time"))

    def _rights(self) -> dict[str, str]:
        name = self.name
        own = ("auth/token/renew-self", "auth/token/revoke-self")
        update, read = '{ capabilities = ["update"] }', '{ capabilities = ["read"] }'
        renewed = "".join(f'path "{path}" {update}\n' for path in own)
        made = f'path "auth/token/create/{name}" {update}\npath "auth/token/roles/{name}" {read}\n'
        return {
            name: made + renewed,
            f"{name}-credentials": f'path "{name}/issue/billing" {update}\n' + renewed,
        }

    def _certificates(self) -> None:
        key = {"key_type": "ec", "key_bits": 256}
        self._write(f"sys/mounts/{self.name}", {"type": "pki"})
        self._write(f"{self.name}/root/generate/internal", {"common_name": "Agents", "ttl": "24h", **key})
        role = {
            "allowed_domains": ["agents.shop.example"],
            "allow_subdomains": True,
            "generate_lease": True,
            "ttl": "15m",
            "max_ttl": "1h",
        }
        self._write(f"{self.name}/roles/billing", role | key)

    def _write(self, path: str, body: Mapping[str, Any]) -> None:
        self._ask("PUT", path, body)

    def _data(self, method: str, path: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._ask(method, path, None).json()["data"]
        return found

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> requests.Response:
        try:
            answer = requests.request(
                method,
                f"{self.address}/v1/{path}",
                json=body,
                headers={"X-Vault-Token": self._token},
                timeout=_REQUEST_SECONDS,
                verify=self.ca_file or True,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise RuntimeError(f"Vault at {self.address} doesn't answer: {error}") from error
        if answer.status_code not in {200, 204}:
            raise RuntimeError(f"Vault at {self.address} refuses {path}: {answer.text[:200]}")
        return answer


@contextlib.asynccontextmanager
async def vault(folder: Path) -> AsyncIterator[Vault | None]:
    """Yield the Vault that the environment names, else one that runs in memory, or ``None`` if there is no program.

    Raises:
        RuntimeError: the environment names a Vault without a token, or the program doesn't start.
    """
    address = os.environ.get(ADDRESS)
    program = shutil.which("vault") or shutil.which("bao")
    if address:
        async with _named(address) as found:
            yield found
    elif program is not None:
        async with _in_memory(program, folder) as found:
            yield found
    else:
        yield None


@contextlib.asynccontextmanager
async def _named(address: str) -> AsyncIterator[Vault]:
    token = os.environ.get(TOKEN)
    if not token:
        raise RuntimeError(f"{ADDRESS} names a Vault; set {TOKEN} to a token that may set it up")
    found = Vault(address, token, os.environ.get(CA_FILE))
    try:
        yield found
    except BaseException:
        await asyncio.to_thread(list, found.remove())
        raise
    left = await asyncio.to_thread(list, found.remove())
    if left:
        raise RuntimeError(
            f"Vault at {address} refuses to remove {', '.join(left)}; remove what stands there"
        )


@contextlib.asynccontextmanager
async def _in_memory(program: str, folder: Path) -> AsyncIterator[Vault]:
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
    found = Vault(f"http://127.0.0.1:{port}", root)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not await asyncio.to_thread(found.up):
            if process.returncode is not None or time.monotonic() > deadline:
                raise RuntimeError(f"`{program} server -dev` didn't start; its output is in {log} (--keep)")
            await asyncio.sleep(0.1)
        yield found
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
