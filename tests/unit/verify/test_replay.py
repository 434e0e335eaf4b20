"""A single-use credential is accepted once, whichever process sees it."""

import contextlib
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard import macaroon
from tabard.caveats import Audiences, Expiry, Scopes, encode_caveat
from tabard.testing import FakeIssuer
from tabard.verify import Rejected, ReplayUnavailable, SqliteReplayStore, Verifier


def test_the_first_time_is_accepted_and_no_other(replay):
    assert replay.accept("i", "a", 2e9)
    assert not replay.accept("i", "a", 2e9)
    assert replay.accept("i", "b", 2e9)
    assert replay.accept("j", "a", 2e9)


def test_issuer_and_id_are_kept_apart(replay):
    assert replay.accept("ab", "c", 2e9)
    assert replay.accept("a", "bc", 2e9)


def test_a_restarted_process_remembers(tmp_path):
    path = tmp_path / "deeper" / "replay.sqlite3"
    first = SqliteReplayStore(path)
    assert first.accept("i", "a", 2e9)
    first.close()
    second = SqliteReplayStore(path)
    assert not second.accept("i", "a", 2e9)
    second.close()
    assert path.stat().st_mode & 0o077 == 0


def test_threads_agree(replay):
    accepted = []
    barrier = threading.Barrier(8)

    def run():
        barrier.wait()
        accepted.extend(number for number in range(20) if replay.accept("i", str(number), 2e9))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(accepted) == list(range(20))


def _verify_in_another_process(token, trust, path, barrier, results):
    verifier = Verifier("refunds", issuer=trust[0], jwks=trust[1], replay=SqliteReplayStore(path))
    barrier.wait(30)
    try:
        verifier.verify(token, "t", {})
        results.put("accepted")
    except Rejected as rejected:
        results.put(rejected.code)


def test_processes_agree(issuer, tmp_path):
    context = multiprocessing.get_context("spawn")
    results, barrier = context.Queue(), context.Barrier(2)
    jwks = issuer.write_jwks(tmp_path / "jwks.json")
    token = issuer.jwt("t", single_use=True)
    arguments = (token, (issuer.name, jwks), tmp_path / "replay.sqlite3", barrier, results)
    processes = [context.Process(target=_verify_in_another_process, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    outcomes = sorted(results.get(timeout=30) for _ in processes)
    for process in processes:
        process.join()
    assert outcomes == ["accepted", "credential_used"]


def test_what_has_expired_is_forgotten_but_not_at_once(tmp_path):
    now = [1000.0]
    store = SqliteReplayStore(tmp_path / "replay.sqlite3", clock=lambda: now[0])
    for number in range(10):
        assert store.accept("i", str(number), 1060.0)
    now[0] = 1061.0
    assert not store.accept("i", "1", 1060.0)
    now[0] = 10_000.0
    assert store.accept("i", "new", 10_060.0)
    store.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "replay.sqlite3")) as connection, connection:
        assert connection.execute("SELECT count(*) FROM used").fetchone() == (1,)
    connection.close()


def test_forgetting_keeps_up_with_any_rate(tmp_path, monkeypatch):
    monkeypatch.setattr("tabard.verify.replay._CLEAN_ROWS", 10)
    now = [1000.0]
    store = SqliteReplayStore(tmp_path / "replay.sqlite3", clock=lambda: now[0])
    assert all(store.accept("i", f"old-{number}", 1060.0) for number in range(35))
    now[0] = 10_000.0
    assert all(store.accept("i", f"new-{number}", 10_060.0) for number in range(4))
    with closing(sqlite3.connect(tmp_path / "replay.sqlite3")) as connection:
        assert connection.execute("SELECT count(*) FROM used").fetchone() == (4,)
    store.close()


def test_a_file_that_is_no_database_is_refused(tmp_path):
    path = tmp_path / "replay.sqlite3"
    path.write_bytes(b"something else" * 100)
    with pytest.raises(ReplayUnavailable):
        SqliteReplayStore(path).accept("i", "a", 2e9)


def test_a_store_that_was_out_of_order_recovers(tmp_path):
    path = tmp_path / "later" / "replay.sqlite3"
    path.parent.write_text("in the way")
    store = SqliteReplayStore(path)
    with pytest.raises(ReplayUnavailable):
        store.accept("i", "a", 2e9)
    path.parent.unlink()
    assert store.accept("i", "a", 2e9)
    store.close()


@pytest.mark.parametrize("suffixes", [("",), ("-wal",), ("", "-wal", "-shm")])
def test_a_file_that_is_replaced_accepts_nothing_until_what_was_accepted_has_expired(
    tmp_path, monkeypatch, suffixes
):
    """A process that goes on with the old file, beside one with the new file, would accept a credential twice."""
    path = tmp_path / "replay"
    store = SqliteReplayStore(path)
    assert store.accept("i", "1", time.time() + 60)
    for suffix in suffixes:
        path.with_name(path.name + suffix).unlink()
    for _ in range(2):
        with pytest.raises(ReplayUnavailable, match="replaced or removed"):
            store.accept("i", "1", time.time() + 60)
    monkeypatch.setattr(store, "_refuse_until", 0.0)
    assert store.accept("i", "2", time.time() + 60)
    assert not store.accept("i", "2", time.time() + 60)
    store.close()


def test_a_full_disk_is_refused(tmp_path):
    store = SqliteReplayStore(tmp_path / "replay.sqlite3")
    assert store.accept("i", "a", 2e9)
    store._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(ReplayUnavailable):
        all(store.accept("i", f"full-{number}", 2e9) for number in range(1000))
    store.close()


def test_a_forked_worker_uses_a_connection_of_its_own(replay):
    assert replay.accept("i", "a", 2e9)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        outcome = (replay.accept("i", "a", 2e9), replay.accept("i", "b", 2e9))
        os.write(writer, b"ok" if outcome == (False, True) else b"no")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 2) == b"ok"
    os.close(reader)
    os.close(writer)
    assert not replay.accept("i", "b", 2e9)


def test_the_default_file_is_this_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    store = SqliteReplayStore()
    assert store.accept("i", "a", 2e9)
    store.close()
    assert (tmp_path / "tabard" / "replay.sqlite3").exists()


class _AsBriefAsAllowed:
    """A store that forgets each use at the very moment from which it may."""

    def __init__(self, clock):
        self._clock, self._until = clock, {}

    def accept(self, issuer, credential_id, expires_at):
        if self._until.get((issuer, credential_id), 0.0) > self._clock():
            return False
        self._until[issuer, credential_id] = expires_at
        return True


@pytest.fixture(scope="module")
def one_use(tmp_path_factory):
    """A macaroon for a single use, and the file of the keys that verify it."""
    issuer = FakeIssuer("refunds")
    keys = issuer.write_audience_keys(tmp_path_factory.mktemp("keys") / "keys.json")
    return issuer, keys, issuer.macaroon("t", single_use=True, ttl_seconds=20_000, scopes=["read", "write"])


appended = st.lists(
    st.one_of(
        st.floats(-20, 20_100).map(lambda left: lambda now: Expiry(now + left)),
        st.just(lambda _: Scopes(("read",))),
        st.just(lambda _: Audiences(("refunds", "orders"))),
    ),
    max_size=3,
)
presentations = st.lists(st.tuples(st.sampled_from([0.0, 1.0, 2.5, 70.0, 3680.0]), appended), max_size=8)


@pytest.mark.parametrize("leeway", [0.0, 0.5, 5.0])
@pytest.mark.parametrize("store", [_AsBriefAsAllowed, None], ids=["brief", "sqlite"])
@given(presentations)
def test_whatever_caveats_a_holder_appends_there_is_one_use(one_use, tmp_path_factory, store, leeway, steps):
    issuer, keys, whole = one_use
    now = [time.time()]
    path = tmp_path_factory.mktemp("replay") / "replay.sqlite3"
    used = store(lambda: now[0]) if store else SqliteReplayStore(path, clock=lambda: now[0])
    options = {"audience_keys": keys, "replay": used, "leeway_seconds": leeway, "clock": lambda: now[0]}
    verifier = Verifier("refunds", issuer=issuer.name, **options)
    accepted = 0
    # The last presentation is of the credential as it was issued.
    for wait, caveats in [*steps, (0.0, [])]:
        now[0] += wait
        try:
            verifier.verify(macaroon.append(whole, [encode_caveat(of(now[0])) for of in caveats]), "t", {})
        except Rejected:
            continue
        accepted += 1
    assert accepted <= 1
    if store is None:
        used.close()


@pytest.mark.parametrize("owned", [True, False])
def test_a_verifier_closes_the_store_that_it_has_made(tmp_path, monkeypatch, replay, owned):
    """Python 3.13 warns of connections that aren't closed. A store that was passed belongs to others."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    issuer = FakeIssuer("refunds")
    own = None if owned else replay
    keys = issuer.write_jwks(tmp_path / "jwks.json")
    verifier = Verifier("refunds", issuer=issuer.name, jwks=keys, replay=own)
    verifier.close()
    token = issuer.jwt("pay", {}, single_use=True)
    verifier.verify(token, "pay", {})
    store = verifier._replay
    assert store._connection is not None
    verifier.close()
    assert (store._connection is None) is owned
    with pytest.raises(Rejected, match="used"):
        verifier.verify(token, "pay", {})
    verifier.close()


def test_a_store_that_is_no_longer_used_closes_its_file(tmp_path):
    program = f"""
import gc, time, warnings
from tabard.verify import SqliteReplayStore
warnings.simplefilter("error")
store = SqliteReplayStore({str(tmp_path / "replay.sqlite3")!r})
assert store.accept("issuer", "id", time.time() + 60)
del store
gc.collect()
try:
    SqliteReplayStore(7)
except TypeError:
    gc.collect()
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stderr == ""
    assert not (tmp_path / "replay.sqlite3-wal").exists()
