"""ConfigMaps of the control service go with it from every namespace; Kubernetes' own garbage collector runs here."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.control_process import ACCOUNT, CONFIG_MAP, NAMESPACE, SECRET, Control, ControlProcess
from tests.support.kube_server import Kubectl, controllers, kube_server, kubectl_of
from tests.support.markdown import ROOT
from tests.support.waiting import eventually_blocking

LABEL = "tabard.dev/inject"
SPACES = ("support", "billing")


class World:
    """A replica of the service, and two labelled namespaces.

    Attributes:
        kubectl: runs kubectl as the administrator.
        replica: the replica.
    """

    def __init__(self, kubectl: Kubectl, replica: ControlProcess) -> None:
        self.kubectl = kubectl
        self.replica = replica

    def bundle(self, namespace: str) -> str:
        """Return what the ConfigMap of a namespace holds; nothing if there is none."""
        where = ("configmap", CONFIG_MAP, "--namespace", namespace, "--ignore-not-found")
        return self.kubectl("get", *where, "--output", "jsonpath={.data.ca\\.crt}")

    def role(self) -> str:
        """Return the UID of the service's ClusterRole."""
        return self.kubectl("get", "clusterrole", ACCOUNT, "--output", "jsonpath={.metadata.uid}")

    def owner(self, namespace: str) -> str:
        """Return the UID of what the ConfigMap of a namespace belongs to."""
        where = ("configmap", CONFIG_MAP, "--namespace", namespace, "--ignore-not-found")
        return self.kubectl("get", *where, "--output", "jsonpath={.metadata.ownerReferences[0].uid}")


@pytest.fixture
def world() -> Iterator[World]:
    with kube_server() as cluster, tempfile.TemporaryDirectory(prefix="tabard-control-") as folder:
        kubectl = kubectl_of(cluster)
        for name in SPACES:
            kubectl("create", "namespace", name)
            kubectl("label", "namespace", name, f"{LABEL}=enabled")
        replica = ControlProcess(Control(Path(folder), kubectl, cluster, managed=True), "one")
        try:
            with controllers(cluster, "collector"):
                replica.start()
                world = World(kubectl, replica)
                eventually_blocking(lambda: all(map(world.bundle, (*SPACES, NAMESPACE))))
                yield world
        finally:
            replica.kill()


def test_all_of_it_goes_with_the_service_from_every_namespace(world: World):
    """Also while it runs on; what others have made stays."""
    world.kubectl("create", "configmap", "other", "--namespace", "billing", "--from-literal=a=b")
    world.kubectl("delete", "--filename", str(ROOT / "k8s/control.yaml"))
    eventually_blocking(lambda: not any(map(world.bundle, (*SPACES, NAMESPACE))), 120)
    found = world.kubectl("get", "configmaps,secrets", "--all-namespaces", "--output", "name").split()
    assert "configmap/other" in found
    assert not {f"configmap/{CONFIG_MAP}", f"secret/{SECRET}"} & set(found)
    # It says why it can't bring them back.
    eventually_blocking(lambda: "orbidden" in world.replica.log())
    assert not any(map(world.bundle, SPACES))


def test_a_role_that_is_made_again_owns_them_again(world: World):
    """As after the release was removed and installed again: nothing of the former one takes them away for long."""
    before = world.role()
    role = json.loads(world.kubectl("get", "clusterrole", ACCOUNT, "--output", "json"))
    for field in ("uid", "resourceVersion"):
        role["metadata"].pop(field)
    world.kubectl("delete", "clusterrole", ACCOUNT)
    world.kubectl("create", "--filename", "-", given=json.dumps(role))
    assert world.role() != before
    eventually_blocking(lambda: all(world.owner(space) == world.role() for space in SPACES), 120)
    assert all(map(world.bundle, SPACES))


def test_a_namespace_that_loses_its_label_keeps_a_bundle_that_is_followed(world: World):
    """Sidecars that run there still ask the service, also after its authority was rotated."""
    world.kubectl("label", "namespace", "billing", f"{LABEL}-")
    before = world.bundle("billing")
    world.kubectl("annotate", "secret", SECRET, "-n", NAMESPACE, "tabard.dev/rotate=anew")
    eventually_blocking(lambda: world.bundle("support") not in {"", before}, 120)
    eventually_blocking(lambda: world.bundle("billing") == world.bundle("support"))
    # Once it is gone there, it isn't made again.
    world.kubectl("delete", "configmap", CONFIG_MAP, "--namespace", "billing")
    world.kubectl("delete", "configmap", CONFIG_MAP, "--namespace", "support")
    eventually_blocking(lambda: world.bundle("support"))
    assert not world.bundle("billing")
