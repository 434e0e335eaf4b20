"""Injectors that keep their certificates by themselves, behind a real API server, with the rights of k8s/install.yaml."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.balancer import Balancer
from tests.support.injecting import container, pod
from tests.support.injector_process import InjectorProcess
from tests.support.kube_server import Kubectl, kube_server, kubectl_of
from tests.support.pod_stream import PodStream
from tests.support.waiting import eventually_blocking

NAMESPACE, SECRET = "tabard-system", "tabard-injector-certificates"
OURS = ["tabard-prepare", "tabard"]
MANIFEST = Path(__file__).resolve().parents[3] / "k8s" / "install.yaml"


class Place:
    """A cluster with two injectors behind one address."""

    def __init__(self, cluster: Path, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.kubectl: Kubectl = kubectl_of(cluster)
        self.authority = str(cluster / "apiserver.crt")
        self.kubectl("apply", "--filename", str(MANIFEST))
        self.kubectl("create", "namespace", "support")
        self.kubectl("label", "namespace", "support", "tabard.dev/inject=enabled")
        self.kubectl("create", "serviceaccount", "default", "--namespace", "support")
        token = self.kubectl("create", "token", "tabard-injector", "--namespace", NAMESPACE)
        (folder / "token").write_text(token.strip())
        self.injectors = [self.injector("one"), self.injector("two")]
        self.balancer = Balancer([one.port for one in self.injectors])

    def injector(self, name: str, **settings: Any) -> InjectorProcess:
        server = self.kubectl("config", "view", "--output", "jsonpath={.clusters[0].cluster.server}")
        managed = {
            "secret": SECRET,
            "namespace": NAMESPACE,
            "names": ["127.0.0.1"],
            "webhook_configuration": "tabard-injector",
            "overlap_seconds": 10,
            "interval_seconds": 1,
            "api": {"url": server, "token_file": str(self.folder / "token"), "ca_file": self.authority},
        }
        own = self.folder / name
        own.mkdir()
        return InjectorProcess(own, managed | settings)

    def secret(self) -> dict[str, bytes]:
        """Return what the Secret holds."""
        found = json.loads(self.kubectl("get", "secret", SECRET, "-n", NAMESPACE, "--output", "json"))
        return {name: base64.b64decode(value) for name, value in (found.get("data") or {}).items()}

    def bundle(self) -> list[x509.Certificate]:
        """Return the authorities that the API server trusts."""
        found = json.loads(
            self.kubectl("get", "mutatingwebhookconfiguration", "tabard-injector", "-o", "json")
        )
        bundles = {one["clientConfig"].get("caBundle", "") for one in found["webhooks"]}
        assert len(bundles) == 1
        text = base64.b64decode(bundles.pop())
        return x509.load_pem_x509_certificates(text) if text else []

    def edit(self, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
        """Write into the Secret as by hand."""
        found = json.loads(self.kubectl("get", "secret", SECRET, "-n", NAMESPACE, "--output", "json"))
        data = {
            name: base64.b64encode(value.encode()).decode() for name, value in change(found["data"]).items()
        }
        self.kubectl("patch", "secret", SECRET, "-n", NAMESPACE, "--patch", json.dumps({"data": data}))

    def rotate(self, how: str = "ca") -> None:
        self.kubectl("annotate", "secret", SECRET, "-n", NAMESPACE, f"tabard.dev/rotate={how}")

    def stream(self, prefix: str) -> PodStream:
        return PodStream(self.kubectl, (self.cluster / "token").read_text().strip(), "support", prefix)

    def works(self) -> bool:
        """Whether a pod is admitted now."""
        stream = self.stream("probe")
        stream.create(POD | {"metadata": {}}, self.authority)
        if stream.pods:
            self.kubectl("delete", "pod", "probe-0", "-n", "support", "--grace-period=0", "--force")
        return bool(stream.pods)


POD = pod(container("agent"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Two injectors that start at once, from an empty Secret, with a webhook configuration without authorities."""
    with kube_server() as cluster:
        place = Place(cluster, tmp_path_factory.mktemp("managed"))
        for one in place.injectors:
            one.start(wait=False)
        place.injectors[0].register(place.kubectl, place.balancer.port, managed=True)
        for one in place.injectors:
            one.wait()
        try:
            yield place
        finally:
            place.kubectl("delete", "mutatingwebhookconfiguration", "tabard-injector")
            for one in place.injectors:
                one.kill()
            place.balancer.close()


def inits(document: dict[str, Any]) -> list[str]:
    return [one["name"] for one in document["spec"].get("initContainers", [])]


def test_two_replicas_begin_with_nothing_and_agree(place: Place):
    eventually_blocking(place.bundle)
    assert [place.secret()["ca.crt"]] == [_pem(one) for one in place.bundle()]
    eventually_blocking(place.works)
    made = [one.log().count("an authority and a certificate are made") for one in place.injectors]
    assert sum(made) == 1


def test_the_injector_may_do_nothing_else(place: Place):
    """One Secret and one webhook configuration; test_injected_network.py has its rights for NetworkPolicies."""
    allowed = {
        ("get", f"secret/{SECRET}"),
        ("update", f"secret/{SECRET}"),
        ("get", "mutatingwebhookconfigurations/tabard-injector"),
        ("patch", "mutatingwebhookconfigurations/tabard-injector"),
    }
    for verb in ("get", "update", "patch", "create", "delete", "list"):
        for what in (
            f"secret/{SECRET}",
            "secret/other",
            "secrets",
            "mutatingwebhookconfigurations/tabard-injector",
            "mutatingwebhookconfigurations/other",
            "pods",
        ):
            account = f"system:serviceaccount:{NAMESPACE}:tabard-injector"
            said = place.kubectl(
                "auth", "can-i", verb, what, "--as", account, "-n", NAMESPACE, check=False
            ).splitlines()
            assert ("yes" in said) == ((verb, what) in allowed), (verb, what, said)


def test_no_pod_fails_while_the_authority_is_rotated_and_replicas_are_replaced(place: Place):
    """Old and new authority are published together; each replica is drained and replaced in the middle of it."""
    before = place.bundle()
    stream = place.stream("rotated")
    with stream.running(POD, place.authority):
        place.rotate()
        for phase, one in zip(("next-ca.crt", "former-ca.crt"), place.injectors, strict=True):
            eventually_blocking(lambda phase=phase: phase in place.secret())
            one.stop()
            one.start()
        eventually_blocking(lambda: len(place.bundle()) == 1 and place.bundle() != before)
    assert stream.failures == []
    assert len(stream.pods) > 100
    assert all(inits(one) == OURS for one in stream.pods)
    annotations = place.kubectl(
        "get", "secret", SECRET, "-n", NAMESPACE, "-o", "jsonpath={.metadata.annotations}"
    )
    assert "rotate" not in annotations


def test_a_replica_that_is_killed_leaves_no_pod_without_its_sidecar(place: Place):
    """Killed in the middle of a rotation, and replaced: what it was asked just then fails, and nothing else."""
    first, second = place.injectors
    stream = place.stream("killed")
    before = place.bundle()
    with stream.running(POD, place.authority):
        place.rotate()
        eventually_blocking(lambda: "next-ca.crt" in place.secret())
        first.kill()
        eventually_blocking(lambda: "former-ca.crt" in place.secret())
        first.start()
        second.kill()
        eventually_blocking(lambda: len(place.bundle()) == 1 and place.bundle() != before)
    second.start()
    assert len(stream.failures) <= 2, stream.failures
    assert all("failed calling webhook" in one for one in stream.failures)
    assert all(inits(one) == OURS for one in stream.pods)


def test_a_key_that_was_edited_is_never_served(place: Place):
    """Another certificate is made, by the same authority; meanwhile the former one is served."""
    before, stream = place.bundle(), place.stream("edited")
    served = place.secret()["tls.crt"]
    with stream.running(POD, place.authority):
        place.edit(lambda data: {"tls.key": base64.b64decode(data["ca.key"]).decode()})
        eventually_blocking(lambda: place.secret()["tls.crt"] != served)
    assert stream.failures == []
    assert place.bundle() == before
    assert any("tls.crt has the key of another certificate" in one.log() for one in place.injectors)


def test_an_authority_that_was_edited_is_told_and_everything_can_be_made_anew(place: Place):
    """No one changes the Secret until an operator says so; what is served stays, and a new replica isn't ready."""
    stream, third = place.stream("unusable"), place.injector("three")
    before = place.bundle()
    with stream.running(POD, place.authority):
        place.edit(lambda data: {"ca.crt": base64.b64decode(data["ca.crt"]).decode()[:300]})
        problem = "ca.crt is no certificate in PEM form"
        eventually_blocking(lambda: all(problem in one.log() for one in place.injectors))
        third.start(wait=False)
        eventually_blocking(lambda: problem in third.log())
        assert third.runs()
        assert not third.ready()
        third.stop()
        assert all(one.ready() for one in place.injectors)
    assert stream.failures == []
    assert place.bundle() == before
    place.rotate("anew")
    eventually_blocking(lambda: place.bundle() not in ([], before))
    eventually_blocking(place.works)
    # Every replica serves it.
    assert all(one.ready() for one in place.injectors)


def test_nothing_else_of_the_webhook_configuration_is_changed(place: Place):
    """Applied again as it was printed, it keeps its authorities; without them they are written again."""
    read = ("get", "mutatingwebhookconfiguration", "tabard-injector", "--output", "json")
    before = json.loads(place.kubectl(*read))
    place.injectors[0].register(place.kubectl, place.balancer.port, managed=True)
    again = json.loads(place.kubectl(*read))
    assert again["webhooks"] == before["webhooks"]
    gone = [{"op": "remove", "path": f"/webhooks/{index}/clientConfig/caBundle"} for index in range(3)]
    place.kubectl("patch", *read[1:3], "--type=json", "--patch", json.dumps(gone))
    eventually_blocking(lambda: json.loads(place.kubectl(*read))["webhooks"] == before["webhooks"])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
