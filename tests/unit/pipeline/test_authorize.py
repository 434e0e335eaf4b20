"""Tool calls through real sidecars, engine, store and sockets."""

from __future__ import annotations

import contextlib
import json
import sqlite3

import grpc
import jwt
import pytest
import tabard
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from tabard.authz.v1 import approval_service_pb2 as approval_pb
from tabard.authz.v1 import approval_service_pb2_grpc as approval_grpc
from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard.authz.v1 import authorization_service_pb2_grpc as authorization_grpc
from tabard.authz.v1 import revocation_service_pb2 as revocation_pb
from tabard.authz.v1 import revocation_service_pb2_grpc as revocation_grpc
from tabard.authz.v1 import types_pb2
from tabard.caveats import Arguments, Constraint, Limits

from testbed.world import PERSON, spiffe_id
from tests.support.waiting import eventually

READ = ("tickets.read", {"ticket_id": "t-1"})
REFUND = {"order_id": "o-1", "customer_id": "c-1", "amount_cents": 100}


async def refused(attempt) -> str:
    """Return the code with which an attempt was refused."""
    with pytest.raises(tabard.Denied) as caught:
        await attempt
    return caught.value.code


async def test_an_allowed_call_gets_a_credential_for_exactly_this_call(zone):
    """The JWT names the person, the chain, the purpose, the tool and the arguments' digest."""
    task = await zone.hand_to(await zone.start_task(), "triage")
    decision = await task.authorize("refunds.create", REFUND)
    claims = jwt.decode(decision.credential.value, options={"verify_signature": False})
    assert decision.allowed
    assert (claims["sub"], claims["aud"], claims["scope"]) == (
        PERSON,
        "https://refunds.internal",
        "refunds:write",
    )
    assert [link["holder"] for link in claims["tabard_chain"]] == [
        spiffe_id("orchestrator"),
        spiffe_id("triage"),
    ]
    assert claims["tctx"]["purpose"] == "refunds"
    assert claims["tabard_tool"] == "refunds.create"
    assert claims["exp"] - claims["iat"] <= 60
    assert claims["tabard_single_use"] is True


async def test_a_policy_that_names_no_ttl_for_a_credential_grants_nothing(zone):
    """No credential lasts as long as its grant because a line is missing."""
    task = await zone.start_task()
    module = next(zone.policy.rglob("refunds.rego"))
    text = module.read_text()
    made = "credentials.jwt(backend.audience, [backend.scope], 60)"
    assert made in text
    without_ttl = '{"kind": "jwt", "audience": backend.audience, "scopes": [backend.scope]}'
    module.write_text(text.replace(made, without_ttl))
    await zone.running["orchestrator"].reload()
    with pytest.raises(tabard.Denied) as caught:
        await task.authorize(*READ)
    assert caught.value.code == "policy_error"
    line = (zone.folder / "orchestrator" / "decisions.log").read_text().splitlines()[-1]
    assert "ttl_seconds" in json.loads(line)["result"]["reasons"][0]["message"]


async def test_policy_denies_with_its_own_code_and_module(zone):
    """A policy's denial names the module and reaches the model in the author's words."""
    task = await zone.start_task()
    with pytest.raises(tabard.Denied) as caught:
        await task.authorize("refunds.create", REFUND | {"amount_cents": 20_000})
    assert caught.value.code == "amount_too_high"
    assert caught.value.reasons[0].module == "policy.refunds"
    assert "20000" in caught.value.for_model()


async def test_what_no_rule_grants_is_denied(zone):
    """Mail to a person who isn't a customer is granted by no rule."""
    task = await zone.start_task()
    mail = {"to": "stranger@example.org", "subject": "s", "body": "b"}
    assert await refused(task.authorize("mail.send", mail)) == "no_grant"


async def test_a_grant_works_for_its_holder_only(zone):
    """The sidecar of another workload refuses a grant that it doesn't hold."""
    task = await zone.start_task()
    stolen = zone.agent("triage").task(task.grant)
    assert await refused(stolen.authorize(*READ)) == "holder_mismatch"


async def test_an_ended_task_is_over_for_every_holder_below(zone):
    """Ending the root ends what was delegated from it, at once and in other sidecars."""
    root = await zone.start_task()
    child = await zone.hand_to(root, "triage")
    await child.authorize(*READ)
    await root.end()
    await root.end()
    assert await refused(child.authorize(*READ)) == "task_ended"
    assert await refused(root.authorize(*READ)) == "task_ended"


async def test_ending_a_child_leaves_its_parent_alone(zone):
    """A holder can end its own subtree only."""
    root = await zone.start_task()
    child = await zone.hand_to(root, "triage")
    await child.end()
    assert await refused(child.branch("x").authorize(*READ)) == "task_ended"
    assert (await root.authorize(*READ)).allowed


async def test_children_are_counted_online_and_offline(zone):
    """The child after the last allowed one is refused, whether it is a branch or a hop."""
    task = (await zone.start_task()).narrow(Limits(max_children=2))
    first, second = task.branch("a"), task.branch("a")
    for child in (first, second, first):
        await child.authorize(*READ)
    assert await refused(task.branch("c").authorize(*READ)) == "children_exceeded"
    assert await refused(task.delegate(spiffe_id("triage"))) == "children_exceeded"


async def test_a_child_keeps_its_place_for_as_long_as_the_task_lasts(zone):
    """Using a short-lived copy of a branch first doesn't make room for another child later."""
    task = await zone.start_task()
    await task.branch("a", Limits(ttl_seconds=5)).authorize(*READ)
    with contextlib.closing(sqlite3.connect(zone.folder / "state.db")) as connection, connection:
        (until,) = connection.execute("SELECT min(expires_at) FROM children").fetchone()
    connection.close()
    assert until >= (await task.get()).expires_at - 1


async def test_the_same_request_id_gets_the_same_credential(zone):
    """A retry is answered with what was decided before, signature and all."""
    task = await zone.start_task()
    first = await task.authorize("refunds.create", REFUND, request_id="r-1")
    again = await task.authorize("refunds.create", REFUND, request_id="r-1")
    assert again.credential.value == first.credential.value
    assert again.decision_id == first.decision_id


async def test_a_request_id_with_another_body_is_an_error(zone):
    """A decision about one call isn't given for another."""
    task = await zone.start_task()
    await task.authorize(*READ, request_id="r-1")
    with pytest.raises(tabard.InvalidRequest) as caught:
        await task.authorize("refunds.create", REFUND, request_id="r-1")
    assert caught.value.code == "request_id_conflict"


async def test_a_request_id_of_another_holder_gets_nothing(zone):
    """The id is bound to workload and grant."""
    root = await zone.start_task()
    first = await root.authorize("refunds.create", REFUND, request_id="r-1")
    other = await root.branch("b").authorize("refunds.create", REFUND, request_id="r-1")
    assert other.credential.value != first.credential.value


async def test_a_remembered_reply_is_not_given_after_the_task_ended(zone):
    """A hit verifies everything again first."""
    task = await zone.start_task()
    await task.authorize(*READ, request_id="r-1")
    await task.end()
    assert await refused(task.authorize(*READ, request_id="r-1")) == "task_ended"


async def test_replies_are_encrypted_at_rest(zone):
    """Neither the grant nor the credential of a remembered reply is in the state file."""
    task = await zone.start_task(request_id="start-1")
    decision = await task.authorize("refunds.create", REFUND, request_id="r-1")
    stored = b"".join(p.read_bytes() for p in zone.folder.glob("state.db*"))
    assert decision.credential.value.encode() not in stored
    assert task.grant.encode() not in stored


async def test_starting_again_with_the_same_request_id_returns_the_same_grant(zone):
    """A retried StartTask doesn't need a second intent."""
    token, intent = zone.issuer.access_token(PERSON), zone.intent("refunds", "Do it.")
    client = zone.agent("orchestrator")
    first = await client.start_task(token, intent_token=intent, request_id="s-1")
    again = await client.start_task(token, intent_token=intent, request_id="s-1")
    assert again.grant == first.grant


async def test_a_signed_intent_starts_one_task(zone):
    """The second use is a replay, in another sidecar too."""
    intent = zone.intent("refunds", "Do it.")
    await zone.start_task(intent_token=intent)
    assert await refused(zone.start_task(intent_token=intent)) == "intent_replayed"
    assert await refused(zone.start_task("triage", intent_token=intent)) == "intent_replayed"


async def test_an_asserted_intent_does_not_pass_for_a_signed_one(zone):
    """The desk's policy wants the person's signed request."""
    client = zone.agent("orchestrator")
    attempt = client.start_task(zone.issuer.access_token(PERSON), purpose="refunds", statement="Trust me.")
    assert await refused(attempt) == "no_grant"


async def test_a_purpose_beside_a_signed_intent_must_be_the_same(zone):
    """Two different purposes in one request are a mistake or an attack."""
    attempt = zone.start_task(purpose="other")
    assert await refused(attempt) == "intent_invalid"


async def test_a_batch_answers_in_order_with_a_result_per_item(zone):
    """A malformed item doesn't take the others along."""
    task = await zone.start_task()
    calls = [
        tabard.ToolCall(*READ),
        tabard.ToolCall("refunds.create", REFUND | {"amount_cents": 20_000}),
        tabard.ToolCall("x" * 300, {}),
        tabard.ToolCall("refunds.create", REFUND),
    ]
    found = await task.batch(calls)
    assert [decision.allowed for decision in found] == [True, False, False, True]
    assert found[2].error.code == "request_invalid"


async def test_a_stream_answers_every_request(zone):
    """Two hundred requests, two hundred answers, each for its own call."""
    task = await zone.start_task()
    calls = [tabard.ToolCall("tickets.read", {"ticket_id": f"t-{n}"}) for n in range(200)]
    answers = [(call, decision) async for call, decision in task.stream(calls)]
    assert len(answers) == 200
    assert all(decision.allowed for _, decision in answers)
    assert {call.arguments["ticket_id"] for call, _ in answers} == {f"t-{n}" for n in range(200)}


async def test_a_stream_refuses_what_is_malformed_and_goes_on(zone):
    """Too long a correlation id is an error of that request alone."""
    task = await zone.start_task()
    tool = types_pb2.ToolCall(name=READ[0], arguments_json=b'{"ticket_id":"t"}')
    asked = authorization_pb.AuthorizeRequest(grant=task.grant, tool=tool)

    async def requests():
        for correlation_id in ("x" * 200, "good"):
            yield authorization_pb.StreamAuthorizeRequest(correlation_id=correlation_id, request=asked)

    async with grpc.aio.insecure_channel(zone.sidecars["orchestrator"].address) as channel:
        stub = authorization_grpc.AuthorizationServiceStub(channel)
        answers = {a.correlation_id: a.result async for a in stub.StreamAuthorize(requests())}
    assert answers["x" * 128].error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert answers["good"].decision.effect == types_pb2.EFFECT_ALLOW


async def test_only_usable_tools_are_offered(zone):
    """Caveats and policy both take tools away; what remains could be allowed."""
    task = (await zone.start_task()).narrow(Limits(tools=("tickets.*", "exports.*", "refunds.create")))
    offered = {tool.name for tool in await task.filter_tools()}
    assert offered == {"tickets.search", "tickets.read", "refunds.create"}


async def test_a_credential_is_renewed_for_its_own_holder_only(zone):
    """A branch can't renew what its parent was given."""
    task = await zone.start_task()
    old = (await task.authorize(*READ)).credential
    new = await task.renew(old, READ[1])
    assert new.value != old.value
    assert (new.audience, new.scopes) == (old.audience, old.scopes)
    assert await refused(task.branch("b").renew(old, READ[1])) == "credential_invalid"


async def test_a_single_use_credential_is_not_renewed(zone):
    """Otherwise one authorized call could be made twice."""
    task = await zone.start_task()
    once = (await task.authorize("refunds.create", REFUND)).credential
    assert await refused(task.renew(once, REFUND)) == "credential_invalid"


async def test_a_grant_that_was_narrowed_since_does_not_renew(zone):
    """Renewing is no way around caveats."""
    task = await zone.start_task()
    old = (await task.authorize(*READ)).credential
    assert await refused(task.narrow(Limits(tools=("orders.*",))).renew(old, READ[1])) == "tool_not_granted"
    closed = Arguments("tickets.*", (Constraint("ticket_id", "eq", "t-2"),), open=False)
    assert (
        await refused(task.narrow(Limits(arguments=(closed,))).renew(old, READ[1])) == "argument_not_granted"
    )


async def test_introspection_speaks_of_the_holders_task_only(zone):
    """Another task's credential is inactive and nothing more."""
    mine, other = await zone.start_task(), await zone.start_task()
    credential = (await mine.authorize(*READ)).credential
    assert (await mine.introspect(credential)).active
    assert not (await other.introspect(credential)).active


async def test_a_broken_policy_error_names_no_secret_and_denies_nothing_by_error(zone):
    """While the policy file is broken the old policy decides."""
    task = await zone.start_task()
    file = next(zone.policy.rglob("refunds.rego"))
    file.write_text("package policy.refunds\n\nthis is not Rego {")
    health = zone.running["orchestrator"].health
    await eventually(lambda: health.snapshot().document()["status"] == "degraded")
    assert health.snapshot().ready
    assert (await task.authorize(*READ)).allowed


async def test_agents_cannot_reach_what_operators_use(zone):
    """The operators' services don't exist on the agents' socket."""
    async with grpc.aio.insecure_channel(zone.sidecars["orchestrator"].address) as channel:
        for stub, request in (
            (approval_grpc.ApprovalServiceStub(channel).ListApprovals, approval_pb.ListApprovalsRequest()),
            (revocation_grpc.RevocationServiceStub(channel).Revoke, revocation_pb.RevokeRequest()),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub(request)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


MALFORMED = [
    (types_pb2.ToolCall(name=""), "tool.name"),
    (types_pb2.ToolCall(name="x" * 257), "tool.name"),
    (types_pb2.ToolCall(name="t", arguments_json=b'{"a":1,"a":2}'), "arguments_json"),
    (types_pb2.ToolCall(name="t", arguments_json=b'{"a":NaN}'), "arguments_json"),
    (types_pb2.ToolCall(name="t", arguments_json=b'{"a":1e400}'), "arguments_json"),
    (types_pb2.ToolCall(name="t", arguments_json=b'{"a":9007199254740993}'), "arguments_json"),
    (
        types_pb2.ToolCall(name="t", arguments_json=b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}"),
        "arguments_json",
    ),
    (types_pb2.ToolCall(name="t", arguments_json=b'{"a":"\xff"}'), "arguments_json"),
    (types_pb2.ToolCall(name="t", arguments_json=b"[]"), "arguments_json"),
    (types_pb2.ToolCall(name="t", arguments_json=b'{"a":"' + b"x" * 300_000 + b'"}'), "arguments_json"),
]


async def test_malformed_requests_are_named_and_refused(zone):
    """INVALID_ARGUMENT, ErrorInfo of domain tabard.dev, and the field's name."""
    task = await zone.start_task()
    async with grpc.aio.insecure_channel(zone.sidecars["orchestrator"].address) as channel:
        stub = authorization_grpc.AuthorizationServiceStub(channel)
        for tool, field in MALFORMED:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Authorize(authorization_pb.AuthorizeRequest(grant=task.grant, tool=tool))
            error = caught.value
            info = error_details_pb2.ErrorInfo()
            rpc_status.from_call(error).details[0].Unpack(info)
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, tool
            assert field in error.details()
            assert (info.domain, info.reason) == ("tabard.dev", "request_invalid")


async def test_a_message_that_is_too_large_is_refused_and_the_server_goes_on(zone):
    """Five megabytes are more than any request needs."""
    task = await zone.start_task()
    async with grpc.aio.insecure_channel(zone.sidecars["orchestrator"].address) as channel:
        stub = authorization_grpc.AuthorizationServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Authorize(authorization_pb.AuthorizeRequest(grant="x" * 5_000_000))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await task.authorize(*READ)).allowed


async def test_every_decision_is_in_the_log_and_no_secret_is(zone):
    """One record of each: what was asked, a deny's reason, and neither token, grant nor credential anywhere."""
    task = await zone.start_task()
    decision = await task.authorize("refunds.create", REFUND)
    await refused(task.authorize("refunds.create", REFUND | {"amount_cents": 20_000}))
    text = (zone.sidecars["orchestrator"].folder / "decisions.log").read_text()
    records = [json.loads(line) for line in text.splitlines()]
    mine = [(r["event"], "input" in r) for r in records if r["decision_id"] == decision.decision_id]
    assert mine == [("outcome", True)]
    assert records[-1]["result"]["reasons"][0]["code"] == "amount_too_high"
    assert decision.credential.value not in text
    assert task.grant not in text
