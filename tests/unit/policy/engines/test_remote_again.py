"""A policy that couldn't be loaded although its source stayed the same is loaded again, and an unchecked one never decides."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
import time
from itertools import count
from pathlib import Path

import pytest
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.policy.conf import PolicyConfig, RemoteConfig
from tabard_sidecar.policy.engines.embedded import FileProvider
from tabard_sidecar.policy.engines.opa_client import OpaClient
from tabard_sidecar.policy.engines.remote import RemoteProvider
from tabard_sidecar.policy.factory import create_runtime
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem
from tabard_sidecar.policy.runtime import Runtime

from tests.support.opa_bundle import opa_bundle
from tests.support.opa_process import LIBRARY, OpaApi, OpaProcess
from tests.support.policy import GRANT_ALL, call, codes, write
from tests.support.waiting import eventually


@pytest.fixture
async def config():
    """Return how to ask a server that has a bundle."""
    folder = Path(tempfile.mkdtemp(prefix="tbb", dir="/tmp"))
    bundle = folder / "bundle.tar.gz"
    bundle.write_bytes(opa_bundle("one", GRANT_ALL))
    config = RemoteConfig(url=f"unix:{folder}/opa.sock")
    process = OpaProcess(config, "--bundle", bundle)
    await process.start()
    yield config
    process.stop()
    shutil.rmtree(folder)


async def test_a_server_that_once_listed_no_modules_decides_again(engine, config, monkeypatch):
    """The names of its bundles, which tell of changes, are those of before."""
    runtime = create_runtime(
        PolicyConfig(remote=config, poll_seconds=0.05, quiet_seconds=0), CompileOptions(), engine, time.time
    )
    get, failing = OpaClient.get, True

    async def failing_get(self, path, deadline_seconds):
        if failing and path == "/v1/policies":
            raise NoDecision("UNAVAILABLE", "policy_unavailable", "the server answers 500")
        return await get(self, path, deadline_seconds)

    await runtime.start()
    try:
        monkeypatch.setattr(OpaClient, "get", failing_get)
        assert [problem.code for problem in (await runtime.reload()).problems] == ["unreachable"]
        assert not runtime.status().ready
        failing = False
        await eventually(lambda: runtime.status().ready)
        assert await codes(runtime, call()) == []
    finally:
        await runtime.close()


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Unreachable(FileProvider):
    """Stands for a server that answers who it is, and nothing else."""

    tries = 0

    async def load(self):
        self.tries += 1
        if self.tries == 1:
            return await super().load()
        raise PolicyBrokenError([PolicyProblem("", 0, 0, "unreachable", "busy", "Wait")])


async def test_it_is_asked_less_and_less_often(engine, tmp_path):
    clock = Clock()
    provider = Unreachable(engine, write(tmp_path, demo=GRANT_ALL), CompileOptions())
    config = PolicyConfig(path=tmp_path, poll_seconds=0.05, quiet_seconds=0, load_seconds=0.3)
    runtime = Runtime(provider, config, clock)
    await runtime.start()
    try:
        await runtime.reload()
        for tries, pause in enumerate((0.05, 0.1, 0.2, 0.3, 0.3), 3):
            clock.now += pause - 0.01
            await asyncio.sleep(0.2)
            assert provider.tries == tries - 1
            clock.now += 0.02
            await eventually(lambda tries=tries: provider.tries == tries)
    finally:
        await runtime.close()


class Flapping(FileProvider):
    """Stands for a server of which each look finds something else, and from the fifth one on an unchecked policy."""

    keeps_last_good = False

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._looks = count()

    async def fingerprint(self):
        look = next(self._looks)
        self.unchecked = look >= 5
        return look


async def test_an_unchecked_policy_ends_also_while_looks_differ(engine, tmp_path):
    config = PolicyConfig(path=tmp_path, poll_seconds=0.05, quiet_seconds=0.01)
    runtime = Runtime(Flapping(engine, write(tmp_path, demo=GRANT_ALL), CompileOptions()), config, time.time)
    await runtime.start()
    try:
        await eventually(lambda: runtime.status().problems)
        assert runtime.status().problems[0].code == "unchecked"
        assert not runtime.status().ready
    finally:
        await runtime.close()


async def test_an_unchecked_policy_ends_before_it_is_checked_by_request(engine, monkeypatch, tmp_path):
    """A check takes its time, and an operator may ask for one before the next look."""
    folder = Path(tempfile.mkdtemp(prefix="tbb", dir="/tmp"))
    config = RemoteConfig(url=f"unix:{folder}/opa.sock")
    process = OpaProcess(config, *LIBRARY, write(tmp_path, demo=GRANT_ALL) / "demo.rego")
    await process.start()
    runtime = create_runtime(
        PolicyConfig(remote=config, poll_seconds=3600), CompileOptions(), engine, time.time
    )
    checks, begun, goes_on = RemoteProvider._check, threading.Event(), threading.Event()

    def slowly(self, *arguments):
        begun.set()
        goes_on.wait(60)
        return checks(self, *arguments)

    try:
        await runtime.start()
        assert await codes(runtime, call()) == []
        monkeypatch.setattr(RemoteProvider, "_check", slowly)
        await OpaApi(config).replace({"more": "package policy.more\n\nallow := true\n"})
        reloading = asyncio.create_task(runtime.reload())
        await eventually(begun.is_set)
        with pytest.raises(NoDecision):
            await codes(runtime, call())
        goes_on.set()
        assert "public_rule" in {problem.code for problem in (await reloading).problems}
    finally:
        goes_on.set()
        await runtime.close()
        process.stop()
        shutil.rmtree(folder)
