"""Measures engines beside each other: an OPA server over a unix socket, and calls while 50 MB of data are activated."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import grpc
import yaml
from tabard.authz.v1 import authorization_service_pb2_grpc as authorization_grpc
from tabard_opa import Engine
from tabard_opa_cli import opa_binary
from tabard_sidecar.policy.authoring.packing import build_bundle, pack
from tabard_sidecar.policy.loading.reading import Sizes
from tabard_sidecar.policy.loading.sources import load_source
from tabard_sidecar.policy.resources import library

from bench.harness import Compared, Figure, in_turns, percentile
from bench.setup import MEASURED, Bench, allow_depth, authorize_request, running
from testbed.world import EXAMPLE

_MIB = 64
_SIZES = Sizes(_MIB)
_ROW_BYTES = 105
_UP_SECONDS = 60.0
_TAIL_BYTES = 4096
_ACTIVE_SECONDS = 600.0
_ALONE_SECONDS = 8.0
_PAUSE_SECONDS = 0.0007
_PATIENT: dict[str, Any] = {
    "policy.max_data_mib": _MIB,
    "policy.load_seconds": _ACTIVE_SECONDS,
    "policy.deadline_seconds": 5.0,
}

_Call = Callable[[], object]


def remote_figures(*, blocks: int, calls: int) -> Iterator[Figure]:
    """Compare calls that an OPA server over a unix socket decides with those that the embedded engine decides.

    All are measured in turns, with their default configuration where the name says no other. The goal compares engines that
    evaluate every call: a sidecar remembers answers of its own engine only, since a server's data may change unnoticed.
    """
    usual, one = "OPA server", "OPA server with GOMAXPROCS=1 and GOGC=400"
    embedded, evaluated = "embedded engine", "embedded engine that remembers no answers"
    with tempfile.TemporaryDirectory(prefix="tbp", dir="/tmp") as name, ExitStack() as stack:
        folder = Path(name)
        bundle = folder / "small.tar.gz"
        bundle.write_bytes(_for_opa(_policy(folder / "small"), "small"))

        def served(at: str, **environment: str) -> dict[str, Any]:
            (folder / at).mkdir()
            opa = _opa(folder / at, "--bundle", str(bundle), environment=environment)
            return _asking(stack.enter_context(opa))

        overrides = {
            usual: served("usual"),
            one: served("one", GOMAXPROCS="1", GOGC="400"),
            embedded: {},
            evaluated: {"policy.remembered_kib": 0},
        }
        callers = {
            engine: _caller(stack.enter_context(running(overrides=values)))
            for engine, values in overrides.items()
        }
        found = in_turns(callers, blocks=blocks, calls=calls)
    for engine, taken in found.items():
        yield Figure(f"p50, {engine}", statistics.median(chain.from_iterable(taken)) * 1e6, "us")
    for engine, base, goal in ((usual, evaluated, "<= 1.6"), (one, evaluated, ""), (usual, embedded, "")):
        compared = Compared.of(found[engine], found[base])
        yield Figure(f"{engine} over {base}, p50", compared.ratio, "x", goal, compared.spread)


def activation_figures(*, activations: int, data_bytes: int, usual_calls: int) -> Iterator[Figure]:
    """Call back to back while a bundle with much data is activated, with either engine, so many times.

    The slowest of ten thousand calls may be the machine's doing, so the median of the activations counts. While a server
    activates data, OPA itself lets questions wait: a server that is asked without a sidecar is measured, too.
    """
    with tempfile.TemporaryDirectory(prefix="tbp", dir="/tmp") as name:
        folder = Path(name)
        small, large = _policy(folder / "small"), _policy(folder / "large")
        (large / "bulk").mkdir()
        rows = data_bytes // _ROW_BYTES
        bulk = {f"o-{number:08d}": {"owner": f"c-{number % 97}", "note": "x" * 60} for number in range(rows)}
        (large / "bulk" / "data.json").write_text(json.dumps(bulk))
        del bulk
        for engine, measure, goal in (
            ("embedded engine", _embedded, "<= 20"),
            ("OPA server", _remote, ""),
            ("OPA server without a sidecar", _alone, ""),
        ):
            found = []
            for number in range(activations):
                place = folder / f"{measure.__name__}-{number}"
                place.mkdir()
                found.append(measure(place, small, large, usual_calls))
            yield from _figures(engine, goal, found)


@dataclass(frozen=True, slots=True)
class _Activation:
    """Seconds that calls took, usually and during an activation, how many weren't decided, and when a new revision was seen."""

    usual: list[float]
    taken: list[float]
    missing: int
    seconds: float | None

    def slowest(self, taken: list[float]) -> float:
        """Return the slowest of some calls over the usual p99."""
        return max(taken) / percentile(self.usual, 0.99)


def _figures(engine: str, goal: str, found: list[_Activation]) -> Iterator[Figure]:
    slowest = sorted(one.slowest(one.taken) for one in found)
    usual = max(one.slowest(one.usual) for one in found)
    calls = sum(len(one.taken) for one in found)
    spread = (
        f"{', '.join(f'{value:.1f}' for value in slowest)} x of {calls} calls; usual slowest {usual:.1f} x"
    )
    name = f"slowest call while 50 MB are activated over the usual p99, {engine}"
    yield Figure(name, statistics.median(slowest), "x", goal, spread)
    seconds = [one.seconds for one in found if one.seconds is not None]
    if seconds:
        yield Figure(f"activation of 50 MB, {engine}", statistics.median(seconds), "s")
        missing = max(one.missing for one in found)
        yield Figure(f"calls without a decision while it is checked, {engine}", missing, "calls")


def _embedded(folder: Path, small: Path, large: Path, usual_calls: int) -> _Activation:
    served, waiting = folder / "served.tar.gz", folder / "waiting.tar.gz"
    with Engine() as engine:
        for target, path, revision in ((served, small, "small"), (waiting, large, "large")):
            content = build_bundle(engine, load_source(path, sizes=_SIZES), path, 1, revision, sizes=_SIZES)
            target.write_bytes(content)
    with running(overrides=_PATIENT | {"policy.path": str(served)}) as bench:
        return _activated("embedded engine", bench, lambda: waiting.replace(served), usual_calls)


def _remote(folder: Path, small: Path, large: Path, usual_calls: int) -> _Activation:
    bundles = {"small": _for_opa(small, "small"), "large": _for_opa(large, "large")}
    with (
        _bundle_server(bundles["small"]) as server,
        _opa(folder, "--config-file", str(_opa_config(folder, server.url))) as socket_path,
        running(overrides=_PATIENT | _asking(socket_path)) as bench,
    ):
        return _activated("OPA server", bench, lambda: server.put(bundles["large"]), usual_calls)


def _alone(folder: Path, small: Path, large: Path, usual_calls: int) -> _Activation:
    """Ask an OPA server itself about as often as a sidecar does."""
    body = json.dumps({"input": {"operation": "tool", "tool": {"name": "refunds.create", "arguments": {}}}})
    with (
        _bundle_server(_for_opa(small, "small")) as server,
        _opa(folder, "--config-file", str(_opa_config(folder, server.url))) as socket_path,
        _connected(socket_path) as connection,
    ):

        def ask() -> object:
            connection.request("POST", "/v1/data/tabard/decision", body, {"Content-Type": "application/json"})
            return connection.getresponse().read()

        usual, _ = _timed(ask, lambda done: done >= usual_calls, pause_seconds=_PAUSE_SECONDS)
        server.put(_for_opa(large, "large"))
        until = time.monotonic() + _ALONE_SECONDS
        taken, _ = _timed(ask, lambda _: time.monotonic() > until, pause_seconds=_PAUSE_SECONDS)
        if '"large"' not in _get(socket_path, "/v1/data/system/bundles"):
            raise RuntimeError(f"the OPA server didn't activate the bundle within {_ALONE_SECONDS:g} s")
    return _Activation(usual, taken, 0, None)


def _activated(engine: str, bench: Bench, activate: Callable[[], object], usual_calls: int) -> _Activation:
    call, watch = _caller(bench), _Watch(bench)
    with watch.watching("small"):
        usual, _ = _timed(call, lambda done: done >= usual_calls)
    activate()
    with watch.watching("large"):
        began = time.monotonic()
        taken, missing = _timed(call, lambda _: watch.seen or time.monotonic() - began > _ACTIVE_SECONDS)
        seconds = time.monotonic() - began
    if not watch.seen:
        raise RuntimeError(f"the {engine} didn't activate the bundle within {_ACTIVE_SECONDS:g} s")
    return _Activation(usual, taken, missing, seconds)


def _timed(
    call: _Call, over: Callable[[int], bool], *, pause_seconds: float = 0.0
) -> tuple[list[float], int]:
    """Return the seconds that each decided call took, and how many weren't decided; pause after each."""
    taken: list[float] = []
    missing = 0
    while not over(len(taken)):
        began = time.perf_counter()
        try:
            call()
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            missing += 1
            time.sleep(0.01)
        else:
            taken.append(time.perf_counter() - began)
            if pause_seconds:
                time.sleep(pause_seconds)
    return taken, missing


class _Watch:
    """Notices in its log, beside the calls, when a sidecar decides by a policy."""

    def __init__(self, bench: Bench) -> None:
        self._log = bench.world.sidecars[MEASURED].folder / "decisions.log"
        self.seen = False

    @contextmanager
    def watching(self, revision: str) -> Iterator[None]:
        """Look for a revision as long as the block lasts."""
        self.seen = False
        ended = threading.Event()

        def look() -> None:
            while not ended.wait(0.25):
                with self._log.open("rb") as log:
                    log.seek(-min(_TAIL_BYTES, log.seek(0, 2)), 2)
                    self.seen = f'"revision":"{revision}"'.encode() in log.read()

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _caller(bench: Bench) -> _Call:
    stub = authorization_grpc.AuthorizationServiceStub(grpc.insecure_channel(bench.address))
    grant, number = bench.grant(5), 0

    def call() -> object:
        nonlocal number
        number += 1
        return stub.Authorize(authorize_request(grant, number))

    return call


def _policy(folder: Path) -> Path:
    shutil.copytree(EXAMPLE / "policy", folder, ignore=shutil.ignore_patterns("*_test.rego", "*_cases.yaml"))
    allow_depth(folder, 12)
    return folder


def _for_opa(policy: Path, revision: str) -> bytes:
    """Return a bundle with Tabard's library, which an OPA server needs."""
    files = {name: source.encode() for name, source in library().items()}
    files |= {
        str(path.relative_to(policy)): path.read_bytes() for path in policy.rglob("*") if path.is_file()
    }
    manifest = {"revision": revision, "roots": [""], "rego_version": 1}
    return pack(files | {".manifest": json.dumps(manifest).encode()}, policy, _SIZES)


def _asking(socket_path: Path) -> dict[str, Any]:
    return {"policy.path": None, "policy.remote": {"url": f"unix:{socket_path}"}}


def _opa_config(folder: Path, url: str) -> Path:
    polling = {"min_delay_seconds": 1, "max_delay_seconds": 1}
    bundles = {"zone": {"service": "bundles", "resource": "bundle.tar.gz", "polling": polling}}
    path = folder / "opa.yaml"
    path.write_text(yaml.safe_dump({"services": {"bundles": {"url": url}}, "bundles": bundles}))
    return path


@contextmanager
def _opa(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Path]:
    """Start an OPA server on a unix socket; give the socket."""
    path = folder / "opa.sock"
    command = [opa_binary(), "run", "--server", "--skip-version-check", "--log-level", "error"]
    process = subprocess.Popen(
        [*map(str, command), "--addr", f"unix://{path}", *arguments],
        stderr=subprocess.DEVNULL,
        env=os.environ | dict(environment or {}),
    )
    try:
        until = time.monotonic() + _UP_SECONDS
        while True:
            with suppress(OSError, http.client.HTTPException):
                if _get(path, "/v1/policies") not in {"", '{"result":[]}\n'}:
                    break
            if time.monotonic() > until or process.poll() is not None:
                raise RuntimeError("OPA didn't start")
            time.sleep(0.05)
        yield path
    finally:
        process.kill()
        process.wait()


def _get(path: Path, target: str) -> str:
    with _connected(path) as connection:
        connection.request("GET", target)
        return connection.getresponse().read().decode()


@contextmanager
def _connected(path: Path) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("localhost", timeout=30)
    with closing(socket.socket(socket.AF_UNIX)) as made:
        made.connect(str(path))
        connection.sock = made
        yield connection


class _Bundles(http.server.ThreadingHTTPServer):
    """Serves one bundle with an ETag."""

    def put(self, content: bytes) -> None:
        """Serve another one."""
        self.content, self.etag = content, f'"{len(content)}"'

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"


class _Serve(http.server.BaseHTTPRequestHandler):
    server: _Bundles

    def do_GET(self) -> None:
        content, etag = self.server.content, self.server.etag
        same = self.headers.get("If-None-Match") == etag
        self.send_response(304 if same else 200)
        self.send_header("ETag", etag)
        self.send_header("Content-Length", "0" if same else str(len(content)))
        self.end_headers()
        if not same:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _bundle_server(content: bytes) -> Iterator[_Bundles]:
    with _Bundles(("127.0.0.1", 0), _Serve) as server:
        server.put(content)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
