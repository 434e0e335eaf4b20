"""A bundle at a URL: followed, verified, never replaced by an older one, and kept for starts without the server."""

from __future__ import annotations

import contextlib
import os
import ssl
import time
from collections.abc import AsyncIterator

import pytest
from tabard_sidecar.model import Operation
from tabard_sidecar.policy.conf import DownloadConfig, PolicyConfig
from tabard_sidecar.policy.factory import create_runtime
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.problems import PolicyBrokenError
from tabard_sidecar.policy.runtime import Runtime
from tabard_sidecar.policy.status import PolicyState

from tests.support.bundle_server import BundleServer
from tests.support.bundles import Key, bundle, trusting
from tests.support.policy import call, decide
from tests.support.tls import Authority
from tests.support.waiting import eventually


@pytest.fixture
def key(tmp_path):
    return Key(tmp_path, "release")


@pytest.fixture
def made(engine, tmp_path, key):
    """Return a function that makes a bundle, signed by the key."""
    return lambda code, sequence, more="": key.sign(bundle(engine, tmp_path, code, sequence, more))


@pytest.fixture
def runtime(engine, tmp_path, key):
    """Return a function that gives a started runtime that follows a URL."""

    @contextlib.asynccontextmanager
    async def runtime(url: str, keys=(key,), **download) -> AsyncIterator[Runtime]:
        fast = {"min_delay_seconds": 0.1, "max_delay_seconds": 0.1, "folder": tmp_path / "kept"}
        config = PolicyConfig(
            url=url,
            download=DownloadConfig(**{**fast, **download}),
            bundle=trusting(*keys),
            poll_seconds=0.05,
            quiet_seconds=0,
        )
        started = create_runtime(config, CompileOptions(), engine, time.time)
        try:
            await started.start()
            yield started
        finally:
            await started.close()

    return runtime


async def granted(runtime: Runtime) -> list[str]:
    decision = await decide(runtime, Operation.AUTHORIZE, call())
    return [reason.code for reason in decision.granted_by]


async def test_a_new_bundle_replaces_the_last_one_and_decisions_name_its_revision(runtime, made):
    server = BundleServer(made("one", 1))
    async with server.running() as url, runtime(url) as active:
        assert await granted(active) == ["one"]
        server.put(made("two", 2))
        await eventually(lambda: active.revision == "two-2")
        decision = await decide(active, Operation.AUTHORIZE, call())
        assert decision.revision == "two-2"
        assert [reason.code for reason in decision.granted_by] == ["two"]
        assert active.status().state is PolicyState.SERVING


async def test_a_bundle_that_did_not_change_is_neither_sent_nor_loaded_again(runtime, made):
    server = BundleServer(made("one", 1))
    async with server.running() as url, runtime(url) as active:
        sent = lambda: [request["if-none-match"] for request in server.requests if "if-none-match" in request]  # noqa: E731
        await eventually(lambda: len(sent()) >= 3)
        assert "if-none-match" not in server.requests[0]
        assert set(sent()) == {server.etag}
        assert active.status().loads == 1


async def test_a_server_without_etags_is_followed(runtime, made):
    server = BundleServer(made("one", 1))
    server.etags = False
    async with server.running() as url, runtime(url) as active:
        await eventually(lambda: len(server.requests) >= 4)
        assert active.status().loads == 1
        server.put(made("two", 2))
        await eventually(lambda: active.revision == "two-2")


async def test_a_server_that_waits_is_asked_to_wait_and_tells_a_change_at_once(runtime, made):
    server = BundleServer(made("one", 1))
    server.waits = True
    slow = {"min_delay_seconds": 600, "max_delay_seconds": 600, "long_polling_seconds": 300}
    async with server.running() as url, runtime(url, **slow) as active:
        await eventually(lambda: len(server.requests) == 2)
        assert server.requests[0]["prefer"] == "modes=snapshot"
        assert server.requests[1]["prefer"] == "modes=snapshot;wait=300"
        server.put(made("two", 2))
        await eventually(lambda: active.revision == "two-2")


async def test_a_server_that_claims_to_wait_and_does_not_is_asked_once_a_second(runtime, made):
    server = BundleServer(made("one", 1))
    server.waits = True
    async with server.running() as url, runtime(url, long_polling_seconds=300) as active:
        real, server._honest = server._honest, lambda head, writer: real({**head, "prefer": ""}, writer)
        began = time.monotonic()
        await eventually(lambda: len(server.requests) >= 3)
        assert time.monotonic() - began > 0.9
        assert active.status().state is PolicyState.SERVING


async def test_the_token_file_is_read_again(runtime, made, tmp_path):
    token = tmp_path / "token"
    token.write_text("first\n")
    token.chmod(0o600)
    server = BundleServer(made("one", 1))
    server.token = "first"
    async with server.running() as url, runtime(url, token_file=token) as active:
        server.token = "second"
        await eventually(lambda: active.status().state is PolicyState.DEGRADED)
        assert "policy.download.token_file" in active.status().reasons[0]
        token.write_text("second\n")
        await eventually(lambda: active.status().state is PolicyState.SERVING)


@pytest.mark.parametrize("wrong", ["", "no client certificate", "foreign server"])
async def test_both_sides_prove_who_they_are(runtime, made, tmp_path, wrong):
    authority, stranger = Authority(tmp_path, "zone"), Authority(tmp_path, "stranger")
    certificate, private = (stranger if wrong == "foreign server" else authority).issue("server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.certificate))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificate, private)
    own, own_key = authority.issue("sidecar")
    files = {"ca_file": authority.certificate, "cert_file": own, "key_file": own_key}
    if wrong == "no client certificate":
        del files["cert_file"], files["key_file"]
    server = BundleServer(made("one", 1))
    async with server.running(tls=context) as url:
        if not wrong:
            async with runtime(url, **files) as active:
                assert await granted(active) == ["one"]
            return
        with pytest.raises(PolicyBrokenError) as caught:
            async with runtime(url, **files):
                pass
        assert {problem.code for problem in caught.value.problems} == {"download"}


async def test_it_starts_with_the_last_good_bundle_if_the_server_is_gone(runtime, made):
    server = BundleServer(made("one", 1))
    async with server.running() as url, runtime(url):
        pass
    async with runtime(url) as active:
        assert await granted(active) == ["one"]
        await eventually(lambda: active.status().state is PolicyState.DEGRADED)
        assert "can't be read" in active.status().reasons[0]
        assert active.status().ready
        port = int(url.split(":")[2].split("/")[0])
        async with server.running(port=port):
            await eventually(lambda: active.status().state is PolicyState.SERVING)
            assert server.requests[-1]["if-none-match"] == server.etag


async def test_without_server_and_last_good_bundle_it_does_not_start(runtime):
    server = BundleServer()
    async with server.running() as url:
        pass
    with pytest.raises(PolicyBrokenError, match="can't be read"):
        async with runtime(url):
            pass


async def test_what_was_kept_is_verified_again(runtime, made, tmp_path, key):
    """A bundle whose key was withdrawn meanwhile isn't served from the folder, either."""
    server = BundleServer(made("one", 1))
    async with server.running() as url, runtime(url):
        pass
    with pytest.raises(PolicyBrokenError, match="signature"):
        async with runtime(url, keys=[Key(tmp_path, "other")]):
            pass


@pytest.mark.parametrize("damage", ["cut", "changed", "readable by others"])
async def test_a_damaged_folder_is_no_policy(runtime, made, tmp_path, damage):
    server = BundleServer(made("one", 1))
    async with server.running() as url:
        async with runtime(url):
            pass
        file = tmp_path / "kept" / "policy.bundle"
        whole = file.read_bytes()
        if damage == "readable by others":
            file.chmod(0o644)
        else:
            file.write_bytes(whole[:-1] if damage == "cut" else whole[:-1] + b"x")
        with pytest.raises(PolicyBrokenError, match=r"policy\.bundle"):
            async with runtime(url):
                pass


async def test_a_bundle_kept_for_another_url_is_not_used(runtime, made):
    server = BundleServer(made("one", 1))
    async with server.running() as url, runtime(url):
        pass
    with pytest.raises(PolicyBrokenError, match="can't be read"):
        async with runtime(url + "x"):
            pass


async def test_the_keys_rotate(runtime, engine, made, tmp_path, key):
    """A bundle of a new key is refused until its file holds that key; then it is used without another answer."""
    fresh, second = Key(tmp_path, "fresh"), Key(tmp_path, "second")
    server = BundleServer(made("one", 1))
    async with server.running() as url, runtime(url, keys=[key, second]) as active:
        server.put(fresh.sign(bundle(engine, tmp_path, "two", 2)))
        await eventually(lambda: active.status().state is PolicyState.DEGRADED)
        assert await granted(active) == ["one"]
        fresh.name = "second"
        server.put(fresh.sign(bundle(engine, tmp_path, "two", 2)))
        second.public.write_bytes(fresh.public.read_bytes())
        await eventually(lambda: active.revision == "two-2")
        assert active.status().state is PolicyState.SERVING


async def test_it_is_never_seen_outside_of_its_folder(runtime, made, tmp_path):
    """Folder and file are the user's own, and a crash's remains go when they are old."""
    server = BundleServer(made("one", 1))
    (tmp_path / "kept").mkdir(mode=0o700)
    remains = tmp_path / "kept" / ".policy.bundle.0123"
    remains.touch()
    os.utime(remains, (1, 1))
    async with server.running() as url, runtime(url):
        assert [path.name for path in (tmp_path / "kept").iterdir()] == ["policy.bundle"]
        assert (tmp_path / "kept" / "policy.bundle").stat().st_mode & 0o777 == 0o600


async def test_a_bundle_that_cannot_be_kept_is_not_used(runtime, made, tmp_path):
    """Otherwise an older one would be accepted after a restart."""
    server = BundleServer(made("one", 1))
    async with server.running() as url, runtime(url) as active:
        (tmp_path / "kept" / "policy.bundle").unlink()
        (tmp_path / "kept").rmdir()
        (tmp_path / "kept").touch()
        server.put(made("two", 2))
        await eventually(lambda: active.status().state is PolicyState.DEGRADED)
        assert "policy.download.folder" in active.status().reasons[0]
        assert await granted(active) == ["one"]
