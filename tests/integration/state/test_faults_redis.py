"""A zone whose Redis is paused, killed, filled, cut off, replaced by an older copy, or in another time.

Whatever happens, nothing is allowed that the store didn't acknowledge, and all goes on by itself once the server is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import replace

import pytest
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.state.leases import LeaseFilter
from tabard_sidecar.state.model import Child, ReserveState, Revocation, RevocationKind

from tests.contracts.state.leases import lease
from tests.support.proxy import proxied
from tests.support.state import LATER, NOW, chain, fresh, new_task, wanted
from tests.support.waiting import eventually

LIMIT = 400
# Of stores whose calls are to time out; a server that answers has to do so within it, on a busy machine too.
SHORT_SECONDS = 0.8


@contextlib.contextmanager
def unavailable(what: str):
    """Expect a call to end without an answer and with a message that says what to look at."""
    with pytest.raises(NoDecision) as caught:
        yield
    assert (caught.value.status, caught.value.code) == ("UNAVAILABLE", "state_unavailable")
    assert what in caught.value.message
    assert "127.0.0.1" in caught.value.message


async def answers(store) -> bool:
    """Tell whether the store answers."""
    try:
        await store.look_up(chain("unknown"))
    except NoDecision:
        return False
    return True


async def test_a_paused_server_stops_decisions_and_nothing_else(start_server, open_store):
    """Every call fails in time, thirty-two at once as fast as one; afterwards all is as if nothing had been."""
    server = start_server()
    store = await open_store(server.port, timeout_seconds=SHORT_SECONDS)
    root = (await new_task(store)).root_id
    of = chain(root, budgets={"calls": LIMIT})
    assert (await store.reserve(wanted(of, charges={"calls": 1}))).state is ReserveState.DONE
    server.pause()
    began = time.monotonic()
    calls = [store.reserve(wanted(of, charges={"calls": 1})) for _ in range(32)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert time.monotonic() - began < 20 * SHORT_SECONDS
    assert {type(one) for one in outcomes} == {NoDecision}
    with unavailable(f"no answer within {SHORT_SECONDS} s; check the server and the network"):
        await store.consume(fresh("n"), limit=1, now=NOW, expires_at=LATER)
    server.resume()
    await eventually(lambda: answers(store))
    assert (await store.reserve(wanted(of, charges={"calls": 1}))).state is ReserveState.DONE
    # What was sent and not answered may have been counted once the server went on: never less than acknowledged.
    assert 2 <= (await store.look_up(of)).spent[f"{root}/calls"] <= 34


async def test_a_stopped_server_is_refused_at_once_and_found_again(start_server, open_store):
    """After a restart the scripts are gone from the server, and everything that was acknowledged is there."""
    server = start_server()
    store = await open_store(server.port)
    made = await new_task(store)
    of = chain(made.root_id, "l", budgets={"calls": 5})
    await store.reserve(wanted(of, charges={"calls": 2}, task_labels=("x",), branch_labels=("y",)))
    await store.register_children([Child(made.root_id, "l", 1)], now=NOW, expires_at=LATER)
    await store.consume("once", limit=1, now=NOW, expires_at=LATER)
    await store.revoke(Revocation(RevocationKind.AGENT, "agent", NOW, LATER))
    before = await store.look_up(of)
    server.stop()
    began = time.monotonic()
    with unavailable("check that the server runs"):
        await store.look_up(of)
    assert time.monotonic() - began < 20
    server.start()
    assert await store.look_up(of) == before
    assert not await store.consume("once", limit=1, now=NOW, expires_at=LATER)
    assert await store.register_children([Child(made.root_id, "m", 1)], now=NOW, expires_at=LATER) == Child(
        made.root_id, "m", 1
    )
    assert await store.register_children([Child(made.root_id, "l", 1)], now=NOW, expires_at=LATER) is None
    assert [one.target for one in await store.revocations()] == ["agent"]


async def test_forgotten_scripts_are_sent_again(start_server, open_store):
    """Whatever makes the server forget them, also for writes that wait for replicas."""
    server = start_server()
    store = await open_store(server.port)
    made = await new_task(store)
    of = chain(made.root_id, budgets={"calls": 9})
    for count in range(1, 4):
        server.cli("script", "flush")
        assert (await store.reserve(wanted(of, charges={"calls": 1}))).state is ReserveState.DONE
        assert (await store.look_up(of)).spent == {f"{made.root_id}/calls": count}
    replica = start_server("--replicaof", "127.0.0.1", str(server.port))
    await eventually(lambda: _linked(replica, server))
    waiting = await open_store(server.port, replicas=1, timeout_seconds=5)
    server.cli("script", "flush")
    assert await waiting.consume("once", limit=1, now=NOW, expires_at=LATER)
    assert not await waiting.consume("once", limit=1, now=NOW, expires_at=LATER)


async def _spend(store, of, chance: random.Random, books: dict[str, int]) -> None:
    while not books["stop"]:
        charges = {"a": chance.randint(0, 3), "b": chance.randint(0, 3)}
        try:
            answer = await store.reserve(wanted(of, charges=charges))
        except NoDecision:
            await asyncio.sleep(0.01)
            continue
        if answer.state is ReserveState.DONE:
            books["a"] += charges["a"]
            books["b"] += charges["b"]
        elif answer.state is ReserveState.EXHAUSTED:
            books["exhausted"] += 1
            await asyncio.sleep(0.01)


async def test_a_killed_server_forgets_no_charge(start_server, open_store):
    """32 callers on four sidecars, five kills in the middle: what was acknowledged is there, and no budget is overspent."""
    server = start_server()
    stores = [await open_store(server.port, timeout_seconds=0.5) for _ in range(4)]
    root = (await new_task(stores[0])).root_id
    limits = {"a": 6_000, "b": 900}
    of = chain(root, budgets=limits)
    books = {"a": 0, "b": 0, "stop": 0, "exhausted": 0}
    chance = random.Random(5)
    callers = [asyncio.create_task(_spend(stores[n % 4], of, chance, books)) for n in range(32)]
    for _ in range(5):
        had = books["a"]
        await eventually(lambda had=had: _more(books, had))
        server.kill()
        await asyncio.to_thread(server.start)
        await eventually(lambda: answers(stores[0]))
        acknowledged = dict(books)
        state = await stores[1].look_up(of)
        for name, limit in limits.items():
            assert acknowledged[name] <= state.spent.get(f"{root}/{name}", 0) <= limit
    await eventually(lambda: _exhausted(books))
    books["stop"] = 1
    await asyncio.gather(*callers)
    state = await stores[2].look_up(of)
    for name, limit in limits.items():
        assert books[name] <= state.spent[f"{root}/{name}"] <= limit


async def _more(books: dict[str, int], than: int) -> bool:
    return books["a"] >= than + 30 or bool(books["exhausted"])


async def _exhausted(books: dict[str, int]) -> bool:
    return books["exhausted"] > 32


async def test_a_full_server_takes_nothing_and_still_takes_authority_away(start_server, open_store):
    """Charging fails whole; looking, revoking and giving back go on; with room again so does charging."""
    server = start_server()
    store = await open_store(server.port, timeout_seconds=3)
    made = await new_task(store)
    of = chain(made.root_id, budgets={"calls": 5})
    call = wanted(of, charges={"calls": 1})
    await store.reserve(call)
    server.cli("setrange", "ballast", "1000000", "x")
    server.cli("config", "set", "maxmemory", str(server.info("used_memory") - 100_000))
    before = await store.look_up(of)
    for write in (
        lambda: store.reserve(wanted(of, charges={"calls": 1}, task_labels=("x",))),
        lambda: store.consume(fresh("n"), limit=1, now=NOW, expires_at=LATER),
        lambda: store.register_children([Child(made.root_id, "l", 1)], now=NOW, expires_at=LATER),
        lambda: new_task(store),
    ):
        with unavailable("it is full"):
            await write()
    assert await store.look_up(of) == before
    assert any("nearly full" in problem for problem in await store.check())
    assert await store.revoke(Revocation(RevocationKind.AGENT, "agent", NOW, LATER)) == 1
    await store.release(call.decision_id, made.root_id)
    assert not any((await store.look_up(of)).spent.values())
    await store.revoke(Revocation(RevocationKind.LINK, made.root_id, NOW, LATER))
    assert (await store.look_up(of)).ended == made.root_id
    server.cli("config", "set", "maxmemory", "0")
    assert await store.consume(fresh("n"), limit=1, now=NOW, expires_at=LATER)
    assert list(await store.check()) == []


async def test_a_half_open_connection_costs_one_timeout(server, open_store):
    """The other end is gone without a word: calls that wait on such connections fail in time, the next call works."""
    with proxied(server.port) as proxy:
        store = await open_store(proxy.port, zone=fresh("half-open"), timeout_seconds=SHORT_SECONDS)
        await asyncio.gather(*(store.look_up(chain("unknown")) for _ in range(16)))
        assert proxy.connections > 4
        proxy.deaden()
        began = time.monotonic()
        with unavailable(f"no answer within {SHORT_SECONDS} s"):
            await store.look_up(chain("unknown"))
        outcomes = await asyncio.gather(
            *(store.look_up(chain("unknown")) for _ in range(16)), return_exceptions=True
        )
        assert time.monotonic() - began < 8 * SHORT_SECONDS
        assert not any(isinstance(one, BaseException) for one in outcomes)


async def test_a_network_that_is_gone_for_a_while(server, open_store):
    """Nothing gets through on old or new connections; then all goes on by itself."""
    with proxied(server.port) as proxy:
        store = await open_store(proxy.port, zone=fresh("gone"), timeout_seconds=SHORT_SECONDS)
        root = (await new_task(store)).root_id
        of = chain(root, budgets={"calls": 3})
        proxy.hold()
        for _ in range(3):
            with unavailable(f"no answer within {SHORT_SECONDS} s"):
                await store.look_up(of)
        proxy.let_flow()
        await eventually(lambda: answers(store))
        proxy.cut()
        await eventually(lambda: answers(store))
        assert (await store.reserve(wanted(of, charges={"calls": 3}))).state is ReserveState.DONE
        assert (await store.reserve(wanted(of, charges={"calls": 1}))).state is ReserveState.EXHAUSTED


async def test_a_lost_answer_never_gives_twice(server, open_store):
    """A use whose answer got lost counts: it isn't tried again, and no other caller has it."""
    with proxied(server.port) as proxy:
        zone = fresh("lost")
        store = await open_store(proxy.port, zone=zone, timeout_seconds=SHORT_SECONDS)
        direct = await open_store(server.port, zone=zone)
        name = fresh("once")
        assert await store.consume(fresh("another"), limit=1, now=NOW, expires_at=LATER)
        proxy.mute()
        with unavailable(f"no answer within {SHORT_SECONDS} s"):
            await store.consume(name, limit=1, now=NOW, expires_at=LATER)
        assert await answers(store)
        assert not await store.consume(name, limit=1, now=NOW, expires_at=LATER)
        assert not await direct.consume(name, limit=1, now=NOW, expires_at=LATER)


async def test_a_subscription_that_breaks_misses_nothing(server, open_store):
    """Closed by the server, cut, or silent without a word: each revocation is heard of, if need be a second later."""
    with proxied(server.port) as proxy:
        zone = fresh("subscribed")
        listener = await open_store(proxy.port, zone=zone, timeout_seconds=1.0)
        speaker = await open_store(server.port, zone=zone)
        seq = 0
        for breaking in (
            lambda: server.cli("client", "kill", "type", "pubsub"),
            proxy.cut,
            proxy.deaden,
        ):
            waiting = asyncio.create_task(listener.watch(seq, timeout_seconds=20))
            await asyncio.wait([waiting], timeout=0.1)
            breaking()
            began = time.monotonic()
            seq = await speaker.revoke(Revocation(RevocationKind.AGENT, fresh("agent"), NOW, LATER))
            heard = False
            while not heard:
                # A watch that breaks says so, and its caller asks again.
                with contextlib.suppress(NoDecision):
                    heard = await waiting
                if not heard:
                    waiting = asyncio.create_task(listener.watch(seq - 1, timeout_seconds=20))
            assert time.monotonic() - began < 20
        # The silent one was given up: the next ones are pushed again. A busy machine may delay one of them.
        waits = []
        for _ in range(3):
            waiting = asyncio.create_task(listener.watch(seq, timeout_seconds=20))
            await asyncio.wait([waiting], timeout=0.1)
            began = time.monotonic()
            seq = await speaker.revoke(Revocation(RevocationKind.AGENT, fresh("agent"), NOW, LATER))
            assert await waiting
            waits.append(time.monotonic() - began)
        assert min(waits) < 0.9


async def test_an_older_copy_in_its_place_is_noticed(start_server, open_store):
    """Failover to a replica that lagged: the epoch goes back, and what was lost shows."""
    primary = start_server()
    with proxied(primary.port) as replication, proxied(primary.port) as clients:
        replica = start_server("--replicaof", "127.0.0.1", str(replication.port))
        await eventually(lambda: _linked(replica, primary))
        store = await open_store(clients.port, timeout_seconds=0.5)
        made = await new_task(store)
        of = chain(made.root_id, "l", budgets={"calls": 10})
        await store.reserve(wanted(of, charges={"calls": 4}))
        await eventually(lambda: _caught_up(primary, replica))
        replication.hold()
        for _ in range(3):
            await store.reserve(wanted(of, charges={"calls": 2}))
        await store.register_children([Child(made.root_id, "l", 1)], now=NOW, expires_at=LATER)
        before = await store.look_up(of)
        assert before.spent == {f"{made.root_id}/calls": 10}
        primary.kill()
        replica.cli("replicaof", "no", "one")
        clients.target = replica.port
        await eventually(lambda: _back(store, of))
        # The first answer from the older copy was the one in _back; asking another sidecar shows the copy as it is.
        other = await open_store(replica.port)
        after = await other.look_up(of)
        assert after.spent == {f"{made.root_id}/calls": 4}
        assert 0 < after.epoch < before.epoch
        # A child that only the lost server had counted is counted again, not taken for known.
        assert await store.register_children([Child(made.root_id, "l", 1)], now=NOW, expires_at=LATER) is None
        assert (await other.look_up(chain(made.root_id))).children == 1


async def _back(store, of) -> bool:
    """Tell whether the store answers with an epoch that went back."""
    try:
        return (await store.look_up(of)).epoch == 0
    except NoDecision:
        return False


async def _linked(replica, primary) -> bool:
    """Tell whether both sides hold their link for established."""
    return "master_link_status:up" in replica.cli("info", "replication") and (
        "state=online" in primary.cli("info", "replication")
    )


async def _caught_up(primary, replica) -> bool:
    return primary.cli("get", "x") == replica.cli("get", "x") and (
        primary.info("master_repl_offset") == replica.info("master_repl_offset")
    )


async def test_a_loss_is_noticed_even_if_others_wrote_more_since(start_server, open_store):
    """A sidecar knows how much of its own was acknowledged, however far the zone's epoch has come again."""
    server = start_server()
    ours = await open_store(server.port)
    theirs = await open_store(server.port)
    made = await new_task(theirs)
    of = chain(made.root_id, budgets={"calls": 100})
    copy = server.snapshot()
    assert (await ours.reserve(wanted(of, charges={"calls": 5}))).state is ReserveState.DONE
    seen = (await ours.look_up(of)).epoch
    server.go_back_to(copy)
    for _ in range(5):
        await theirs.consume(fresh("n"), limit=1, now=NOW, expires_at=LATER)
    assert (await theirs.look_up(of)).epoch > seen, "no other sidecar can tell"
    assert (await ours.look_up(of)).epoch == 0
    again = await ours.look_up(of)
    assert again.epoch > seen, "told once"
    assert not any(again.spent.values())
    server.go_back_to(copy)
    await ours.reserve(wanted(of, charges={"calls": 5}))
    server.go_back_to(copy)
    for _ in range(9):
        await theirs.consume(fresh("n"), limit=1, now=NOW, expires_at=LATER)
    answer = await ours.reserve(wanted(of, charges={"calls": 5}))
    assert (answer.state, answer.epoch) == (ReserveState.DONE, 0)


async def test_an_emptied_server_knows_no_task(start_server, open_store):
    server = start_server()
    store = await open_store(server.port)
    made = await new_task(store)
    of = chain(made.root_id, budgets={"calls": 100})
    await store.reserve(wanted(of, charges={"calls": 5}))
    await store.look_up(of)
    server.cli("flushall")
    state = await store.look_up(of)
    assert (state.known, state.epoch) == (False, 0)
    assert (await store.reserve(wanted(of, charges={"calls": 5}))).state is ReserveState.UNKNOWN


async def test_a_replica_is_no_primary(start_server, open_store):
    """A sidecar that still talks to the old primary, or was pointed at a replica, decides nothing."""
    primary = start_server()
    store = await open_store(primary.port)
    other = start_server()
    primary.cli("replicaof", "127.0.0.1", str(other.port))
    await eventually(lambda: _linked(primary, other))
    for ask in (
        lambda: store.consume(fresh("n"), limit=1, now=NOW, expires_at=LATER),
        lambda: store.look_up(chain("unknown")),
        store.revocations,
        lambda: store.watch(0, timeout_seconds=1),
    ):
        with unavailable("read-only replica"):
            await ask()
    assert any("is a replica" in problem for problem in await store.check())
    primary.cli("replicaof", "no", "one")
    await eventually(lambda: answers(store))
    assert await store.consume(fresh("n"), limit=1, now=NOW, expires_at=LATER)


async def test_a_planned_change_of_primary_is_followed(start_server, open_store):
    """Once the address leads to the new primary, a sidecar leaves the old one by itself, however it still answers."""
    old = start_server()
    new = start_server("--replicaof", "127.0.0.1", str(old.port))
    await eventually(lambda: _linked(new, old))
    with proxied(old.port) as clients:
        store = await open_store(clients.port)
        made = await new_task(store)
        of = chain(made.root_id, budgets={"calls": 2})
        await store.reserve(wanted(of, charges={"calls": 1}))
        before = await store.look_up(of)
        await eventually(lambda: _caught_up(old, new))
        new.cli("replicaof", "no", "one")
        old.cli("replicaof", "127.0.0.1", str(new.port))
        clients.target = new.port
        with unavailable("read-only replica"):
            await store.reserve(wanted(of, charges={"calls": 1}))
        assert await store.look_up(of) == before, "nothing was lost, so nothing is denied"
        assert (await store.reserve(wanted(of, charges={"calls": 1}))).state is ReserveState.DONE
        assert (await store.reserve(wanted(of, charges={"calls": 1}))).state is ReserveState.EXHAUSTED


async def test_a_primary_that_lost_its_replicas_stops_if_it_is_told_to(start_server, open_store):
    """With min-replicas-to-write an isolated primary decides nothing, so both sides of a split never spend one budget."""
    primary = start_server("--min-replicas-to-write", "1", "--min-replicas-max-lag", "1")
    with proxied(primary.port) as replication:
        replica = start_server("--replicaof", "127.0.0.1", str(replication.port))
        await eventually(lambda: _linked(replica, primary))
        store = await open_store(primary.port)
        of = chain((await new_task(store)).root_id, budgets={"calls": 100})
        assert (await store.reserve(wanted(of, charges={"calls": 1}))).state is ReserveState.DONE
        replication.hold()

        async def refused() -> bool:
            try:
                await store.look_up(of)
            except NoDecision as error:
                return "Not enough good replicas" in error.message
            return False

        await eventually(refused)
        with unavailable("Not enough good replicas"):
            await store.reserve(wanted(of, charges={"calls": 1}))
        replication.let_flow()
        await eventually(lambda: answers(store))
        assert (await store.reserve(wanted(of, charges={"calls": 1}))).state is ReserveState.DONE


async def test_what_is_durable_waits_for_replicas(start_server, open_store):
    """With a replica configured, a revocation that only the primary has doesn't count; with it back it does."""
    primary = start_server()
    with proxied(primary.port) as replication:
        replica = start_server("--replicaof", "127.0.0.1", str(replication.port))
        await eventually(lambda: _linked(replica, primary))
        store = await open_store(primary.port, replicas=1, timeout_seconds=2)
        made = await new_task(store)
        assert await store.consume("once", limit=1, now=NOW, expires_at=LATER)
        assert list(await store.check()) == []
        replication.hold()
        noted = lease()
        await store.add_lease(noted, durable=False)
        agent = Revocation(RevocationKind.AGENT, "agent", NOW, LATER)
        for write in (
            lambda: store.revoke(agent),
            lambda: store.consume("twice", limit=1, now=NOW, expires_at=LATER),
            lambda: new_task(store),
            lambda: store.add_lease(lease()),
            lambda: store.extend_lease(noted.lease_id, expires_at=LATER + 60),
        ):
            with unavailable("0 of 1 replicas have the write"):
                await write()
        of = chain(made.root_id)
        assert (await store.reserve(wanted(of))).state is ReserveState.DONE, "charges don't wait"
        replication.let_flow()
        await eventually(lambda: _caught_up(primary, replica))
        assert await store.revoke(agent) == 1
        assert await store.extend_lease(noted.lease_id, expires_at=LATER + 90)
        primary.kill()
        replica.cli("replicaof", "no", "one")
        promoted = await open_store(replica.port)
        assert not await promoted.consume("once", limit=1, now=NOW, expires_at=LATER)
        assert [one.target for one in await promoted.revocations()] == ["agent"]
        (kept,) = (await promoted.leases(now=NOW, wanted=LeaseFilter(task_id=noted.task_id))).leases
        assert kept == replace(noted, expires_at=LATER + 90)


async def test_clocks_that_are_apart_stop_decisions(server, open_store):
    """Whatever compares times fails with a message that says so; within the bound nothing is forgotten early."""
    zone = fresh("clocks")
    store = await open_store(server.port, zone=zone, max_clock_skew_seconds=60)
    made = await new_task(store)
    now = time.time()
    for apart in (-90, 90):
        with unavailable("s apart; set both clocks"):
            await store.reserve(wanted(chain(made.root_id), now=now + apart))
        with unavailable("s apart; set both clocks"):
            await store.consume(fresh("n"), limit=1, now=now + apart, expires_at=now + 300)
        with unavailable("s apart; set both clocks"):
            await store.claim_request(b"k", b"b", now=now + apart, expires_at=now + 300)
        with unavailable("s apart; set both clocks"):
            await store.expire(now=now + apart)
    for apart in (-50, 50):
        assert (await store.reserve(wanted(chain(made.root_id), now=now + apart))).state is ReserveState.DONE
    # A server whose clock is a minute ahead keeps a nonce until it can't be replayed by any sidecar's clock.
    await store.consume("nonce", limit=1, now=now, expires_at=now + 5)
    (key,) = [key for key in server.names() if f"{{{zone}}}:use:" in key]
    assert int(server.cli("pexpiretime", key)) >= (now + 5 + 4 * 60) * 1000


async def test_a_start_waits_for_no_dead_server(start_server, open_store):
    """Opening says what is wrong in time, paused or stopped, and works later with the same store."""
    server = start_server()
    server.pause()
    began = time.monotonic()
    with unavailable("no answer within 0.5 s"):
        await open_store(server.port, timeout_seconds=0.5)
    assert time.monotonic() - began < 30
    server.resume()
    server.stop()
    with unavailable("check that the server runs"):
        await open_store(server.port)
    server.start()
    store = await open_store(server.port)
    assert await answers(store)
