"""A sidecar whose policy and catalogue invite every attack by an agent, watched while it serves."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import tabard
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import authorization_service_pb2_grpc as authorization_grpc
from tabard.authz.v1 import types_pb2

from testbed.world import PERSON, Sidecar, World

WORKLOAD = "orchestrator"
CLIENT_KEY = "k" * 40
POLICY = """
package policy.desk

start contains {"code": "desk", "limits": {
	"tools": ["*"], "audiences": ["desk"], "scopes": ["use"], "max_depth": 5, "max_children": 5000, "ttl_seconds": 3000
}} if input.subject.id != ""

grant contains {"code": "use", "credential": {"kind": "jwt", "audience": "desk", "scopes": ["use"], "ttl_seconds": 60}}

deny contains {"code": "shift", "message": "too large"} if {
	input.tool.name == "shift"
	bits.lsh(1, input.tool.arguments.n) > 0
}

deny contains {"code": "graph", "message": "a query"} if {
	input.tool.name == "graph"
	graphql.parse_query(input.tool.arguments.x)
}

deny contains {"code": "schema", "message": "it matches"} if {
	input.tool.name == "schema"
	json.match_schema(input.tool.arguments.x, input.tool.arguments.schema)[0]
}
"""
_DEEP = {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}]}
_SCHEMAS: Mapping[str, Any] = {
    "read": {"properties": {"x": True}},
    "pattern": {"properties": {"x": {"type": "string", "pattern": "(?:a|b)*a(?:a|b){6000}c"}}},
    "address": {"properties": {"x": {"type": "string", "pattern": r"^[^@]+@[^@]+\.[^@]+$"}}},
    "recursive": {
        "properties": {"x": {"$ref": "#/$defs/a"}},
        "$defs": {
            name: {"anyOf": [{"type": "object", "properties": {"x": _DEEP}, "required": ["x"]}, {"const": name}]}
            for name in ("a", "b")
        },
    },
    "shift": {"properties": {"n": {"type": "integer"}}},
    "graph": {"properties": {"x": {"type": "string"}}},
    "schema": {"properties": {"x": True, "schema": {"type": "object"}}},
}  # fmt: skip


def catalogue() -> dict[str, Any]:
    """Return the catalogue of the stage."""
    return {
        "tools": [
            {"name": name, "inputSchema": {"type": "object", **schema}, "labels": [name]}
            for name, schema in _SCHEMAS.items()
        ]
    }


class StageWorld(World):
    """A zone of one watched sidecar.

    Of ``overrides``, ``stage.stalled`` gives it a standard output that is never read, ``stage.issuer`` another issuer, and
    ``stage.task`` tells whether a task is started on it.
    """

    def __init__(self, folder: Path, overrides: Mapping[str, Any] | None = None) -> None:
        changed = dict(overrides or {})
        self._issuer = changed.pop("stage.issuer", None)
        self.with_task = changed.pop("stage.task", True)
        (folder / "key").write_text(CLIENT_KEY)
        (folder / "key").chmod(0o600)
        self.notes = folder / "notes.jsonl"
        self.catalogue = folder / "catalogue.json"
        self.catalogue.write_text(json.dumps(catalogue()))
        stalled = ("--unread",) if changed.pop("stage.stalled", False) else ()
        self.program = ("-m", "testbed.watched", str(self.notes), *stalled)
        config = {
            "http.listen": f"unix:{folder}/{WORKLOAD}/h",
            "catalogue.path": str(self.catalogue),
            "policy.poll_seconds": 0.1,
            "policy.quiet_seconds": 0.05,
            "introspection.listen": f"unix:{folder}/{WORKLOAD}/i",
            "introspection.clients": [
                {"id": "backend", "key_file": str(folder / "key"), "audiences": ["desk"]}
            ],
        }
        super().__init__(
            folder,
            workloads=(WORKLOAD,),
            policy={"desk/desk.rego": POLICY},
            overrides=config | changed,
        )

    def config(self, sidecar: Sidecar) -> dict[str, Any]:
        """Return the configuration, with the other issuer."""
        config = super().config(sidecar)
        if self._issuer is not None:
            config["identity"]["issuers"].append(self._issuer)
        return config


@dataclass(frozen=True, slots=True)
class Held:
    """Something that held the sidecar's loop.

    ``at`` is its end in seconds of the machine's monotonic clock; ``wall`` and ``running`` are milliseconds, of time and of the
    thread's processor time.
    """

    at: float
    wall: float
    running: float
    what: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage whose sidecar serves."""

    world: StageWorld
    started: tabard.aio.Task | None
    stub: authorization_grpc.AuthorizationServiceStub

    @property
    def task(self) -> tabard.aio.Task:
        """A task on it."""
        if self.started is None:
            raise RuntimeError("this stage has no task")
        return self.started

    @property
    def sidecar(self) -> Sidecar:
        """The attacked sidecar."""
        return self.world.sidecars[WORKLOAD]

    @property
    def pid(self) -> int:
        """Its process."""
        process = self.sidecar.process
        if process is None:
            raise RuntimeError("the sidecar has no process")
        return process.pid

    @property
    def agent_socket(self) -> Path:
        """Where agents connect."""
        return Path(self.sidecar.address.removeprefix("unix:"))

    @property
    def health_socket(self) -> Path:
        """Where probes connect."""
        return Path(self.sidecar.operator.removeprefix("unix:")).with_suffix(".health")

    @property
    def http_socket(self) -> Path:
        """Where health, metrics and keys are public."""
        return Path(self.sidecar.http)

    @property
    def introspection_socket(self) -> Path:
        """Where backends ask about credentials."""
        return self.world.folder / WORKLOAD / "i"

    def call(
        self, tool: str, arguments: object, grant: str | None = None
    ) -> authorization_pb.AuthorizeRequest:
        """Return a request."""
        encoded = (
            arguments
            if isinstance(arguments, bytes)
            else json.dumps(arguments, separators=(",", ":")).encode()
        )
        return authorization_pb.AuthorizeRequest(
            grant=self.task.grant if grant is None else grant,
            tool=types_pb2.ToolCall(name=tool, arguments_json=encoded),
        )

    def held(self, begin: float, end: float | None = None) -> list[Held]:
        """Return what held the loop since a moment of the monotonic clock, the longest first."""
        if not self.world.notes.exists():
            return []
        lines = [json.loads(line) for line in self.world.notes.read_text().splitlines()]
        until = time.monotonic() if end is None else end
        found = [Held(**line) for line in lines if begin <= line["at"] <= until]
        return sorted(found, key=lambda one: -one.running)


@asynccontextmanager
async def stage(folder: Path, overrides: Mapping[str, Any] | None = None) -> AsyncIterator[Stage]:
    """Run a stage in a folder."""
    async with StageWorld(folder, overrides) as world:
        task: tabard.aio.Task | None = None
        if world.with_task:
            task = await world.agent(WORKLOAD).start_task(
                world.issuer.access_token(PERSON), intent_token=world.intent("desk", "Do it.")
            )
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(world.sidecars[WORKLOAD].address, options) as channel:
            yield Stage(world, task, authorization_grpc.AuthorizationServiceStub(channel))
