"""The hand-written pod on a real API server, and its containers run as the kubelet would run them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tabard_sidecar.identity.local import create_local_key, mint_local_token

from tests.support.kube_server import Kubectl, kube_server, kubectl_of
from tests.support.manifests import POD, container, manifests
from tests.support.pod import Pod
from tests.support.waiting import eventually_blocking

NAMESPACE = "support"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """A running API server; its folder."""
    with kube_server() as folder:
        yield folder


@pytest.fixture(scope="module")
def kubectl(cluster: Path) -> Kubectl:
    """Runs kubectl as the administrator; gives what it printed."""
    return kubectl_of(cluster)


@pytest.fixture(scope="module")
def applied(kubectl: Kubectl) -> dict[str, Any]:
    """The pod as the API server stored it, in a namespace that enforces the restricted standard."""
    kubectl("create", "namespace", NAMESPACE)
    for mode in ("enforce", "warn", "audit"):
        kubectl("label", "namespace", NAMESPACE, f"pod-security.kubernetes.io/{mode}=restricted")
    kubectl("apply", "--namespace", NAMESPACE, "--warnings-as-errors", "--filename", str(POD))
    stored: dict[str, Any] = json.loads(
        kubectl("get", "pod", "support-agent", "--namespace", NAMESPACE, "--output", "json")
    )
    return stored


def test_the_restricted_standard_accepts_the_pod(applied: dict[str, Any]):
    """Nothing is refused, warned of, dropped or added that matters."""
    assert container(applied, "tabard")["restartPolicy"] == "Always"
    names = {volume["name"] for volume in applied["spec"]["volumes"]}
    assert names == {volume["name"] for volume in manifests()["Pod"]["spec"]["volumes"]}
    assert len(container(applied, "agent")["volumeMounts"]) == 1


def test_the_restricted_standard_is_enforced(applied: dict[str, Any], kubectl: Kubectl):
    """The same pod with one privilege more is refused, so the test above means something."""
    del applied
    pod = manifests()["Pod"]
    pod["metadata"]["name"] = "privileged"
    container(pod, "agent")["securityContext"]["allowPrivilegeEscalation"] = True
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(pod, file)
        file.flush()
        answer = kubectl("apply", "--namespace", NAMESPACE, "--filename", file.name, check=False)
    assert "violates PodSecurity" in answer


@pytest.fixture(scope="module")
def pod(applied: dict[str, Any], cluster: Path, kubectl: Kubectl) -> Iterator[Pod]:
    """The pod's sidecar, running with the identity that the API server gave it."""
    del applied
    folder = Path(tempfile.mkdtemp(prefix="tabard-pod-"))
    pod = Pod(folder)
    pod.empty_dirs()
    pod.new_keys()
    config = manifests()["ConfigMap"]["data"]
    pod.files(
        "/etc/tabard", {"tabard.yaml": config["tabard.yaml"], "policy/tickets.rego": config["tickets.rego"]}
    )
    token = ("create", "token", "support-agent", "--namespace", NAMESPACE)
    bound = ("--bound-object-kind", "Pod", "--bound-object-name", "support-agent")
    pod.files(
        "/var/run/secrets/tabard",
        {
            "api-token": kubectl(*token, *bound).strip(),
            "ca.crt": (cluster / "apiserver.crt").read_text(),
        },
    )
    pod.prepare()
    server = kubectl("config", "view", "--output", "jsonpath={.clusters[0].cluster.server}")
    local = folder / "local.json"
    create_local_key(local)
    claims = {"groups": ["support"]}
    (folder / "token").write_text(mint_local_token(local, subject_id="alice", claims=claims))
    os.chown(local, container(manifests()["Pod"], "tabard")["securityContext"]["runAsUser"], pod.group)
    command = [
        *(pod.path(word) for word in container(manifests()["Pod"], "tabard")["command"]),
        *("--set", f"identity.agent.service_account.jwks_url={server}/openid/v1/jwks"),
        # A person who can be had without an identity provider.
        *("--set", f"insecure.local_subjects={local}", "--set", "insecure.accept_asserted_intent=true"),
        *("--set", f"http.listen=unix:{pod.path('/run/tabard/operator/http')}"),
    ]
    with (folder / "sidecar.log").open("wb") as log:
        process = subprocess.Popen(
            pod.command("tabard", command), env=pod.environment(), cwd="/", stdout=log, stderr=log
        )
    try:
        _until(pod, process, exit_code=1)
        pod.before = pod.run("tabard", ["tabard", "health", "--address", _health(pod)]).stdout
        # The kubelet writes the token.
        pod.add("/var/run/secrets/tabard", "token", kubectl(*token, *bound, "--audience", "tabard").strip())
        _until(pod, process, exit_code=0)
        yield pod
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder)


def _health(pod: Pod) -> str:
    return f"unix:{pod.path('/run/tabard/operator/tabard.health')}"


def _until(pod: Pod, process: subprocess.Popen[bytes], *, exit_code: int) -> None:
    def answers() -> bool:
        assert process.poll() is None, (pod.folder / "sidecar.log").read_text()[-4000:]
        answer = pod.run("tabard", ["tabard", "health", "--address", _health(pod)])
        return answer.returncode == exit_code and "starting" not in answer.stdout

    eventually_blocking(answers)


def test_the_sidecar_is_not_ready_until_its_identity_is_verified(pod: Pod):
    """The README's promise: what is missing is told, and the sidecar is ready once it is there."""
    assert pod.before.startswith("degraded (not ready)\n")
    assert f"agent: service-account token {pod.path('/var/run/secrets/tabard/token')}:" in pod.before
    assert pod.before.count("\n") == 3  # the status, the sidecar, and this


def test_the_agent_is_authorized_as_its_service_account(pod: Pod):
    """A call from the agent's container is decided with the verified identity of the pod in the input."""
    token = (pod.folder / "token").read_text()
    program = (
        "import sys, tabard\n"
        "with tabard.connect() as client, client.start_task(sys.argv[1], purpose='support', statement='x') as task:\n"
        "    print(task.authorize('tickets.read', {'id': 1}).credential.audience)\n"
    )
    answer = pod.run("agent", ["python", "-c", program, token])
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip() == "https://tickets.example.org"
    records = [
        json.loads(line)
        for line in (pod.folder / "sidecar.log").read_text().splitlines()
        if '"input"' in line
    ]
    agents = {record["input"]["agent"]["id"] for record in records}
    assert agents == {f"spiffe://cluster.local/ns/{NAMESPACE}/sa/support-agent"}
    assert records[-1]["input"]["agent"]["attributes"]["pod"] == "support-agent"


@pytest.mark.parametrize(
    "path",
    [
        "/var/lib/tabard/keys/ring",
        "/run/tabard/operator",
        "/var/lib/tabard/state/zone.db",
    ],
)
def test_the_agent_cannot_look_into_what_is_the_sidecars(pod: Pod, path: str):
    """Even if it were mounted there by mistake, the agent's user would be refused."""
    target = pod.path(path)
    assert Path(target).exists()
    answer = pod.run(
        "agent", ["bash", "-c", f'if [ -d "{target}" ]; then ls "{target}"; else cat "{target}"; fi']
    )
    assert answer.returncode != 0
    assert "denied" in answer.stderr


def test_the_agent_cannot_replace_the_socket(pod: Pod):
    """It may connect, and nothing else."""
    socket = pod.path("/run/tabard/agent/tabard.sock")
    assert pod.run("agent", ["mv", socket, f"{socket}.old"]).returncode != 0
