"""A workload that lost its standing changes nothing, whichever request it makes.

The requests are found in the API's descriptors: a method that takes a grant and that no example here covers fails the
test, so a new one can't be forgotten.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import asynccontextmanager

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from tabard import macaroon
from tabard.authz.v1 import approval_service_pb2 as approval_pb
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import credential_service_pb2 as credential_pb
from tabard.authz.v1 import revocation_service_pb2 as revocation_pb
from tabard.authz.v1 import task_operator_service_pb2 as operator_pb
from tabard.authz.v1 import task_service_pb2 as task_pb
from tabard.authz.v1 import types_pb2 as types_pb
from tabard.caveats import Expiry, encode_caveat
from tabard_sidecar.state import Chain

from testbed.world import ISSUER, PERSON, spiffe_id
from tests.support.operators import operators
from tests.support.spending import SOURCE, pay, signed_by, spent

FILES = (approval_pb, authorization_pb, credential_pb, revocation_pb, operator_pb, task_pb)
POLICY = {
    "desk/desk.rego": SOURCE
    + """
renew contains {"code": "desk", "ttl_seconds": 60}

grant contains {
	"code": "look",
	"credential": {"kind": "jwt", "audience": "bank", "ttl_seconds": 60},
} if input.tool.name == "look"

ask contains {"code": "big", "approvers": ["finance"], "reason": "big", "uses": 1, "ttl_seconds": 60} if {
	input.tool.name == "transfer"
}

grant contains {"code": "transfer"} if input.tool.name == "transfer"
"""
}
OVERRIDES = {"approvals.roles": {"finance": {"claim": "groups", "value": "finance"}}}
TRIAGE = spiffe_id("triage")
PAY = types_pb.ToolCall(name="pay", arguments_json=b'{"cents": 1}')


def takes_a_grant(message: Descriptor, seen: tuple[str, ...] = ()) -> bool:
    """Tell whether a request holds a grant, at any depth."""
    return any(
        field.name.split("_")[-1] == "grant"
        or (
            field.message_type is not None
            and field.message_type.full_name not in seen
            and takes_a_grant(field.message_type, (*seen, message.full_name))
        )
        for field in message.fields
    )


def methods() -> Iterator[MethodDescriptor]:
    """Yield every method that takes a grant."""
    for module in FILES:
        for service in module.DESCRIPTOR.services_by_name.values():
            yield from (method for method in service.methods if takes_a_grant(method.input_type))


def example(method: str, grant: str, call_grant: str, made: dict[str, str]) -> object:
    """Return a request that a holder in good standing could make."""
    ask = authorization_pb.AuthorizeRequest(grant=grant, tool=PAY)
    examples = {
        "Authorize": lambda: ask,
        "BatchAuthorize": lambda: authorization_pb.BatchAuthorizeRequest(items=[ask]),
        "StreamAuthorize": lambda: authorization_pb.StreamAuthorizeRequest(correlation_id="1", request=ask),
        "FilterTools": lambda: authorization_pb.FilterToolsRequest(
            grant=grant, tools=[authorization_pb.ToolRef(name="pay")]
        ),
        "GetApproval": lambda: authorization_pb.GetApprovalRequest(
            call_grant=call_grant, approval_id=made["approval"]
        ),
        "ReportOutcome": lambda: authorization_pb.ReportOutcomeRequest(
            grant=grant, decision_id=made["decision"], charges={"cents": 900}, labels=["x"]
        ),
        "DelegateTask": lambda: task_pb.DelegateTaskRequest(grant=grant, holder=spiffe_id("review")),
        "GetTask": lambda: task_pb.GetTaskRequest(grant=grant),
        "EndTask": lambda: task_pb.EndTaskRequest(grant=grant),
        "RenewCredential": lambda: credential_pb.RenewCredentialRequest(
            grant=grant, credential=made["credential"]
        ),
        "RevokeCredential": lambda: credential_pb.RevokeCredentialRequest(
            grant=grant, credential_id=made["credential_id"]
        ),
        "IntrospectCredential": lambda: credential_pb.IntrospectCredentialRequest(
            grant=grant, credential=made["credential"]
        ),
    }
    assert method in examples, f"{method} takes a grant: add an example of it here, and check the standing"
    return examples[method]()


async def ask(channel: grpc.aio.Channel, method: MethodDescriptor, request: object) -> tuple[str, object]:
    """Make a request; return why it was refused, or nothing and the answer."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    answer_type = method.output_type._concrete_class
    kind = channel.stream_stream if method.server_streaming else channel.unary_unary
    stub = kind(
        path,
        request_serializer=lambda one: one.SerializeToString(),
        response_deserializer=answer_type.FromString,
    )
    try:
        if method.server_streaming:
            stream = stub(iter([request]))
            answer = await stream.read()
        else:
            answer = await stub(request)
    except grpc.aio.AioRpcError as error:
        return str(error.code()), None
    results = [*getattr(answer, "results", ()), *([answer.result] if hasattr(answer, "result") else [])]
    decisions = [one.decision for one in results] or (
        [answer.decision] if hasattr(answer, "decision") else []
    )
    for decision in decisions:
        if decision.effect != types_pb.EFFECT_ALLOW:
            return decision.reasons[0].code, answer
    return "", answer


async def lose_by_agent(zone, operator, grant: str, link: str) -> str:
    await operator.revoke(agent_id=TRIAGE)
    return grant


async def lose_by_subject(zone, operator, grant: str, link: str) -> str:
    await operator.revoke(subject=revocation_pb.RevokeSubject(issuer=ISSUER, id=PERSON))
    return grant


async def lose_by_link(zone, operator, grant: str, link: str) -> str:
    await operator.revoke(link_id=link)
    return grant


async def lose_by_time(zone, operator, grant: str, link: str) -> str:
    return macaroon.append(grant, [encode_caveat(Expiry(time.time() - 60))])


@asynccontextmanager
async def delegated(start_zone):
    """A task in a zone, handed to triage, which has made a call and asked for an approval."""
    zone = await start_zone(policy=POLICY, overrides=OVERRIDES)
    task = await zone.start_task()
    held = await zone.hand_to(task, "triage")
    decision = await pay(held, 1)
    asking = authorization_pb.AuthorizeRequest(
        grant=held.grant, tool=types_pb.ToolCall(name="transfer", arguments_json=b"{}")
    )
    channel = grpc.aio.insecure_channel(zone.sidecars["triage"].address)
    method = authorization_pb.DESCRIPTOR.services_by_name["AuthorizationService"].methods_by_name["Authorize"]
    _, answer = await ask(channel, method, asking)
    approval = answer.decision.approvals[0]
    looked = await held.authorize("look", {})
    made = {
        "decision": decision.decision_id,
        "credential": looked.credential.value,
        "credential_id": looked.credential.credential_id,
        "approval": approval.approval_id,
    }
    async with channel, operators(zone.operator()) as operator:
        yield zone, task, held, channel, operator, approval.call_grant, made


LOST = [lose_by_agent, lose_by_subject, lose_by_link, lose_by_time]
# What a request may still say of a part of the task that was ended: that it was.
SAYS_ENDED = {"GetTask", "EndTask"}


@pytest.mark.parametrize("lose", LOST, ids=lambda lose: lose.__name__)
async def test_who_lost_its_standing_changes_nothing(start_zone, lose):
    """Every method refuses, and not one write reaches the store."""
    async with delegated(start_zone) as (zone, task, held, channel, operator, call_grant, made):
        link = (await held.get()).chain[-1].link_id
        root = Chain(((await zone.store.tree((await task.get()).task_id)).task.root_id,))
        grant = await lose(zone, operator, held.grant, link)
        asking = await lose(zone, operator, call_grant, link)
        before = await zone.store.look_up(root)
        found = {}
        for method in methods():
            code, answer = await ask(channel, method, example(method.name, grant, asking, made))
            if lose is lose_by_link and method.name in SAYS_ENDED:
                assert method.name == "EndTask" or answer.task.ended
                continue
            found[method.name] = code
        assert all(found.values()), found
        errors = {code for code in found.values() if code.startswith("StatusCode.")}
        assert errors == {str(grpc.StatusCode.PERMISSION_DENIED)}
        assert await zone.store.look_up(root) == before


async def test_every_method_answers_a_holder_in_good_standing(start_zone):
    """So the refusals above come from the loss and from nothing else."""
    async with delegated(start_zone) as (_, _, held, channel, _, call_grant, made):
        last = ("RevokeCredential", "EndTask")
        for method in sorted(
            methods(), key=lambda method: last.index(method.name) if method.name in last else -1
        ):
            code, _ = await ask(channel, method, example(method.name, held.grant, call_grant, made))
            assert not code, method.name


async def test_the_backends_word_outlives_the_grant_but_not_a_revocation(start_zone):
    """A call that was allowed in time cost what its backend says; what the agent itself says comes too late."""
    async with delegated(start_zone) as (zone, task, held, channel, operator, _, made):
        signed = signed_by(zone, "bank", decision_id=made["decision"], charges={"cents": 5})
        method = authorization_pb.DESCRIPTOR.services_by_name["AuthorizationService"].methods_by_name[
            "ReportOutcome"
        ]
        late = await lose_by_time(zone, operator, held.grant, "")

        async def report(grant: str, **parts: object) -> str:
            request = authorization_pb.ReportOutcomeRequest(
                grant=grant, decision_id=made["decision"], signed_outcome=signed, **parts
            )
            return (await ask(channel, method, request))[0]

        assert await report(late, charges={"cents": 7})
        assert await report(late, labels=["x"])
        assert max((await spent(zone, task)).values()) == 1
        assert not await report(late)
        assert max((await spent(zone, task)).values()) == 6
        await operator.revoke(agent_id=TRIAGE)
        assert await report(late)
        assert await report(held.grant)
        assert max((await spent(zone, task)).values()) == 6
