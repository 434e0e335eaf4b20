"""Pods with an agent in them that does what a test says, and how the test says it."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from tests.support.kubelet import KubeletPod

PROGRAM = Path(__file__).parent / "agent_program.py"
_RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "runAsGroup": 10001,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


class Refused(Exception):
    """The SDK raised an error; ``kind`` is its class and ``code`` its code."""

    def __init__(self, kind: str, code: str, message: str) -> None:
        super().__init__(f"{kind} {code}: {message}")
        self.kind = kind
        self.code = code


class PodAgent:
    """The agent of a pod that runs; the methods of ``agent_program.Agent`` are called by :meth:`ask`."""

    def __init__(self, pod: KubeletPod) -> None:
        self.pod = pod
        self._turn = threading.Lock()

    @property
    def id(self) -> str:
        """Its SPIFFE ID in a cluster whose trust domain is shop.example."""
        namespace = self.pod.document["metadata"]["namespace"]
        return f"spiffe://shop.example/ns/{namespace}/sa/{self.pod.document['spec']['serviceAccountName']}"

    def ask(self, do: str, **arguments: Any) -> Any:
        """Have it do something.

        Raises:
            Refused: the SDK raised an error.
        """
        process = self.pod.processes["agent"]
        assert process.stdin is not None
        assert process.stdout is not None
        with self._turn:
            process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        assert line, self.pod.log("agent")[-4000:]
        answer = json.loads(line)
        if "error" in answer:
            assert answer["error"] != "bug", answer
            raise Refused(answer["error"], answer["code"], answer["message"])
        return answer["answer"]


def agent_pod(account: str, http_port: int, **annotations: str) -> dict[str, Any]:
    """Return a pod with such an agent, named after its ServiceAccount.

    Args:
        account: the ServiceAccount.
        http_port: port of its sidecar's health; pods of this machine share one network.
        annotations: further annotations for the injector, without their prefix and with ``_`` in place of ``-``.
    """
    tuned = {f"tabard.dev/{name.replace('_', '-')}": value for name, value in annotations.items()}
    agent = {
        "name": "agent",
        "image": f"registry.example.org/{account}:1.0.0",
        "command": ["python", str(PROGRAM)],
        "stdin": True,
        "securityContext": _RESTRICTED,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": account,
            "annotations": {"tabard.dev/http-port": str(http_port), **tuned},
        },
        "spec": {"serviceAccountName": account, "containers": [agent]},
    }
