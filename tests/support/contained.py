"""A zone as in a pod: sidecar, agent, OPA, Redis and Vault, each in a container of its own."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis
import requests

from testbed.world import World
from tests.components.ports import free_port
from tests.support.components import component
from tests.support.containers import container, opa_container, wait_until_up
from tests.support.folders import short_folder
from tests.support.markdown import code_of
from tests.support.redis_server import DURABLE
from tests.support.vault_server import AGENT, ISSUER, TokenIssuer, VaultServer

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

POLICY = """package policy.notes

import data.tabard.lib.credentials
import data.tabard.lib.intent

start contains {
	"code": "notes",
	"limits": {
		"tools": ["notes.read", "weather.read"],
		"audiences": ["https://notes.example", "https://weather.example"],
		"scopes": ["notes:read"],
		"ttl_seconds": 600,
		"max_depth": 0,
		"max_children": 0,
	},
} if intent.purpose_is("notes")

grant contains {
	"code": "note",
	"credential": credentials.jwt("https://notes.example", ["notes:read"], 60),
} if input.tool.name == "notes.read"

grant contains {
	"code": "weather",
	"credential": credentials.vault("weather", "https://weather.example", 60),
	"reuse": true,
} if input.tool.name == "weather.read"
"""

SIDECAR = 65532
"""User and group of the image."""

_AGENT = 10001
_HARDENED = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges"]}
_CALLS = """
import json, sys, tabard
token, intent = sys.argv[1:]
with tabard.connect() as client, client.start_task(token, intent_token=intent) as task:
    note = task.authorize("notes.read", {"id": 7}).credential
    weather = task.authorize("weather.read", {"city": "Oslo"}).credential
    try:
        task.authorize("notes.write", {"id": 7})
    except tabard.Denied as denied:
        print(json.dumps({"note": note.kind, "weather": weather.value, "denied": denied.reasons[0].code}))
"""


class ContainedZone(World):
    """One sidecar in a container of the image, asked by agents in containers of their own."""

    def __init__(self, folder: Path, image: str, overrides: Mapping[str, Any]) -> None:
        super().__init__(folder, workloads=("agent",), policy={"notes.rego": POLICY}, overrides=overrides)
        self.image = image
        self.sidecar = self.sidecars["agent"]
        self.container: DockerContainer | None = None

    def prepare(self) -> None:
        """Write everything, and give it to the image's user, as a kubelet gives volumes to the pod's group."""
        super().prepare()
        (self.sidecar.folder / "agent").mkdir(mode=0o2750)
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, SIDECAR, SIDECAR)

    def config(self, sidecar: Any) -> dict[str, Any]:
        """Ask the OPA server, and log to standard output."""
        return super().config(sidecar) | {
            "audit": {"sink": "stdout"},
            "policy": {"remote": self._overrides["policy.remote"]},
        }

    @contextmanager
    def serving(self) -> Iterator[DockerContainer]:
        """Run the sidecar for the length of a block, and wait until it is ready."""
        config = str(self.sidecar.folder / "tabard.yaml")
        made = container(self.image, "serve", "--config", config, **_HARDENED)
        with made.with_volume_mapping(str(self.folder), str(self.folder), "rw") as self.container:
            wait_until_up(self.container, lambda: self._ready(self.container))
            yield self.container

    def _ready(self, running: DockerContainer) -> None:
        answer = running.exec(
            ["tabard", "health", "--address", f"unix:{self.sidecar.folder}/operator/s.health"]
        )
        if answer.exit_code != 0:
            raise RuntimeError(answer.output)

    def ask(self, token: str, intent: str) -> dict[str, Any]:
        """Have an agent make its calls, in a container that has the agents' socket and nothing else."""
        socket = self.sidecar.folder / "agent"
        made = container(
            self.image,
            *("-I", "-c", _CALLS, token, intent),
            **_HARDENED,
            entrypoint="/opt/tabard/bin/python",
            user=f"{_AGENT}:{_AGENT}",
            group_add=[SIDECAR],
            environment={"TABARD_ADDRESS": "unix:/run/tabard/agent/s"},
        )
        with made.with_volume_mapping(str(socket), "/run/tabard/agent", "ro") as agent:
            code = agent.get_wrapped_container().wait(timeout=60)["StatusCode"]
            output, errors = agent.get_logs()
        assert code == 0, errors.decode()
        answer: dict[str, Any] = json.loads(output)
        return answer


@dataclass(frozen=True)
class Backends:
    """OPA, Redis and Vault in containers."""

    opa: str
    redis: str
    store: DockerContainer
    vault: str
    login: Mapping[str, str]
    """The sidecar's, at Vault."""

    def overrides(self) -> dict[str, Any]:
        """Return what the sidecar's configuration says of them."""
        weather = {"engine": "kv", "name": "tabard/weather", "fields": ["api_key"]}
        return {
            "policy.remote": {"url": self.opa},
            "state.url": self.redis,
            "vault.main": {
                "address": self.vault,
                "auth": dict(self.login),
                "roles": {"weather": weather | {"audiences": ["https://weather.example"]}},
            },
        }


@contextmanager
def backends(engine: Path, folder: Path) -> Iterator[Backends]:
    """Run OPA with the policy, Redis and Vault for the length of a block.

    Args:
        engine: the container engine's folder.
        folder: where the sidecar finds the secret of its login.
    """
    images = {
        "redis:test": component("redis.sh", "install"),
        "vault:test": component("vault.sh", "install").strip(),
    }
    for name, program in images.items():
        component("docker.sh", "image", engine, name, program)
    with ExitStack() as stack:
        opa_folder, policy, vault_folder = (
            stack.enter_context(short_folder(name)) for name in ("opa", "pol", "vlt")
        )
        (policy / "notes.rego").write_text(POLICY)
        opa = stack.enter_context(opa_container(opa_folder, policy))
        store, url = stack.enter_context(_redis())
        vault = stack.enter_context(_vault(vault_folder))
        secret = folder / "secret-id"
        secret.write_text((vault_folder / "tabard.secret-id").read_text())
        secret.chmod(0o600)
        role = (vault_folder / "tabard.role-id").read_text().strip()
        login = {"method": "approle", "role_id": role, "secret_id_file": str(secret)}
        yield Backends(opa, url, store, vault.address, login)


@contextmanager
def _redis() -> Iterator[tuple[DockerContainer, str]]:
    port = free_port()
    listen = ("--bind", "127.0.0.1", "--port", str(port), "--dir", "/tmp", "--save", "")  # noqa: S108 - its own
    with container("redis:test", *listen, *DURABLE) as server:
        wait_until_up(server, redis.Redis(port=port).ping)
        yield server, f"redis://127.0.0.1:{port}/0"


@contextmanager
def _vault(folder: Path) -> Iterator[VaultServer]:
    port = free_port()
    address = f"127.0.0.1:{port}"
    start = (
        "server",
        "-dev",
        "-dev-root-token-id=root",
        f"-dev-listen-address={address}",
        "-dev-no-store-token",
    )
    environment = {"GODEBUG": "x509negativeserial=1", "HOME": "/tmp", "SKIP_SETCAP": "1"}  # noqa: S108 - its own
    issuer = TokenIssuer()
    try:
        with container("vault:test", *start, environment=environment) as server:
            vault = VaultServer(folder, f"http://{address}", "root")
            up = f"{vault.address}/v1/sys/health"
            wait_until_up(server, lambda: requests.get(up, timeout=10).raise_for_status())
            blocks = [code for _, code in code_of("docs/vault.md", "set-up")]
            # The database needs a database.
            without = [code for code in blocks if not code.startswith("vault secrets enable database")]
            vault.shell(*without, ISSUER=ISSUER, ISSUER_JWKS=issuer.jwks_url, AGENT=AGENT)
            yield vault
    finally:
        issuer.close()


def seconds_until_stopped(running: DockerContainer) -> tuple[float, int]:
    """Send SIGTERM, as a kubelet does; return how long the end took, and the exit code."""
    wrapped = running.get_wrapped_container()
    begun = time.monotonic()
    wrapped.kill("SIGTERM")
    code = wrapped.wait(timeout=60)["StatusCode"]
    return time.monotonic() - begun, code
