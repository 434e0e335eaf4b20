"""Operators of zones whose Redis the control service reaches: who may do what, with real tokens, sidecars and commands."""

from __future__ import annotations

import asyncio
import json
import re
import time
from contextlib import AsyncExitStack

import aiohttp
import grpc
import pytest
import tabard
from tabard.authz.v1 import (
    approval_service_pb2,
    approval_service_pb2_grpc,
    lease_operator_service_pb2,
    lease_operator_service_pb2_grpc,
    revocation_service_pb2,
    revocation_service_pb2_grpc,
    task_operator_service_pb2,
    task_operator_service_pb2_grpc,
)
from tabard.errors import from_rpc
from tabard_sidecar.console.running import Given, Wanted, serving
from tabard_sidecar.control.operator_rights import RIGHTS
from tabard_sidecar.control.operators_conf import Role
from tabard_sidecar.operating.operator import operator
from tabard_sidecar.operating.reach import Target

from testbed.world import ISSUER, PERSON, ZONE, Signer
from tests.support.asking import LARGE, asked, impatience
from tests.support.control import Cluster, pod_token
from tests.support.control_operators import OPERATOR, PEOPLE, desk
from tests.support.waiting import next_second

PAY = ("pay", {"to": "ACME", "cents": 5})
REVOKE = ("Revoke", revocation_service_pb2_grpc.RevocationServiceStub)
LIFT = ("LiftRevocation", revocation_service_pb2_grpc.RevocationServiceStub)
LIST = ("ListTasks", task_operator_service_pb2_grpc.TaskOperatorServiceStub)
DECIDE = ("DecideApproval", approval_service_pb2_grpc.ApprovalServiceStub)
SERVED = [
    (method.name, getattr(stubs, f"{service.name}Stub"), method.input_type)
    for module, stubs in (
        (approval_service_pb2, approval_service_pb2_grpc),
        (lease_operator_service_pb2, lease_operator_service_pb2_grpc),
        (revocation_service_pb2, revocation_service_pb2_grpc),
        (task_operator_service_pb2, task_operator_service_pb2_grpc),
    )
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]


@pytest.fixture
def cluster(folder, monkeypatch):
    impatience(monkeypatch)
    made = Cluster(folder)
    yield made
    made.api.close()


@pytest.fixture
def server(start_server):
    """A Redis of this test's own."""
    return start_server()


@pytest.fixture
async def at(cluster, server):
    """The desk of an operator."""
    async with desk(cluster, server) as made:
        yield made


async def refused(made, method, request, token, zone=ZONE, **options):
    """Return status and code with which a call ends."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await made.call(method, request, token, zone, **options)
    return caught.value.code().name, from_rpc(caught.value, "").code


def revoking(task_id):
    return revocation_service_pb2.RevokeRequest(task_id=task_id, reason="drill")


async def test_the_console_over_the_control_service(at):
    """Tasks are shown and revoked with the operator's token; what each sidecar has alone is told as missing."""
    task = await at.zone.start_task()
    token_file = at.cluster.folder / "operator-token"
    token_file.write_text(at.token(**OPERATOR))
    port = at.service.operators.rpartition(":")[2]
    target = Target(
        f"https://127.0.0.1:{port}", "a test", ZONE, "a test", token_file, at.cluster.authority.certificate
    )
    async with AsyncExitStack() as stack:
        asked = stack.enter_context(operator(target, quiet=True, timeout_seconds=30.0))
        given = Given(asked, asked, None, "each sidecar writes its own log", lambda _: {}, {})
        wanted = Wanted("127.0.0.1:0", changes=True, session_seconds=600.0, one_log=True, as_json=True)
        served = await stack.enter_async_context(serving(wanted, given))
        jar = aiohttp.CookieJar(unsafe=True)
        http = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))

        async def page(path, status=200, **form):
            address = f"{served.origin}{served.base}{path}"
            sending = (
                http.post(address, data=form, headers={"Origin": served.origin})
                if form
                else http.get(address)
            )
            async with sending as answer:
                assert answer.status == status, await answer.text()
                return await answer.text()

        async with http.get(served.new_link()) as answer:
            assert "each sidecar writes its own log" in await answer.text()
        task_id = task.info.task_id
        text = await page("/tasks")
        assert f"/tasks/{task_id}" in text
        assert f">{ZONE}<" in text
        assert "doesn&#x27;t serve this" in await page("/policy")
        form_token = re.search(r'name="form_token" value="([^"]+)"', text)[1]
        done = await page(f"/revoke?kind=task&target={task_id}", form_token=form_token, reason="drill")
        assert "1 live task(s)" in done
        assert "drill" in await page("/revocations")
        token_file.write_text(at.token("stranger"))
        assert "didn&#x27;t work" in await page("/tasks", 400)
    with pytest.raises(tabard.Denied):
        await task.authorize(*PAY)


async def test_a_task_that_is_revoked_here_stops_at_its_sidecar_at_once(at):
    """The next call is denied; who revoked what in which zone is in the records and in the log."""
    task = await at.zone.start_task()
    assert (await task.authorize(*PAY)).credential.audience == "bank"
    token = at.token(**OPERATOR)
    (seen,) = (await at.call(LIST, task_operator_service_pb2.ListTasksRequest(), token)).tasks
    answer = await at.call(REVOKE, revoking(seen.task_id), token)
    assert answer.impact.live_tasks == 1
    with pytest.raises(tabard.Denied) as caught:
        await task.authorize(*PAY)
    assert caught.value.code in {"task_ended", "task_revoked"}
    (record,) = [one for one in at.records() if one.get("operation") == "revoke"]
    assert record["by"] == {"zone": ZONE, "operator": {"id": "olga", "issuer": ISSUER}}
    assert (record["event"], record["input"]["task_id"]) == ("outcome", seen.task_id)
    assert token not in json.dumps(at.records())


def test_every_method_of_operators_needs_a_role():
    """All that a sidecar's operator socket serves, found in the API's descriptors."""
    assert {name for name, _, _ in SERVED} == set(RIGHTS)
    assert all(RIGHTS.values())


@pytest.mark.parametrize("role", list(Role))
async def test_a_role_allows_its_methods_and_no_others(at, role):
    token = at.token(groups=[f"support-{role}s", "everyone"])
    for name, stub, kind in SERVED:
        request = kind._concrete_class()
        try:
            await at.call((name, stub), request, token)
            code = ""
        except grpc.aio.AioRpcError as error:
            code = from_rpc(error, "").code
        # Empty requests are incomplete for those who may make them.
        assert (code == "operator_not_entitled") == (role not in RIGHTS[name]), (name, code)


async def test_without_a_role_a_zone_is_like_one_that_is_not_there(at):
    request = task_operator_service_pb2.ListTasksRequest()
    nothing = {
        await refused(at, LIST, request, at.token(**OPERATOR), zone=zone)
        for zone in ("billing", "nowhere", "x" * 5000, "SUPPORT", f"{ZONE},billing")
    }
    assert nothing == {("PERMISSION_DENIED", "operator_not_entitled")}
    assert (await refused(at, LIST, request, at.token(groups=[])))[1] == "operator_not_entitled"
    assert await refused(at, LIST, request, at.token("bo")) == ("PERMISSION_DENIED", "operator_not_entitled")
    assert await at.call(LIST, request, at.token("bo"), zone="billing") is not None


async def test_a_request_names_one_zone(at):
    """Without a name the caller learns where it has a role; a second name is refused."""
    request = task_operator_service_pb2.ListTasksRequest()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await at.call(LIST, request, at.token(**OPERATOR), zone=None)
    assert (caught.value.code().name, "you have a role in: support" in caught.value.details()) == (
        "INVALID_ARGUMENT",
        True,
    )
    for twice in (("tabard-zone", "billing"), ("authorization", f"Bearer {at.token('bo')}")):
        found = await refused(at, LIST, request, at.token(**OPERATOR), metadata=(twice,))
        assert found == ("INVALID_ARGUMENT", "request_invalid")


async def test_tokens_that_make_no_one_an_operator(at, folder):
    """None of them reaches the zone's store, or says anything about the zone."""
    now = int(time.time())
    stranger = Signer.create(ISSUER, folder / "stranger.json")
    good = at.token(**OPERATOR)
    header, claims, signature = good.split(".")
    tokens = [
        None,
        "",
        "x",
        "a.b.c",
        "x" * 12_000,
        f"{header}.{claims}.",
        f"{header}.{claims}.{signature[:-4]}AAAA",
        stranger.access_token("olga", aud=PEOPLE, **OPERATOR),
        # What agents hold for a person, and what sidecars show for keys.
        at.zone.issuer.access_token("olga", **OPERATOR),
        at.zone.issuer.access_token("olga", aud=[PEOPLE, "tabard"], **OPERATOR),
        at.token(exp=now - 600, **OPERATOR),
        at.token(iat=now - 100_000, **OPERATOR),
        at.token(nonce="n", **OPERATOR),
        at.token(act={"sub": "spiffe://shop.example/agent"}, **OPERATOR),
        at.token(iss="https://other.example", **OPERATOR),
        pod_token(ZONE),
        at.account_token("tools/guard", aud=["https://kubernetes.default.svc"]),
        at.account_token("tools/guard", exp=now - 600),
    ]
    for token in tokens:
        found = await refused(at, LIST, task_operator_service_pb2.ListTasksRequest(), token)
        assert found == ("UNAUTHENTICATED", "operator_unauthenticated"), token
    assert await at.call(LIST, task_operator_service_pb2.ListTasksRequest(), good) is not None


async def test_groups_count_for_the_claim_and_issuer_that_are_configured(at):
    request = task_operator_service_pb2.ListTasksRequest()
    for groups in (None, {}, {"support-viewers": True}, [["support-viewers"]], "support-viewer", [1]):
        token = at.token(groups=groups, roles=["support-viewers"])
        assert (await refused(at, LIST, request, token))[1] == "operator_not_entitled", groups
    assert await at.call(LIST, request, at.token(groups="support-viewers")) is not None
    assert await at.call(LIST, request, at.token("root-1", groups=[])) is not None


async def test_clients_can_be_limited(cluster, server):
    async with desk(cluster, server, issuer={"clients": ["console"]}) as made:
        request = task_operator_service_pb2.ListTasksRequest()
        assert (await refused(made, LIST, request, made.token(**OPERATOR)))[0] == "UNAUTHENTICATED"
        assert await made.call(LIST, request, made.token(client_id="console", **OPERATOR)) is not None


async def test_a_workload_operates_with_the_token_of_its_service_account(at):
    task = await at.zone.start_task()
    (seen,) = (await at.call(LIST, task_operator_service_pb2.ListTasksRequest(), at.token(**OPERATOR))).tasks
    for account in ("tools/other", "other/guard", "tools/console"):
        found = await refused(at, REVOKE, revoking(seen.task_id), at.account_token(account))
        assert found == ("PERMISSION_DENIED", "operator_not_entitled")
    await at.call(REVOKE, revoking(seen.task_id), at.account_token("tools/guard"))
    with pytest.raises(tabard.Denied):
        await task.authorize(*PAY)
    (record,) = [one for one in at.records() if one.get("operation") == "revoke"]
    assert record["by"]["operator"] == {"service_account": "tools/guard", "pod": "agent-1"}


async def test_four_eyes_hold_here_as_at_a_sidecar(at):
    """The role of policy's ask, a token of their own that is fresh and unused, and never the person of the task."""
    task = await at.zone.start_task()
    (pending,) = (await asked(task)).approvals

    def decision(token):
        return approval_service_pb2.DecideApprovalRequest(
            approval_id=pending.approval_id, approver_token=token, approve=True
        )

    approver = {"groups": ["support-approvers"]}
    attempts = [
        # Another person's token, though that person may approve; no role that policy names; the task's own person.
        (at.token("eve", **approver), at.zone.approver("cleo"), "approver_not_entitled"),
        (at.token("cleo", **approver), at.zone.approver("cleo", groups=["support"]), "approver_not_entitled"),
        (at.token(PERSON, **approver), at.zone.approver(PERSON), "approver_is_subject"),
        (at.token("cleo", **approver), "", "approver_token_missing"),
        (at.token("cleo", **approver), at.token("cleo", **approver), "subject_token_audience"),
        (at.token("cleo", **OPERATOR), at.zone.approver("cleo"), "operator_not_entitled"),
    ]
    for caller, approving, code in attempts:
        assert (await refused(at, DECIDE, decision(approving), caller))[1] == code
    fresh = at.zone.approver("cleo")
    await at.call(DECIDE, decision(fresh), at.token("cleo", **approver))
    records = [one for one in at.records() if one.get("operation") == "decide_approval"]
    assert records[-1]["by"]["approver"] == {"id": "cleo", "issuer": ISSUER}
    assert records[-1]["by"]["operator"]["id"] == "cleo"
    # A console passes on tokens of people; one that was used decides nothing more.
    (other,) = (await asked(task, LARGE | {"note": "again"})).approvals
    passed = approval_service_pb2.DecideApprovalRequest(
        approval_id=other.approval_id, approver_token=fresh, approve=True
    )
    console = at.account_token("tools/console")
    assert (await refused(at, DECIDE, passed, console))[1] == "approver_token_used"
    passed.approver_token = at.zone.approver("dora")
    await at.call(DECIDE, passed, console)


async def test_a_revoked_person_operates_with_new_tokens_only(at):
    """So who is revoked can't lift that with a token from before."""
    mallory, olga = at.token("mallory", **OPERATOR), at.token(**OPERATOR)
    person = revocation_service_pb2.RevokeSubject(issuer=ISSUER, id="mallory")
    lift = revocation_service_pb2.LiftRevocationRequest(subject=person)
    await next_second()
    await at.call(REVOKE, revocation_service_pb2.RevokeRequest(subject=person), olga)
    assert (await refused(at, LIFT, lift, mallory))[1] == "subject_revoked"
    await next_second()
    assert (await at.call(LIFT, lift, at.token("mallory", **OPERATOR))).lifted


async def test_without_the_state_store_nothing_is_answered(cluster, start_server):
    own = start_server()
    async with desk(cluster, own) as made:
        own.stop()
        found = await refused(
            made, LIST, task_operator_service_pb2.ListTasksRequest(), made.token(**OPERATOR)
        )
        assert found[0] in {"UNAVAILABLE", "PERMISSION_DENIED", "DEADLINE_EXCEEDED"}
        assert found[1] in {"state_unavailable", "revocation_state_stale", "overloaded"}


async def test_many_operators_at_once_are_all_answered(at):
    """Forty connections with five calls each."""
    request = task_operator_service_pb2.ListTasksRequest()
    token = at.token(**OPERATOR)

    async def one():
        async with at.channel() as channel:
            stub = task_operator_service_pb2_grpc.TaskOperatorServiceStub(channel)
            metadata = (("authorization", f"Bearer {token}"), ("tabard-zone", ZONE))
            for _ in range(5):
                await stub.ListTasks(request, metadata=metadata, timeout=60)

    await asyncio.gather(*(one() for _ in range(40)))


@pytest.mark.parametrize("strangers", ["127.0.0.2", "127.0.0.1"], ids=["elsewhere", "same_address"])
async def test_strangers_keep_no_operator_out(at, strangers):
    """Two hundred connections that say nothing, speak no TLS or no HTTP/2, or send garbage.

    An operator behind the address that they come from shares its turns: the first attempts may be refused.
    """
    host, _, port = at.service.operators.rpartition(":")
    opened = []
    for number in range(200):
        reader, writer = await asyncio.open_connection(host, int(port), local_addr=(strangers, 0))
        if number % 2:
            writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"x" * 1000)
        opened.append((reader, writer))
    request = task_operator_service_pb2.ListTasksRequest()
    patient = strangers == host
    assert await at.call(LIST, request, at.token(**OPERATOR), wait_for_ready=patient) is not None
    for _, writer in opened:
        writer.close()


async def test_commands_reach_the_service_and_say_which_zone_answered(at):
    await at.zone.start_task()
    token = at.token(**OPERATOR)
    code, out, err = await at.command("tasks", "list", "--zone", ZONE, token=token)
    assert (code, "answered by zone support" in err) == (0, True), err
    code, out, err = await at.command("tasks", "list", "--zone", ZONE, "--json", token=token)
    found = json.loads(out)
    assert (code, found["sidecar"]["zone"]) == (0, ZONE)
    (task,) = found["tasks"]
    code, out, err = await at.command("tasks", "tree", task["task_id"], "--zone", ZONE, token=token)
    assert code == 0, err
    code, out, err = await at.command("revoke", "task", task["task_id"], "--zone", "billing", token=token)
    assert (code, "no role in a zone of this name" in err) == (1, True), err
    code, out, err = await at.command("revoke", "task", task["task_id"], "--zone", ZONE, token=token)
    assert (code, "revoked" in out) == (0, True), err
    code, out, err = await at.command("approvals", "list", "--zone", ZONE, "--json", token=token)
    assert (code, json.loads(out)["approvals"]) == (0, []), err


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "told"),
    [
        (("--zone", ZONE), {"TABARD_OPERATOR_TOKEN_FILE": ""}, 2, "there is no token that says who you are"),
        (
            ("--zone", ZONE),
            {"TABARD_OPERATOR_TOKEN_FILE": "", "TABARD_OPERATOR_TOKEN": "a b"},
            2,
            "is no token",
        ),
        (("--zone", ZONE), {"TABARD_OPERATOR_TOKEN_FILE": "", "TABARD_OPERATOR_TOKEN": "x"}, 1, "no token"),
        ((), {}, 2, "you have a role in: support"),
        (("--zone", ZONE), {"TABARD_OPERATOR_CA_FILE": "/dev/null"}, 6, "--operator-ca-file"),
        (("--zone", ZONE, "--address", "https://127.0.0.1:1"), {}, 6, "no control service answers"),
        (("--zone", ZONE, "--address", "https://a/b"), {}, 2, "isn't the address of a control service"),
        (("--zone", ZONE, "--address", "https://u@a"), {}, 2, "isn't the address of a control service"),
    ],
)
async def test_commands_say_what_is_wrong(at, arguments, environment, code, told):
    found, _, err = await at.command("tasks", "list", *arguments, token=at.token(**OPERATOR), **environment)
    assert (found, told in err) == (code, True), err
    assert "Traceback" not in err
