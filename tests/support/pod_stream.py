"""Creates pods one after another at a real API server, and keeps what it answered."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from tests.support.kube_server import Kubectl


class PodStream:
    """Creates pods named ``PREFIX-0``, ``PREFIX-1`` and so on in one namespace.

    Attributes:
        failures: what the API server said instead of creating a pod.
        pods: those that were created, as they are stored.
    """

    def __init__(self, kubectl: Kubectl, token: str, namespace: str, prefix: str) -> None:
        server = kubectl("config", "view", "--output", "jsonpath={.clusters[0].cluster.server}")
        self._url = f"{server}/api/v1/namespaces/{namespace}/pods"
        self._prefix = prefix
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"
        self.failures: list[str] = []
        self.pods: list[dict[str, Any]] = []
        self.seconds: list[float] = []

    def create(self, pod: dict[str, Any], authority: str) -> None:
        """Create the next pod."""
        name = f"{self._prefix}-{len(self.pods) + len(self.failures)}"
        document = {**pod, "metadata": {**pod["metadata"], "name": name}}
        began = time.perf_counter()
        answer = self._session.post(self._url, json=document, verify=authority, timeout=30)
        self.seconds.append(time.perf_counter() - began)
        if answer.status_code == 201:
            self.pods.append(answer.json())
        else:
            self.failures.append(answer.text)

    @contextmanager
    def running(self, pod: dict[str, Any], authority: str, pause: float = 0.02) -> Iterator[None]:
        """Create pods for the length of a block."""
        stop = threading.Event()

        def run() -> None:
            while not stop.wait(pause):
                self.create(pod, authority)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self._session.close()
