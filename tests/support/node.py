"""A real node: a kubelet and a container runtime for a real API server, with the image that ``make image`` built.

Pods are created through the injector and run as in a cluster. There is no scheduler: a pod names its node.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from tabard_sidecar.keys import ROOT, SIGNING, Keyring

from testbed.world import AUDIENCE, ISSUER, PERSON, Signer
from tests.support.components import component
from tests.support.folders import short_folder
from tests.support.injector_process import InjectorProcess
from tests.support.kube_api import KubeApi
from tests.support.kube_server import controllers, kube_server, kubectl_of
from tests.support.manifests import manifests
from tests.support.waiting import eventually_blocking

NODE, NAMESPACE, IMAGE = "node-1", "support", "registry.example.org/tabard-sidecar:0.1.0"
_LABELS = ("tabard.dev/inject=enabled", "pod-security.kubernetes.io/enforce=restricted")
_ADDRESS = "10.88.255.1"
"""Where pods reach the API server."""
_POLICY = """package policy.desk

import data.tabard.lib.credentials

start contains {"code": "desk", "limits": {
	"tools": ["tickets.read"],
	"audiences": ["https://tickets.example.org"],
	"scopes": ["tickets:read"],
	"ttl_seconds": 600,
	"max_depth": 0,
	"max_children": 0,
}}

grant contains {
	"code": "read",
	"credential": credentials.jwt("https://tickets.example.org", ["tickets:read"], 60),
} if input.tool.name == "tickets.read"
"""
_RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "runAsGroup": 10001,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


class Node:
    """Made by :func:`node`; the namespace ``support`` has what sidecars need.

    Attributes:
        kubectl: runs kubectl as the administrator.
        folder: the node's, with its logs.
    """

    def __init__(self, cluster: Path, folder: Path, injector: InjectorProcess) -> None:
        self.kubectl = kubectl_of(cluster)
        self.folder = folder
        self._api = KubeApi(cluster)
        self._cluster = cluster
        self._injector = injector
        self._issuer = Signer.create(ISSUER, folder / "issuer.json")

    def start(self, archive: Path) -> None:
        """Start everything, and make the namespace."""
        component("node.sh", "start", self.folder, self._cluster)
        component("node.sh", "import", self.folder, archive)
        (found,) = [
            one for one in self._ctr("images", "list", "--quiet").split() if one.startswith("tabard:")
        ]
        # The runtime itself knows an image by its whole name only.
        for name in (f"docker.io/library/{found}", IMAGE):
            self._ctr("images", "tag", found, name)
        self._injector.start()
        self._injector.register(self.kubectl)
        self.kubectl("create", "namespace", NAMESPACE)
        self.kubectl("label", "namespace", NAMESPACE, *_LABELS)
        self.kubectl("create", "serviceaccount", "default", "--namespace", NAMESPACE)
        people = {
            "issuer": ISSUER,
            "audiences": [AUDIENCE],
            "algorithms": ["ES256"],
            "keys_file": "/etc/tabard/config/issuer.json",
        }
        config = {"zone": NAMESPACE, "identity": {"issuers": [people]}}
        config["insecure"] = {"accept_asserted_intent": True}
        self._put("configmaps", "kube-root-ca.crt", self._authority())
        self._put("configmaps", "tabard-policy", {"desk.rego": _POLICY})
        files = {"tabard.yaml": yaml.safe_dump(config), "issuer.json": self._issuer.keys_file.read_text()}
        self._put("configmaps", "tabard-config", files)
        self._put("secrets", "tabard-keys", self._keys())
        eventually_blocking(lambda: "initContainers" in self._tried()["spec"])

    def token(self) -> str:
        """Return a fresh access token of the person."""
        return self._issuer.access_token(PERSON)

    def spec(self, program: str, *arguments: str) -> dict[str, Any]:
        """Return the ``spec`` of a pod whose agent runs a Python program."""
        agent = {
            "name": "agent",
            "image": IMAGE,
            "command": ["/opt/tabard/bin/python", "-I", "-u", "-c", program, *arguments],
            "securityContext": _RESTRICTED,
        }
        return {
            "nodeName": NODE,
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "hostAliases": [{"ip": _ADDRESS, "hostnames": ["kubernetes.default.svc"]}],
            "containers": [agent],
        }

    def pod(self, name: str, spec: dict[str, Any]) -> None:
        """Create a pod."""
        document = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        self._api.create(f"/api/v1/namespaces/{NAMESPACE}/pods", document)

    def job(self, name: str, spec: dict[str, Any]) -> None:
        """Create a Job; its controller makes the pod."""
        document = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name},
            "spec": {"backoffLimit": 0, "template": {"spec": spec}},
        }
        self._api.create(f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs", document)

    def by_hand(self, namespace: str, program: str) -> None:
        """Make a namespace, and run the pod of k8s/pod.yaml there, whose agent runs a Python program."""
        self.kubectl("create", "namespace", namespace)
        self._put("configmaps", "kube-root-ca.crt", self._authority(), namespace)
        self._put("secrets", "support-agent-tabard-keys", self._keys(), namespace)
        documents = manifests()
        spec = documents["Pod"]["spec"]
        spec |= {key: self.spec("")[key] for key in ("nodeName", "hostAliases")}
        (agent,) = spec["containers"]
        agent |= {"image": IMAGE, "command": self.spec(program)["containers"][0]["command"]}
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents.values())})
        self.kubectl("apply", "--namespace", namespace, "--filename", "-", given=text)

    def get(self, kind: str, name: str, *more: str) -> dict[str, Any]:
        """Return an object, of the namespace unless further options name another one."""
        where = more or ("--namespace", NAMESPACE)
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, *where, "--output", "json"))
        return found

    def pod_of(self, job: str) -> dict[str, Any]:
        """Return the pod of a Job."""
        listed = self.kubectl("get", "pods", "-n", NAMESPACE, "-l", f"job-name={job}", "-o", "json")
        (found,) = json.loads(listed)["items"]
        return found

    def log(self, pod: str, container: str, namespace: str = NAMESPACE) -> list[str]:
        """Return the lines that a container printed, of every start of it."""
        files = sorted((self.folder / "logs").glob(f"{namespace}_{pod}_*/{container}/*.log"))
        # The runtime's format: time, stream, whether the line is whole, text.
        return [line.split(" ", 3)[3] for file in files for line in file.read_text().splitlines()]

    def kill(self, pod: str, container: str) -> None:
        """End a container's process as the kernel does when memory is out."""
        statuses = self.get("pod", pod)["status"]
        (found,) = [
            one["containerID"]
            for one in (*statuses["initContainerStatuses"], *statuses["containerStatuses"])
            if one["name"] == container
        ]
        self._ctr("tasks", "kill", "--signal", "KILL", found.removeprefix("containerd://"))

    def close(self) -> None:
        """End every pod, and the node."""
        self.kubectl("delete", "pods,jobs", "--all", "-A", "--force", "--grace-period=0", check=False)
        self._injector.kill()
        component("node.sh", "stop", self.folder)

    def _ctr(self, *arguments: str) -> str:
        command = ["ctr", "--address", f"{self.folder}/c.sock", "--namespace", "k8s.io", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def _authority(self) -> dict[str, str]:
        return {"ca.crt": (self._cluster / "apiserver.crt").read_text()}

    def _keys(self) -> dict[str, str]:
        """Return the files of a keyring."""
        folder = self.folder / "keys"
        if not folder.exists():
            ring = Keyring.create_directory(folder)
            ring.create(ROOT)
            ring.create(SIGNING)
        return {one.name: one.read_text() for one in folder.glob("*.json")}

    def _put(self, kind: str, name: str, content: dict[str, str], namespace: str = NAMESPACE) -> None:
        field = "stringData" if kind == "secrets" else "data"
        document = {
            "apiVersion": "v1",
            "kind": {"secrets": "Secret", "configmaps": "ConfigMap"}[kind],
            "metadata": {"name": name},
            field: content,
        }
        self._api.create(f"/api/v1/namespaces/{namespace}/{kind}", document)

    def _tried(self) -> dict[str, Any]:
        document = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "try"}, "spec": self.spec("")}
        return self._api.create(f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All", document)


@contextlib.contextmanager
def node(archive: Path) -> Iterator[Node]:
    """Run one with an API server, its controller of Jobs and an injector for the length of a block.

    Args:
        archive: the image of the sidecar, as ``make image`` writes it.
    """
    with short_folder("node") as folder, kube_server() as cluster:
        (folder / "injector").mkdir()
        made = Node(cluster, folder, InjectorProcess(folder / "injector"))
        try:
            with controllers(cluster, "jobs"):
                made.start(archive)
                yield made
        finally:
            made.close()
