"""A request that can't be sent is said to be invalid, with the field; nothing is sent, nothing else is raised."""

import inspect

import pytest
import tabard

LONE = "a\ud800b"
CREDENTIAL = tabard.Credential("jwt", "v", credential_id=LONE)
DECISION = tabard.Decision(LONE, allowed=True)
ODD = {
    "token": lambda _, client: client.start_task(LONE),
    "purpose": lambda _, client: client.start_task("t", purpose=LONE),
    "statement": lambda _, client: client.start_task("t", statement=LONE),
    "token type": lambda _, client: client.start_task(None, intent_token=7),
    "limits": lambda _, client: client.start_task("t", limits={"tools": ["t"]}),
    "grant": lambda _, client: client.task(LONE).get(),
    "ended": lambda _, client: client.task(LONE).end(),
    "tool": lambda task, _: task.authorize(LONE),
    "tool type": lambda task, _: task.authorize(7),
    "server": lambda task, _: task.authorize("t", server=LONE),
    "scopes": lambda task, _: task.authorize("t", scopes="read"),
    "scope": lambda task, _: task.authorize("t", scopes=[LONE]),
    "discharges": lambda task, _: task.authorize("t", discharges="d"),
    "request id": lambda task, _: task.authorize("t", request_id=LONE),
    "argument": lambda task, _: task.authorize("t", {"a": LONE}),
    "context": lambda task, _: task.authorize("t", context={"a": LONE}),
    "batch": lambda task, _: task.batch([tabard.ToolCall("t", scopes="read")]),
    "tools": lambda task, _: task.filter_tools("open.x"),
    "listed tool": lambda task, _: task.filter_tools([LONE]),
    "holder": lambda task, _: task.delegate(LONE),
    "delegated limits": lambda task, _: task.delegate("spiffe://a/b", {"tools": ["t"]}),
    "narrowed": lambda task, _: task.narrow({"tools": ["t"]}),
    "branched": lambda task, _: task.branch("b", {"tools": ["t"]}),
    "decision": lambda task, _: task.report_outcome(DECISION),
    "labels": lambda task, _: task.report_outcome(tabard.Decision("d", allowed=True), labels="untrusted"),
    "charges": lambda task, _: task.report_outcome(tabard.Decision("d", allowed=True), charges={"a": "b"}),
    "renewed": lambda task, _: task.renew(tabard.Credential("jwt", LONE)),
    "revoked": lambda task, _: task.revoke(CREDENTIAL),
    "introspected": lambda task, _: task.introspect(tabard.Credential("jwt", LONE)),
}


async def settled(make, task, client):
    made = make(task, client)
    return await made if inspect.isawaitable(made) else made


@pytest.mark.parametrize("make", ODD.values(), ids=ODD)
async def test_what_can_not_be_sent_is_an_invalid_request(tabard_fake, make):
    with tabard.connect() as client, client.start_task("token") as task, pytest.raises(tabard.InvalidRequest):
        make(task, client)
    async with tabard.aio.connect() as later:
        with pytest.raises(tabard.InvalidRequest):
            await settled(make, await later.start_task("token"), later)
    assert tabard_fake.calls == []


def test_the_field_is_named(tabard_fake):
    with tabard.connect() as client:
        with pytest.raises(tabard.InvalidRequest, match="purpose: holds a lone surrogate"):
            client.start_task("t", purpose=LONE)
        with pytest.raises(tabard.InvalidRequest, match=r"limits is a tabard.Limits, not of the type dict"):
            client.start_task("t", limits={})


@pytest.mark.parametrize("odd", [b"\xffsecret", ["secret"], {"secret": 1}, 7])
def test_the_value_of_a_field_is_never_quoted(tabard_fake, odd):
    """It may be a token."""
    with tabard.connect() as client, pytest.raises(tabard.InvalidRequest) as caught:
        client.start_task(odd)
    assert "secret" not in str(caught.value)
    assert f"subject_token ({type(odd).__name__})" in caught.value.message


def test_a_message_beyond_the_sidecars_limit_says_so():
    error = tabard.errors.from_status("RESOURCE_EXHAUSTED", "SERVER: Received message larger than max", "")
    assert error.code == "request_too_large"
    assert "4 MiB" in error.message


def test_a_host_in_a_socket_address_is_refused_with_the_right_form():
    with pytest.raises(tabard.InvalidRequest, match=r"write unix:/tmp/x/t\.sock"):
        tabard.connect("unix://tmp/x/t.sock")
    tabard.connect("unix:///tmp/x/t.sock").close()
