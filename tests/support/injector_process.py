"""A real injector in a process of its own, and the API server told to ask it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.kube_server import Kubectl
from tests.support.service_process import ServiceProcess
from tests.support.tls import Authority


class InjectorProcess(ServiceProcess):
    """An injector.

    Args:
        folder: where its files are.
        managed: the section ``webhook.managed``, in place of certificates that this class makes.
        network: the section ``network``; none without it.
    """

    def __init__(
        self,
        folder: Path,
        managed: Mapping[str, Any] | None = None,
        network: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__("injector", folder / "injector.yaml", folder / "injector.log")
        self._folder = folder
        self._authority = Authority(folder, "injector")
        self.renew("first")
        files = {"tls_certificate_file": "tls.crt", "tls_key_file": "tls.key"}
        source = files if managed is None else {"managed": dict(managed)}
        # Behind a balancer, what is asked during the end of one replica has to be answered.
        drain = 0 if managed is None else 2
        document = {
            "webhook": {"listen": f"127.0.0.1:{self.port}", "drain_seconds": drain, **source},
            "http": {"listen": f"127.0.0.1:{self.http}"},
            "sidecar": {"image": "registry.example.org/tabard-sidecar:0.1.0"},
            **({} if network is None else {"network": dict(network)}),
        }
        self.config.write_text(yaml.safe_dump(document))

    def renew(self, name: str) -> None:
        """Replace certificate and key by others of the same authority."""
        certificate, key = self._authority.issue(name)
        shutil.copy(key, self._folder / "tls.key")
        shutil.copy(certificate, self._folder / "tls.crt")

    def start(self, *, wait: bool = True) -> None:
        """Start it and wait until it is ready."""
        self.spawn()
        if wait:
            self.wait()

    def reviews(self) -> int:
        """Return how many questions of the API server it has logged; metrics may be a second old."""
        return self.log().count('"event": "pod ')

    def register(self, kubectl: Kubectl, port: int | None = None, *, managed: bool = False) -> None:
        """Have the API server ask it, at another port if one is given."""
        command = self.command("webhook", "--config", str(self.config))
        if not managed:
            command += ["--ca-file", str(self._authority.certificate)]
        url = f"https://127.0.0.1:{port or self.port}/inject"
        printed = subprocess.run([*command, "--url", url], capture_output=True, text=True, check=True).stdout
        apply(kubectl, json.loads(printed))


def apply(kubectl: Kubectl, document: dict[str, Any], *arguments: str, check: bool = True) -> str:
    """Apply an object; return what kubectl said."""
    return kubectl("apply", "--filename", "-", *arguments, check=check, given=json.dumps(document))
