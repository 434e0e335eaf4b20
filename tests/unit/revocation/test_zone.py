"""Revocation through real sidecars: what one operator does on one socket counts everywhere, and agents can't do it."""

from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import aiohttp
import grpc
import pytest
import tabard
from google.protobuf.duration_pb2 import Duration
from tabard.authz.v1 import credential_service_pb2 as credential_pb
from tabard.authz.v1 import credential_service_pb2_grpc as credential_grpc
from tabard.authz.v1 import revocation_service_pb2 as pb
from tabard.authz.v1 import task_operator_service_pb2 as operator_pb
from tabard_sidecar.config import load
from tabard_sidecar.pipeline.credentials import MAX_REVOKED_CREDENTIALS
from tabard_sidecar.server.lifecycle import sidecar

from testbed.world import ISSUER, PERSON, spiffe_id
from tests.support.operators import operators
from tests.support.zone import Zone

READ = ("tickets.read", {"ticket_id": "t-1"})
ORCHESTRATOR, TRIAGE = spiffe_id("orchestrator"), spiffe_id("triage")


@pytest.fixture
async def zone(start_zone):
    """Two sidecars over one state file."""
    return await start_zone()


@pytest.fixture
async def operator(zone):
    """An operator at the orchestrator's sidecar."""
    async with operators(zone.operator()) as connected:
        yield connected


async def code(task, call=READ) -> str:
    """Return why a call is denied, or nothing."""
    try:
        await task.authorize(*call)
    except tabard.Denied as denied:
        return denied.code
    return ""


async def test_revoking_a_task_ends_all_of_it_everywhere(zone, operator):
    """On the sidecar of the operator and on the other, with the very next request; another task goes on."""
    task, other = await zone.start_task(), await zone.start_task()
    handed = await zone.hand_to(task, "triage")
    assert (await code(task), await code(handed)) == ("", "")
    answer = await operator.revoke(task_id=task.info.task_id, reason="it sends too many mails")
    assert (answer.impact.live_tasks, answer.impact.holders, answer.impact.complete) == (1, 2, True)
    assert (await code(handed), await code(task)) == ("task_ended", "task_ended")
    assert await code(other) == ""
    with pytest.raises(tabard.Denied, match="task_ended"):
        await task.delegate(spiffe_id("review"))


async def test_revoking_a_link_ends_it_and_what_is_below(zone, operator):
    """Its parent and its sibling go on."""
    task = await zone.start_task()
    handed, sibling = await zone.hand_to(task, "triage"), task.branch("beside")
    below = await zone.hand_to(handed, "orchestrator")
    assert [await code(one) for one in (handed, sibling, below)] == ["", "", ""]
    link = (await handed.get()).chain[-1].link_id
    answer = await operator.revoke(link_id=link)
    assert (answer.impact.live_tasks, answer.impact.holders) == (1, 2)
    denied = [await code(one) for one in (handed, below, sibling, task)]
    assert denied == ["task_ended", "task_ended", "", ""]


async def test_a_child_made_offline_does_not_escape(zone, operator):
    """What the SDK narrows or branches without asking hangs below the same link."""
    task = await zone.start_task()
    branch = task.branch("reader")
    assert await code(branch) == ""
    await operator.revoke(task_id=task.info.task_id)
    assert await code(branch) == "task_ended"
    fresh = task.branch("writer")
    assert await code(fresh) == "task_ended"


async def test_revoking_an_agent_ends_every_chain_through_it(zone, operator):
    """Also where it only handed the task on; lifting gives everything back."""
    task = await zone.start_task()
    handed = await zone.hand_to(task, "triage")
    back = await zone.hand_to(handed, "orchestrator")
    await operator.revoke(agent_id=TRIAGE, reason="its image is compromised")
    assert [await code(one) for one in (handed, back, task)] == ["agent_revoked", "agent_revoked", ""]
    with pytest.raises(tabard.Denied, match="agent_revoked"):
        await zone.start_task("triage")
    assert await operator.lift(agent_id=TRIAGE) is True
    assert [await code(one) for one in (handed, back, task)] == ["", "", ""]
    assert await operator.lift(agent_id=TRIAGE) is False


async def test_revoking_a_person_spares_who_signs_in_again(zone, operator):
    """Tasks and tokens from before are refused on every sidecar, a later token is fine."""
    task = await zone.start_task()
    handed = await zone.hand_to(task, "triage")
    earlier = [zone.issuer.access_token(PERSON) for _ in range(2)]
    answer = await operator.revoke(subject=pb.RevokeSubject(issuer=ISSUER, id=PERSON))
    assert answer.impact.live_tasks == 1
    assert [await code(one) for one in (task, handed)] == ["subject_revoked", "subject_revoked"]
    for workload, token in zip(("orchestrator", "triage"), earlier, strict=True):
        with pytest.raises(tabard.Denied, match="subject_revoked"):
            await zone.agent(workload).start_task(token, intent_token=zone.intent("refunds", "Go on."))
    later = zone.issuer.access_token(PERSON, iat=int(time.time()) + 2)
    fresh = await zone.agent("orchestrator").start_task(
        later, intent_token=zone.intent("refunds", "Work off the refunds.")
    )
    assert await code(fresh) == ""


async def test_a_ttl_is_kept(zone, operator):
    """The revocation says until when."""
    answer = await operator.revoke(agent_id=TRIAGE, ttl=Duration(seconds=3600))
    lasts = answer.revocation.expire_time.seconds - answer.revocation.revoke_time.seconds
    assert lasts in {3600, 3601}
    answer = await operator.revoke(agent_id=ORCHESTRATOR)
    assert not answer.revocation.HasField("expire_time")


async def test_revocations_survive_a_restart(folder):
    """They are on the disk before they are acknowledged."""
    zone = Zone(folder, workloads=("orchestrator",))
    zone.prepare()
    settings = load(folder / "orchestrator" / "tabard.yaml").settings
    async with sidecar(settings), operators(zone.operator()) as operator:
        task = await zone.start_task()
        await operator.revoke(agent_id=ORCHESTRATOR)
    async with sidecar(settings):
        assert await code(task) == "agent_revoked"
        await zone.stop()


async def test_a_replay_of_what_was_allowed_is_denied(zone, operator):
    """A request_id gets nothing out of a revoked chain."""
    task = await zone.start_task()
    assert (await task.authorize(*READ, request_id="r-1")).allowed
    await operator.revoke(subject=pb.RevokeSubject(issuer=ISSUER, id=PERSON))
    with pytest.raises(tabard.Denied, match="subject_revoked"):
        await task.authorize(*READ, request_id="r-1")


@asynccontextmanager
async def credential_stub(zone, workload):
    """The service for credentials, as an agent reaches it."""
    async with grpc.aio.insecure_channel(zone.sidecars[workload].address) as channel:
        yield credential_grpc.CredentialServiceStub(channel)


async def active(stub, task, credential) -> bool:
    """Whether a credential is active for its task."""
    request = credential_pb.IntrospectCredentialRequest(grant=task.grant, credential=credential.value)
    return (await stub.IntrospectCredential(request)).active


async def test_an_operator_revokes_a_credential(zone, operator):
    """Inactive from then on, and not to be renewed; the task goes on."""
    task = await zone.start_task()
    credential = (await task.authorize(*READ)).credential
    async with credential_stub(zone, "orchestrator") as stub:
        assert await active(stub, task, credential)
        await operator.revoke(credential_id=credential.credential_id)
        assert not await active(stub, task, credential)
    with pytest.raises(tabard.Denied, match="credential_revoked"):
        await task.renew(credential, READ[1])
    assert await code(task) == ""


@pytest.mark.parametrize("by", ["operator", "holder"])
@pytest.mark.parametrize("revoked", [0, 1, 2], ids=["first", "middle", "last"])
async def test_a_revoked_credential_takes_its_renewals_along(zone, operator, by, revoked):
    """Earlier and later ones, and branches of the line; a new call of the same holder has a line of its own."""
    task = await zone.start_task()
    line = [(await task.authorize(*READ)).credential]
    line.append(await task.renew(line[0], READ[1]))
    line.append(await task.renew(line[1], READ[1]))
    line.append(await task.renew(line[0], READ[1]))
    other = (await task.authorize(*READ)).credential
    assert len({one.credential_id for one in line}) == len(line)
    async with credential_stub(zone, "orchestrator") as stub:
        if by == "operator":
            await operator.revoke(credential_id=line[revoked].credential_id)
        else:
            await stub.RevokeCredential(
                credential_pb.RevokeCredentialRequest(
                    grant=task.grant, credential_id=line[revoked].credential_id
                )
            )
        assert [await active(stub, task, one) for one in line] == [False] * len(line)
        assert await active(stub, task, other)
    for one in line:
        with pytest.raises(tabard.Denied, match="credential_revoked"):
            await task.renew(one, READ[1])
    assert (await task.renew(other, READ[1])).credential_id != other.credential_id


async def test_a_holder_revokes_its_own_credentials_only(zone):
    """The id of another holder's does nothing, and the answer doesn't tell whether there is one."""
    task = await zone.start_task()
    handed = await zone.hand_to(task, "triage")
    own = (await handed.authorize(*READ)).credential
    others = (await task.authorize(*READ)).credential
    async with credential_stub(zone, "triage") as mine, credential_stub(zone, "orchestrator") as theirs:
        for credential in (own, others, own):
            await mine.RevokeCredential(
                credential_pb.RevokeCredentialRequest(
                    grant=handed.grant, credential_id=credential.credential_id
                )
            )
        assert not await active(mine, handed, own)
        assert await active(theirs, task, others)
    # Nobody knows at once whose an id is, so the record says for whose credentials the revocation counts.
    lines = (zone.sidecars["triage"].folder / "decisions.log").read_text().splitlines()
    made = [one["input"] for one in map(json.loads, lines) if one["operation"] == "revoke_credential"]
    link = (await handed.get()).chain[-1].link_id
    assert made[1] == {"credential_id": others.credential_id, "only_if_issued_to_link": link}


async def test_an_agent_cannot_fill_the_store_with_revocations(zone, monkeypatch):
    """After so many the workload is told to end instead; another one of the task revokes its own."""
    monkeypatch.setattr("tabard_sidecar.pipeline.credentials.MAX_REVOKED_CREDENTIALS", 2)
    assert MAX_REVOKED_CREDENTIALS == 1_000
    task = await zone.start_task()
    async with credential_stub(zone, "orchestrator") as stub:
        for _ in range(2):
            await stub.RevokeCredential(
                credential_pb.RevokeCredentialRequest(grant=task.grant, credential_id=str(uuid4()))
            )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.RevokeCredential(
                credential_pb.RevokeCredentialRequest(grant=task.grant, credential_id=str(uuid4()))
            )
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    handed = await zone.hand_to(task, "triage")
    own = (await handed.authorize(*READ)).credential
    async with credential_stub(zone, "triage") as stub:
        await stub.RevokeCredential(
            credential_pb.RevokeCredentialRequest(grant=handed.grant, credential_id=own.credential_id)
        )
        assert not await active(stub, handed, own)


_ID = "7d1f0c5e-93c4-49d4-b12d-78995f746dbf"
_NO_IDS = [
    "",
    "a b",
    "x" * 129,
    "c\n1",
    _ID[:8],
    _ID[:-1],
    f"{_ID} ",
    _ID.replace("-", ""),
    f"{{{_ID}}}",
    f"{_ID[:-1]}F",
]


async def test_an_agent_names_only_what_could_be_a_credential(zone):
    """Anything else is malformed."""
    task = await zone.start_task()
    async with credential_stub(zone, "orchestrator") as stub:
        for credential_id in _NO_IDS:
            request = credential_pb.RevokeCredentialRequest(grant=task.grant, credential_id=credential_id)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.RevokeCredential(request)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, credential_id


@pytest.fixture
async def backend(folder):
    """A zone of one sidecar that backends may ask; returns the zone, an operator, and what a backend is told."""
    key = "k" * 40
    key_file = folder / "client.key"
    key_file.write_text(key)
    key_file.chmod(0o600)
    overrides = {
        "introspection.listen": f"unix:{folder}/i",
        "introspection.clients": [
            {"id": "tickets", "key_file": str(key_file), "audiences": ["https://tickets.internal"]}
        ],
    }

    async def told(credential):
        connector = aiohttp.UnixConnector(path=f"{folder}/i")
        async with aiohttp.ClientSession(connector=connector) as session:
            answer = await session.post(
                "http://zone/introspect",
                data={"token": credential.value},
                headers={"Authorization": f"Bearer {key}"},
            )
            return (await answer.json())["active"]

    async with (
        Zone(folder, workloads=("orchestrator",), overrides=overrides) as zone,
        operators(zone.operator()) as operator,
    ):
        yield zone, operator, told


@pytest.mark.parametrize("kind", ["task", "agent", "subject", "credential"])
async def test_a_backend_that_asks_is_told_at_once(backend, kind):
    """Whatever was revoked, the credential is inactive with the next request."""
    zone, operator, told = backend
    task = await zone.start_task()
    credential = (await task.authorize(*READ)).credential
    assert await told(credential) is True
    await operator.revoke(
        **{
            "task": {"task_id": task.info.task_id},
            "agent": {"agent_id": ORCHESTRATOR},
            "subject": {"subject": pb.RevokeSubject(issuer=ISSUER, id=PERSON)},
            "credential": {"credential_id": credential.credential_id},
        }[kind]
    )
    assert await told(credential) is False


async def test_agents_reach_nothing_of_this(zone):
    """The agents' socket doesn't know the services at all."""
    async with operators(zone.sidecars["orchestrator"].address) as agent:
        for attempt in (
            agent.revoke(agent_id=TRIAGE),
            agent.lift(agent_id=TRIAGE),
            agent.revoked(),
            agent.list_tasks(),
            agent.tree("task"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await attempt
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_the_operator_socket_is_private(zone):
    """In a directory and of a mode that only its owner passes."""
    path = Path(zone.operator().removeprefix("unix:"))
    assert path.parent != Path(zone.sidecars["orchestrator"].address.removeprefix("unix:")).parent
    assert path.stat().st_mode & 0o007 == 0


MALFORMED = [
    {},
    {"task_id": ""},
    {"task_id": "x" * 129},
    {"link_id": "abc"},
    {"link_id": "A" * 64},
    {"agent_id": "triage"},
    {"agent_id": "spiffe://"},
    {"subject": pb.RevokeSubject(issuer=ISSUER)},
    {"subject": pb.RevokeSubject(id=PERSON)},
    {"subject": pb.RevokeSubject(issuer="a b", id=PERSON)},
    *({"credential_id": one} for one in _NO_IDS),
    {"subject": pb.RevokeSubject(issuer=f"{ISSUER}/", id=PERSON)},
    {"agent_id": TRIAGE, "reason": "x" * 1025},
    {"agent_id": TRIAGE, "ttl": Duration(seconds=0)},
    {"agent_id": TRIAGE, "ttl": Duration(seconds=-5)},
    {"agent_id": TRIAGE, "ttl": Duration(seconds=10**11)},
    {"link_id": "a" * 64, "ttl": Duration(seconds=60)},
    {"credential_id": _ID, "ttl": Duration(seconds=60)},
]


async def test_a_malformed_revocation_is_refused(operator):
    """And nothing is revoked."""
    for request in MALFORMED:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await operator.revoke(**request)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, request
        assert await operator.revoked() == [], request


async def test_other_malformed_requests_are_refused(operator):
    """Lifting nothing, or a link; lists without bounds; kinds that don't exist."""
    for attempt in (
        operator.lift(),
        operator.lift(agent_id="x"),
        operator.revoked(limit=1001),
        operator.revoked(limit=-1),
        operator.revoked(after_sequence=-1),
        operator.revoked(kinds=[99]),
        operator.revoked(kinds=[pb.REVOCATION_KIND_UNSPECIFIED]),
        operator.tree(""),
        operator.tasks.ListTasks(operator_pb.ListTasksRequest(limit=5000)),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await attempt
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_unknown_task_is_not_found(operator):
    """To be told apart from one that was ended."""
    for attempt in (operator.revoke(task_id="no-such-task"), operator.tree("no-such-task")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await attempt
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_operators_see_tasks_and_trees(zone, operator):
    """Who works for whom, with which purpose, through which holders, and what was ended."""
    task = await zone.start_task()
    handed = await zone.hand_to(task, "triage")
    branch = handed.branch("reader")
    assert [await code(one) for one in (handed, branch)] == ["", ""]
    (shown,) = await operator.list_tasks()
    assert (shown.task_id, shown.subject.id, shown.subject.issuer) == (task.info.task_id, PERSON, ISSUER)
    assert (shown.workload, shown.purpose, shown.children) == (ORCHESTRATOR, "refunds", 1)
    assert shown.state == operator_pb.TASK_OVERVIEW_STATE_LIVE
    tree = await operator.tree(shown.task_id)
    steps = [(node.holder, node.sub_agent, node.depth, node.inactive) for node in tree.nodes]
    assert steps == [
        (ORCHESTRATOR, "", 0, False),
        (TRIAGE, "", 1, False),
        (TRIAGE, "reader", 2, False),
    ]
    await operator.revoke(link_id=tree.nodes[1].link_id)
    tree = await operator.tree(shown.task_id)
    assert [(node.ended, node.inactive) for node in tree.nodes] == [
        (False, False),
        (True, True),
        (False, True),
    ]
    assert await code(branch) == "task_ended"


async def test_a_holder_cannot_make_a_revocation_look_like_its_own(zone, operator):
    """Ending what an operator revoked changes nothing, neither at the link nor below."""
    task = await zone.start_task()
    branch = task.branch("reader")
    assert await code(branch) == ""
    await operator.revoke(task_id=task.info.task_id, reason="it sends too many mails")
    for one in (task, branch):
        await one.end()
    for by_holders in (False, True):
        (entry,) = await operator.revoked(by_holders=by_holders)
        assert entry.reasons == ["it sends too many mails"]
        assert entry.origin == pb.REVOCATION_ORIGIN_OPERATOR


@pytest.mark.parametrize("reason", ["ended by its holder", "revoked by its holder", "lifted", "holder"])
async def test_the_words_of_a_reason_decide_nothing(zone, operator, reason):
    """An operator's revocation holds and is listed, whatever the operator writes; later reasons are added."""
    task, other = await zone.start_task(), await zone.start_task()
    handed = await zone.hand_to(task, "triage")
    assert await code(handed) == ""
    await operator.revoke(agent_id=spiffe_id("triage"), reason=reason)
    assert await code(handed) == "agent_revoked"
    await operator.revoke(agent_id=spiffe_id("triage"), reason="again")
    await operator.revoke(task_id=task.info.task_id, reason=reason)
    assert await code(task) == "task_ended"
    subject = pb.RevokeSubject(issuer=ISSUER, id=PERSON)
    await operator.revoke(subject=subject, reason=reason)
    assert await code(other) == "subject_revoked"
    listed = await operator.revoked()
    assert sorted(tuple(entry.reasons) for entry in listed) == sorted(
        [(reason, "again"), (reason,), (reason,)]
    )
    assert {entry.origin for entry in listed} == {pb.REVOCATION_ORIGIN_OPERATOR}


async def test_an_ended_task_is_listed_as_a_revoked_link(zone, operator):
    """EndTask is the same thing, done by the holder, and only listed when it is asked for."""
    task = await zone.start_task()
    await task.end()
    assert await operator.revoked() == []
    (entry,) = await operator.revoked(by_holders=True)
    (shown,) = await operator.list_tasks()
    assert entry.kind == pb.REVOCATION_KIND_LINK
    assert entry.target == shown.root_id
    assert shown.state == operator_pb.TASK_OVERVIEW_STATE_ENDED
