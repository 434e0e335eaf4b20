"""A zone whose sidecars try a candidate policy."""

from __future__ import annotations

import asyncio
import json

import grpc
import pytest
from tabard.authz.v1 import shadow_service_pb2 as pb
from tabard.authz.v1 import shadow_service_pb2_grpc as pb_grpc
from tabard_sidecar.cli import main

from tests.support.waiting import eventually

LIVE = """
package policy.desk

start contains {"code": "task", "limits": {"tools": ["*"], "budgets": {"money": 100}, "max_depth": 3, "max_children": 9}}

# description: Small payments.
grant contains {"code": "pay", "charges": {"money": input.tool.arguments.n}, "labels": ["paid"]} if {
	input.tool.name == "pay"
	input.tool.arguments.n <= 50
}

grant contains {"code": "read"} if input.tool.name == "read"
"""
STRICT = LIVE.replace("<= 50", "<= 10")
"""Grants less."""


class Trying:
    """What tests ask a zone with a candidate."""

    def __init__(self, zone) -> None:
        self.zone = zone

    @property
    def shadow(self):
        """The sidecar's own view."""
        return self.zone.parts("orchestrator").shadowing.shadow

    async def running(self, revision: str = ""):
        """Wait until the candidate decides; another one than ``revision``."""

        def look():
            status = self.shadow.status
            return status.state == "running" and status.revision != revision

        await eventually(look)

    async def decided(self, count: int):
        """Wait until the candidate has decided so many."""
        await eventually(lambda: self.shadow.status.decided >= count)
        return self.shadow.status

    async def ask(self, name: str, request):
        """Call a method of the operators' socket."""
        async with grpc.aio.insecure_channel(self.zone.operator()) as channel:
            return await getattr(pb_grpc.ShadowServiceStub(channel), name)(request)

    async def promote(self, revision: str = "", base: str = ""):
        """Promote the present candidate over the policy that it was loaded beside."""
        request = pb.PromoteShadowRequest(
            revision=revision or self.shadow.status.revision, base_revision=base or self.shadow.status.base
        )
        return await self.ask("PromoteShadow", request)

    def records(self, workload: str = "orchestrator"):
        """Every record of a sidecar."""
        log = self.zone.sidecars[workload].folder / "decisions.log"
        return [json.loads(line) for line in log.read_text().splitlines()]

    def differences(self):
        """Records of what the candidate would have decided otherwise."""
        return [one for one in self.records() if one["event"] == "shadow"]


@pytest.fixture
async def trying(start_zone, folder):
    """Starts a zone of one sidecar with a candidate."""

    async def start(candidate=STRICT, live=LIVE, workloads=("orchestrator",), **overrides):
        place = folder / "candidate"
        place.mkdir()
        sources = {"desk.rego": candidate} if isinstance(candidate, str) else candidate
        for name, text in sources.items():
            (place / name).write_text(text)
        zone = await start_zone(
            policy={"desk.rego": live} if isinstance(live, str) else live,
            workloads=workloads,
            overrides={"policy.shadow": {"path": str(place)} | overrides.pop("shadow", {})} | overrides,
        )
        found = Trying(zone)
        await found.running()
        return found

    return start


@pytest.fixture
def tabard(capsys):
    """Runs the command and returns exit code and output."""

    async def command(*arguments):
        code = await asyncio.to_thread(main, [*arguments])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return command
