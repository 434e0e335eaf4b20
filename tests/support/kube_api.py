"""A client of a real API server for tests, as the administrator or as someone else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import requests
import yaml

Object = dict[str, Any]


class KubeApi:
    """Asks the API server of a folder of :func:`tests.support.kube_server.kube_server`.

    Args:
        cluster: the folder.
        user: as whom the administrator asks; empty for no one else.
        groups: that user's groups.

    Attributes:
        server: address of the API server.
    """

    def __init__(self, cluster: Path, user: str = "", groups: tuple[str, ...] = ()) -> None:
        config = yaml.safe_load((cluster / "kubeconfig").read_text())
        self.server: str = config["clusters"][0]["cluster"]["server"]
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(cluster / "apiserver.crt")
        self._session.headers["Authorization"] = f"Bearer {(cluster / 'token').read_text().strip()}"
        if user:
            self._session.headers["Impersonate-User"] = user
            # Requests sends one header for each name; the API server takes a group from each.
            (self._session.headers["Impersonate-Group"],) = groups

    def send(self, method: str, path: str, body: Object | None = None) -> requests.Response:
        """Send a request; return the answer, whatever it is."""
        return self._session.request(method, f"{self.server}{path}", json=body, timeout=60)

    def get(self, path: str) -> Object:
        """Return an object."""
        return _checked(self.send("GET", path))

    def create(self, path: str, document: Object) -> Object:
        """Create an object; return it as it was stored."""
        return _checked(self.send("POST", path, document))

    def replace(self, path: str, document: Object) -> Object:
        """Replace an object."""
        return _checked(self.send("PUT", path, document))

    def delete(self, path: str) -> None:
        """Delete an object at once."""
        _checked(self.send("DELETE", path, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}))


def _checked(answer: requests.Response) -> Object:
    assert answer.ok, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
    found: Object = answer.json()
    return found
