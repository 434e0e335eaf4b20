"""The injector behind a real API server, which admits and stores pods as it would in a cluster."""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tabard_sidecar.injector.loading import load_injector
from tabard_sidecar.injector.patching import inject

from tests.support.injecting import container, pod
from tests.support.injector_process import InjectorProcess, apply
from tests.support.kube_server import Kubectl, kube_server, kubectl_of
from tests.support.pod_stream import PodStream
from tests.support.tls import Authority
from tests.support.waiting import eventually_blocking

LABEL = "tabard.dev/inject"
OURS = ["tabard-prepare", "tabard"]
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    with kube_server() as folder:
        yield folder


@pytest.fixture(scope="module")
def kubectl(cluster: Path) -> Kubectl:
    """Runs kubectl on a server with four namespaces; a namespace's objects that controllers make are made here."""
    kubectl = kubectl_of(cluster)
    for name, labels in (
        ("support", [f"{LABEL}=enabled", "pod-security.kubernetes.io/enforce=restricted"]),
        ("plain", []),
        ("limited", [f"{LABEL}=enabled"]),
        ("tabard-system", [f"{LABEL}=enabled"]),
    ):
        kubectl("create", "namespace", name)
        for label in labels:
            kubectl("label", "namespace", name, label)
    for name in ("support", "plain", "limited", "tabard-system", "kube-system"):
        kubectl("create", "serviceaccount", "default", "--namespace", name)
    # Even a label doesn't bring in what is exempt.
    kubectl("label", "namespace", "kube-system", f"{LABEL}=enabled")
    return kubectl


@pytest.fixture(scope="module")
def injector(kubectl: Kubectl) -> Iterator[InjectorProcess]:
    """A running injector that the API server asks."""
    with tempfile.TemporaryDirectory(prefix="tabard-injector-") as folder:
        process = InjectorProcess(Path(folder))
        process.start()
        try:
            process.register(kubectl)
            eventually_blocking(lambda: "Forbidden" in _asked(kubectl))
            yield process
        finally:
            process.kill()


def _asked(kubectl: Kubectl) -> str:
    """Try a pod that is refused once the API server knows the webhook."""
    document = named("probe", pod(agent(), annotations={"tabard.dev/unknown": "x"}))
    return apply(kubectl, document, "--namespace", "support", "--dry-run=server", check=False)


def agent(name: str = "agent", **fields: Any) -> dict[str, Any]:
    return container(name, securityContext=RESTRICTED, **fields)


def named(name: str, document: dict[str, Any], **labels: str) -> dict[str, Any]:
    document["metadata"] |= {"name": name, "labels": labels}
    return document


def created(
    kubectl: Kubectl, document: dict[str, Any], namespace: str = "support", *arguments: str
) -> dict[str, Any]:
    """Create a pod; return it as it is stored."""
    text = apply(
        kubectl, document, "--namespace", namespace, "--output", "json", "--warnings-as-errors", *arguments
    )
    stored: dict[str, Any] = json.loads(text)
    return stored


def inits(document: dict[str, Any]) -> list[str]:
    return [one["name"] for one in document["spec"].get("initContainers", [])]


def test_a_pod_of_a_labelled_namespace_is_injected(injector: InjectorProcess, kubectl: Kubectl):
    """The restricted standard accepts what is stored, and the injector would change nothing more."""
    stored = created(kubectl, named("first", pod(agent(), initContainers=[agent("migrate")])))
    assert inits(stored) == [*OURS, "migrate"]
    assert stored["spec"]["initContainers"][1]["restartPolicy"] == "Always"
    (container,) = stored["spec"]["containers"]
    assert [mount["name"] for mount in container["volumeMounts"]][-1] == "tabard-agent"
    assert container["env"] == [{"name": "TABARD_ADDRESS", "value": "unix:/run/tabard/agent/tabard.sock"}]
    assert inject(stored, load_injector(injector.config)) == []


def test_a_pod_without_the_usual_token_is_injected(injector: InjectorProcess, kubectl: Kubectl):
    """The sidecar has tokens of its own."""
    stored = created(kubectl, named("no-token", pod(agent(), automountServiceAccountToken=False)))
    assert inits(stored) == OURS
    assert [mount["name"] for mount in stored["spec"]["containers"][0]["volumeMounts"]] == ["tabard-agent"]
    tokens = [one for one in stored["spec"]["volumes"] if "projected" in one]
    assert [one["name"] for one in tokens] == ["tabard-identity"]


def test_a_namespace_with_default_limits(injector: InjectorProcess, kubectl: Kubectl):
    """Its own plugin completes our containers, which is no difference."""
    limits = {"type": "Container", "default": {"cpu": "500m", "memory": "1Gi"}}
    limits_object = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "limits"},
        "spec": {"limits": [limits]},
    }
    apply(kubectl, limits_object, "--namespace", "limited")
    eventually_blocking(
        lambda: (
            "500m"
            in json.dumps(created(kubectl, named("limited", pod()), "limited", "--dry-run=server")["spec"])
        )
    )
    stored = created(kubectl, named("limited", pod()), "limited")
    assert stored["spec"]["initContainers"][1]["resources"]["limits"] == {"cpu": "500m", "memory": "384Mi"}
    assert inject(stored, load_injector(injector.config)) == []


def test_labels_choose(injector: InjectorProcess, kubectl: Kubectl):
    """A pod for itself, a pod that wants none, a namespace without a label, and those that are exempt."""
    assert inits(created(kubectl, named("a", pod(), **{LABEL: "enabled"}), "plain")) == OURS
    assert inits(created(kubectl, named("b", pod()), "plain")) == []
    assert inits(created(kubectl, named("c", pod(agent()), **{LABEL: "disabled"}))) == []
    for namespace in ("kube-system", "tabard-system"):
        assert inits(created(kubectl, named("d", pod(hostPID=True)), namespace)) == []


REFUSED = {
    "shared processes": (pod(agent(), shareProcessNamespace=True), "spec.shareProcessNamespace is set"),
    "misspelt annotation": (
        pod(agent(), annotations={"tabard.dev/http-prot": "1"}),
        "did you mean tabard.dev/http-port?",
    ),
    "volume of ours": (
        pod(agent(), volumes=[{"name": "tabard-keys", "emptyDir": {}}]),
        "the name of the volume tabard-keys is the injector's",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_reaches_who_creates_the_pod(injector: InjectorProcess, kubectl: Kubectl, case: str):
    document, reason = REFUSED[case]
    said = apply(kubectl, named("refused", document), "--namespace", "support", check=False)
    assert '"namespace.inject.tabard.dev" denied the request: pod "refused": ' in said
    assert reason in said
    assert "refused" not in kubectl("get", "pods", "--namespace", "support")


def test_a_misspelt_label_of_a_pod_is_refused(injector: InjectorProcess, kubectl: Kubectl):
    """It is never taken for "no"."""
    document = named("typo", pod(), **{LABEL: "Enabled"})
    said = apply(kubectl, document, "--namespace", "plain", check=False)
    assert 'is "Enabled"; write enabled or disabled' in said


def test_a_dry_run_creates_nothing(injector: InjectorProcess, kubectl: Kubectl):
    stored = created(kubectl, named("dry", pod(agent())), "support", "--dry-run=server")
    assert inits(stored) == OURS
    assert "dry" not in kubectl("get", "pods", "--namespace", "support")


class _Mesh(BaseHTTPRequestHandler):
    """Another webhook: puts a container of its own first, unless there is one."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = body["request"]["object"]["spec"].get("initContainers")
        patch = []
        if not any(one["name"] == "mesh-init" for one in found or ()):
            value = agent("mesh-init")
            path = "/spec/initContainers/0" if found else "/spec/initContainers"
            patch = [{"op": "add", "path": path, "value": value if found else [value]}]
        answer = {
            "uid": body["request"]["uid"],
            "allowed": True,
            "patchType": "JSONPatch",
            "patch": base64.b64encode(json.dumps(patch).encode()).decode(),
        }
        text = json.dumps(
            {**{name: body[name] for name in ("apiVersion", "kind")}, "response": answer}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("name", ["a-mesh", "z-mesh"])
def test_another_webhook_before_or_after(
    injector: InjectorProcess, kubectl: Kubectl, tmp_path: Path, name: str
):
    """The API server asks again after another's change; ours is there once, and the other's isn't lost."""
    authority = Authority(tmp_path, "mesh")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*authority.issue("mesh"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Mesh)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    document = json.loads(
        kubectl("get", "mutatingwebhookconfiguration", "tabard-injector", "--output", "json")
    )
    webhook = document["webhooks"][1] | {"name": "mesh.example.org"}
    webhook["clientConfig"] = {
        "url": f"https://127.0.0.1:{server.server_port}/",
        "caBundle": base64.b64encode(authority.certificate.read_bytes()).decode(),
    }
    kind = {key: document[key] for key in ("apiVersion", "kind")}
    apply(kubectl, {**kind, "metadata": {"name": name}, "webhooks": [webhook]})
    try:
        dry = ("support", "--dry-run=server")
        eventually_blocking(
            lambda: "mesh-init" in inits(created(kubectl, named("m", pod(agent())), *dry)), 60
        )
        before = injector.reviews()
        found = inits(created(kubectl, named(name, pod(agent()))))
        assert sorted(found) == sorted([*OURS, "mesh-init"])
        assert found.index(OURS[0]) < found.index(OURS[1])
        # The server's own plugins run again, too: they mount the usual token into our containers.
        assert injector.reviews() - before >= 2
    finally:
        kubectl("delete", "mutatingwebhookconfiguration", name)
        server.shutdown()
        server.server_close()
        eventually_blocking(
            lambda: "mesh-init" not in inits(created(kubectl, named("m", pod(agent())), *dry)), 60
        )


def test_an_injector_that_is_gone_lets_no_pod_through_and_stops_no_other(
    injector: InjectorProcess, kubectl: Kubectl
):
    injector.kill()
    try:
        said = apply(kubectl, named("gone", pod(agent())), "--namespace", "support", check=False)
        assert 'failed calling webhook "namespace.inject.tabard.dev"' in said
        assert "gone" not in kubectl("get", "pods", "--namespace", "support")
        for namespace in ("kube-system", "tabard-system", "plain"):
            assert inits(created(kubectl, named("e", pod()), namespace)) == []
    finally:
        injector.start()
    assert inits(created(kubectl, named("gone", pod(agent())))) == OURS


def test_five_hundred_pods_in_a_row_while_the_certificate_is_renewed(
    injector: InjectorProcess, kubectl: Kubectl, cluster: Path
):
    """None fails, and each has its sidecar."""
    stop = threading.Event()

    def renew() -> None:
        count = 0
        while not stop.wait(0.7):
            count += 1
            injector.renew(f"renewed-{count}")

    stream = PodStream(kubectl, (cluster / "token").read_text().strip(), "support", "many")
    renewing = threading.Thread(target=renew)
    renewing.start()
    try:
        for _ in range(500):
            stream.create(pod(agent()), str(cluster / "apiserver.crt"))
    finally:
        stop.set()
        renewing.join()
    assert stream.failures == []
    assert len(stream.pods) == 500
    assert all(inits(one) == OURS for one in stream.pods)
    assert "certificate read" in injector.log()
