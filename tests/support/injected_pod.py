"""An injected pod of a real API server, its containers run as the kubelet would run them: users of their own."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tabard_sidecar.identity.local import create_local_key, mint_local_token
from tabard_sidecar.injector.conf import InjectorSettings
from tabard_sidecar.injector.patching import inject

from tests.support.injecting import container, patched, pod
from tests.support.injector_process import apply
from tests.support.kube_server import Kubectl
from tests.support.manifests import container as named
from tests.support.manifests import manifests
from tests.support.pod import Pod
from tests.support.waiting import eventually_blocking

NAMESPACE, ACCOUNT = "support", "support-agent"
BOUND = ("--bound-object-kind", "Pod", "--bound-object-name", ACCOUNT)
_PROGRAM = (
    "import sys, tabard\n"
    "with tabard.connect() as client, client.start_task(sys.argv[1], purpose='support', statement='x') as task:\n"
    "    print(task.authorize('tickets.read', {'id': 1}).credential.audience)\n"
)


class InjectedPod:
    """A pod that was created in the namespace ``support``, with its volumes laid out; :meth:`run` runs its sidecar.

    Args:
        kubectl: the API server's.
        cluster: the API server's folder.
        settings: the injector's.
    """

    def __init__(self, kubectl: Kubectl, cluster: Path, settings: InjectorSettings) -> None:
        self._kubectl = kubectl
        document = pod(container(securityContext={"runAsUser": 10001, "runAsGroup": 10001}))
        document["spec"]["serviceAccountName"] = ACCOUNT
        document = patched(document, inject(document, settings))
        kubectl("create", "namespace", NAMESPACE)
        kubectl("create", "serviceaccount", ACCOUNT, "--namespace", NAMESPACE)
        apply(kubectl, document, "--namespace", NAMESPACE)
        self.folder = Path(tempfile.mkdtemp(prefix="tabard-inj-"))
        self.pod = Pod(self.folder, document)
        self.pod.empty_dirs()
        self.pod.files("/etc/tabard/config", {"tabard.yaml": "zone: support\n"})
        self.pod.files(
            "/etc/tabard/policy", {"tickets.rego": manifests()["ConfigMap"]["data"]["tickets.rego"]}
        )
        identity = {
            "token": self.token("--audience", "tabard"),
            "api-token": self.token(),
            "ca.crt": (cluster / "apiserver.crt").read_text(),
        }
        self.pod.files("/var/run/secrets/tabard", identity)

    def token(self, *arguments: str) -> str:
        """Return a token as the kubelet would get it for this pod."""
        command = ("create", "token", ACCOUNT, "--namespace", NAMESPACE, *BOUND, *arguments)
        return self._kubectl(*command).strip()

    @property
    def log(self) -> str:
        """What the sidecar printed."""
        return (self.folder / "sidecar.log").read_text()

    def ready(self) -> subprocess.CompletedProcess[str]:
        """Ask as the startup probe does."""
        probe = named(self.pod.document, "tabard")["startupProbe"]["exec"]["command"]
        command = self.pod.command("tabard", probe)
        environment = self._environment()
        return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)

    def authorize(self) -> subprocess.CompletedProcess[str]:
        """Have the agent start a task and ask for a call; it finds the sidecar by the variable that it was given."""
        token = mint_local_token(
            self.folder / "local.json", subject_id="alice", claims={"groups": ["support"]}
        )
        return self.pod.run("agent", ["python", "-c", _PROGRAM, token])

    @contextmanager
    def run(self, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run the sidecar for the length of a block, whether or not it becomes ready."""
        local = self.folder / "sidecars.json"
        if not local.exists():
            create_local_key(self.folder / "local.json")
            shutil.copy(self.folder / "local.json", local)
            shutil.chown(local, named(self.pod.document, "tabard")["securityContext"]["runAsUser"])
        server = self._kubectl("config", "view", "--output", "jsonpath={.clusters[0].cluster.server}")
        command = [
            *named(self.pod.document, "tabard")["command"],
            *("--set", f"identity.agent.service_account.jwks_url={server}/openid/v1/jwks"),
            *("--set", f"insecure.local_subjects={local}", "--set", "insecure.accept_asserted_intent=true"),
            *("--set", f"http.listen=unix:{self.pod.path('/run/tabard/operator/http')}"),
            *options,
        ]
        with (self.folder / "sidecar.log").open("wb") as log:
            process = subprocess.Popen(
                self.pod.command("tabard", command), env=self._environment(), cwd="/", stdout=log, stderr=log
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the sidecar is ready."""

        def ready() -> bool:
            assert process.poll() is None, self.log[-4000:]
            return self.ready().returncode == 0

        eventually_blocking(ready, 120)

    def remove(self) -> None:
        """Remove its files."""
        shutil.rmtree(self.folder)

    def _environment(self) -> dict[str, str]:
        """Return the environment of the sidecar's container, with its manifest's variables."""
        given = {one["name"]: self._value(one) for one in named(self.pod.document, "tabard")["env"]}
        return {**self.pod.environment(), **given}

    def _value(self, variable: dict[str, Any]) -> str:
        if "value" in variable:
            return self.pod.path(variable["value"])
        assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.namespace"
        return NAMESPACE
