"""Measures the engine alone: next to a runaway rule, and against an OPA server over a unix socket."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
from tabard_opa import Engine, EvaluationError, Policy
from tabard_opa_cli import opa_binary

from bench.harness import Figure, percentile, publish

ENTRYPOINT = "data.tabard.decision"
_MICRO = Path(__file__).resolve().parent.parent / "engine" / "bench_micro.py"


def run(*, quick: bool) -> bool:
    """Measure and tell whether every goal is met."""
    figures = asyncio.run(_measure(blocks=2 if quick else 20, calls=50))
    return True if quick else publish("engine", figures)


async def _measure(*, blocks: int, calls: int) -> list[Figure]:
    modules, data, policy_input = load_example()
    policy = Engine().compile(modules, data, entrypoints=[ENTRYPOINT])
    text = json.dumps(policy_input).encode()

    async def library() -> object:
        return await policy.evaluate(ENTRYPOINT, text, deadline_seconds=1.0)

    async with _opa_server(modules, data) as server:
        body = json.dumps({"input": policy_input}).encode()

        async def remote() -> object:
            return await server(body)

        figures = await _against_server(library, remote, blocks=blocks, calls=calls)
    runaway = partial(run_away, policy, policy_input)
    rounds = 1 if blocks < 20 else 9
    return figures + await _beside(library, runaway, rounds=rounds, blocks=blocks, calls=calls)


def load_example() -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
    """Return modules, data and input of the engine's own micro-benchmark."""
    example: tuple[dict[str, str], dict[str, Any], dict[str, Any]] = _load_micro().example()
    return example


async def run_away(policy: Policy, policy_input: dict[str, Any], stop: asyncio.Event) -> None:
    """Evaluate the example's endless rule until its deadline, repeatedly until ``stop`` is set."""
    endless = json.dumps({**policy_input, "context": {"time": 1, "asserted": {"runaway": True}}}).encode()
    while not stop.is_set():
        try:
            await policy.evaluate(ENTRYPOINT, endless, deadline_seconds=0.25)
        except EvaluationError as error:
            if error.code != "timeout":
                raise


def _load_micro() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_micro", _MICRO)
    if spec is None or spec.loader is None:
        raise ImportError(str(_MICRO))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def _timed(call: Callable[[], Awaitable[object]], times: int) -> list[float]:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - began)
        await asyncio.sleep(0)
    return taken


async def _against_server(
    library: Callable[[], Awaitable[object]],
    remote: Callable[[], Awaitable[object]],
    *,
    blocks: int,
    calls: int,
) -> list[Figure]:
    ours: list[float] = []
    theirs: list[float] = []
    ratios = []
    for _ in range(blocks):
        a, b = await _timed(library, calls), await _timed(remote, calls)
        ours += a
        theirs += b
        ratios.append(statistics.median(a) / statistics.median(b))
    spread = f"blocks {min(ratios):.2f}-{max(ratios):.2f}"
    return [
        Figure("p50 of the library", statistics.median(ours) * 1e6, "us"),
        Figure("p50 of an OPA server over a unix socket", statistics.median(theirs) * 1e6, "us"),
        Figure("library over server", statistics.median(ratios), "x", "", spread),
    ]


async def _beside(
    library: Callable[[], Awaitable[object]],
    runaway: Callable[[asyncio.Event], Coroutine[Any, Any, None]],
    *,
    rounds: int,
    blocks: int,
    calls: int,
) -> list[Figure]:
    """Compare 1,000 normal calls alone with 1,000 next to a rule that repeatedly exceeds its deadline.

    The slowest hundredth of 1,000 is ten calls, so it is measured in several rounds.
    """
    measured = [await _round(library, runaway, blocks=blocks, calls=calls) for _ in range(rounds)]
    usual = [percentile(alone, 0.99) for alone, _ in measured]
    disturbed = [percentile(beside, 0.99) for _, beside in measured]
    ratios = [b / a for a, b in zip(usual, disturbed, strict=True)]
    middles = [statistics.median(beside) / statistics.median(alone) for alone, beside in measured]
    spread = f"rounds {min(ratios):.2f}-{max(ratios):.2f}"
    return [
        Figure(f"p99 of {blocks * calls:,} calls alone", statistics.median(usual) * 1e6, "us"),
        Figure("p99 beside a runaway rule", statistics.median(disturbed) * 1e6, "us"),
        Figure("p99 beside a runaway rule over alone", statistics.median(ratios), "x", "<= 2", spread),
        Figure("p50 beside a runaway rule over alone", statistics.median(middles), "x"),
    ]


async def _round(
    library: Callable[[], Awaitable[object]],
    runaway: Callable[[asyncio.Event], Coroutine[Any, Any, None]],
    *,
    blocks: int,
    calls: int,
) -> tuple[list[float], list[float]]:
    """Return seconds per call, alone and beside the runaway rule, in alternating blocks."""
    alone: list[float] = []
    beside: list[float] = []
    for _ in range(blocks):
        alone += await _timed(library, calls)
        stop = asyncio.Event()
        task = asyncio.create_task(runaway(stop))
        await asyncio.sleep(0.02)
        beside += await _timed(library, calls)
        stop.set()
        await task
    return alone, beside


@asynccontextmanager
async def _opa_server(
    modules: dict[str, str], data: dict[str, Any]
) -> AsyncIterator[Callable[[bytes], Awaitable[bytes]]]:
    """Start an OPA server on a unix socket with the same policy; yield a function that queries it."""
    with tempfile.TemporaryDirectory(prefix="tbo", dir="/tmp") as name:
        folder, socket = Path(name) / "policy", f"{name}/s"
        for path, source in modules.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source, encoding="utf-8")
        (folder / "data.json").write_text(json.dumps(data), encoding="utf-8")
        command = [opa_binary(), "run", "--server", "--disable-telemetry", "--log-level", "error"]
        process = await asyncio.create_subprocess_exec(
            *command,
            "--addr",
            f"unix://{socket}",
            str(folder),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(socket)) as session:

                async def ask(body: bytes) -> bytes:
                    async with session.post("http://opa/v1/data/tabard/decision", data=body) as response:
                        return await response.read()

                await _until_ready(session)
                yield ask
        finally:
            process.kill()
            await process.wait()


async def _until_ready(session: aiohttp.ClientSession) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            async with session.get("http://opa/health") as response:
                if response.status == 200:
                    return
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.05)
    raise TimeoutError("the OPA server isn't ready")
