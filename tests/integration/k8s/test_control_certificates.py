"""Replicas of the control service that keep their certificate by themselves, with the rights of k8s/control.yaml."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tabard_sidecar.kubernetes.api import ApiError

from tests.support.balancer import Balancer
from tests.support.control_process import (
    ACCOUNT,
    AUDIENCE,
    CONFIG_MAP,
    NAMESPACE,
    SECRET,
    Control,
    ControlProcess,
)
from tests.support.injected_pod import InjectedPod
from tests.support.injecting import settings
from tests.support.kube_server import Kubectl, kube_server, kubectl_of
from tests.support.waiting import eventually_blocking

ZONE = "support"
VOLUME = "/var/run/secrets/tabard-control"
AS = ("--as", f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}")


@dataclass
class World:
    """Two replicas behind a balancer, and a pod whose files follow the ConfigMap of its namespace as a kubelet does it."""

    kubectl: Kubectl
    replicas: tuple[ControlProcess, ControlProcess]
    balancer: Balancer
    pod: InjectedPod
    stop: threading.Event = field(default_factory=threading.Event)

    def bundle(self, namespace: str = ZONE) -> list[x509.Certificate]:
        """Return the authorities that a namespace's sidecars trust; none if there is no ConfigMap."""
        text = self.kubectl(
            *("get", "configmap", CONFIG_MAP, "--namespace", namespace, "--ignore-not-found"),
            *("--output", "jsonpath={.data.ca\\.crt}"),
        )
        return x509.load_pem_x509_certificates(text.encode()) if "BEGIN" in text else []

    def served(self, replica: int) -> x509.Certificate:
        """Return the certificate of a replica."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.replicas[replica].port), 30) as raw,
            context.wrap_socket(raw) as connection,
        ):
            return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")

    def follow(self) -> None:
        """Write the ConfigMap into the pod's volume again and again."""
        self.pod.pod.files(
            VOLUME, {"token": self.pod.token("--audience", AUDIENCE), "ca.crt": _text(self.bundle())}
        )
        while not self.stop.wait(0.5):
            found = self.bundle()
            if found:
                self.pod.pod.renew(VOLUME, "ca.crt", _text(found))


def _text(certificates: list[x509.Certificate]) -> str:
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in certificates)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with (
        kube_server() as cluster,
        tempfile.TemporaryDirectory(prefix="tabard-control-") as folder,
    ):
        kubectl = kubectl_of(cluster)
        control = Control(Path(folder), kubectl, cluster, managed=True)
        one, two = ControlProcess(control, "one"), ControlProcess(control, "two")
        balancer = Balancer([one.port, two.port])
        injected = InjectedPod(
            kubectl, cluster, settings(control={"url": f"https://127.0.0.1:{balancer.port}"})
        )
        kubectl("label", "namespace", ZONE, "tabard.dev/inject=enabled")
        world = World(kubectl, (one, two), balancer, injected)
        following = threading.Thread(target=world.follow)
        try:
            one.start()
            two.start()
            eventually_blocking(world.bundle)
            following.start()
            yield world
        finally:
            world.stop.set()
            following.join()
            balancer.close()
            one.kill()
            two.kill()
            injected.remove()


@pytest.fixture(scope="module")
def running(world: World) -> Iterator[World]:
    """The same with a sidecar that asks every second."""
    eventually_blocking(lambda: all(replica.ready() for replica in world.replicas))
    with world.pod.run("--set", "keys.control.poll_seconds=1") as process:
        world.pod.wait(process)
        yield world


def test_replicas_share_one_authority_and_labelled_namespaces_have_it(world: World):
    """The ConfigMaps belong to the service's ClusterRole, with which the cluster removes them."""
    world.kubectl("create", "namespace", "late")
    world.kubectl("create", "namespace", "other")
    world.kubectl("label", "namespace", "late", "tabard.dev/inject=disabled")
    eventually_blocking(lambda: world.bundle("late"))
    assert world.bundle("late") == world.bundle() == world.bundle(NAMESPACE)
    assert not world.bundle("other")
    assert world.served(0) == world.served(1)
    (authority,) = world.bundle()
    world.served(0).verify_directly_issued_by(authority)
    role = json.loads(world.kubectl("get", "clusterrole", ACCOUNT, "--output", "json"))
    found = json.loads(world.kubectl("get", "configmap", CONFIG_MAP, "-n", "late", "--output", "json"))
    (owner,) = found["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("ClusterRole", role["metadata"]["uid"])


def test_who_spoils_the_config_map_of_a_namespace_hinders_no_one_for_long(running: World):
    running.kubectl("patch", "configmap", CONFIG_MAP, "-n", "late", "--patch", '{"data": {"ca.crt": "x"}}')
    eventually_blocking(lambda: running.bundle("late") == running.bundle())
    running.kubectl("delete", "configmap", CONFIG_MAP, "-n", "late")
    eventually_blocking(lambda: running.bundle("late") == running.bundle())


def test_the_authority_is_rotated_while_a_sidecar_asks_and_no_request_fails(running: World):
    (before,) = running.bundle()
    asked = running.pod.log.count("keys can't be had")
    running.kubectl("annotate", "secret", SECRET, "-n", NAMESPACE, "tabard.dev/rotate=ca")
    eventually_blocking(lambda: len(running.bundle()) == 2)
    assert running.pod.authorize().returncode == 0
    eventually_blocking(lambda: len(running.bundle()) == 1 and running.bundle() != [before], 120)
    (after,) = running.bundle()
    for replica in range(2):
        running.served(replica).verify_directly_issued_by(after)
    # A new generation arrives under the new certificate.
    assert running.pod.log.count("keys can't be had") == asked
    assert "gives no keys" not in running.pod.ready().stdout
    assert running.pod.authorize().returncode == 0


def test_one_replica_is_replaced_and_the_other_killed_meanwhile(running: World):
    one, two = running.replicas
    one.stop()
    one.start()
    two.kill()
    two.start()
    eventually_blocking(lambda: one.ready() and two.ready())
    assert running.served(0) == running.served(1)
    assert running.pod.authorize().returncode == 0


@pytest.mark.parametrize(
    "attempt",
    [
        ("create", "configmap", "tabard-config", "--namespace", "late"),
        ("get", "configmaps", "--namespace", "late"),
        ("get", "secrets", "--namespace", NAMESPACE),
        ("get", "secret", "tabard-control-masters", "--namespace", NAMESPACE),
        ("create", "secret", "generic", "x", "--namespace", NAMESPACE),
        ("delete", "configmap", CONFIG_MAP, "--namespace", "late"),
        ("label", "namespace", "late", "a=b"),
        ("get", "pods", "--all-namespaces"),
        ("create", "token", "default", "--namespace", "late"),
    ],
    ids=lambda attempt: " ".join(attempt[:3]),
)
def test_its_rights_are_good_for_nothing_else(running: World, attempt: tuple[str, ...]):
    said = running.kubectl(*attempt, *AS, check=False)
    assert "orbidden" in said or "creates no other ConfigMap" in said, said


def test_an_edited_secret_is_mended_or_told(running: World):
    """A key of someone else is never served."""
    before = running.served(0)
    other = base64.b64encode(b"-----BEGIN PRIVATE KEY-----\nx\n").decode()
    patch = json.dumps({"data": {"tls.key": other}})
    running.kubectl("patch", "secret", SECRET, "-n", NAMESPACE, "--patch", patch)
    eventually_blocking(lambda: running.served(0) != before)
    (authority,) = running.bundle()
    running.served(0).verify_directly_issued_by(authority)
    assert ApiError.__name__ not in running.replicas[0].log()
