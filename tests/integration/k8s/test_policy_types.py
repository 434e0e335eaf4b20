"""The types of the admission policies' expressions, as Kubernetes' own controller checks them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.helm import Helm
from tests.support.kube_server import Kubectl, controllers, kube_server, kubectl_of
from tests.support.waiting import eventually_blocking

KIND = "ValidatingAdmissionPolicy"
VALUES: dict[str, dict[str, Any]] = {
    "defaults": {"doctor": {"enabled": True}, "control": {"enabled": True}},
    "everything": {
        "doctor": {"enabled": True},
        "control": {"enabled": True},
        "injector": {
            "config": {
                "sidecar": {
                    "files_secret": "files",
                    "former_secrets": ["old-files"],
                    "former_images": {"registry.example.org/b:1": "2026-03-01T12:15:00Z"},
                },
                "cluster": {"former_audiences": ["former"], "tokens": {"a": "vault-a"}},
            }
        },
    },
}


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    """Runs kubectl on a server whose policies are checked."""
    with kube_server() as cluster, controllers(cluster, "types"):
        yield kubectl_of(cluster)


def checked(kubectl: Kubectl, documents: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Apply policies; return what is wrong with the types of each."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
    kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", given=text)
    names = [one["metadata"]["name"] for one in documents]

    def found() -> list[dict[str, Any]]:
        read: dict[str, Any] = json.loads(kubectl("get", KIND, *names, "--output", "json"))
        return read.get("items", [read])

    def all_seen() -> bool:
        return all(
            one.get("status", {}).get("observedGeneration") == one["metadata"]["generation"]
            for one in found()
        )

    eventually_blocking(all_seen, 120)
    return {
        one["metadata"]["name"]: [
            f"{warning['fieldRef']}: {warning['warning']}"
            for warning in one["status"]["typeChecking"].get("expressionWarnings", [])
        ]
        for one in found()
    }


@pytest.mark.parametrize("case", VALUES)
def test_no_expression_has_a_doubtful_type(kubectl: Kubectl, tmp_path: Path, case: str):
    documents = [one for one in Helm(tmp_path).template(VALUES[case]) if one["kind"] == KIND]
    assert len(documents) == 9
    found = checked(kubectl, documents)
    assert found == {one["metadata"]["name"]: [] for one in documents}


def test_the_check_finds_what_is_wrong(kubectl: Kubectl, tmp_path: Path):
    """A field that pods don't have. Of subresources alone, such as pods/exec, Kubernetes checks no types."""
    (document,) = [
        one
        for one in Helm(tmp_path).template()
        if (one["kind"], one["metadata"]["name"]) == (KIND, "tabard-pods")
    ]
    document["metadata"] = {"name": "wrong"}
    document["spec"]["validations"][0]["expression"] = "object.spec.hostsNetwork == true"
    assert "undefined field 'hostsNetwork'" in "".join(checked(kubectl, [document])["wrong"])
