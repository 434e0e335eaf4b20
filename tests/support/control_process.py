"""Replicas of a real control service in processes of their own, behind an address as a Service would be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from tabard_sidecar.control.master import MasterKey, create

from tests.components.ports import free_ports
from tests.support.injector_process import apply
from tests.support.kube_server import Kubectl
from tests.support.service_process import ServiceProcess
from tests.support.tls import Authority

AUDIENCE = "tabard-control"
NAMESPACE, ACCOUNT = "tabard-system", "tabard-control"
SECRET, CONFIG_MAP = "tabard-control-certificates", "tabard-control-ca"


class ControlProcess(ServiceProcess):
    """One replica.

    Attributes:
        operators: port of the operator surface, if ``control.yaml`` has one.
    """

    def __init__(self, shared: Control, name: str) -> None:
        super().__init__("control", shared.folder / "control.yaml", shared.folder / f"{name}.log")
        (self.operators,) = free_ports(1)
        self._has_operators = "operators" in shared.sections

    def start(self, *options: str) -> None:
        """Start it and wait until it answers probes."""
        addresses = {"server.listen": self.port, "http.listen": self.http}
        if self._has_operators:
            addresses["operators.listen"] = self.operators
        given = [part for name, port in addresses.items() for part in ("--set", f"{name}=127.0.0.1:{port}")]
        self.spawn(*given, *options)
        self.wait("/healthz")


class Control:
    """The files that replicas share, and the service's rights at a real API server.

    With ``managed`` it makes its certificate by itself. ``sections`` are further ones of ``control.yaml``.
    """

    def __init__(
        self, folder: Path, kubectl: Kubectl, cluster: Path, *, managed: bool = False, **sections: Any
    ) -> None:
        self.folder = folder
        self.sections = sections
        self._kubectl = kubectl
        self.authority = Authority(folder, "control")
        certificate, key = self.authority.issue("service")
        self.masters = folder / "masters"
        self.renew()
        apply(kubectl, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        manifest = Path(__file__).resolve().parents[2] / "k8s" / "control.yaml"
        kubectl("apply", "--filename", str(manifest))
        self.own_token()
        server = kubectl("config", "view", "--output", "jsonpath={.clusters[0].cluster.server}")
        files = {"tls_certificate_file": str(certificate), "tls_key_file": str(key)}
        api = {
            "url": server,
            "token_file": str(folder / "own-token"),
            "ca_file": str(cluster / "apiserver.crt"),
        }
        kept = {
            "secret": SECRET,
            "namespace": NAMESPACE,
            "names": ["127.0.0.1"],
            "owner": ACCOUNT,
            "overlap_seconds": 10,
            "interval_seconds": 1,
            "api": api,
        }
        document = {
            "server": {"drain_seconds": 2, "managed": kept} if managed else {"drain_seconds": 0, **files},
            "master": {"directory": str(self.masters)},
            "cluster": {
                "url": server,
                "token_file": str(folder / "own-token"),
                "ca_file": str(cluster / "apiserver.crt"),
            },
            **sections,
        }
        (folder / "control.yaml").write_text(yaml.safe_dump(document))

    def own_token(self, account: str = ACCOUNT) -> None:
        """Give the service a token of a ServiceAccount of its namespace."""
        token = self._kubectl("create", "token", account, "--namespace", NAMESPACE)
        (self.folder / "own-token").write_text(token.strip())

    def renew(self, **options: float) -> MasterKey:
        """Add a generation of the master key."""
        return create(self.masters, **options)
