"""A zone whose Redis a control service reaches, and operators who call that service."""

from __future__ import annotations

import json
import os
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from tabard_sidecar.control.running import ControlService

from testbed.world import ISSUER, ZONE
from tests.components.ports import free_port
from tests.support.asking import POLICY, ROLES
from tests.support.control import Cluster, ControlZone, pod_token
from tests.support.redis_server import RedisServer
from tests.support.waiting import eventually

PEOPLE, WORKLOADS = "tabard-people", "tabard-operators"
BINDINGS = (
    {"role": "viewer", "group": "support-viewers"},
    {"role": "approver", "group": "support-approvers"},
    {"role": "operator", "group": "support-operators"},
    {"role": "operator", "person": "root-1", "issuer": ISSUER},
    {"role": "approver", "service_account": "tools/console"},
    {"role": "operator", "service_account": "tools/guard"},
)
OPERATOR = {"groups": ["support-operators"]}


@dataclass
class Desk:
    """What an operator has: the service's address, and tokens of the organisation's issuer."""

    cluster: Cluster
    service: ControlService
    zone: ControlZone

    def token(self, who: str = "olga", **claims: Any) -> str:
        """Return an access token of a person for the operator surface."""
        return self.zone.issuer.access_token(who, **({"aud": PEOPLE} | claims))

    @staticmethod
    def account_token(account: str, **claims: Any) -> str:
        """Return a token of a ServiceAccount, ``NAMESPACE/NAME``, for the operator surface."""
        namespace, _, name = account.partition("/")
        given = {"aud": [WORKLOADS], "sub": f"system:serviceaccount:{namespace}:{name}"}
        return pod_token(namespace, **(given | claims))

    def channel(self) -> grpc.aio.Channel:
        """Return a connection as a client makes it."""
        authority = self.cluster.authority.certificate.read_bytes()
        options = (("grpc.use_local_subchannel_pool", 1),)
        credentials = grpc.ssl_channel_credentials(authority)
        return grpc.aio.secure_channel(self.service.operators, credentials, options=options)

    async def call(
        self,
        method: Any,
        request: Any,
        token: str | None,
        zone: str | None = ZONE,
        *,
        metadata: tuple[tuple[str, str], ...] = (),
        wait_for_ready: bool = False,
    ) -> Any:
        """Call a method of a stub class, such as ``("Revoke", RevocationServiceStub)``; raises what gRPC raises.

        With ``wait_for_ready``, a connection that is refused is tried again.
        """
        name, stub = method
        async with self.channel() as channel:
            found = getattr(stub(channel), name)
            sending = (*sent(token, zone), *metadata)
            return await found(request, metadata=sending, timeout=30, wait_for_ready=wait_for_ready)

    def records(self) -> list[dict[str, Any]]:
        """Return what was recorded of changes."""
        path = self.cluster.folder / "changes.log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    async def command(self, *arguments: str, token: str = "", **environment: str) -> tuple[int, str, str]:
        """Run ``tabard`` as an operator does; return exit code, output and errors."""
        (self.cluster.folder / "operator-token").write_text(token)
        port = self.service.operators.rpartition(":")[2]
        given = {
            "TABARD_OPERATOR_ADDRESS": f"https://127.0.0.1:{port}",
            "TABARD_OPERATOR_CA_FILE": str(self.cluster.authority.certificate),
            "TABARD_OPERATOR_TOKEN_FILE": str(self.cluster.folder / "operator-token"),
            "NO_COLOR": "1",
        }
        process = await create_subprocess_exec(
            *(sys.executable, "-m", "tabard_sidecar.cli", *arguments),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            cwd=self.cluster.folder,
            env={**os.environ, **given, **environment},
        )
        out, err = await process.communicate(b"")
        return process.returncode or 0, out.decode(), err.decode()


def sent(token: str | None, zone: str | None) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a request."""
    found = [] if token is None else [("authorization", f"Bearer {token}")]
    return (*found, *(() if zone is None else [("tabard-zone", zone)]))


@asynccontextmanager
async def desk(
    cluster: Cluster,
    server: RedisServer,
    *,
    bindings: Any = BINDINGS,
    issuer: Mapping[str, Any] | None = None,
) -> AsyncIterator[Desk]:
    """Run the service and the zone's two sidecars. ``billing`` is another zone, in which no one has a role but ``bo``."""
    port = free_port()
    state = {"url": server.url, "redis": {"timeout_seconds": 0.5}}
    zone = ControlZone(
        cluster,
        f"https://127.0.0.1:{port}",
        workloads=("orchestrator", "triage"),
        policy=POLICY,
        overrides={"state.url": server.url, "approvals.roles": ROLES},
    )
    terms = {
        "issuer": ISSUER,
        "audiences": [PEOPLE],
        "algorithms": ["ES256"],
        "keys_file": str(zone.issuer.keys_file),
    } | dict(issuer or {})
    zones = {
        ZONE: {"state": state, "operators": list(bindings), "approvals": {"roles": ROLES}},
        "billing": {"state": state, "operators": [{"role": "operator", "person": "bo"}]},
    }
    operators = {"listen": "127.0.0.1:0", "issuers": [terms]}
    async with cluster.service(f"127.0.0.1:{port}", zones=zones, operators=operators) as service, zone:
        await eventually(lambda: not service.health.snapshot().components["zones"].reason)
        yield Desk(cluster, service, zone)
