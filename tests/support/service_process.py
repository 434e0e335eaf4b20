"""A service of Tabard in a process of its own, as a pod would have it: injector, control service."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from tests.components.ports import free_ports
from tests.support.waiting import eventually_blocking

_START_SECONDS = 120


class ServiceProcess:
    """A process of ``tabard SERVICE serve`` with ports of 127.0.0.1 that stay the same when it is started again.

    Args:
        service: ``control`` or ``injector``.
        config: its configuration file.
        log: where its output goes.

    Attributes:
        port: of its listener with TLS.
        http: of its listener for health and metrics.
    """

    def __init__(self, service: str, config: Path, log: Path) -> None:
        self.config = config
        self._service = service
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.port, self.http = free_ports(2)

    def command(self, *arguments: str) -> list[str]:
        """Return a command of the service."""
        return [sys.executable, "-m", "tabard_sidecar.cli", self._service, *arguments]

    def spawn(self, *options: str) -> None:
        """Start it, without waiting for anything."""
        with self._log.open("ab") as log:
            command = self.command("serve", "--config", str(self.config), *options)
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def wait(self, path: str = "/readyz") -> None:
        """Wait until a probe succeeds: by default, until it is ready."""

        def answers() -> bool:
            assert self.runs(), self.log()
            return self.get(path).startswith("HTTP/1.1 200")

        eventually_blocking(answers, _START_SECONDS)

    def ready(self) -> bool:
        """Whether its readiness probe succeeds."""
        return self.get("/readyz").startswith("HTTP/1.1 200")

    def runs(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Let it drain, as a kubelet does."""
        if self._process is not None:
            self._process.terminate()
            assert self._process.wait(30) == 0
            self._process = None

    def kill(self) -> None:
        """End it without a chance to drain."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def get(self, path: str) -> str:
        """Return the answer of its HTTP listener; empty if there is none."""
        try:
            with socket.create_connection(("127.0.0.1", self.http), timeout=5) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        except OSError:
            return ""

    def log(self) -> str:
        """Return what it wrote."""
        return self._log.read_text() if self._log.exists() else ""
