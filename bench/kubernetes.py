"""Measures what Kubernetes notices: the webhook's answers over TLS, an idle sidecar, the size of the image.

The webhook is a real injector process. It is asked at fixed times, whether or not the former answers have come, over
connections that stay open, as the API server asks. The image is measured if ``make image`` has built it.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import ssl
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp

from bench.harness import (
    Figure,
    cpu_seconds,
    kept_bytecode,
    percentile,
    private_bytes,
    publish,
    resident_bytes,
    wakeups,
)
from testbed.world import World
from tests.support.injecting import pod
from tests.support.injector_process import InjectorProcess

PER_SECOND = 50
IMAGE = Path(__file__).resolve().parent.parent / "dist" / "tabard-image-amd64.tar"
_MB = 1_000_000


def run(*, quick: bool) -> bool:
    """Measure and tell whether every goal is met."""
    with kept_bytecode(), tempfile.TemporaryDirectory(prefix="tbk", dir="/tmp") as folder:
        figures = [
            *_webhook(Path(folder), 2.0 if quick else 60.0),
            *asyncio.run(_idle(Path(folder), 2.0 if quick else 60.0)),
        ]
    figures += _image()
    if quick:
        for figure in figures:
            print(f"  {figure.name}: {figure.value:.2f} {figure.unit}")
    return True if quick else publish("kubernetes", figures)


def _webhook(folder: Path, seconds: float) -> Iterator[Figure]:
    own = folder / "injector"
    own.mkdir()
    injector = InjectorProcess(own)
    injector.start()
    try:
        tls = ssl.create_default_context(cafile=str(own / "injector-ca.pem"))
        # Connections and caches first.
        asyncio.run(_asked(injector.port, tls, 1.0))
        took = [1000 * one for one in asyncio.run(_asked(injector.port, tls, seconds))]
    finally:
        injector.kill()
    rate = f"{PER_SECOND} admissions/s over TLS"
    yield Figure(f"webhook p50, {rate}", percentile(took, 0.5), "ms")
    yield Figure(f"webhook p99, {rate}", percentile(took, 0.99), "ms", "<= 10", f"{len(took)} admissions")


async def _asked(port: int, tls: ssl.SSLContext, seconds: float) -> list[float]:
    """Ask about a pod again and again; return how long each answer took, in seconds."""
    request = {"uid": "1", "operation": "CREATE", "namespace": "support", "object": pod()}
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
    body = json.dumps({**review, "request": {**request, "kind": kind, "resource": {"resource": "pods"}}})
    url = f"https://127.0.0.1:{port}/inject"

    async def ask(session: aiohttp.ClientSession) -> float:
        began = time.perf_counter()
        async with session.post(url, data=body) as answer:
            document = await answer.json()
        assert document["response"]["patch"]
        return time.perf_counter() - began

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
        asked, begin = [], time.perf_counter()
        for number in range(int(seconds * PER_SECOND)):
            await asyncio.sleep(max(0.0, begin + number / PER_SECOND - time.perf_counter()))
            asked.append(asyncio.create_task(ask(session)))
        return await asyncio.gather(*asked)


async def _idle(folder: Path, seconds: float) -> list[Figure]:
    """Measure a sidecar that is asked nothing."""
    own = folder / "w"
    own.mkdir()
    async with World(own, workloads=("support",)) as world:
        process = world.sidecars["support"].process
        assert process is not None
        await asyncio.sleep(min(10.0, seconds))
        before, woken = cpu_seconds(process.pid), wakeups(process.pid)
        await asyncio.sleep(seconds)
        share = 100 * (cpu_seconds(process.pid) - before) / seconds
        rate = (wakeups(process.pid) - woken) / seconds
        return [
            Figure("idle sidecar, resident", resident_bytes(process.pid) / _MB, "MB", "<= 130"),
            Figure("idle sidecar, RssAnon", private_bytes(process.pid) / _MB, "MB"),
            Figure("idle sidecar, processor", share, "% of a core", "<= 0.5"),
            Figure("idle sidecar, wake-ups", rate, "/s"),
        ]


def _image() -> list[Figure]:
    if not IMAGE.exists():
        print(
            f"{os.path.relpath(IMAGE)} doesn't exist, so the image isn't measured; make image",
            file=sys.stderr,
        )
        return []
    size = 0
    with tarfile.open(IMAGE) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isfile() else None
            if stream is not None:
                content = stream.read()
                compressed = content[:2] == b"\x1f\x8b"
                size += len(content) if compressed else len(gzip.compress(content, 6))
    return [Figure("image, compressed", size / _MB, "MB", "<= 150")]
