"""Does a kubelet's work for pods of a real API server: volumes, tokens, containers in their order, probes.

Each container is a process with a file system of its own (:mod:`tests.support.container_root`). What is missing of a real
kubelet is listed in tests/integration/pods/README.md.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
import traceback
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.container_root import PATH, Mount, User, contained
from tests.support.kube_api import KubeApi, Object
from tests.support.pod_volumes import PodVolumes, field
from tests.support.waiting import eventually_blocking

_STOP_SECONDS = 30
_RENEWAL_SECONDS = 240.0
"""Tokens live ten minutes at least; a kubelet renews them after four fifths of that."""
_REPOSITORY = Path(__file__).resolve().parents[2]


class KubeletPod:
    """A pod whose containers run.

    Args:
        pod: the pod as the API server stored it.
        volumes: its volumes.
        root: an empty folder, in which containers have their file systems.
        logs: where the containers' output is written.
    """

    def __init__(self, pod: Object, volumes: PodVolumes, root: Path, logs: Path) -> None:
        self.document = pod
        self.volumes = volumes
        self._root = root
        self._logs = logs
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def name(self) -> str:
        """The pod's name."""
        return str(self.document["metadata"]["name"])

    def container(self, name: str) -> Object:
        """Return a container's part of the pod."""
        spec = self.document["spec"]
        return next(one for one in (*spec["initContainers"], *spec["containers"]) if one["name"] == name)

    def start(self) -> None:
        """Start the containers in their order: each init container is to end, or, if it goes on, to be started."""
        for one in self.document["spec"].get("initContainers", []):
            if one.get("restartPolicy") == "Always":
                self.launch(one["name"])
                self.wait(one["name"])
            else:
                answer = self.execute(one["name"], one["command"])
                assert answer.returncode == 0, answer.stderr
        for one in self.document["spec"]["containers"]:
            self.launch(one["name"])

    def launch(self, name: str) -> None:
        """Start a container's own command."""
        one = self.container(name)
        with (self._logs / f"{self.name}.{name}").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                self._command(name, [*one["command"], *one.get("args", [])]),
                env=self.environment(name),
                cwd="/",
                stdin=subprocess.PIPE if one.get("stdin") else subprocess.DEVNULL,
                stdout=subprocess.PIPE if one.get("stdin") else log,
                stderr=log,
            )

    def wait(self, name: str) -> None:
        """Wait until the startup probe of a container succeeds; then its readiness probe does, too."""
        probe = self.container(name)["startupProbe"]
        for _ in range(probe["failureThreshold"]):
            assert self.processes[name].poll() is None, self.log(name)[-4000:]
            answer = self.execute(name, probe["exec"]["command"])
            if answer.returncode == 0:
                eventually_blocking(lambda: self.ready(name))
                return
            threading.Event().wait(probe["periodSeconds"])
        raise AssertionError(f"{answer.stdout}{answer.stderr}{self.log(name)[-4000:]}")

    def ready(self, name: str = "tabard") -> bool:
        """Whether the readiness probe of a container succeeds."""
        get = self.container(name)["readinessProbe"]["httpGet"]
        url = f"{get['scheme'].lower()}://127.0.0.1:{get['port']}{get['path']}"
        with contextlib.suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - the pod's own
            return True
        return False

    def execute(self, name: str, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command to its end in a container, with its environment, user and volumes."""
        return subprocess.run(
            self._command(name, command),
            env=self.environment(name),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def kill(self, name: str = "tabard") -> None:
        """End a container's process without a chance to do anything, as the kernel does when memory is out."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def restart(self, name: str = "tabard") -> None:
        """Start a container again that has ended, and wait until it is ready."""
        self.launch(name)
        self.wait(name)

    def stop(self) -> None:
        """End the containers, agents first, as a pod's end does."""
        for name in [*reversed(self.processes)]:
            process = self.processes.pop(name)
            if process.stdin is not None:
                process.stdin.close()
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def log(self, name: str = "tabard") -> str:
        """What a container printed, from its first start on."""
        return (self._logs / f"{self.name}.{name}").read_text()

    def environment(self, name: str) -> dict[str, str]:
        """Return the environment of a container: the image's, and what its manifest says."""
        image = {"PATH": PATH, "PYTHONPATH": str(_REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/"}
        return image | {one["name"]: self._value(one) for one in self.container(name).get("env", [])}

    def _value(self, variable: dict[str, Any]) -> str:
        if "valueFrom" in variable:
            return field(self.document, variable["valueFrom"]["fieldRef"]["fieldPath"])
        return str(variable.get("value", ""))

    def _command(self, name: str, command: Sequence[str]) -> list[str]:
        one, spec = self.container(name), self.document["spec"]
        user = {**spec.get("securityContext", {}), **one.get("securityContext", {})}
        mounts = [
            Mount(self.volumes.folders[each["name"]], each["mountPath"], not each.get("readOnly"))
            for each in one.get("volumeMounts", [])
        ]
        groups = (*([user["fsGroup"]] if "fsGroup" in user else []), *user.get("supplementalGroups", []))
        whom = User(user["runAsUser"], user["runAsGroup"], groups)
        return contained(self._root, mounts, whom, command)


class Kubelet:
    """A node's kubelet.

    Args:
        cluster: the API server's folder.
        folder: an empty folder with a short path, for volumes and logs.
        drivers: for the name of a CSI driver the folder that it would mount.
    """

    def __init__(self, cluster: Path, folder: Path, drivers: Mapping[str, Path] | None = None) -> None:
        self._admin = KubeApi(cluster)
        self._node = "node-1"
        self._api = KubeApi(cluster, f"system:node:{self._node}", ("system:nodes",))
        self._folder = folder
        self._drivers = drivers or {}
        self._root = folder / "root"
        self._root.mkdir()
        self.pods: list[KubeletPod] = []
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._renew)
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self._node}}
        self._admin.create("/api/v1/nodes", node)
        self._renewing.start()

    def run(self, namespace: str, name: str) -> KubeletPod:
        """Take a pod that was created to this node and start it."""
        place = f"/api/v1/namespaces/{namespace}/pods/{name}"
        target = {"apiVersion": "v1", "kind": "Node", "name": self._node}
        metadata = {"name": name, "namespace": namespace}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target}
        self._admin.create(f"{place}/binding", binding)
        # The API server lets a node see its own pods' objects, as soon as it has noticed whose they are.
        eventually_blocking(lambda: self._api.send("GET", place).ok)
        document = self._admin.get(place)
        eventually_blocking(lambda: self._may_read(document))
        folder = self._folder / f"{namespace}-{name}"
        volumes = PodVolumes(self._api, document, folder, self._drivers)
        pod = KubeletPod(document, volumes, self._root, self._folder)
        self.pods.append(pod)
        pod.start()
        return pod

    def _may_read(self, document: Object) -> bool:
        space = f"/api/v1/namespaces/{document['metadata']['namespace']}"
        names = [
            one["configMap"]["name"] for one in document["spec"].get("volumes", []) if "configMap" in one
        ]
        return all(self._api.send("GET", f"{space}/configmaps/{name}").ok for name in names)

    def _renew(self) -> None:
        while not self._ended.wait(_RENEWAL_SECONDS):
            try:
                for pod in list(self.pods):
                    pod.volumes.refresh()
            except (AssertionError, LookupError, OSError, ValueError):
                # A kubelet tries again, too. Tests that wait for new files in vain show this.
                traceback.print_exc()

    def close(self) -> None:
        """Stop every pod."""
        self._ended.set()
        self._renewing.join()
        for pod in self.pods:
            pod.stop()


@contextlib.contextmanager
def kubelet(cluster: Path, folder: Path, drivers: Mapping[str, Path] | None = None) -> Iterator[Kubelet]:
    """Run one for the length of a block; at its end its pods are stopped."""
    running = Kubelet(cluster, folder, drivers)
    try:
        yield running
    finally:
        running.close()
