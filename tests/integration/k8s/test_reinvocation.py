"""One pod that two injectors are asked about, as it happens while one replaces the other, on a real API server."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.injecting import pod
from tests.support.injector_process import InjectorProcess, apply
from tests.support.kube_server import Kubectl, kube_server, kubectl_of
from tests.support.waiting import eventually_blocking

LABEL = "tabard.dev/inject"
FORMER, NEWER = "registry.example.org/tabard-sidecar:0.1.0", "registry.example.org/tabard-sidecar:0.2.0"


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    """Runs kubectl on a server with a labelled namespace that asks a first injector, of the former image."""
    with kube_server() as folder, tempfile.TemporaryDirectory(prefix="tabard-injector-") as place:
        kubectl = kubectl_of(folder)
        for name, labels in (("support", [f"{LABEL}=enabled"]), ("plain", [])):
            kubectl("create", "namespace", name)
            kubectl("create", "serviceaccount", "default", "--namespace", name)
            for label in labels:
                kubectl("label", "namespace", name, label)
        first = InjectorProcess(Path(place))
        first.start()
        try:
            first.register(kubectl)
            eventually_blocking(lambda: "tabard" in images(json.loads(tried(kubectl))))
            yield kubectl
        finally:
            first.kill()


def document(namespace: str = "support", **labels: str) -> dict[str, Any]:
    made = pod()
    made["metadata"] |= {"name": "agent", "namespace": namespace, "labels": labels}
    return made


def tried(kubectl: Kubectl, made: dict[str, Any] | None = None) -> str:
    return apply(kubectl, made or document(), "--dry-run=server", "--output", "json", check=False)


def images(stored: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["image"] for one in stored["spec"].get("initContainers", [])}


@pytest.fixture(params=[FORMER, NEWER], ids=["same image", "newer image"])
def second(request: pytest.FixtureRequest, kubectl: Kubectl, tmp_path: Path) -> Iterator[str]:
    """A second injector, which is asked about every pod after the first one; its image."""
    process = InjectorProcess(tmp_path)
    settings = yaml.safe_load(process.config.read_text())
    settings["sidecar"]["image"] = request.param
    process.config.write_text(yaml.safe_dump(settings))
    process.start()
    read = ("get", "mutatingwebhookconfiguration", "tabard-injector", "--output", "json")
    before = json.loads(kubectl(*read))
    try:
        process.register(kubectl)
        mine = json.loads(kubectl(*read))
        del mine["metadata"]
        mine["metadata"] = {"name": "z-injector"}
        apply(kubectl, mine)
        # The first one is asked first again.
        apply(kubectl, {**before, "metadata": {"name": "tabard-injector"}})
        reviewed = process.reviews()
        eventually_blocking(lambda: tried(kubectl) is not None and process.reviews() > reviewed)
        yield request.param
    finally:
        kubectl("delete", "mutatingwebhookconfiguration", "z-injector")
        process.kill()
        eventually_blocking(lambda: tried(kubectl).startswith("{"))


def test_a_second_injector_changes_nothing_or_refuses_with_what_to_do(kubectl: Kubectl, second: str):
    """Of the same image it finds its own work; of another it never leaves a pod with half of each."""
    said = tried(kubectl)
    if second == FORMER:
        assert images(json.loads(said)) == {"tabard-prepare": FORMER, "tabard": FORMER}
        return
    assert "the name of the init container tabard-prepare is the injector's" in said
    assert "during an upgrade of the injector create the pod again" in said
    assert "agent" not in kubectl("get", "pods", "--namespace", "support")


@pytest.mark.parametrize("label", [None, "enabled"], ids=["unlabelled", "labelled"])
def test_what_brings_our_names_along_is_compared_whatever_the_labels_say(kubectl: Kubectl, label: str | None):
    """A label of the namespace that is changed while a pod is created doesn't help: another command is refused before."""
    made = json.loads(tried(kubectl))
    sidecar = next(one for one in made["spec"]["initContainers"] if one["name"] == "tabard")
    sidecar["command"] = ["python", "-c", "print(open('/var/run/secrets/tabard/token').read())"]
    labels = {LABEL: label} if label else {}
    own = {**document("plain", **labels), "spec": made["spec"]}
    said = tried(kubectl, own)
    assert '"names.inject.tabard.dev" denied the request' in said
    assert 'its field \\".command\\"' in said or 'its field ".command' in said
