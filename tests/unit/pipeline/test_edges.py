"""A credential that policy grants to edges inside the sidecar is never given on the socket of agents."""

from __future__ import annotations

import json

import pytest
import tabard
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard_sidecar.model import Delivery
from tabard_sidecar.pipeline.authorize import Authorizer
from tabard_sidecar.pipeline.edges import EdgeAuthorizer
from tabard_sidecar.pipeline.requests import AuthorizeRequest
from tabard_sidecar.server import convert

AUDIENCE = "https://orders.example"
POLICY = """package policy.orders

import data.tabard.lib.credentials

_jwt := credentials.jwt("https://orders.example", [], 60)

start contains {"code": "a_task", "limits": {
	"tools": ["*"],
	"audiences": ["https://orders.example"],
	"budgets": {"calls": 3},
}} if input.operation == "start_task"

grant contains {"code": "read", "charges": {"calls": 1}, "credential": credentials.at_edge(_jwt)} if {
	input.tool.name == "orders.read"
}

grant contains {"code": "list", "charges": {"calls": 1}, "credential": _jwt} if input.tool.name == "orders.list"

grant contains {"code": "lent", "credential": credentials.at_edge(_jwt)} if input.tool.name == "orders.lent"

renew contains {"code": "again", "ttl_seconds": 60}

grant contains {"code": "both", "charges": {"calls": 1}, "credential": _jwt} if input.tool.name == "orders.both"

grant contains {
	"code": "kept",
	"charges": {"calls": 1},
	"credential": {"kind": "jwt", "audience": "https://orders.example", "ttl_seconds": 60, "delivery": "edge"},
} if {
	input.tool.name == "orders.both"
}
"""


@pytest.fixture
async def zone(start_zone):
    """One sidecar with this policy."""
    return await start_zone(workloads=("orchestrator",), policy={"orders.rego": POLICY})


class Echo:
    """An edge of tests: it asks for a call as the agent's, and returns the credential as its backend would get it."""

    def __init__(self, calls: EdgeAuthorizer) -> None:
        self._calls = calls

    async def read(self, task: tabard.aio.Task, tool: str, **asked):
        """Make a call for the holder of a task's grant."""
        return await self._calls.authorize(AuthorizeRequest(task.grant, tool, arguments_json=b"{}", **asked))


@pytest.fixture
def edge(zone):
    """The edge in the sidecar of the zone."""
    return Echo(EdgeAuthorizer(Authorizer(zone.parts().stages)))


@pytest.mark.parametrize("tool", ["orders.read", "orders.both"])
async def test_an_agent_is_denied_and_nothing_is_taken(zone, tool):
    task = await zone.start_task()
    for _ in range(4):
        with pytest.raises(tabard.Denied) as caught:
            await task.authorize(tool, {})
        assert caught.value.code == "edge_required"
        assert AUDIENCE not in caught.value.for_model()
    for _ in range(3):
        await task.authorize("orders.list", {})
    with pytest.raises(tabard.Denied) as caught:
        await task.authorize("orders.list", {})
    assert caught.value.code == "budget_exhausted"
    outcomes = [
        json.loads(line) for line in (zone.folder / "orchestrator/decisions.log").read_text().splitlines()
    ]
    assert not [one for one in outcomes if one["event"] == "intent"]


@pytest.mark.parametrize("tool", ["orders.read", "orders.both", "orders.list"])
async def test_an_edge_gets_the_credential_and_the_call_is_charged(zone, edge, tool):
    task = await zone.start_task()
    for _ in range(3):
        decision = await edge.read(task, tool)
        assert decision.allowed
        assert decision.credential.audience == AUDIENCE
        assert decision.credential.value
    assert (await edge.read(task, tool)).reasons[0].code == "budget_exhausted"


async def test_an_edges_answer_isnt_repeated_to_the_agent(zone, edge):
    """With the request_id and the body that the edge used."""
    task = await zone.start_task()
    message = authorization_pb.AuthorizeRequest(grant=task.grant, request_id="r-1")
    message.tool.name, message.tool.arguments_json = "orders.read", b"{}"
    asked = convert.authorize_request(message)
    calls = EdgeAuthorizer(Authorizer(zone.parts().stages))
    assert (await calls.authorize(asked)).credential.value
    with pytest.raises(tabard.Denied) as caught:
        await task.authorize("orders.read", {}, request_id="r-1")
    assert caught.value.code == "edge_required"


async def test_a_credential_of_an_edge_isnt_renewed_for_the_agent(zone, edge):
    """Even if it has it: an edge lost it."""
    task = await zone.start_task()
    lost = (await edge.read(task, "orders.lent")).credential
    held = tabard.Credential(
        kind=lost.kind,
        value=lost.value,
        credential_id=lost.credential_id,
        audience=lost.audience,
        scopes=lost.scopes,
        expires_at=lost.expires_at,
    )
    with pytest.raises(tabard.Denied) as caught:
        await task.renew(held, {})
    assert caught.value.code == "edge_required"


def test_nothing_that_an_agent_sends_becomes_the_delivery():
    """Whatever the message: it has no field for it, and an unknown one is ignored."""
    message = authorization_pb.AuthorizeRequest.FromString(
        authorization_pb.AuthorizeRequest(grant="g").SerializeToString() + bytes([0xFA, 0x3F, 4]) + b"edge"
    )
    message.tool.name = "orders.read"
    assert convert.authorize_request(message).delivery is Delivery.AGENT
    assert "delivery" not in {field.name for field in authorization_pb.AuthorizeRequest.DESCRIPTOR.fields}
