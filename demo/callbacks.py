"""Second half of the scenario: budgets over many calls, an approval by a person, an operator's revocation."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

import grpc
import tabard
from tabard.authz.v1 import approval_service_pb2 as approval_pb
from tabard.authz.v1 import approval_service_pb2_grpc as approval_grpc
from tabard.authz.v1 import revocation_service_pb2 as revocation_pb
from tabard.authz.v1 import revocation_service_pb2_grpc as revocation_grpc

from demo.steps import Step, tried
from testbed.world import EXAMPLE, PERSON, WORKLOADS, World

MODULE = EXAMPLE.parent / "callbacks" / "policy" / "callbacks"
LEAD = "team-lead-2"
MAIL = {"to": "ada@customer.example", "subject": "Your ticket", "body": "We call you back."}
_MAILS = 3
_APPROVAL_SECONDS = 30.0
_POLICY_SECONDS = 30.0


class DeskWorld(World):
    """The support desk with a lead who may approve."""

    def __init__(self, folder: Path) -> None:
        roles = {"desk_lead": {"claim": "groups", "value": "leads"}}
        super().__init__(folder, overrides={"approvals.roles": roles})

    def operator(self, workload: str) -> grpc.aio.Channel:
        """Return a channel to a sidecar's operator socket."""
        return grpc.aio.insecure_channel(self.sidecars[workload].operator)

    def approver(self) -> str:
        """Return a fresh token of the desk's lead."""
        return self.issuer.access_token(LEAD, aud="tabard-approval", groups=["leads"])


async def callbacks(world: DeskWorld) -> list[Step]:
    """Play this half, under a second policy that is added while the sidecars run."""
    await asyncio.to_thread(shutil.copytree, MODULE, world.policy / MODULE.name)
    first = await _start(world)
    for _ in range(_MAILS):
        await first.authorize("mail.send", MAIL)
    over = await tried(
        "a mail more than a task may write", "budget_exhausted", first.authorize("mail.send", MAIL)
    )
    second = await _start(world)
    await second.authorize("tickets.read", {"ticket_id": "t-1"})
    asked = await _asked(world, second)
    async with world.operator(WORKLOADS[1]) as channel:
        target = revocation_pb.RevokeRequest(task_id=second.info.task_id, reason="revoked by the demo")
        await revocation_grpc.RevocationServiceStub(channel).Revoke(target)
    branch = second.branch("writer")
    ended = await tried("a task that an operator revoked", "task_ended", branch.authorize("mail.send", MAIL))
    return [over, asked, ended]


async def _start(world: World) -> tabard.aio.Task:
    """Start a task for which only the second policy grants anything, as soon as that is active."""
    deadline = time.monotonic() + _POLICY_SECONDS
    while True:
        try:
            return await world.agent(WORKLOADS[0]).start_task(
                world.issuer.access_token(PERSON),
                intent_token=world.intent("callbacks", "Call back who waits."),
            )
        except tabard.Denied as denied:
            if denied.code != "no_grant" or time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.1)


async def _asked(world: DeskWorld, task: tabard.aio.Task) -> Step:
    """Request a mail that needs approval, and approve it through another sidecar of the zone."""
    name = "a person approves a mail that waited"
    waiting = asyncio.create_task(task.authorize("mail.send", MAIL, wait_for_approval=_APPROVAL_SECONDS))
    try:
        async with world.operator(WORKLOADS[1]) as channel:
            stub = approval_grpc.ApprovalServiceStub(channel)
            while not (found := (await stub.ListApprovals(approval_pb.ListApprovalsRequest())).approvals):
                if waiting.done():
                    return await tried(name, "approved", waiting)
                await asyncio.sleep(0.05)
            await stub.DecideApproval(
                approval_pb.DecideApprovalRequest(
                    approval_id=found[0].approval_id, approver_token=world.approver(), approve=True
                )
            )
        step = await tried(name, "allowed", waiting)
    finally:
        waiting.cancel()
    return Step(name, "approved", "approved" if step.met else step.actual, step.seconds)
