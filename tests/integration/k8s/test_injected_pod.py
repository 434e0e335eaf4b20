"""An injected pod, its containers run as the kubelet would run them: users of their own, and no group in common."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tabard_sidecar.identity.local import create_local_key, mint_local_token
from tabard_sidecar.injector.patching import inject

from tests.support.injecting import container, patched, pod, settings
from tests.support.injector_process import apply
from tests.support.kube_server import kube_server, kubectl_of
from tests.support.manifests import container as named
from tests.support.manifests import manifests
from tests.support.pod import Pod
from tests.support.waiting import eventually_blocking

NAMESPACE = "support"


def _manifest() -> dict[str, object]:
    agent = container(securityContext={"runAsUser": 10001, "runAsGroup": 10001})
    document = pod(agent)
    document["spec"]["serviceAccountName"] = "support-agent"
    return patched(document, inject(document, settings()))


def _environment(running: Pod, name: str) -> dict[str, str]:
    """Return the environment of a container, with its manifest's variables."""
    given = {one["name"]: running.path(one["value"]) for one in named(running.document, name)["env"]}
    return {**running.environment(), **given}


@pytest.fixture(scope="module")
def running() -> Iterator[Pod]:
    """The pod with a sidecar that is ready; the tokens are those that the API server gives for this pod."""
    folder = Path(tempfile.mkdtemp(prefix="tabard-inj-"))
    with kube_server() as cluster:
        kubectl = kubectl_of(cluster)
        document = _manifest()
        kubectl("create", "namespace", NAMESPACE)
        kubectl("create", "serviceaccount", "support-agent", "--namespace", NAMESPACE)
        apply(kubectl, document, "--namespace", NAMESPACE)
        running = Pod(folder, document)
        running.empty_dirs()
        running.new_keys()
        running.files("/etc/tabard/config", {"tabard.yaml": "zone: support\n"})
        policy = manifests()["ConfigMap"]["data"]["tickets.rego"]
        running.files("/etc/tabard/policy", {"tickets.rego": policy})
        token = ("create", "token", "support-agent", "--namespace", NAMESPACE)
        bound = ("--bound-object-kind", "Pod", "--bound-object-name", "support-agent")
        running.files(
            "/var/run/secrets/tabard",
            {
                "token": kubectl(*token, *bound, "--audience", "tabard").strip(),
                "api-token": kubectl(*token, *bound).strip(),
                "ca.crt": (cluster / "apiserver.crt").read_text(),
            },
        )
        running.prepare()
        local = folder / "local.json"
        create_local_key(local)
        (folder / "person").write_text(
            mint_local_token(local, subject_id="alice", claims={"groups": ["support"]})
        )
        shutil.chown(local, named(document, "tabard")["securityContext"]["runAsUser"])
        server = kubectl("config", "view", "--output", "jsonpath={.clusters[0].cluster.server}")
        command = [
            *named(document, "tabard")["command"],
            *("--set", f"identity.agent.service_account.jwks_url={server}/openid/v1/jwks"),
            *("--set", f"insecure.local_subjects={local}", "--set", "insecure.accept_asserted_intent=true"),
            *("--set", f"http.listen=unix:{running.path('/run/tabard/operator/http')}"),
        ]
        with (folder / "sidecar.log").open("wb") as log:
            process = subprocess.Popen(
                running.command("tabard", command),
                env=_environment(running, "tabard"),
                cwd="/",
                stdout=log,
                stderr=log,
            )
        try:
            eventually_blocking(lambda: _ready(running, process), 120)
            yield running
        finally:
            process.terminate()
            process.wait(30)
            shutil.rmtree(folder)


def _ready(running: Pod, process: subprocess.Popen[bytes]) -> bool:
    """Ask as the startup probe does."""
    assert process.poll() is None, (running.folder / "sidecar.log").read_text()[-4000:]
    command = running.command("tabard", named(running.document, "tabard")["startupProbe"]["exec"]["command"])
    answer = subprocess.run(
        command, env=_environment(running, "tabard"), cwd="/", capture_output=True, check=False
    )
    return answer.returncode == 0


def test_an_agent_of_another_user_is_authorized_as_its_service_account(running: Pod):
    """It finds the sidecar by the one variable that it was given."""
    program = (
        "import sys, tabard\n"
        "with tabard.connect() as client, client.start_task(sys.argv[1], purpose='support', statement='x') as task:\n"
        "    print(task.authorize('tickets.read', {'id': 1}).credential.audience)\n"
    )
    token = (running.folder / "person").read_text()
    answer = running.run("agent", ["python", "-c", program, token])
    assert answer.stdout.strip() == "https://tickets.example.org", answer.stderr
    lines = (running.folder / "sidecar.log").read_text().splitlines()
    agents = {json.loads(line)["input"]["agent"]["id"] for line in lines if '"input"' in line}
    assert agents == {f"spiffe://cluster.local/ns/{NAMESPACE}/sa/support-agent"}


def test_the_keyring_is_the_sidecars(running: Pod):
    """Even where the volume were mounted by mistake."""
    assert running.run("agent", ["ls", running.path("/var/lib/tabard/keys/ring")]).stderr.count("denied") == 1


def test_the_state_is_in_its_volume(running: Pod):
    assert [path.name for path in Path(running.path("/var/lib/tabard/state")).rglob("*.db")] == ["support.db"]
