"""The policy stage with a real OPA server: the same answers and the same checks as the embedded engine."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from contextlib import closing
from types import SimpleNamespace

import aiohttp
import pytest
from tabard_opa_cli import opa_binary
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.model import Agent, Operation, ToolCall
from tabard_sidecar.pipeline.policy_input import PolicyInput
from tabard_sidecar.pipeline.requests import AuthorizeRequest, VerifiedCall
from tabard_sidecar.policy.conf import PolicyConfig, RemoteConfig
from tabard_sidecar.policy.engines.opa_client import OpaClient
from tabard_sidecar.policy.engines.remote import RemoteProvider
from tabard_sidecar.policy.factory import create_runtime
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.problems import PolicyBrokenError
from tabard_sidecar.policy.resources import rego_root
from tabard_sidecar.policy.status import PolicyState
from tabard_sidecar.state import TaskState

from tests.support.credentials import HOP, grant_of
from tests.support.opa_bundle import opa_bundle
from tests.support.policy import (
    GRANT_ALL,
    SUPPORT,
    call,
    codes,
    decide,
    encoded,
    named,
    offered,
    policy_input,
    write,
)
from tests.support.waiting import eventually_blocking

TOKEN = "only-for-tests"
AUTHORIZATION = """\
package system.authz

default allow := false

allow if input.identity == "only-for-tests"
"""


def library():
    return [
        str(path) for path in (rego_root() / "tabard").rglob("*.rego") if not path.name.endswith("_test.rego")
    ]


@pytest.fixture
def serve(tmp_path):
    """Return a function that starts an OPA server with files and flags, and returns its socket."""
    running = []

    def serve(*files, flags=()):
        address = tmp_path / f"opa-{len(running)}.sock"
        command = [
            opa_binary(),
            "run",
            "--server",
            "--addr",
            f"unix://{address}",
            "--log-level",
            "error",
            *flags,
        ]
        process = subprocess.Popen([*map(str, command), *files], stderr=subprocess.DEVNULL)
        running.append(process)

        def accepts_connections():
            assert process.poll() is None, "OPA didn't start"
            # The socket's file is there before the server listens on it.
            with closing(socket.socket(socket.AF_UNIX)) as probe:
                return probe.connect_ex(str(address)) == 0

        eventually_blocking(accepts_connections)
        return address

    yield serve
    for process in running:
        process.terminate()
        process.wait(20)


@pytest.fixture
async def ask(engine):
    """Return a function that makes a runtime on a server's socket."""
    made = []

    async def ask(socket, **remote):
        config = RemoteConfig(url=f"unix:{socket}", **remote)
        runtime = create_runtime(
            PolicyConfig(remote=config, poll_seconds=3600, deadline_seconds=2),
            CompileOptions(),
            engine,
            time.time,
        )
        made.append(runtime)
        await runtime.start()
        return runtime

    yield ask
    for runtime in made:
        await runtime.close()


def desk():
    policy = SUPPORT / "policy"
    return [*library(), str(policy / "refunds" / "refunds.rego"), str(policy / "data.json")]


async def put(socket, path, content):
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as session,
        session.put(f"http://localhost{path}", data=content) as response,
    ):
        assert response.status < 300, await response.text()


async def test_a_servers_policy_is_taken_to_look_back(serve, ask):
    """The server may hold another one before that is seen, so nothing is left out because of what this one needs."""
    runtime = await ask(serve(*desk()))
    with runtime.lease() as policy:
        assert policy.reads_history
        assert policy.reads_calls


READS_PURPOSE = """\
package policy.desk

grant contains {"code": "ok"} if input.tool.name == "t"

deny contains {"code": "purpose", "message": "m"} if input.task.purpose != "refunds"

start contains {"code": "s", "limits": {}}
"""


READS_ANY_PART = (
    READS_PURPOSE
    + """
deny contains {"code": "late", "message": "m"} if {
	some part in ["history", "task"]
	input[part].expires_at == 0
}
"""
)


@pytest.fixture
def asked(monkeypatch):
    """Return the inputs about tool calls that servers are sent."""
    found = []
    post = OpaClient.post

    async def noted(self, path, body, deadline_seconds):
        found.append(json.loads(body)["input"])
        return await post(self, path, body, deadline_seconds)

    monkeypatch.setattr(OpaClient, "post", noted)
    return found


def bundled(folder, *modules):
    """Write a bundle that owns all that is evaluated; return its flags."""
    path = folder / "bundle.tar.gz"
    path.write_bytes(opa_bundle("one", *modules, roots=("lib", "policy", "system", "tabard")))
    return "--bundle", str(path)


async def decided(runtime):
    """Decide a call of a tool named t; return whether it is allowed."""
    tool = VerifiedCall(
        AuthorizeRequest("", "t"),
        ToolCall("t", "", {}, b"{}", "d"),
        {},
        Agent("spiffe://shop.example/worker", "i"),
        grant_of(HOP),
        None,
        SimpleNamespace(facts={}),
    )
    text, parts = PolicyInput().authorize(tool, TaskState(known=True), now=1.0)
    with runtime.lease() as policy:
        return (await policy.decide(Operation.AUTHORIZE, text.text, parts=parts)).allowed


async def test_a_named_policy_is_sent_what_it_reads(serve, ask, asked, tmp_path):
    assert await decided(await ask(serve(flags=bundled(tmp_path, READS_PURPOSE))))
    assert asked[0]["task"].keys() == {"id", "purpose"}
    assert asked[0].keys().isdisjoint({"agent", "subject"})


@pytest.mark.parametrize(
    ("modules", "remote"),
    [
        ((READS_PURPOSE,), {"whole_input": True}),
        ((READS_ANY_PART,), {}),
        ((READS_PURPOSE, "package system.authz\n\nallow if input.body.input.agent\n"), {}),
        ((READS_PURPOSE, "package system.authz\n\nallow if input\n"), {}),
    ],
)
async def test_whole_inputs_are_sent(serve, ask, asked, tmp_path, modules, remote):  # noqa: PLR0917
    """If the configuration says so, a rule may read any part, or the server's authorization policy reads requests."""
    assert await decided(await ask(serve(flags=bundled(tmp_path, *modules)), **remote))
    assert asked[0].keys() >= {"agent", "subject", "task", "delegation"}
    assert asked[0]["task"].keys() >= {"id", "purpose", "statement"}


async def test_a_policy_without_a_name_is_sent_whole_inputs(serve, ask, asked, tmp_path):
    """Its next version may be evaluated before this sidecar has seen what it reads."""
    (tmp_path / "own.rego").write_text(READS_PURPOSE)
    assert await decided(await ask(serve(*library(), str(tmp_path / "own.rego"))))
    assert asked[0].keys() >= {"agent", "subject", "task", "delegation"}


async def test_both_engines_answer_the_desk_alike(serve, ask, engine):
    remote = await ask(serve(*desk()))
    embedded = create_runtime(PolicyConfig(path=SUPPORT / "policy"), CompileOptions(), engine, time.time)
    await embedded.reload()
    requests = [
        (Operation.AUTHORIZE, call("refunds.create", amount_cents=500)),
        (Operation.AUTHORIZE, call("refunds.create", amount_cents=50000)),
        (Operation.AUTHORIZE, call("tickets.read")),
        (Operation.AUTHORIZE, call("exports.create")),
        (Operation.START_TASK, encoded(policy_input("start_task", request={}))),
        (Operation.RENEW, encoded(policy_input("renew"))),
    ]
    for operation, input_json in requests:
        there, here = (
            await decide(remote, operation, input_json),
            await decide(embedded, operation, input_json),
        )
        assert (there.denials, there.granted_by, there.credential, there.limits) == (
            here.denials, here.granted_by, here.credential, here.limits,
        )  # fmt: skip
    tools = [named(name) for name in ("refunds.create", "exports.create", "mail.send")]
    assert await offered(remote, *tools) == [True, False, True]
    assert await offered(embedded, *tools) == [True, False, True]
    assert await remote.mask(b"{}") == []
    await embedded.close()


async def test_a_builtin_error_denies_and_names_the_module(serve, ask, tmp_path):
    bad = 'package policy.bad\n\ndeny contains {"code": "no", "message": "no"} if to_number("x") > 3\n'
    write(tmp_path, bad=bad, ok=GRANT_ALL)
    runtime = await ask(serve(*library(), str(tmp_path / "bad.rego"), str(tmp_path / "ok.rego")))
    decision = await decide(runtime, Operation.AUTHORIZE, call())
    assert [reason.code for reason in decision.denials] == ["policy_error"]
    assert decision.denials[0].module == "policy.bad"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("package policy.demo\n\ndeny if true\n", "rule_shape"),
        ("package policy.demo.deep\n\nx := 1\n", "package"),
        ("package policy.demo\n\nallow := true\n", "public_rule"),
        ("package tabard.lib.more\n\nx := 1\n", "library"),
        (
            'package policy.demo\n\ndeny contains {"code": "a", "message": "m"} if input.subjct.id\n',
            "rego_type_error",
        ),
    ],
)
async def test_the_same_modules_are_refused(serve, ask, tmp_path, source, code):
    write(tmp_path, bad=source, ok=GRANT_ALL.replace("demo", "ok"))
    with pytest.raises(PolicyBrokenError) as caught:
        await ask(serve(*library(), str(tmp_path / "bad.rego"), str(tmp_path / "ok.rego")))
    assert code in {problem.code for problem in caught.value.problems}


async def test_a_server_without_our_entrypoint_is_refused(serve, ask, tmp_path):
    write(tmp_path, ok=GRANT_ALL)
    with pytest.raises(PolicyBrokenError, match="lacks tabard/decision\\.rego"):
        await ask(serve(str(tmp_path / "ok.rego")))


async def test_data_that_could_be_taken_for_rules_is_refused(serve, ask):
    socket = serve(*desk())
    runtime = await ask(socket)
    grant = '[{"code": "planted"}]'
    await put(socket, "/v1/data/policy/planted/grant", grant)
    decision = await decide(runtime, Operation.AUTHORIZE, call("exports.create"))
    assert [reason.code for reason in decision.denials] == ["policy_error"]
    status = await runtime.reload()
    assert (status.state, status.ready) == (PolicyState.DEGRADED, False)
    assert "data.policy.planted" in status.reasons[0]
    with pytest.raises(NoDecision):
        await decide(runtime, Operation.AUTHORIZE, call("exports.create"))


async def test_a_broken_policy_on_the_server_is_not_asked_any_more(serve, ask):
    socket = serve(*desk())
    runtime = await ask(socket)
    await put(socket, "/v1/policies/evil", "package policy.evil\n\ngrant := {}\n")
    assert not (await runtime.reload()).ready


async def test_a_server_that_is_gone_answers_nothing(serve, ask, tmp_path):
    with pytest.raises(PolicyBrokenError, match="can't be reached"):
        await ask(tmp_path / "nobody.sock")


async def test_the_token_is_sent(serve, ask, tmp_path):
    write(tmp_path, authz=AUTHORIZATION)
    socket = serve(
        *desk(), str(tmp_path / "authz.rego"), flags=("--authentication=token", "--authorization=basic")
    )  # fmt: skip
    token = tmp_path / "token"
    token.write_text("wrong\n")
    with pytest.raises(PolicyBrokenError, match="refuses access"):
        await ask(socket, token_file=token)
    token.write_text(TOKEN + "\n")
    assert await codes(await ask(socket, token_file=token), call("tickets.read")) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://opa.example:8181",
        "ftp://x",
        "unix:relative",
        "https://u:p@x",
        "x",
        "https://x:0",
        "https://x:65536",
    ],
)
async def test_an_address_that_would_leak_is_refused(engine, url):
    with pytest.raises(PolicyBrokenError, match="policy\\.remote\\.url"):
        create_runtime(PolicyConfig(remote=RemoteConfig(url=url)), CompileOptions(), engine, time.time)


async def test_only_a_policy_that_was_seen_counts_as_unchecked(serve, engine):
    """A look that failed says nothing of the policy, and one that found the checked one again says that it is checked."""
    socket = serve(*desk())
    provider = RemoteProvider(engine, RemoteConfig(url=f"unix:{socket}"), CompileOptions())
    try:
        await provider.load()
        before = await provider.fingerprint()
        assert not provider.unchecked
        socket.rename(socket.with_suffix(".away"))
        await provider.close()
        assert await provider.fingerprint() != before
        assert not provider.unchecked
        socket.with_suffix(".away").rename(socket)
        assert await provider.fingerprint() == before
        assert not provider.unchecked
        await put(socket, "/v1/policies/more", "package policy.more\n\n_x := 1\n")
        assert await provider.fingerprint() != before
        assert provider.unchecked
        with pytest.raises(PolicyBrokenError):
            await provider.load()
        assert not provider.unchecked
    finally:
        await provider.close()
