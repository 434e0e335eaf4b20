"""A bank whose payments are decided by a real sidecar, with OPA, approvals and a budget."""

from __future__ import annotations

from contextlib import asynccontextmanager

import grpc
import pytest
import tabard
from tabard.authz.v1 import approval_service_pb2 as approval_pb
from tabard.authz.v1 import approval_service_pb2_grpc as approval_grpc

from testbed.world import PERSON
from tests.support.asking import ROLES

POLICY = """
package policy.bank

start contains {"code": "bank", "limits": {
	"tools": ["*"],
	"audiences": ["bank"],
	"scopes": ["pay"],
	"ttl_seconds": 600,
	"budgets": {"payments": 3},
}}

grant contains {
	"code": "pay",
	"credential": {"kind": "jwt", "audience": "bank", "scopes": ["pay"], "ttl_seconds": 60},
	"charges": {"payments": 1},
} if {
	input.tool.name == "pay"
}

ask contains {
	"code": "large",
	"approvers": ["finance"],
	"reason": "payments over 100 need a second person",
	"uses": 1,
	"ttl_seconds": 300,
} if {
	input.tool.name == "pay"
	input.tool.arguments.cents > 10000
}

deny contains {"code": "closed", "message": "ACME's account is closed"} if {
	input.tool.arguments.to == "ACME"
}
"""
CLOSED = "ACME's account is closed"


class Bank:
    """The zone, what reached the backend, and the person who approves."""

    def __init__(self, zone) -> None:
        self.zone = zone
        self.paid: list[tuple[str, int, str]] = []

    @asynccontextmanager
    async def task(self, **hooks):
        """Start a task, current inside the block."""
        address = self.zone.sidecars["orchestrator"].address
        async with tabard.aio.connect(address, timeout_seconds=30, **hooks) as client:
            intent = self.zone.intent("payments", "Pay the bills.")
            async with await client.start_task(
                self.zone.issuer.access_token(PERSON), intent_token=intent
            ) as task:
                yield task

    def pay(self, to: str, cents: int, credential: tabard.Credential) -> str:
        """The backend of the tools."""
        self.paid.append((to, cents, credential.audience))
        return f"paid {cents} to {to}"

    async def decide(self, approval_id: str, *, approve: bool = True) -> None:
        """Decide about a call as Cleo of finance."""
        async with grpc.aio.insecure_channel(self.zone.operator()) as channel:
            await approval_grpc.ApprovalServiceStub(channel).DecideApproval(
                approval_pb.DecideApprovalRequest(
                    approval_id=approval_id, approver_token=self.zone.approver(), approve=approve
                )
            )


@pytest.fixture
async def bank(start_zone):
    zone = await start_zone(
        workloads=("orchestrator",),
        policy={"bank/bank.rego": POLICY},
        overrides={"approvals.roles": ROLES},
    )
    return Bank(zone)
