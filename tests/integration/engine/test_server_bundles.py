"""An OPA server that loads bundles by itself, and replaces them under a running sidecar: only what was checked decides."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tabard_opa import Engine
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.model import Operation
from tabard_sidecar.policy.conf import PolicyConfig, RemoteConfig
from tabard_sidecar.policy.factory import create_runtime
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.runtime import Runtime
from tabard_sidecar.policy.status import PolicyState

from tests.support.bundle_server import BundleServer
from tests.support.opa_bundle import opa_bundle
from tests.support.opa_process import OpaApi, OpaProcess
from tests.support.policy import GRANT_ALL, call, codes, decide
from tests.support.waiting import eventually

REFUSED = GRANT_ALL + "\ndeny := true\n"
READS_CALLS = (
    GRANT_ALL + '\ndeny contains {"code": "again", "message": "m"} if count(input.history.calls) > 5\n'
)


@dataclass
class World:
    """A server of bundles, the OPA that follows it, and a sidecar's runtime that asks this OPA."""

    bundles: BundleServer
    opa: OpaProcess
    runtime: Runtime

    async def allows(self) -> bool:
        """Tell whether a call is allowed now. What isn't decided isn't allowed."""
        try:
            return (await decide(self.runtime, Operation.AUTHORIZE, call())).allowed
        except NoDecision:
            return False

    async def serves(self, revision: str) -> bool:
        """Tell whether OPA itself has activated a bundle, whatever the sidecar knows."""
        return await OpaApi(self.opa.config).revision() == revision


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@asynccontextmanager
async def world(engine: Engine, content: bytes, **policy: float) -> AsyncIterator[World]:
    server = BundleServer(content)
    with tempfile.TemporaryDirectory(prefix="tbb", dir="/tmp") as name:
        folder = Path(name)
        async with server.running() as url:
            base, _, resource = url.rpartition("/bundles/")
            _configure(folder, base, f"bundles/{resource}")
            config = RemoteConfig(url=f"unix:{folder}/opa.sock")
            opa = OpaProcess(config, "--config-file", folder / "opa.yaml")
            await opa.start()
            await eventually(lambda: OpaApi(config).revision())
            options = {"poll_seconds": 0.2, "quiet_seconds": 0.0, "deadline_seconds": 5.0} | policy
            runtime = create_runtime(
                PolicyConfig(remote=config, **options), CompileOptions(), engine, time.time
            )
            try:
                await runtime.start()
                yield World(server, opa, runtime)
            finally:
                await runtime.close()
                opa.stop()


def _configure(folder: Path, base: str, resource: str) -> None:
    polling: Mapping[str, int] = {"min_delay_seconds": 1, "max_delay_seconds": 1}
    config = {
        "services": {"bundles": {"url": base}},
        "bundles": {"zone": {"service": "bundles", "resource": resource, "polling": polling}},
    }
    (folder / "opa.yaml").write_text(yaml.safe_dump(config))


async def test_a_bundle_is_checked_before_it_decides(engine: Engine):
    """Decisions name its revision; with all rules in it, what it doesn't read of the history isn't kept for it."""
    async with world(engine, opa_bundle("one", GRANT_ALL)) as found:
        assert await codes(found.runtime) == []
        assert found.runtime.revision == "one"
        assert not found.runtime.rules.reads_calls
        found.bundles.put(opa_bundle("two", READS_CALLS))
        await eventually(lambda: found.runtime.revision == "two")
        assert await codes(found.runtime) == []
        assert found.runtime.rules.reads_calls


async def test_a_bundle_that_the_checks_refuse_never_decides(engine: Engine):
    """Although the sidecar looks at the server once an hour: each answer names the bundle that it was made from."""
    async with world(engine, opa_bundle("one", GRANT_ALL), poll_seconds=3600.0) as found:
        assert await found.allows()
        found.bundles.put(opa_bundle("two", REFUSED))
        await eventually(lambda: found.serves("two"))
        assert not await found.allows()
        status = await eventually(lambda: _refused(found.runtime))
        assert not status.ready
        assert "rule_shape" in {problem.code for problem in status.problems}
        assert "own/0.rego" in status.reasons[0]
        assert not await found.allows()
        found.bundles.put(opa_bundle("three", GRANT_ALL))
        await eventually(lambda: found.serves("three"))
        await found.runtime.reload()
        assert await found.allows()


def _refused(runtime: Runtime):
    """Return the status once a check has refused the policy."""
    status = runtime.status()
    return status if {problem.code for problem in status.problems} - {"unchecked"} else None


async def test_a_module_beside_the_bundle_is_found(engine: Engine):
    """An upload names no bundle. What bundles don't own is looked at each time, and calls are recorded for it."""
    async with world(engine, opa_bundle("one", GRANT_ALL, roots=("policy/demo", "tabard"))) as found:
        assert found.runtime.rules.reads_calls
        assert found.runtime.revision != "one"
        await OpaApi(found.opa.config).replace({"evil": "package policy.evil\n\ngrant := {}\n"})
        await eventually(lambda: _refused(found.runtime))
        assert not found.runtime.status().ready


async def test_a_revision_that_is_used_twice_is_told(engine: Engine):
    """The sidecar relies on names that tell bundles apart; from then on it relies on none."""
    async with world(engine, opa_bundle("same", GRANT_ALL)) as found:
        assert not found.runtime.rules.reads_calls
        found.bundles.put(opa_bundle("same", READS_CALLS.replace("again", "once_more")))
        await eventually(lambda: found.runtime.status().loads > 1)
        status = found.runtime.status()
        assert status.state is PolicyState.SERVING
        assert {warning.code for warning in status.warnings} >= {"bundle_revision"}
        assert found.runtime.rules.reads_calls
