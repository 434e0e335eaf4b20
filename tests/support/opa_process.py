"""An OPA server as a plain process, which a test ends and starts again, and its API for tests."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from tabard_opa_cli import opa_binary
from tabard_sidecar.policy.conf import RemoteConfig
from tabard_sidecar.policy.engines.peer import read_token, tls_context
from tabard_sidecar.policy.resources import rego_root

from tests.support.waiting import eventually

LIBRARY = sorted(
    path for path in (rego_root() / "tabard").rglob("*.rego") if not path.name.endswith("_test.rego")
)


class OpaProcess:
    """One server.

    Args:
        config: how a sidecar would ask it.
        arguments: flags and files of ``opa run``.
    """

    def __init__(self, config: RemoteConfig, *arguments: str | Path) -> None:
        self.config = config
        url = urlsplit(config.url)
        self._address = f"unix://{url.path}" if url.scheme == "unix" else url.netloc
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [opa_binary(), "run", "--server", "--addr", self._address, "--log-level", "error"]
        self._process = _begun([str(part) for part in (*command, *self._arguments)])
        await eventually(self._answers)

    def stop(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None

    async def _answers(self) -> bool:
        assert self._process is None or self._process.poll() is None, "OPA didn't start"
        with suppress(aiohttp.ClientError, OSError):
            return await OpaApi(self.config).status() == 200
        return False


def _begun(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


class OpaApi:
    """The API of a server, as a person uses it who uploads policies."""

    def __init__(self, config: RemoteConfig) -> None:
        self._config = config
        url = urlsplit(config.url)
        self._base = "http://localhost" if url.scheme == "unix" else config.url
        self._socket = url.path if url.scheme == "unix" else ""

    async def status(self) -> int:
        """Return the status of the answer to a question."""
        async with self._session() as session, session.get("/v1/data/tabard/none") as response:
            return response.status

    async def revision(self) -> str:
        """Return the revision of the bundle that answers; empty if there is none."""
        async with (
            self._session() as session,
            session.get("/v1/data/tabard/none?provenance=true") as response,
        ):
            told = (await response.json())["provenance"].get("bundles") or {}
            return next((one["revision"] for one in told.values()), "")

    async def replace(self, modules: Mapping[str, str], former: Sequence[str] = ()) -> None:
        """Upload modules, after those of earlier ones were deleted.

        Raises:
            AssertionError: the server refuses one.
        """
        async with self._session() as session:
            for name in former:
                async with session.delete(f"/v1/policies/{name}") as response:
                    assert response.status in {200, 404}, await response.text()
            for name, source in modules.items():
                async with session.put(f"/v1/policies/{name}", data=source.encode()) as response:
                    assert response.status == 200, await response.text()

    async def put_data(self, path: str, content: str) -> None:
        """Upload a document."""
        async with self._session() as session, session.put(f"/v1/data/{path}", data=content) as response:
            assert response.status in {200, 204}, await response.text()

    def _session(self) -> aiohttp.ClientSession:
        connector: aiohttp.BaseConnector
        if self._socket:
            connector = aiohttp.UnixConnector(self._socket)
        else:
            secure = self._base.startswith("https:")
            tls: ssl.SSLContext | bool = tls_context(self._config, "policy.remote") if secure else True
            connector = aiohttp.TCPConnector(ssl=tls)
        token = read_token(self._config)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return aiohttp.ClientSession(self._base, connector=connector, headers=headers)
