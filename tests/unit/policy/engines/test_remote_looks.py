"""Tests how a sidecar looks at an OPA server's policy: by the names of its bundles, and at all modules now and then."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import threading
from pathlib import Path

import pytest
from tabard_sidecar.policy.conf import RemoteConfig
from tabard_sidecar.policy.engines.opa_client import OpaClient
from tabard_sidecar.policy.engines.remote import WHOLE_SECONDS, RemoteProvider
from tabard_sidecar.policy.engines.served import Bundles, Served, activated_by
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.problems import PolicyBrokenError

from tests.support.opa_bundle import ALL_ROOTS, opa_bundle
from tests.support.opa_process import OpaApi, OpaProcess
from tests.support.policy import GRANT_ALL
from tests.support.waiting import eventually

CHANGED = "\n# changed\n"


class World:
    """An OPA server that follows the file of its bundle, and the provider that looks at it; ``now`` is its clock."""

    def __init__(self, folder, engine):
        self.now = 1000.0
        self._file = folder / "bundle.tar.gz"
        self._config = RemoteConfig(url=f"unix:{folder}/opa.sock")
        self._process = OpaProcess(self._config, "--watch", "--bundle", self._file)
        self._engine = engine
        self.provider = self.made()
        self.api = OpaApi(self._config)

    def made(self, **options):
        """Return a provider that looks at the server."""
        return RemoteProvider(self._engine, self._config, CompileOptions(), clock=lambda: self.now, **options)

    def put(self, content):
        """Replace the bundle in one step, so that the server reads all of it."""
        new = self._file.with_suffix(".new")
        new.write_bytes(content)
        new.replace(self._file)

    async def start(self, content, *, load=True):
        """Start the server with a bundle, and check it."""
        self.put(content)
        await self._process.start()
        if load:
            await self.provider.load()

    async def close(self):
        await self.provider.close()
        self._process.stop()


@pytest.fixture
async def world(engine):
    folder = Path(tempfile.mkdtemp(prefix="tbb", dir="/tmp"))
    made = World(folder, engine)
    yield made
    await made.close()
    shutil.rmtree(folder)


@pytest.fixture
def asked(monkeypatch):
    """Return the paths for which servers are asked."""
    found = []
    get = OpaClient.get

    async def noted(self, path, deadline_seconds):
        found.append(path.partition("?")[0])
        return await get(self, path, deadline_seconds)

    monkeypatch.setattr(OpaClient, "get", noted)
    return found


async def test_bundles_that_own_the_policy_are_asked_for_their_names(world, asked):
    await world.start(opa_bundle("one", GRANT_ALL))
    seen = await world.provider.fingerprint()
    asked.clear()
    assert await world.provider.fingerprint() == seen
    assert asked == ["/v1/data/tabard/none", "/v1/data/system/bundles"]


async def test_a_policy_is_the_same_before_and_after_its_first_check(world):
    """So that it isn't checked a second time."""
    await world.start(opa_bundle("one", GRANT_ALL), load=False)
    seen = await world.provider.fingerprint()
    await world.provider.load()
    assert await world.provider.fingerprint() == seen
    assert not world.provider.unchecked


async def test_all_modules_are_looked_at_now_and_then(world, asked):
    await world.start(opa_bundle("one", GRANT_ALL))
    seen = await world.provider.fingerprint()
    asked.clear()
    world.now += WHOLE_SECONDS
    assert await world.provider.fingerprint() == seen
    assert "/v1/policies" in asked
    asked.clear()
    assert await world.provider.fingerprint() == seen
    assert "/v1/policies" not in asked


async def test_no_two_looks_at_all_modules_are_further_apart_than_they_may_be(world, asked):
    """The next poll would come too late."""
    world.provider = world.made(poll_seconds=WHOLE_SECONDS * 2 / 3)
    await world.start(opa_bundle("one", GRANT_ALL))
    await world.provider.fingerprint()
    asked.clear()
    world.now += WHOLE_SECONDS * 2 / 3
    await world.provider.fingerprint()
    assert "/v1/policies" in asked


async def test_another_revision_is_seen_at_once(world):
    await world.start(opa_bundle("one", GRANT_ALL))
    seen = await world.provider.fingerprint()
    world.put(opa_bundle("two", GRANT_ALL + CHANGED))
    await eventually(lambda: _serves(world, "two"))
    assert await world.provider.fingerprint() != seen
    assert world.provider.unchecked


async def test_other_modules_under_the_same_names_are_seen_with_the_next_whole_look(world, asked):
    await world.start(opa_bundle("one", GRANT_ALL))
    seen = await world.provider.fingerprint()
    world.put(opa_bundle("one", GRANT_ALL + CHANGED))
    await eventually(lambda: _lists(world, CHANGED.strip()))
    world.now += WHOLE_SECONDS
    assert await world.provider.fingerprint() != seen
    assert world.provider.unchecked
    await world.provider.load()
    asked.clear()
    await world.provider.fingerprint()
    assert "/v1/policies" in asked, "names that were used twice tell nothing"


@pytest.mark.parametrize(("revision", "roots"), [("one", ("policy/demo", "tabard")), ("", ALL_ROOTS)])
async def test_modules_are_looked_at_each_time_if_no_name_tells_of_a_change(world, asked, revision, roots):
    await world.start(opa_bundle(revision, GRANT_ALL, roots=roots))
    await world.provider.fingerprint()
    asked.clear()
    await world.provider.fingerprint()
    assert "/v1/policies" in asked


async def test_an_upload_beside_the_bundle_is_seen_with_the_next_whole_look(world):
    await world.start(opa_bundle("one", GRANT_ALL))
    seen = await world.provider.fingerprint()
    await world.api.replace({"more": "package other\n\nx := 1\n"})
    world.now += WHOLE_SECONDS
    assert await world.provider.fingerprint() != seen
    assert world.provider.unchecked


async def test_a_policy_that_is_being_checked_counts_as_unchecked(world, monkeypatch):
    """It may have come after the look that led to the check."""
    await world.start(opa_bundle("one", GRANT_ALL))
    checks, begun, goes_on = RemoteProvider._check, threading.Event(), threading.Event()

    def slowly(self, *arguments):
        begun.set()
        goes_on.wait(60)
        return checks(self, *arguments)

    monkeypatch.setattr(RemoteProvider, "_check", slowly)
    await world.api.replace({"more": "package other\n\nx := 1\n"})
    loading = asyncio.create_task(world.provider.load())
    await eventually(begun.is_set)
    await world.provider.fingerprint()
    assert world.provider.unchecked
    goes_on.set()
    await asyncio.wait([loading])
    assert not world.provider.unchecked


class Downloading:
    """A fake client of a server that downloads its bundle: each download has an ETag."""

    def __init__(self, **manifest):
        self.etag = "a"
        self._manifest = {"revision": "one", "roots": ["policy"]} | manifest

    async def get(self, path, _):
        if path.startswith("/v1/data/tabard"):
            return {"provenance": {"bundles": {"zone": {"revision": "one"}}}}
        return {"result": {"zone": {"etag": self.etag, "manifest": self._manifest}}}


async def test_a_download_with_another_etag_counts_as_another_bundle():
    client = Downloading()
    before = await activated_by(client)
    assert await activated_by(client) == before
    assert before.roots == {"policy"}
    client.etag = "b"
    assert await activated_by(client) != before


async def test_a_bundle_that_is_only_told_of_names_nothing(world):
    """Without a bundle, what stands at system.bundles is a document that someone wrote."""
    told = {"x": {"manifest": {"revision": "one", "roots": list(ALL_ROOTS)}}}
    assert not Served({}, Bundles({}, told)).is_named([])
    assert Served({}, Bundles({"x": "one"}, told)).is_named([])


async def test_a_bundle_with_wasm_is_refused(world, monkeypatch):
    """OPA's usual builds evaluate it; the one of the tests has none, so the server's word is changed."""
    await world.start(opa_bundle("one", GRANT_ALL))
    get = OpaClient.get

    async def told(self, path, deadline_seconds):
        answer = await get(self, path, deadline_seconds)
        if path == "/v1/data/system/bundles":
            for one in answer["result"].values():
                one["manifest"]["wasm"] = [{"entrypoint": "tabard/settings", "module": "/policy.wasm"}]
        return answer

    monkeypatch.setattr(OpaClient, "get", told)
    with pytest.raises(PolicyBrokenError) as caught:
        await world.provider.load()
    assert [problem.code for problem in caught.value.problems] == ["wasm"]
    assert (await activated_by(Downloading(wasm=[]))).compiled == []


async def _serves(world, revision):
    return await world.api.revision() == revision


async def _lists(world, text):
    modules = await OpaClient(world._config).get("/v1/policies", 10.0)
    return text in json.dumps(modules)
