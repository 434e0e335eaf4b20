"""The library answers as an OPA server of the same version does."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from tabard_opa import Engine, EvaluationError, opa_version
from tabard_sidecar.model import Operation, PolicyDecision
from tabard_sidecar.policy.conf import PolicyConfig, RemoteConfig
from tabard_sidecar.policy.factory import create_runtime
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.loading.reached import reached
from tabard_sidecar.policy.loading.sources import PolicySource, load_source
from tabard_sidecar.policy.resources import library, schema
from tabard_sidecar.policy.runtime import Runtime

from tests.support.policy import decide, named
from tests.support.policy_inputs import Words, as_json, inputs, with_tests_data

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "rego" / "examples").glob("*/policy"))
INPUTS = 1000
MOST_INPUTS = 8 * INPUTS
SEED = 20_261_123
ENTRYPOINT = "data.tabard.decision"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.fixture(scope="module", params=EXAMPLES, ids=lambda path: path.parent.name)
def policy(request: pytest.FixtureRequest, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An example's policy, its data joined by what its tests assume."""
    folder = tmp_path_factory.mktemp("policy") / "policy"
    shutil.copytree(request.param, folder)
    source = load_source(request.param)
    data = with_tests_data(engine, {**library(), **source.modules}, source.tests, source.data)
    for path in folder.rglob("data.*"):
        path.unlink()
    (folder / "data.json").write_text(json.dumps(data))
    return folder


def _words(engine: Engine, source: PolicySource) -> Words:
    """Return the words of a policy and of what it reaches of the library; those of the rest reach none of its rules."""
    parsed = [engine.parse(file, text) for file, text in source.modules.items()]
    known = {file: text for file, text in library().items() if "/lib/" in file}
    texts = {file: one.source for file, one in reached(parsed, known, engine.parse).items()}
    return Words(engine, {**texts, **source.modules}, dict(source.tests), source.data)


def test_there_are_examples():
    """Without examples the tests below would say nothing."""
    assert EXAMPLES


async def test_documents_are_alike(policy: Path, engine: Engine, opa_server: Callable[[Path], str]):
    """1,000 generated inputs per example, and more until each kind of rule held: the same document, or an error from both."""
    source = load_source(policy)
    modules = {**library(), **source.modules}
    url = opa_server(policy)
    words = _words(engine, source)
    spoken = dict.fromkeys(("deny", "ask", "grant", "start", "delegate", "renew"), 0)
    # Inputs that reach no rule would prove nothing.
    defined = {
        rule for rule in spoken if any(f"\n{rule} contains" in text for text in source.modules.values())
    }
    with (
        engine.compile(modules, source.data, entrypoints=[ENTRYPOINT]) as compiled,
        requests.Session() as server,
    ):
        assert server.get(f"{url}/v1/config", timeout=10).ok
        for number, document in zip(
            range(MOST_INPUTS), inputs(words, schema("input"), random.Random(SEED)), strict=False
        ):
            if number >= INPUTS and all(spoken[rule] for rule in defined):
                break
            text = as_json(document)
            here = await _library(compiled, text)
            there = _server(server, url, text)
            assert here == there, f"document {number}: {text.decode()}"
            for name in spoken:
                spoken[name] += bool(here and here[name])
    assert all(spoken[rule] for rule in defined), spoken


def test_versions_are_alike(opa_server: Callable[[Path], str]):
    """The server is of the version that the library holds."""
    url = opa_server(EXAMPLES[0])
    with requests.Session() as server:
        query = {"query": "x := opa.runtime().version"}
        answer = server.post(f"{url}/v1/query", json=query, timeout=10).json()
    assert answer["result"] == [{"x": opa_version()}]


async def test_decisions_are_alike(policy: Path, engine: Engine, opa_server: Callable[[Path], str]):
    """The same inputs through both runtimes: the same decision, and the same tools on offer."""
    source = load_source(policy)
    words = _words(engine, source)
    here = _runtime(PolicyConfig(path=policy, deadline_seconds=5), engine)
    there = _runtime(PolicyConfig(remote=RemoteConfig(url=opa_server(policy)), deadline_seconds=5), engine)
    outcomes = {True: 0, False: 0}
    async with here as embedded, there as remote:
        documents = inputs(words, schema("input"), random.Random(SEED + 1))
        for number, document in zip(range(INPUTS), documents, strict=False):
            text, operation = as_json(document), Operation(document["operation"])
            one, other = await decide(embedded, operation, text), await decide(remote, operation, text)
            assert _comparable(one) == _comparable(other), f"document {number}: {text.decode()}"
            outcomes[one.allowed] += 1
        base = {**words.base(schema("input")), "operation": "filter_tools"}
        tools = [named(name) for strings, _ in words.calls for name in strings][:50]
        asked = [as_json({**base, "tool": tool}) for tool in tools]
        with embedded.lease() as one_policy, remote.lease() as other_policy:
            assert await one_policy.filter_tools(asked) == await other_policy.filter_tools(asked)
    assert all(outcomes.values()), outcomes


@asynccontextmanager
async def _runtime(config: PolicyConfig, engine: Engine) -> AsyncIterator[Runtime]:
    runtime = create_runtime(config, CompileOptions(), engine, time.time)
    await runtime.start()
    try:
        yield runtime
    finally:
        await runtime.close()


def _comparable(decision: PolicyDecision) -> PolicyDecision:
    """Leave out what names the engine's own files: the revision, and the place of an error."""
    denials = tuple(
        replace(reason, message="") if reason.code == "policy_error" else reason
        for reason in decision.denials
    )
    return replace(decision, revision="", denials=denials)


async def _library(compiled: Any, text: bytes) -> Any:
    try:
        return json.loads(await compiled.evaluate(ENTRYPOINT, text, deadline_seconds=5))
    except EvaluationError:
        return None


def _server(server: requests.Session, url: str, text: bytes) -> Any:
    answer = server.post(
        f"{url}/v1/data/tabard/decision?strict-builtin-errors=true",
        data=b'{"input":' + text + b"}",
        headers={"Content-Type": "application/json"},
        timeout=10,
    )
    return answer.json()["result"] if answer.ok else None
