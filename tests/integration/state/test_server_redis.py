"""Requirements on a Redis server, connections to it, and the keys that are left on it."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.state.conf import RedisConfig, StateConfig
from tabard_sidecar.state.factory import create_store
from tabard_sidecar.state.model import Child, Revocation, RevocationKind
from tabard_sidecar.state.redis import RedisOptions, RedisStateError, RedisStateStore, link

from tests.components.ports import free_port
from tests.support.redis_server import RedisServer
from tests.support.state import (
    LATER,
    NOW,
    approval,
    at_most,
    chain,
    fresh,
    new_task,
    noted,
    outcome,
    person,
    wanted,
)
from tests.support.tls import Authority

_GUARANTEES = Path(__file__).resolve().parents[3] / "docs" / "guarantees.md"


def documented_rights() -> list[str]:
    """Return the rights of a zone's user as docs/guarantees.md grants them, for zone z."""
    _, _, after = _GUARANTEES.read_text("utf-8").partition("ACL SETUSER tabard on >PASSWORD ")
    return after.partition("```")[0].replace("ZONE", "z").split()


def at_any_time(config: RedisConfig) -> RedisConfig:
    """Return a configuration with which it doesn't matter how long ago the tests began, and so what ``NOW`` is."""
    return config.model_copy(update={"max_clock_skew_seconds": 1e9})


async def exercise(store: RedisStateStore) -> None:
    """Call everything that a store does."""
    made = await new_task(store)
    of = chain(made.root_id, f"{made.root_id}l", budgets={"calls": 5})
    asked = await store.ask(approval(made.root_id), limits=at_most(5))
    await store.decide_approval(
        asked.approval_id, approved=True, approver=person("a"), now=NOW, expires_at=LATER
    )
    await store.ask(approval(made.root_id), limits=at_most(5))
    call = wanted(
        of,
        charges={"calls": 2},
        task_labels=("x",),
        branch_labels=("y",),
        approvals=(asked.approval_id,),
        notes=noted({"ids": ["a"]}, {"n": 1}, {"made": "task"}),
    )
    await store.reserve(call)
    await store.report(outcome(call, refunded={"calls": 1}, labels=("z",), facts={"made": ["b"]}))
    version = (await store.look_up(of)).label_version
    released = wanted(of, charges={"calls": 1}, version=version, notes=noted({"ids": ["a", "c"]}))
    await store.reserve(released)
    await store.release(released.decision_id, made.root_id)
    step = Child(made.root_id, f"{made.root_id}l", 5, made.root_id, "h", "")
    await store.register_children([step], now=NOW, expires_at=LATER)
    assert not await store.ended_at_or_above(f"{made.root_id}l")
    await store.claim_request(b"key", b"body", now=NOW, expires_at=LATER)
    await store.complete_request(b"key", b"reply", expires_at=LATER)
    await store.claim_request(b"other", b"body", now=NOW, expires_at=LATER)
    await store.abandon_request(b"other")
    await store.consume("once", limit=1, now=NOW, expires_at=LATER)
    await store.revoke(Revocation(RevocationKind.AGENT, "a", NOW, LATER))
    await store.lift(RevocationKind.AGENT, "a")
    assert await store.watch(0, timeout_seconds=1)
    assert len(await store.revocations()) == 1
    assert (await store.approval(asked.approval_id, now=NOW)).approval_id == asked.approval_id
    assert len(await store.approvals(now=NOW, pending_only=False)) == 2
    assert list((await store.tasks(now=NOW)).tasks) == [made]
    assert (await store.tree(made.task_id)).task == made
    assert await store.expire(now=NOW) == 0


def late(store: RedisStateStore) -> RedisStateStore:
    """Return a store, made from a configuration, that doesn't mind how long ago the tests were loaded."""
    store._skew = 1e9
    return store


def options(server: RedisServer, **more: object) -> RedisOptions:
    """Return how a test reaches a server."""
    # The tests' times are those of when they were loaded, which may be long ago.
    return RedisOptions(server.url, **{"max_clock_skew_seconds": 1e9, **more})  # type: ignore[arg-type]


async def refusal(store: RedisStateStore) -> str:
    """Return why a call isn't answered."""
    with pytest.raises(NoDecision) as caught:
        await store.look_up(chain("unknown"))
    return caught.value.message


async def test_everything_that_is_written_ends(start_server, open_store):
    """Only the zone's own record stays; every other key goes by itself, and none before what it holds."""
    server = start_server()
    await exercise(await open_store(server.port))
    ends = {name: int(server.cli("pexpiretime", name)) for name in server.names()}
    assert len(ends) > 20
    assert {name for name, end in ends.items() if end < 0} == {"tabard:{z}:meta"}
    early = {name for name, end in ends.items() if 0 < end < LATER * 1000 and ":writer:" not in name}
    assert early == set()


async def test_a_zones_keys_are_one_slot(start_server, open_store):
    """So that a cluster keeps a zone on one node, where scripts can reach all of it."""
    server = start_server()
    await exercise(await open_store(server.port))
    assert all(name.startswith("tabard:{z}:") for name in server.names())


async def test_zones_on_one_server_share_nothing(server, open_store):
    one, other = [await open_store(server.port, zone=fresh("zone")) for _ in range(2)]
    made = await new_task(one)
    await one.consume("once", limit=1, now=NOW, expires_at=LATER)
    await one.revoke(Revocation(RevocationKind.LINK, made.root_id, NOW, LATER))
    state = await other.look_up(chain(made.root_id))
    assert (state.known, state.ended, state.epoch) == (False, "", 0)
    assert await other.consume("once", limit=1, now=NOW, expires_at=LATER)
    assert list(await other.revocations()) == []


async def test_what_expired_long_ago_leaves_nothing(start_server, open_store):
    """A server that was used for a task of a moment holds the zone's record and its counters only."""
    server = start_server()
    store = await open_store(server.port, max_clock_skew_seconds=1e9)
    await exercise(store)
    while await store.expire(now=time.time() + 90_000):
        pass
    left = {name.removeprefix("tabard:{z}:").partition(":")[0] for name in server.names()}
    # Single use, requests and labels of owners expire by themselves.
    assert left <= {"meta", "writer", "use", "request", "owner", "ownermeta", "asked"}


@pytest.mark.parametrize(
    ("setting", "value", "wanted_value"),
    [
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
        ("appendonly", "no", "yes"),
        ("appendfsync", "everysec", "always"),
    ],
)
async def test_a_server_that_may_forget_is_refused(start_server, caplog, setting, value, wanted_value):
    """Unless that is accepted, and then said at every start and by every check."""
    server = start_server(f"--{setting}", value)
    with pytest.raises(RedisStateError, match=f"{setting} is {value} and has to be {wanted_value}"):
        await RedisStateStore(options(server), zone="z").open()
    store = RedisStateStore(options(server, accept_weak_durability=True), zone="z")
    with caplog.at_level(logging.WARNING):
        await store.open()
    assert "the state store may lose acknowledged writes" in caplog.text
    assert any(setting in problem for problem in await store.check())
    await store.close()


@pytest.mark.parametrize(
    ("setting", "value", "right"),
    [
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
        ("appendonly", "no", "yes"),
        ("appendfsync", "everysec", "always"),
    ],
)
async def test_a_server_that_begins_to_forget_is_not_used(start_server, open_store, setting, value, right):
    """An operator changes a setting, or the address leads to another server: no decision rests on it until it is right."""
    server = start_server()
    store = await open_store(server.port)
    await new_task(store)
    server.cli("config", "set", setting, value)
    server.cli("client", "kill", "type", "normal")
    with pytest.raises(NoDecision):  # for the closed connection, or for the setting
        await new_task(store)
    for _ in range(2):
        with pytest.raises(NoDecision, match=f"{setting} is {value} and has to be {right}"):
            await new_task(store)
    server.cli("config", "set", setting, right)
    assert not await store.watch(0, timeout_seconds=0)
    await new_task(store)


async def test_a_changed_setting_is_found_without_a_new_connection(start_server, open_store, monkeypatch):
    """Waiting for revocations, which goes on all the time, looks at it."""
    server = start_server()
    store = await open_store(server.port)
    await store.watch(0, timeout_seconds=0)
    monkeypatch.setattr(link, "_CHECK_SECONDS", 0.0)
    server.cli("config", "set", "maxmemory-policy", "allkeys-lru")
    with pytest.raises(NoDecision, match="may lose acknowledged writes"):
        await store.watch(0, timeout_seconds=0)
    with pytest.raises(NoDecision, match="accept_weak_durability"):
        await new_task(store)


async def test_another_zones_keys_and_those_of_other_versions_are_refused(start_server, open_store):
    server = start_server()
    await open_store(server.port)
    server.cli("hset", "tabard:{z}:meta", "zone", "other")
    with pytest.raises(RedisStateError, match="holds the state of zone 'other'"):
        await RedisStateStore(options(server), zone="z").open()
    server.cli("hset", "tabard:{z}:meta", "zone", "z", "schema", "99")
    with pytest.raises(RedisStateError, match="newer version"):
        await RedisStateStore(options(server), zone="z").open()
    server.cli("hset", "tabard:{z}:meta", "schema", "1")
    with pytest.raises(RedisStateError, match="before the first release: delete the keys that begin"):
        await RedisStateStore(options(server), zone="z").open()


async def test_looking_at_a_server_writes_nothing(start_server):
    """Not even which zone's it is; and it refuses what a start refuses."""
    server = start_server()
    for _ in range(2):
        store = RedisStateStore(options(server), zone="z")
        assert list(await store.look()) == []
        assert list(await store.check()) == []
        await store.close()
    assert server.names() == []
    server.cli("hset", "tabard:{z}:meta", "zone", "other", "schema", "4")
    with pytest.raises(RedisStateError, match="holds the state of zone 'other'"):
        await RedisStateStore(options(server), zone="z").look()
    server.cli("hset", "tabard:{z}:meta", "zone", "z", "schema", "99")
    with pytest.raises(RedisStateError, match="newer version"):
        await RedisStateStore(options(server), zone="z").look()


async def test_lost_keys_are_found(start_server, open_store):
    """A check names what the indexes have and the server hasn't."""
    server = start_server()
    store = await open_store(server.port)
    await exercise(store)
    assert list(await store.check()) == []
    for name in server.names():
        if re.search(r":(task|approval):", name):
            server.cli("del", name)
    server.cli("del", "tabard:{z}:revoked")
    assert list(await store.check()) == [
        "1 tasks are in the index but have no key: the server evicted or lost them.",
        "1 revocations are in the index but have no key: the server evicted or lost them.",
        "2 approvals are in the index but have no key: the server evicted or lost them.",
    ]


async def test_the_password_is_read_anew_and_never_told(start_server, tmp_path, caplog):
    """A user with exactly the documented rights can do everything; a new password works once it is in the file."""
    server = start_server()
    file = tmp_path / "password"
    file.write_text("first-s3cret\n")
    server.cli("acl", "setuser", "tabard", "on", ">first-s3cret", *documented_rights())
    config = StateConfig(
        url=server.url, redis=at_any_time(RedisConfig(username="tabard", password_file=file))
    )
    store = late(create_store(config, "z"))
    with caplog.at_level(logging.DEBUG):
        await store.open()
        await exercise(store)
        assert list(await store.check()) == []
        assert await store.compact() >= 0
        server.cli("acl", "setuser", "tabard", "resetpass", ">second-s3cret")
        server.cli("client", "kill", "user", "tabard")
        # The first call may still meet a connection that the server closed.
        refused = [await refusal(store) for _ in range(2)][-1]
        assert "check state.redis.username and state.redis.password_file" in refused
        file.write_text("second-s3cret")
        await store.look_up(chain("unknown"))
    told = f"{refused} {store!r} {store.__dict__} {config!r} {caplog.text}"
    assert "s3cret" not in told
    await store.close()


async def test_rights_of_another_zone_are_of_no_use(start_server, tmp_path):
    server = start_server()
    file = tmp_path / "password"
    file.write_text("pw")
    server.cli("acl", "setuser", "tabard", "on", ">pw", *documented_rights())
    store = RedisStateStore(options(server, username="tabard", password_file=file), zone="other")
    with pytest.raises(NoDecision, match="its ACL refused"):
        await store.open()


async def test_tls_both_ways(start_server, tmp_path):
    """The server proves itself to sidecars and they to it; who trusts another authority isn't connected."""
    authority, stranger = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    certificate, key = authority.issue("server")
    client_certificate, client_key = authority.issue("client")
    port = free_port()
    start_server(
        *("--tls-port", str(port), "--tls-ca-cert-file", str(authority.certificate)),
        *("--tls-cert-file", str(certificate), "--tls-key-file", str(key)),
    )
    url = f"rediss://127.0.0.1:{port}/0"
    good = RedisOptions(
        url,
        ca_file=authority.certificate,
        cert_file=client_certificate,
        key_file=client_key,
        max_clock_skew_seconds=1e9,
    )
    store = RedisStateStore(good, zone="z")
    await store.open()
    await exercise(store)
    await store.close()
    for bad in (
        RedisOptions(url, ca_file=stranger.certificate, cert_file=client_certificate, key_file=client_key),
        RedisOptions(url, ca_file=authority.certificate),
        RedisOptions(url.replace("127.0.0.1", "localhost"), ca_file=authority.certificate),
    ):
        with pytest.raises(NoDecision) as caught:
            await RedisStateStore(bad, zone="z").open()
        assert caught.value.code == "state_unavailable"


async def test_tls_to_a_server_without_it_is_told(start_server):
    server = start_server()
    store = RedisStateStore(
        RedisOptions(f"rediss://127.0.0.1:{server.port}/0", timeout_seconds=0.3), zone="z"
    )
    with pytest.raises(NoDecision, match="whether that port speaks TLS"):
        await store.open()
    await store.close()


async def test_a_unix_socket(start_server, tmp_path):
    """A store works over a unix socket and in a numbered database."""
    socket = tmp_path / "s.sock"
    start_server("--unixsocket", str(socket))
    config = StateConfig(url=f"unix://{socket}?db=3", redis=at_any_time(RedisConfig()))
    store = late(create_store(config, "z"))
    await store.open()
    await exercise(store)
    await store.close()


def test_only_who_uses_redis_imports_it():
    script = (
        "import sys; from tabard_sidecar.state.factory import create_store; from tabard_sidecar.state.conf import StateConfig;"
        "create_store(StateConfig(url='sqlite:///tmp/none.db'), 'z'); assert 'redis' not in sys.modules;"
        "create_store(StateConfig(url='redis://127.0.0.1'), 'z'); assert 'redis' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
