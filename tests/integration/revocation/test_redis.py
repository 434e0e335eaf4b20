"""Revocation between sidecars that share a real Redis server, and what becomes of it when that fails."""

from __future__ import annotations

import itertools
import time

import pytest
from tabard_sidecar.cli import main
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.model import Agent, Subject
from tabard_sidecar.revocation import RevocationConfig, build_revocation
from tabard_sidecar.state import Child, RevocationKind, TaskRecord
from tabard_sidecar.state.redis import RedisOptions, RedisStateStore

from bench.propagation import between
from tests.support.redis_server import redis_server
from tests.support.waiting import eventually

IDP = "https://idp.example.org"
ALICE, BOB = "spiffe://example.org/ns/shop/sa/alice", "spiffe://example.org/ns/shop/sa/bob"
_zones = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
async def make(server):
    """Makes sidecars' parts, each with a connection of its own; ``over`` is another server than the shared one."""
    stack, zone = [], f"revocation{next(_zones)}"

    async def make(*, over=server, hooks=()):
        problems = []
        # Only a server of a test's own is ever silent.
        store = RedisStateStore(
            RedisOptions(over.url, timeout_seconds=10 if over is server else 0.5), zone=zone
        )
        await store.open()
        revoking = build_revocation(
            RevocationConfig(max_stale_seconds=2.0),
            store,
            clock=time.time,
            max_task_seconds=3600.0,
            report=problems.append,
            hooks=hooks,
        )
        stack.append((store, revoking))
        await revoking.start()
        return store, revoking, problems

    yield make
    for store, revoking in stack:
        await revoking.stop()
        await store.close()


async def start_code(revoking, *, agent=ALICE, issued_at=None) -> str:
    """Return why a token may not start a task, or nothing."""
    now = time.time()
    try:
        await revoking.checks.check_start(
            Agent(agent, ""), Subject("u-1", IDP), issued_at=now if issued_at is None else issued_at, now=now
        )
    except Refused as refusal:
        return refusal.code
    return ""


async def test_every_kind_reaches_the_other_sidecar(make):
    """Pushed, without a request; lifting too."""
    _, one, _ = await make()
    _, other, _ = await make()
    known, now = other.feed.active, time.time()
    await one.admin.revoke_agent(BOB)
    await one.admin.revoke_subject(IDP, "u-1")
    await one.admin.revoke_credential("c-1")
    await eventually(lambda: len(known) == 3)
    assert known.agent((BOB,), now).target == BOB
    assert known.subject(IDP, "u-1", now - 1, now).kind is RevocationKind.SUBJECT
    assert known.credential("c-1", "", now).target == "c-1"
    assert await one.admin.lift(RevocationKind.AGENT, BOB)
    await eventually(lambda: known.agent((BOB,), time.time()) is None)
    assert not await one.admin.lift(RevocationKind.AGENT, BOB)


async def test_what_cannot_be_pushed_is_asked_for(make):
    """A token and a credential are checked against what the store knows at that moment."""
    _, one, _ = await make()
    _, other, _ = await make()
    await one.admin.revoke_agent(ALICE)
    assert await start_code(other) == "agent_revoked"
    await one.admin.revoke_subject(IDP, "u-1")
    assert await start_code(other, agent=BOB, issued_at=time.time() - 60) == "subject_revoked"
    assert await start_code(other, agent=BOB, issued_at=time.time() + 1) == ""


async def test_tasks_links_and_trees(make):
    """A task's revocation cuts everything below it and is counted."""
    store, one, _ = await make()
    now = time.time()
    root, link = "a" * 64, "b" * 64
    await store.open_task(
        TaskRecord(root, "task-a", IDP, "u-1", ALICE, "refunds", now, now + 600), labels_since=0
    )
    assert (
        await store.register_children([Child(root, link, None, root, BOB)], now=now, expires_at=now + 600)
        is None
    )
    receipt = await one.admin.revoke_task("task-a", reason="enough")
    assert (receipt.impact.tasks, receipt.impact.holders) == (1, 2)
    assert await store.ended_at_or_above(link)
    assert all(node.inactive for node in (await one.task_views.tree("task-a")).nodes)
    (entry,) = await one.admin.listed()
    assert (entry.target, entry.reasons) == (root, ("enough",))


async def test_a_server_that_stands_still_denies_after_the_bound_and_recovers(make, tmp_path):
    """Paused, it answers nothing on connections that stay open."""
    with redis_server(tmp_path / "own") as own:
        _, one, problems = await make(over=own)
        own.pause()
        try:
            await eventually(lambda: one.feed.age_seconds > 2.0)
            with pytest.raises(Refused, match="revocation_state_stale"):
                one.feed.check_fresh()
            assert problems[-1]
            with pytest.raises(NoDecision, match="state_unavailable"):
                await start_code(one)
        finally:
            own.resume()
        await eventually(lambda: problems[-1] == "")
        one.feed.check_fresh()
        assert await start_code(one) == ""


async def test_a_server_that_lost_everything_learns_it_again(make, tmp_path):
    """What a sidecar knows is revoked anew; nothing that is revoked later hides behind old numbers."""
    with redis_server(tmp_path / "own") as own:
        store, one, _ = await make(over=own)
        for number in range(5):
            await one.admin.revoke_credential(f"c-{number}")
        await one.admin.revoke_agent(BOB)
        own.cli("flushall")
        await eventually(lambda: one.feed.sequence <= 6 and len(own.cli("keys", "*").split()) > 0)

        async def all_again():
            return len({entry.target for entry in await store.revocations()}) == 6

        await eventually(all_again)
        await one.admin.revoke_agent(ALICE)
        assert await start_code(one) == "agent_revoked"
        assert one.feed.active.agent((BOB,), time.time()).target == BOB


async def test_a_hook_hears_on_every_sidecar(make):
    """Which of them ends a lease is the hook's business."""

    class Hook:
        name = "leases"

        def __init__(self):
            self.heard = []

        async def revoked(self, revocation):
            self.heard.append(revocation.target)

    hooks = [Hook(), Hook()]
    _, one, _ = await make(hooks=(hooks[0],))
    await make(hooks=(hooks[1],))
    await one.admin.revoke_link("a" * 64)
    await eventually(lambda: all(hook.heard == ["a" * 64] for hook in hooks))


async def test_a_revocation_arrives_soon(make):
    """The benchmark says how soon; here it is only seen to measure something, without luck or waiting for a read."""
    first, _, _ = await make()
    second, _, _ = await make()
    found = await between(first, second, rounds=50)
    assert 0 < found.p50_ms <= found.p99_ms <= found.worst_ms < 500


def test_state_check_and_compact_on_redis(server, capsys):
    """The commands that look after a file look after a server just as well."""
    chosen = ("--set", f"state.url={server.url}", "--set", f"zone=revocation{next(_zones)}")
    assert main(["state", "check", *chosen]) == 0
    assert capsys.readouterr().out == "state: ok\n"
    assert main(["state", "compact", *chosen]) == 0
    assert capsys.readouterr().out.startswith("deleted 0 expired entries")


def test_state_check_of_a_server_that_is_away(capsys, tmp_path):
    """Exit code 6 and the server's name."""
    assert main(["state", "check", "--set", f"state.url=unix://{tmp_path}/nobody.sock"]) == 6
    assert str(tmp_path) in capsys.readouterr().err
