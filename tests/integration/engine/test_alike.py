"""The library answers as an OPA server of the same version does."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from tabard_opa import Engine, EvaluationError, opa_version
from tabard_sidecar.policy.resources import library, schema
from tabard_sidecar.policy.sources import load_source

from tests.support.policy_inputs import Words, as_json, inputs

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "rego" / "examples").glob("*/policy"))
QUESTIONS = 1000
SEED = 20_261_123
ENTRYPOINT = "data.tabard.decision"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


def test_there_are_examples():
    """Without examples the tests below would say nothing."""
    assert EXAMPLES


@pytest.mark.parametrize("policy", EXAMPLES, ids=lambda path: path.parent.name)
async def test_documents_are_alike(policy: Path, engine: Engine, opa_server: Callable[[Path], str]):
    """1,000 generated inputs per example: the same document, or an error from both."""
    source = load_source(policy)
    modules = {**library(), **source.modules}
    url = opa_server(policy.parent)
    words = Words(engine, modules, source.tests, source.data)
    spoken = dict.fromkeys(("deny", "ask", "grant", "start", "delegate", "renew"), 0)
    with (
        engine.compile(modules, source.data, entrypoints=[ENTRYPOINT]) as compiled,
        requests.Session() as server,
    ):
        assert server.get(f"{url}/v1/config", timeout=10).ok
        for number, question in zip(
            range(QUESTIONS), inputs(words, schema("input"), random.Random(SEED)), strict=False
        ):
            text = as_json(question)
            here = await _library(compiled, text)
            there = _server(server, url, text)
            assert here == there, f"question {number}: {text.decode()}"
            for name in spoken:
                spoken[name] += bool(here and here[name])
    # Inputs that reach no rule would prove nothing.
    defined = {
        rule for rule in spoken if any(f"\n{rule} contains" in text for text in source.modules.values())
    }
    assert all(spoken[rule] for rule in defined), spoken


def test_versions_are_alike(opa_server: Callable[[Path], str]):
    """The server is of the version that the library holds."""
    url = opa_server(EXAMPLES[0].parent)
    with requests.Session() as server:
        query = {"query": "x := opa.runtime().version"}
        answer = server.post(f"{url}/v1/query", json=query, timeout=10).json()
    assert answer["result"] == [{"x": opa_version()}]


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
