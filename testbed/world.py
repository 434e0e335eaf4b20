"""A zone and everything around its agents: issuers, keys, policy, a state file and one sidecar per workload.

The person's identity provider and the chat front end are keys made here; everything else is real.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import jwt
import tabard
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from tabard_sidecar.identity import sign_intent
from tabard_sidecar.keys import ROOT, SIGNING, Keyring

ZONE = "support"
TRUST_DOMAIN = "spiffe://shop.example/ns/support/sa/"
WORKLOADS = ("orchestrator", "triage", "research", "refunds", "review", "worker")
ISSUER = "https://login.shop.example"
FRONT_END = "https://chat.shop.example"
AUDIENCE = "tabard"
PERSON = "support-manager-7"
EXAMPLE = Path(__file__).resolve().parent.parent / "rego" / "examples" / "support"

_READY_SECONDS = 60.0
_READY_POLL_SECONDS = 0.01
_STOP_SECONDS = 15.0


def spiffe_id(workload: str) -> str:
    """Return the SPIFFE ID of a workload of the zone."""
    return TRUST_DOMAIN + workload


@dataclass(frozen=True, slots=True)
class Signer:
    """An issuer whose signatures the sidecars check, with the file that holds its public key."""

    name: str
    key: ec.EllipticCurvePrivateKey
    keys_file: Path

    @classmethod
    def create(cls, name: str, keys_file: Path) -> Self:
        """Make a key and publish its public part as a JWK Set."""
        key = ec.generate_private_key(ec.SECP256R1())
        public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        keys_file.write_text(json.dumps({"keys": [public | {"kid": "k1", "use": "sig", "alg": "ES256"}]}))
        return cls(name, key, keys_file)

    def access_token(self, subject: str, **claims: Any) -> str:  # noqa: ANN401 - any claim
        """Sign an access token (RFC 9068) for a person."""
        now = int(time.time())
        content = {
            "iss": self.name,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "exp": now + 600,
            "auth_time": now,
            "jti": secrets.token_hex(8),
            "client_id": "support-desk",
            "groups": ["support"],
            **claims,
        }
        return jwt.encode(content, self.key, algorithm="ES256", headers={"typ": "at+jwt", "kid": "k1"})


@dataclass(slots=True)
class Sidecar:
    """One sidecar process and where it listens."""

    workload: str
    folder: Path
    process: asyncio.subprocess.Process | None = None
    logs: list[Path] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Address of the agents' socket."""
        return f"unix:{self.folder}/agent/s"

    @property
    def operator(self) -> str:
        """Address of the operators' socket, which agents can't reach."""
        return f"unix:{self.folder}/operator/s"

    @property
    def http(self) -> str:
        """Path of the HTTP socket."""
        return f"{self.folder}/h"


class World:
    """Starts a zone's sidecars, each as a process of its own, and stops them.

    Args:
        folder: where everything lies; its path has to be short enough for unix sockets.
        workloads: names of the workloads; each has a sidecar.
        policy: Rego sources by file name; without it, the policy and catalogue of the support example.
        overrides: values that go into every sidecar's configuration, by dotted key.
    """

    program: tuple[str, ...] = ("-m", "tabard_sidecar.cli")
    """Arguments of Python that start the ``tabard`` command; a subclass may run another."""

    def __init__(
        self,
        folder: Path,
        *,
        workloads: tuple[str, ...] = WORKLOADS,
        policy: Mapping[str, str] | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = folder
        self._sources = policy
        self._overrides = overrides or {}
        self.policy = folder / "policy"
        self.keys = folder / "keys"
        self.issuer = Signer.create(ISSUER, folder / "issuer.json")
        self.front_end = Signer.create(FRONT_END, folder / "front-end.json")
        self.sidecars = {name: Sidecar(name, folder / name) for name in workloads}
        self.stack = AsyncExitStack()
        self._clients: dict[str, tabard.aio.Client] = {}

    async def __aenter__(self) -> Self:
        self.prepare()
        await self.start()
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self.stop()

    def prepare(self) -> None:
        """Write policy, keys and configurations."""
        self._write_policy()
        ring = Keyring.create_directory(self.keys)
        ring.create(ROOT)
        ring.create(SIGNING)
        for sidecar in self.sidecars.values():
            sidecar.folder.mkdir(mode=0o700)
            config = yaml.dump(self.config(sidecar), Dumper=yaml.CSafeDumper, sort_keys=False)
            (sidecar.folder / "tabard.yaml").write_text(config)

    def _write_policy(self) -> None:
        if self._sources is None:
            shutil.copytree(EXAMPLE / "policy", self.policy)
            return
        for name, source in self._sources.items():
            path = self.policy / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)

    async def start(self) -> None:
        """Start every sidecar and wait until they are ready."""
        try:
            await asyncio.gather(*(self._start(sidecar) for sidecar in self.sidecars.values()))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close the clients and stop every sidecar."""
        await self.stack.aclose()
        running = [s.process for s in self.sidecars.values() if s.process and s.process.returncode is None]
        for process in running:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in running:
            try:
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()

    def agent(self, workload: str) -> tabard.aio.Client:
        """Return the SDK's client as the workload's agent would have it."""
        if workload not in self._clients:
            client = tabard.aio.connect(self.sidecars[workload].address, timeout_seconds=30)
            self.stack.push_async_callback(client.close)
            self._clients[workload] = client
        return self._clients[workload]

    def intent(self, purpose: str, statement: str, subject: str = PERSON) -> str:
        """Sign what the person asked for, as the chat front end does."""
        return sign_intent(
            self.front_end.key,
            issuer=FRONT_END,
            zone=ZONE,
            subject_id=subject,
            subject_issuer=ISSUER,
            purpose=purpose,
            statement=statement,
            key_id="k1",
        )

    def config(self, sidecar: Sidecar) -> dict[str, Any]:
        """Return the configuration of one sidecar."""
        config: dict[str, Any] = {
            "zone": ZONE,
            "listen": {"agent": sidecar.address, "operator": sidecar.operator},
            "http": {"listen": f"unix:{sidecar.http}"},
            "identity": {
                "issuers": [
                    {
                        "issuer": ISSUER,
                        "audiences": [AUDIENCE],
                        "algorithms": ["ES256"],
                        "kept_claims": ["groups"],
                        "keys_file": str(self.issuer.keys_file),
                    }
                ],
                "initiators": [{"issuer": FRONT_END, "keys_file": str(self.front_end.keys_file)}],
            },
            "keys": {"directory": str(self.keys)},
            "state": {"url": f"sqlite://{self.folder}/state.db"},
            "policy": {"path": str(self.policy)},
            "audit": {"sink": "file", "path": str(sidecar.folder / "decisions.log")},
            "insecure": {"agent_id": spiffe_id(sidecar.workload)} | self._plain_http(),
        }
        if self._sources is None:
            config["catalogue"] = {"path": str(EXAMPLE / "catalogue.yaml"), "required": True}
        for key, value in self._overrides.items():
            *sections, last = key.split(".")
            section = config
            for name in sections:
                section = section.setdefault(name, {})
            section[last] = value
        return config

    def _plain_http(self) -> dict[str, bool]:
        """Allow what vaults and identity providers of tests speak."""
        others = any(key.split(".")[0] in {"vault", "exchange"} for key in self._overrides)
        return {"allow_http": True} if others else {}

    async def _start(self, sidecar: Sidecar) -> None:
        """Start one sidecar as a process of its own; subclasses run it in theirs instead."""
        log = sidecar.folder / "sidecar.log"
        sidecar.logs = [log, sidecar.folder / "decisions.log"]
        with log.open("wb") as output:
            sidecar.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self.program,
                "serve",
                "--config",
                str(sidecar.folder / "tabard.yaml"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "NO_COLOR": "1"},
            )
        deadline = time.monotonic() + _READY_SECONDS
        while (await http_get(sidecar.http, "/readyz"))[0] != 200:  # noqa: PLR2004 - OK
            if sidecar.process.returncode is not None:
                raise RuntimeError(f"the sidecar of {sidecar.workload} stopped:\n{log.read_text()[-3000:]}")
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"the sidecar of {sidecar.workload} wasn't ready after {_READY_SECONDS:g} s. Its log:\n"
                    f"{log.read_text()[-3000:] or '(empty: it was still starting, try again)'}"
                )
            await asyncio.sleep(_READY_POLL_SECONDS)


async def http_get(socket: str, path: str) -> tuple[int, bytes]:
    """Ask for a page over a unix socket; status 0 if nothing listens."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return 0, b""
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        await writer.drain()
        raw = await reader.read()
    finally:
        writer.close()
    head, _, body = raw.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, body
