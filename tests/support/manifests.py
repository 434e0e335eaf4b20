"""Reads the Kubernetes manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

POD = Path(__file__).resolve().parents[2] / "k8s" / "pod.yaml"


def manifests() -> dict[str, dict[str, Any]]:
    """Return the documents of ``k8s/pod.yaml`` by kind."""
    return {document["kind"]: document for document in yaml.safe_load_all(POD.read_text(encoding="utf-8"))}


def container(pod: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a container of the pod, of whichever sort."""
    spec = pod["spec"]
    return next(item for item in [*spec["initContainers"], *spec["containers"]] if item["name"] == name)
