"""Replicas of a real control service in processes of their own, behind an address as a Service would be."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import yaml
from tabard_sidecar.control.master import MasterKey, create

from tests.support.kube_server import Kubectl
from tests.support.tls import Authority
from tests.support.waiting import eventually_blocking

_COMMAND = (sys.executable, "-m", "tabard_sidecar.cli", "control", "serve")
AUDIENCE = "tabard-control"
NAMESPACE, ACCOUNT = "tabard-system", "tabard-control"


class ControlProcess:
    """One replica.

    Attributes:
        port: where sidecars ask, on 127.0.0.1; the same when it is started again.
    """

    def __init__(self, shared: Control, name: str) -> None:
        self._folder = shared.folder
        self._name = name
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
            self.port, self._http = one.getsockname()[1], two.getsockname()[1]

    def start(self, *options: str) -> None:
        """Start it and wait until it answers probes."""
        command = [
            *(*_COMMAND, "--config", str(self._folder / "control.yaml")),
            *(
                "--set",
                f"server.listen=127.0.0.1:{self.port}",
                "--set",
                f"http.listen=127.0.0.1:{self._http}",
            ),
            *options,
        ]
        with (self._folder / f"{self._name}.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

        def answers() -> str:
            assert self._process is not None
            assert self._process.poll() is None, self.log()
            return self.get("/healthz")

        eventually_blocking(answers, 120)

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

    def ready(self) -> bool:
        """Whether its readiness probe succeeds."""
        return self.get("/readyz").startswith("HTTP/1.1 200")

    def log(self) -> str:
        """What it logged."""
        return (self._folder / f"{self._name}.log").read_text()


class Control:
    """The files that replicas share, and the service's rights at a real API server."""

    def __init__(self, folder: Path, kubectl: Kubectl, cluster: Path) -> None:
        self.folder = folder
        self._kubectl = kubectl
        self.authority = Authority(folder, "control")
        certificate, key = self.authority.issue("service")
        self.masters = folder / "masters"
        self.renew()
        manifest = Path(__file__).resolve().parents[2] / "k8s" / "control.yaml"
        kubectl("apply", "--filename", str(manifest))
        self.own_token()
        server = kubectl("config", "view", "--output", "jsonpath={.clusters[0].cluster.server}")
        document = {
            "server": {
                "tls_certificate_file": str(certificate),
                "tls_key_file": str(key),
                "drain_seconds": 0,
            },
            "master": {"directory": str(self.masters)},
            "cluster": {
                "api_url": server,
                "token_file": str(folder / "own-token"),
                "ca_file": str(cluster / "apiserver.crt"),
            },
        }
        (folder / "control.yaml").write_text(yaml.safe_dump(document))

    def own_token(self, account: str = ACCOUNT) -> None:
        """Give the service a token of a ServiceAccount of its namespace."""
        token = self._kubectl("create", "token", account, "--namespace", NAMESPACE)
        (self.folder / "own-token").write_text(token.strip())

    def renew(self, **options: float) -> MasterKey:
        """Add a generation of the master key."""
        return create(self.masters, **options)
