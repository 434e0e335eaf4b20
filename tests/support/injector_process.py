"""A real injector in a process of its own, and the API server told to ask it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.kube_server import Kubectl
from tests.support.tls import Authority
from tests.support.waiting import eventually_blocking

_COMMAND = (sys.executable, "-m", "tabard_sidecar.cli", "injector")


class InjectorProcess:
    """An injector on a port of 127.0.0.1 that stays the same when it is started again.

    Args:
        folder: where its files are.
        managed: the section ``webhook.managed``, in place of certificates that this class makes.

    Attributes:
        config: its configuration file.
        port: where the API server asks.
    """

    def __init__(self, folder: Path, managed: Mapping[str, Any] | None = None) -> None:
        self._folder = folder
        self._authority = Authority(folder, "injector")
        self.port, self._http = _free_ports()
        self._process: subprocess.Popen[bytes] | None = None
        self.config = folder / "injector.yaml"
        self.renew("first")
        files = {"tls_certificate_file": "tls.crt", "tls_key_file": "tls.key"}
        source = files if managed is None else {"managed": dict(managed)}
        # Behind a balancer, what is asked during the end of one replica has to be answered.
        drain = 0 if managed is None else 2
        document = {
            "webhook": {"listen": f"127.0.0.1:{self.port}", "drain_seconds": drain, **source},
            "http": {"listen": f"127.0.0.1:{self._http}"},
            "sidecar": {"image": "registry.example.org/tabard-sidecar:0.1.0"},
        }
        self.config.write_text(yaml.safe_dump(document))

    def renew(self, name: str) -> None:
        """Replace certificate and key by others of the same authority."""
        certificate, key = self._authority.issue(name)
        shutil.copy(key, self._folder / "tls.key")
        shutil.copy(certificate, self._folder / "tls.crt")

    def start(self, *, wait: bool = True) -> None:
        """Start it and wait until it is ready."""
        with (self._folder / "injector.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_COMMAND, "serve", "--config", str(self.config)], stdout=log, stderr=log
            )
        if wait:
            self.wait()

    def wait(self) -> None:
        """Wait until it is ready."""
        eventually_blocking(self.ready, 120)

    def ready(self) -> bool:
        """Whether its readiness probe succeeds."""
        return self.get("/readyz").startswith("HTTP/1.1 200")

    def stop(self) -> None:
        """Let it drain, as a kubelet does."""
        if self._process is not None:
            self._process.terminate()
            assert self._process.wait(30) == 0
            self._process = None

    def runs(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it without a chance to drain."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def get(self, path: str) -> str:
        """Return the answer of its HTTP listener; empty if there is none."""
        try:
            with socket.create_connection(("127.0.0.1", self._http), timeout=5) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        except OSError:
            return ""

    def reviews(self) -> int:
        """Return how many questions of the API server it has logged; metrics may be a second old."""
        return self.log().count('"event": "pod ')

    def log(self) -> str:
        """Return what it logged."""
        return (self._folder / "injector.log").read_text()

    def register(self, kubectl: Kubectl, port: int | None = None, *, managed: bool = False) -> None:
        """Have the API server ask it, at another port if one is given."""
        command = [*_COMMAND, "webhook", "--config", str(self.config)]
        if not managed:
            command += ["--ca-file", str(self._authority.certificate)]
        url = f"https://127.0.0.1:{port or self.port}/inject"
        printed = subprocess.run([*command, "--url", url], capture_output=True, text=True, check=True).stdout
        apply(kubectl, json.loads(printed))


def apply(kubectl: Kubectl, document: dict[str, Any], *arguments: str, check: bool = True) -> str:
    """Apply an object; return what kubectl said."""
    return kubectl("apply", "--filename", "-", *arguments, check=check, given=json.dumps(document))


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]
