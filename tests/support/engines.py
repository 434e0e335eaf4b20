"""Every kind of engine behind one interface, for tests that hold for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

from tabard_opa import Engine
from tabard_sidecar.policy.authoring.packing import build_bundle
from tabard_sidecar.policy.conf import DownloadConfig, PolicyConfig, RemoteConfig
from tabard_sidecar.policy.loading.sources import load_source

from tests.components.ports import free_port
from tests.support.bundle_server import BundleServer
from tests.support.containers import OPA, container, wait_until_up
from tests.support.opa_process import LIBRARY, OpaApi, OpaProcess
from tests.support.tls import Authority

TOKEN = "only-for-tests"
AUTHORIZATION = f"""\
package system.authz

default allow := false

allow if input.identity == "{TOKEN}"
"""


class Kind(Protocol):
    """An engine, and where its policy comes from.

    Attributes:
        keeps: whether the last good policy decides on while the source is broken or gone.
    """

    keeps: bool

    async def put(self, modules: Mapping[str, str]) -> None:
        """Make these the policy."""
        ...

    def config(self) -> PolicyConfig:
        """Return the configuration of a sidecar."""
        ...

    async def lose(self) -> None:
        """Take the source away."""
        ...

    async def bring_back(self) -> None:
        """Bring it back with the policy that it had."""
        ...


class _Folder:
    """A folder that the embedded engine reads."""

    keeps = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "policy"
        self._away = folder / "away"

    async def put(self, modules: Mapping[str, str]) -> None:
        self._folder.mkdir(exist_ok=True)
        for path in self._folder.iterdir():
            if path.name not in modules:
                path.unlink()
        for name, source in modules.items():
            (self._folder / name).write_text(source)

    def config(self) -> PolicyConfig:
        return PolicyConfig(path=self._folder, **_FAST)

    async def lose(self) -> None:
        self._folder.rename(self._away)

    async def bring_back(self) -> None:
        self._away.rename(self._folder)


class _Bundle:
    """A bundle at a URL, for the embedded engine."""

    keeps = True

    def __init__(self, folder: Path, engine: Engine, stack: AsyncExitStack) -> None:
        self._folder = folder
        self._engine = engine
        self._stack = stack
        self._server = BundleServer()
        self._port = free_port()
        self._url = ""
        self._sequence = 0

    async def put(self, modules: Mapping[str, str]) -> None:
        source = _Folder(self._folder)
        await source.put(modules)
        path = self._folder / "policy"
        self._sequence += 1
        loaded = load_source(path)
        self._server.put(build_bundle(self._engine, loaded, path, self._sequence))
        if not self._url:
            await self.bring_back()

    def config(self) -> PolicyConfig:
        download = DownloadConfig(
            min_delay_seconds=0.1, max_delay_seconds=0.1, folder=self._folder / "kept", timeout_seconds=10
        )
        return PolicyConfig(url=self._url, download=download, **_FAST)

    async def lose(self) -> None:
        await self._stack.aclose()

    async def bring_back(self) -> None:
        self._url = await self._stack.enter_async_context(self._server.running(port=self._port))


class _Server:
    """An OPA server to which policies are uploaded.

    Args:
        config: how it is asked.
        begin: starts it.
        end: ends it.
    """

    keeps = False

    def __init__(self, config: RemoteConfig, begin: Callable[[], object], end: Callable[[], object]) -> None:
        self._config = config
        self._begin = begin
        self._end = end
        self._modules: Mapping[str, str] = {}

    async def put(self, modules: Mapping[str, str]) -> None:
        await OpaApi(self._config).replace(modules, [name for name in self._modules if name not in modules])
        self._modules = modules

    def config(self) -> PolicyConfig:
        return PolicyConfig(remote=self._config, **_FAST)

    async def lose(self) -> None:
        await asyncio.to_thread(self._end)

    async def bring_back(self) -> None:
        begun = self._begin()
        if asyncio.iscoroutine(begun):
            await begun
        await OpaApi(self._config).replace(self._modules)


_FAST = {"poll_seconds": 0.1, "quiet_seconds": 0.1, "deadline_seconds": 5.0, "load_seconds": 60.0}


@asynccontextmanager
async def embedded(folder: Path, engine: Engine) -> AsyncIterator[Kind]:
    """Give the embedded engine with a folder."""
    del engine
    yield _Folder(folder)


@asynccontextmanager
async def fetched(folder: Path, engine: Engine) -> AsyncIterator[Kind]:
    """Give the embedded engine with a bundle at a URL."""
    async with AsyncExitStack() as stack:
        yield _Bundle(folder, engine, stack)


@asynccontextmanager
async def _process(opa: OpaProcess) -> AsyncIterator[Kind]:
    await opa.start()
    try:
        yield _Server(opa.config, opa.start, opa.stop)
    finally:
        opa.stop()


@asynccontextmanager
async def unix(folder: Path, engine: Engine) -> AsyncIterator[Kind]:
    """Give a server on a unix socket."""
    del engine
    async with _process(OpaProcess(RemoteConfig(url=f"unix:{folder}/opa.sock"), *LIBRARY)) as kind:
        yield kind


@asynccontextmanager
async def http(folder: Path, engine: Engine) -> AsyncIterator[Kind]:
    """Give a server on loopback."""
    del folder, engine
    async with _process(OpaProcess(RemoteConfig(url=f"http://127.0.0.1:{free_port()}"), *LIBRARY)) as kind:
        yield kind


@asynccontextmanager
async def https_token(folder: Path, engine: Engine) -> AsyncIterator[Kind]:
    """Give a server with TLS that demands a token."""
    del engine
    authority = Authority(folder, "zone")
    certificate, key = authority.issue("server")
    token, rules = folder / "token", folder / "authz.rego"
    token.write_text(TOKEN)
    token.chmod(0o600)
    rules.write_text(AUTHORIZATION)
    config = RemoteConfig(
        url=f"https://127.0.0.1:{free_port()}", ca_file=authority.certificate, token_file=token
    )
    flags = ["--tls-cert-file", certificate, "--tls-private-key-file", key]
    flags += ["--authentication=token", "--authorization=basic"]
    async with _process(OpaProcess(config, *flags, rules, *LIBRARY)) as kind:
        yield kind


@asynccontextmanager
async def mutual_tls(folder: Path, engine: Engine) -> AsyncIterator[Kind]:
    """Give a server with TLS that demands a certificate."""
    del engine
    authority = Authority(folder, "zone")
    certificate, key = authority.issue("server")
    own, own_key = authority.issue("sidecar")
    config = RemoteConfig(
        url=f"https://127.0.0.1:{free_port()}",
        ca_file=authority.certificate,
        cert_file=own,
        key_file=own_key,
    )
    flags = ["--tls-cert-file", certificate, "--tls-private-key-file", key]
    flags += ["--tls-ca-cert-file", authority.certificate, "--authentication=tls"]
    async with _process(OpaProcess(config, *flags, *LIBRARY)) as kind:
        yield kind


@asynccontextmanager
async def contained(folder: Path, engine: Engine) -> AsyncIterator[Kind]:
    """Give a server in a container. The machine's container engine runs already."""
    del engine
    rego = folder / "rego"
    rego.mkdir()
    for number, path in enumerate(LIBRARY):
        (rego / f"{number}.rego").write_bytes(path.read_bytes())
    for path in (folder, rego, *rego.iterdir()):  # the container's user is another one
        path.chmod(0o755 if path.is_dir() else 0o644)
    address = f"127.0.0.1:{free_port()}"
    config = RemoteConfig(url=f"http://{address}")
    serve = ("run", "--server", "--disable-telemetry", "--addr", address, "/rego")
    with container(OPA, *serve).with_volume_mapping(str(rego), "/rego", "ro") as server:
        running = server.get_wrapped_container()

        def answers() -> None:
            status = asyncio.run(OpaApi(config).status())
            if status != 200:
                raise RuntimeError(f"the server answers {status}")

        def again() -> object:
            running.start()
            return asyncio.to_thread(wait_until_up, server, answers)

        await asyncio.to_thread(wait_until_up, server, answers)
        yield _Server(config, again, running.kill)


KINDS = {
    "folder": embedded,
    "bundle": fetched,
    "unix": unix,
    "http": http,
    "https with a token": https_token,
    "mutual TLS": mutual_tls,
    "container": contained,
}
