"""A real API server with the chart installed, its injector running from the release's own configuration.

There is no node, no network between pods and no controller here. So this plays three parts, and nothing else is played: the
Service leads to this machine, the injector's process stands for its pods, and Deployments get the status that their
controller would write. Everything that is asked goes through the real API server, which calls the injector by its Service.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.support.components import component
from tests.support.helm import CHART, NAMESPACE, Helm
from tests.support.kube_server import Kubectl, kube_server, kubectl_of
from tests.support.waiting import eventually_blocking

INJECTOR = "tabard-injector"
IMAGE = "registry.example.org/tabard-sidecar:0.1.0"
_LISTEN = "127.0.0.1:443"
"""Where a Service that names a host is called: at the webhook's port."""
_POLL_SECONDS = 0.5


class ChartCluster:
    """Made by :func:`chart_cluster`.

    Attributes:
        folder: the API server's, with kubeconfig.
        kubectl: runs kubectl as the administrator.
        helm: runs helm.
        deployments: roll out changed Deployments; false lets them wait.
    """

    def __init__(self, folder: Path, place: Path) -> None:
        self.folder = folder
        self.kubectl: Kubectl = kubectl_of(folder)
        self.helm = Helm(place, folder / "kubeconfig")
        self.deployments = True
        self._place = place
        self._process: subprocess.Popen[bytes] | None = None
        self._seen: dict[str, int] = {}
        self._ended = threading.Event()
        self._controller = threading.Thread(target=self._control, daemon=True)

    @property
    def programs(self) -> str:
        """Folders of kubectl, helm and promtool, for PATH."""
        return f"{component('kube-install.sh')}:{Path(self.helm.program).parent}"

    def install(self, **values: Any) -> None:
        """Install the chart, and run what it installs."""
        where = ("tabard", str(CHART), "--namespace", NAMESPACE, "--create-namespace", "--wait=false")
        self.kubectl("create", "serviceaccount", "default", "--namespace", "default")
        self.helm.run("install", *where, "--values", self.helm.values(values))
        lead = {"type": "ExternalName", "externalName": "localhost", "clusterIP": None, "clusterIPs": None}
        self.kubectl(
            *("patch", "service", INJECTOR, "--namespace", NAMESPACE),
            *("--patch", json.dumps({"spec": lead})),
        )
        self._controller.start()
        eventually_blocking(self._answers, 120)

    def namespace(self, name: str, *, label: str = "enabled") -> None:
        """Create a labelled namespace with the ServiceAccount that a controller would make."""
        self.kubectl("create", "namespace", name)
        self.kubectl("label", "namespace", name, f"tabard.dev/inject={label}")
        self.kubectl("create", "serviceaccount", "default", "--namespace", name)

    def start(self) -> None:
        """Run the injector from the release's ConfigMap, as a new pod would."""
        self.stop()
        found = json.loads(self.get("configmap", INJECTOR, NAMESPACE))
        config = self._place / "injector.yaml"
        config.write_text(found["data"]["injector.yaml"])
        token = self._place / "injector-token"
        token.write_text(self.kubectl("create", "token", INJECTOR, "--namespace", NAMESPACE).strip())
        server = self.kubectl("config", "view", "--output", "jsonpath={.clusters[0].cluster.server}")
        settings = {
            "webhook.listen": _LISTEN,
            "webhook.drain_seconds": "0",
            "http.listen": f"unix:{self._place}/http",
            "webhook.managed.namespace": NAMESPACE,
            "webhook.managed.overlap_seconds": "10",
            "webhook.managed.interval_seconds": "1",
        }
        for section in ("webhook.managed", "network"):
            if section != "network" or section in yaml.safe_load(found["data"]["injector.yaml"]):
                settings |= {
                    f"{section}.api.url": server,
                    f"{section}.api.token_file": str(token),
                    f"{section}.api.ca_file": str(self.folder / "apiserver.crt"),
                }
        options = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
        command = [sys.executable, "-m", "tabard_sidecar.cli", "injector", "serve", "--config", str(config)]
        with (self._place / "injector.log").open("ab") as log:
            self._process = subprocess.Popen([*command, *options], stdout=log, stderr=log)

    def stop(self) -> None:
        """End the injector."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def get(self, kind: str, name: str, namespace: str = "") -> str:
        """Return an object as JSON."""
        where = ("--namespace", namespace) if namespace else ()
        return self.kubectl("get", kind, name, *where, "--output", "json")

    def close(self) -> None:
        """End everything."""
        self._ended.set()
        if self._controller.is_alive():
            self._controller.join()
        self.stop()

    def _answers(self) -> bool:
        """Whether the API server has had an answer of the injector, about a pod that isn't stored."""
        document = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "probe", "labels": {"tabard.dev/inject": "enabled"}},
            "spec": {"containers": [{"name": "agent", "image": "x"}]},
        }
        said = self.kubectl(
            *("create", "--namespace", "default", "--dry-run=server", "--filename", "-"),
            check=False,
            given=json.dumps(document),
        )
        return "created" in said

    def _control(self) -> None:
        """Do what a Deployment's controller and kubelets do, as far as the status shows it."""
        while not self._ended.wait(_POLL_SECONDS):
            if not self.deployments:
                continue
            try:
                self._roll_out()
            except (AssertionError, TimeoutError, ValueError, subprocess.TimeoutExpired):
                # A controller tries again, too. Tests that wait for it in vain show this.
                traceback.print_exc()

    def _roll_out(self) -> None:
        found = json.loads(self.kubectl("get", "deployments", "--all-namespaces", "--output", "json"))
        for one in found["items"]:
            meta = one["metadata"]
            if self._seen.get(meta["uid"]) == meta["generation"]:
                continue
            if meta["name"] == INJECTOR:
                self.start()
                eventually_blocking(self._answers, 120)
            replicas = one["spec"]["replicas"]
            counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
            status = {"observedGeneration": meta["generation"], **dict.fromkeys(counts, replicas)}
            patch = ("--subresource", "status", "--type", "merge", "--patch", json.dumps({"status": status}))
            self.kubectl("patch", "deployment", meta["name"], "--namespace", meta["namespace"], *patch)
            self._seen[meta["uid"]] = meta["generation"]


@contextlib.contextmanager
def chart_cluster(place: Path, **values: Any) -> Iterator[ChartCluster]:
    """Run an API server with the chart installed for the length of a block; ``values`` are the chart's."""
    with kube_server() as folder:
        cluster = ChartCluster(folder, place)
        try:
            cluster.install(**values)
            yield cluster
        finally:
            cluster.close()
