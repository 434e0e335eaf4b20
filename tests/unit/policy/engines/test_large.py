"""Policies with more data than usual: read in a process of their own, with the same checks and the same decisions."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import asynccontextmanager

import pytest
from tabard_sidecar.model import Operation
from tabard_sidecar.policy.catalogue_source import create_catalogue
from tabard_sidecar.policy.conf import CatalogueConfig, DownloadConfig, PolicyConfig
from tabard_sidecar.policy.engines import large
from tabard_sidecar.policy.factory import create_runtime
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.loading.offered import Offers
from tabard_sidecar.policy.loading.reading import Sizes
from tabard_sidecar.policy.problems import PolicyBrokenError

from tests.support.bundle_server import BundleServer
from tests.support.bundles import Key, bundle, trusting
from tests.support.policy import START, SUPPORT, call, codes, decide, write
from tests.support.waiting import eventually

POLICY = f"""\
package policy.demo

grant contains {{"code": "known"}} if data.orders[input.tool.arguments.order_id].open
{START}"""
MASK = 'package system.log\n\nmask contains "/input/tool/arguments" if input.input.operation == "authorize"\n'


def policy(folder, mebibytes, **more):
    """Write a policy with that much data."""
    write(folder, demo=POLICY, **more)
    orders = {f"o-{number}": {"open": True, "note": "x" * 1000} for number in range(mebibytes * 1000)}
    (folder / "data.json").write_text(json.dumps({"orders": orders}))
    return folder


@asynccontextmanager
async def running(engine, **config):
    """Give a started runtime."""
    catalogue = create_catalogue(CatalogueConfig(path=SUPPORT / "catalogue.yaml"))
    config = PolicyConfig(**{"poll_seconds": 0.05, "quiet_seconds": 0, "load_seconds": 120} | config)
    options = CompileOptions(sizes=Sizes(config.max_data_mib), offers=Offers(tools=catalogue))
    runtime = create_runtime(config, options, engine, time.time)
    try:
        await runtime.start()
        yield runtime
    finally:
        await runtime.close()


async def test_more_data_is_accepted_if_the_configuration_says_so(engine, tmp_path):
    """The usual size is refused with the way to raise it; a changed folder is followed as ever."""
    folder = policy(tmp_path, 5)
    with pytest.raises(PolicyBrokenError, match=r"raise policy\.max_data_mib"):
        async with running(engine, path=folder):
            pass
    async with running(engine, path=folder, max_data_mib=6) as runtime:
        assert await codes(runtime, call("refunds.create", order_id="o-4999")) == []
        assert await codes(runtime, call("refunds.create", order_id="o-5000")) == ["no_grant"]
        policy(folder, 1)
        await eventually(lambda: runtime.status().loads > 1)
        assert await codes(runtime, call("refunds.create", order_id="o-4999")) == ["no_grant"]
        policy(folder, 7)
        await eventually(lambda: runtime.status().problems)
        assert await codes(runtime, call("refunds.create", order_id="o-999")) == []


async def test_it_decides_as_a_policy_that_is_read_here(engine, tmp_path):
    """Revision, rules, warnings, decisions and mask are the same."""
    folder = policy(tmp_path, 1, mask=MASK)
    async with running(engine, path=folder) as here, running(engine, path=folder, max_data_mib=5) as apart:
        assert (here.revision, here.rules) == (apart.revision, apart.rules)
        assert here.status().warnings == apart.status().warnings
        for text in (
            call("refunds.create", order_id="o-7"),
            call("refunds.create", order_id="x"),
            call("refunds.create"),
        ):
            one, other = [await decide(each, Operation.AUTHORIZE, text) for each in (here, apart)]
            assert one == other
        record = json.dumps({"input": {"operation": "authorize"}}).encode()
        found = [await each.mask(record) for each in (here, apart)]
        assert found == [["/input/tool/arguments"]] * 2


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"bad": "package policy.bad\n\ndeny := true\n"}, "rule_shape"),
        ({"bad": "package policy.bad\n\ndeny contains\n"}, "rego_parse_error"),
        (
            {"bad": 'package policy.bad\n\ndeny contains {"code": "a", "message": "m"} if data.orderz.x\n'},
            "data_unknown",
        ),
    ],
)
async def test_it_is_refused_for_the_same_mistakes(engine, tmp_path, more, code):
    folder = policy(tmp_path, 1, **more)
    found = []
    for mebibytes in (4, 5):
        with pytest.raises(PolicyBrokenError) as caught:
            async with running(engine, path=folder, max_data_mib=mebibytes):
                pass
        found.append([str(problem) for problem in caught.value.problems])
    assert found[0] == found[1]
    assert code in {problem.code for problem in caught.value.problems}


async def test_a_bundle_is_verified_and_compared_there_too(engine, tmp_path):
    """An older one and one of another key aren't used."""
    key, stranger = Key(tmp_path, "release"), Key(tmp_path, "stranger")
    server = BundleServer(key.sign(bundle(engine, tmp_path, "five", 5)))
    download = DownloadConfig(min_delay_seconds=0.1, max_delay_seconds=0.1, folder=tmp_path / "kept")
    async with (
        server.running() as url,
        running(engine, url=url, download=download, bundle=trusting(key), max_data_mib=5) as runtime,
    ):
        assert runtime.revision == "five-5"
        server.put(key.sign(bundle(engine, tmp_path, "four", 4)))
        await eventually(lambda: {one.code for one in runtime.status().problems} == {"older"})
        server.put(stranger.sign(bundle(engine, tmp_path, "six", 6)))
        await eventually(lambda: {one.code for one in runtime.status().problems} == {"bundle_error"})
        assert runtime.revision == "five-5"
        server.put(key.sign(bundle(engine, tmp_path, "seven", 7)))
        await eventually(lambda: runtime.revision == "seven-7")
        assert await codes(runtime) == []


async def test_too_much_memory_ends_the_process(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(large, "_MEMORY_MIB", 1)
    monkeypatch.setattr(large, "_MEMORY_PER_MIB", 0)
    with pytest.raises(PolicyBrokenError, match="more than 1 MiB of memory"):
        async with running(engine, path=policy(tmp_path, 1), max_data_mib=5):
            pass


async def test_a_load_that_is_given_up_ends_its_process(engine, tmp_path, monkeypatch):
    begun = []

    class Noted(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            begun.append(self)

    monkeypatch.setattr(large.subprocess, "Popen", Noted)
    # The real program may be done in time.
    monkeypatch.setattr(large, "_PROGRAM", "import time; time.sleep(60)")
    with pytest.raises(PolicyBrokenError) as caught:
        async with running(engine, path=policy(tmp_path, 1), max_data_mib=5, load_seconds=0.3):
            pass
    assert {problem.code for problem in caught.value.problems} == {"load_timeout"}
    await eventually(lambda: begun and begun[0].poll() is not None)
    assert begun[0].poll() != 0
