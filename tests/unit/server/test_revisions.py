"""Agents learn that the policy changed, and nothing of what it holds."""

from __future__ import annotations

import json

import grpc
import pytest
from tabard.authz.v1 import authorization_service_pb2 as pb
from tabard.authz.v1 import authorization_service_pb2_grpc as pb_grpc
from tabard.authz.v1 import credential_service_pb2 as credential_pb
from tabard.authz.v1 import credential_service_pb2_grpc as credential_grpc
from tabard.authz.v1 import task_service_pb2 as task_pb
from tabard.authz.v1 import task_service_pb2_grpc as task_grpc
from tabard.authz.v1 import types_pb2 as types_pb
from tabard_sidecar.keys.model import ROOT

from tests.support.spending import POLICY

FETCH = {"kind": "jwt"}


@pytest.fixture
async def zone(start_zone):
    """Orchestrator and triage, under a policy with data."""
    return await start_zone(policy=POLICY | {"data.json": '{"limit": 73141}'})


async def answers(zone, workload):
    """Return every kind of answer that names a revision."""
    task = await zone.start_task(workload)
    credential = (await task.authorize("web.fetch", FETCH)).credential
    fetch = types_pb.ToolCall(name="web.fetch", arguments_json=json.dumps(FETCH).encode())
    async with grpc.aio.insecure_channel(zone.sidecars[workload].address) as channel:
        calls = pb_grpc.AuthorizationServiceStub(channel)
        allowed = pb.AuthorizeRequest(grant=task.grant, tool=fetch)
        denied = pb.AuthorizeRequest(grant=task.grant, tool=types_pb.ToolCall(name="other"))
        batch = await calls.BatchAuthorize(pb.BatchAuthorizeRequest(grant=task.grant, items=[denied]))
        tools = pb.FilterToolsRequest(grant=task.grant, tools=[pb.ToolRef(name="web.fetch")])
        renewal = credential_pb.RenewCredentialRequest(
            grant=task.grant, credential=credential.value, arguments_json=fetch.arguments_json
        )
        delegation = task_pb.DelegateTaskRequest(grant=task.grant, holder="spiffe://x.example/y")
        start = task_pb.StartTaskRequest(subject_token=zone.issuer.access_token("eve"), purpose="billing")
        return [
            (await calls.Authorize(allowed)).decision,
            (await calls.Authorize(denied)).decision,
            batch.results[0].decision,
            await calls.FilterTools(tools),
            (await credential_grpc.CredentialServiceStub(channel).RenewCredential(renewal)).decision,
            (await task_grpc.TaskServiceStub(channel).DelegateTask(delegation)).decision,
            (await task_grpc.TaskServiceStub(channel).StartTask(start)).decision,
        ]


async def test_agents_get_a_keyed_digest_and_the_log_the_revision(zone):
    """The same from every sidecar of the zone; another one for another policy, and with another key."""
    revision = zone.parts().policy.revision
    found = [*await answers(zone, "orchestrator"), *await answers(zone, "triage")]
    (shown,) = {answer.policy_revision for answer in found}
    assert len(shown) == 64
    assert all(revision.encode() not in answer.SerializeToString() for answer in found)
    log = (zone.folder / "orchestrator" / "decisions.log").read_text()
    assert revision in log
    assert shown not in log
    (zone.policy / "data.json").write_text('{"limit": 73142}')
    for workload in ("orchestrator", "triage"):
        assert not (await zone.parts(workload).policy.reload()).problems
    (other,) = {answer.policy_revision for answer in await answers(zone, "triage")}
    zone.parts().keyring.create(ROOT)
    (rotated,) = {answer.policy_revision for answer in await answers(zone, "orchestrator")}
    assert len({shown, other, rotated, revision, zone.parts().policy.revision}) == 5
